"""Our changes to loky's executors, of the library and of joblib's copy.

- Each worker gets a black box (concurrent/deaths/black_box.py), and starts in _work() below.
  _work() puts a FramedException in place of the engine's class for exceptions
  (concurrent/crossing.py), reads tasks by concurrent/process_pool/queues.py, and runs the engine's
  own loop. A context that starts the processes does so. We put the context into a finished executor
  without workers, because loky makes some of its executors itself.
- The initializer is ours as well, and runs the user's initializer. Loky compares its arguments to
  distinguish executors with other options.
- When the manager thread breaks the pool, every future gets an error of its own, with the worker's
  death, or with the initializer's exception as its cause. A shared error would collect the frames
  of all threads that raise the error.

Loky pickles with cloudpickle, so objects stay live even if only __main__ or a function knows their
class.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, Final

from ...core.hold import Hold, Holding, make_holding, remember_pipes
from ...core.options import Options
from ...live.keeping import bounded
from ..crossing import BrokenFuture, FramedException, run_initializer, traceback_of
from ..deaths.black_box import BlackBox
from ..engines import missing
from ..unknown import PlainLokyExecutor
from .breaking import Calls, PoolBreak, WorkerContext, tasks_of
from .on_death import Healing
from .queues import bounded_shutdown, read_results, read_tasks
from .shared import manager_attribute, stacks

# Modules with frames between the engine's and the task's.
_CALLERS: Final = ("joblib.parallel",)

# -- the worker

_box: BlackBox | None = None  # the worker's own


class _LokyFramedException(FramedException):
    def __init__(self, exc: BaseException) -> None:
        super().__init__(exc, traceback_of(exc))


def _work(
    box: BlackBox,
    options: Options,
    name: str,
    holding: Holding | None,
    heals: bool,
    call_queue: object,
    result_queue: object,
    *rest: object,
) -> None:
    """The main function of a worker: makes our changes, then runs the engine's loop.

    name: of the engine's module.
    heals: whether dead workers are replaced.
    """
    global _box
    _box = box
    if holding is not None:
        remember_pipes()
    engine: Any = importlib.import_module(name)
    reduction = importlib.import_module(name.rpartition(".")[0] + ".backend.reduction")
    files = [
        engine.__file__,
        *[sys.modules[other].__file__ for other in _CALLERS if other in sys.modules],
    ]
    settings = {
        "options": options,
        "holding": holding,
        "engine_files": frozenset(files),
        "dumps": staticmethod(bounded(reduction.get_loky_pickler())),
    }
    engine._ExceptionWithTraceback = type("FramedException", (_LokyFramedException,), settings)
    read_tasks(engine, call_queue, result_queue, box.words)
    if heals:
        from .healing_loky import note_states  # other workers need not import the module

        note_states(call_queue, result_queue, box.words)
    engine._process_worker(call_queue, result_queue, *rest)


def start_worker(
    options: Options,
    hold: Hold | bool | None,
    healing: Healing,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> None:
    """The initializer. `options`, `hold` and `healing` only serve loky's comparison."""
    if _box is not None:
        run_initializer(initializer, initargs, options, _box)
    elif initializer is not None:  # an unknown engine starts its own workers
        initializer(*initargs)


# -- the parent


def initialization(
    options: Options,
    hold: Hold | bool | None,
    healing: Healing,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> dict[str, Any]:
    """Arguments for an executor that adopt() can adopt. Raises TypeError as loky does."""
    if initializer is not None and not callable(initializer):
        raise TypeError(f"initializer must be a callable, got: {initializer!r}")
    settings = options, hold, healing
    return {"initializer": start_worker, "initargs": (*settings, initializer, initargs)}


def adopt(
    executor: Any,
    engine: ModuleType,
    options: Options,
    hold: Hold | bool | None,
    healing: Healing,
    calls_of: Callable[[Any], Calls | None] = lambda function: None,
) -> Any:
    """Makes an executor of any class ours. The executor was made with initialization(), and has no
    workers yet. A second call does nothing.

    calls_of: returns the calls behind a function without arguments, if the function stands for
        several calls.
    """
    if not is_adopted(executor) and missing(engine.__name__.partition(".")[0]):
        executor.__class__ = type(type(executor).__name__, (PlainLokyExecutor, type(executor)), {})
        executor._trace = options
        executor._holding = make_holding(hold)
    if not is_adopted(executor):
        context = executor._context
        executor._max_deaths = healing.survived(executor._max_workers)
        heals = executor._max_deaths is not None
        executor._context = WorkerContext(
            context, options, _work, engine.__name__, make_holding(hold), heals
        )
        read_results(engine, executor)
        if heals:
            from .healing_loky import number_in
            from .loky_pipes import survive_cuts

            survive_cuts(executor, number_in)
        cls: Any = type(executor)
        executor.__class__ = adopted_class(cls, engine, calls_of)
    return executor


def is_adopted(executor: object) -> bool:
    if isinstance(executor, PlainLokyExecutor):
        return True
    context = getattr(executor, "_context", None)
    return isinstance(context, WorkerContext)


@functools.lru_cache
def adopted_class(cls: Any, engine: Any, calls_of: Callable[[Any], Calls | None]) -> type:
    """The executor's class, with a manager thread of ours."""

    def describe(process: BaseProcess, items: dict[int, Any]) -> list[str]:
        return tasks_of(process, items, engine._process_chunk, calls_of)

    class Manager(engine._ExecutorManagerThread):  # type: ignore[misc]  # either engine's
        def terminate_broken(self, broken: object) -> None:
            items = self.pending_work_items
            why = PoolBreak(self.processes, lambda process: describe(process, items))
            why.explain(broken)
            for death in why.deaths:
                # loky's own workers write to the same place
                if death.text and sys.stderr is not None:
                    sys.stderr.write(death.text)
            # The engine does the same next. After the next line, submit() adds no future.
            self.executor_flags.flag_as_broken(broken)
            for item in items.values():
                item.future = BrokenFuture(item.future, _own)
            with bounded_shutdown(self.processes, self.call_queue):
                # With an open reader, the thread that writes tasks blocks forever on a full pipe.
                self.call_queue._reader.close()
                super().terminate_broken(broken)

        def join_executor_internals(self) -> None:
            with bounded_shutdown(self.processes, self.call_queue):
                super().join_executor_internals()

    def adopt_manager(executor: Any, manager: Any) -> None:
        manager.__class__ = Manager
        if executor._max_deaths is not None:
            from .healing_loky import healing_manager

            manager.__class__ = healing_manager(Manager, engine, describe)
            manager.max_deaths = executor._max_deaths

    members = {
        "__module__": cls.__module__,
        "_executor_manager_thread": manager_attribute(adopt_manager),
        "_tasks_of": lambda self, process: describe(process, self._pending_work_items),
        "stacks": stacks,
    }
    return type(cls.__name__, (cls,), members)


def _own(shared: BaseException) -> BaseException:
    """A copy of the shared error, for a single future."""
    told: Any = type(shared)(*shared.args)
    told.__cause__ = shared.__cause__
    for note in getattr(shared, "__notes__", ()):
        told.add_note(note)
    told.deaths = list(getattr(shared, "deaths", ()))
    return told  # type: ignore[no-any-return]  # Any, because the attribute is ours
