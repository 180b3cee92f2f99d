"""What the executors of loky have in common, those of the library and those of the copy inside joblib.

In the worker: the initializer, which is ours, puts a Crossing in place of the engine's class for exceptions (see
_boundary.py), and then runs the user's. In the parent: the manager thread, as it breaks, gives every future an error of
its own (one that all share would collect the frames of all who raise it), whose cause is what the initializer raised.

Loky pickles with cloudpickle, so objects of classes that only __main__ or a function knows stay live here.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any, Final

from .._live import bounded
from .._options import Options
from ._boundary import BrokenFuture, Crossing, from_bytes, run_initializer, traceback_of

# Modules whose frames are between the engine's and the task's.
_CALLERS: Final = ("joblib.parallel",)


class _LokyCrossing(Crossing):
    def __init__(self, exc: BaseException) -> None:
        super().__init__(exc, traceback_of(exc))


def start_worker(
    name: str, options: Options, failures: Any, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> None:
    """Runs first in every worker. name: of the engine's module."""
    engine: Any = importlib.import_module(name)
    reduction = importlib.import_module(name.rpartition(".")[0] + ".backend.reduction")
    files = [engine.__file__, *[sys.modules[other].__file__ for other in _CALLERS if other in sys.modules]]
    settings = {
        "options": options,
        "engine_files": frozenset(files),
        "dumps": staticmethod(bounded(reduction.get_loky_pickler())),
    }
    engine._ExceptionWithTraceback = type("Crossing", (_LokyCrossing,), settings)
    run_initializer(initializer, initargs, options, failures)


def initialization(
    engine: Any, options: Options, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> dict[str, Any]:
    """The arguments that make an executor of loky start its workers with start_worker. Raises TypeError as loky does."""
    if initializer is not None and not callable(initializer):
        raise TypeError(f"initializer must be a callable, got: {initializer!r}")
    return {"initializer": start_worker, "initargs": (engine.__name__, options, None, initializer, initargs)}


def adopt(executor: Any, engine: Any) -> Any:
    """Makes an executor that was started with initialization(), whatever its class, tell why it broke. Once is enough."""
    if not hasattr(executor, "_keeptrace_failures"):
        executor._keeptrace_failures = None
        # else a profiler put an initializer of its own first, or the user has none
        if executor._initializer is start_worker and executor._initargs[3] is not None:
            executor._keeptrace_failures = failures = engine.SimpleQueue(ctx=executor._context)
            executor._initargs = (*executor._initargs[:2], failures, *executor._initargs[3:])
        cls: Any = type(executor)
        executor.__class__ = _telling(cls, engine)
    return executor


def _first(failures: Any) -> bytes | None:
    try:
        return failures.get() if failures is not None and failures._reader.poll(0) else None
    except (OSError, EOFError):  # closed with the executor, or the worker died as it wrote
        return None


@functools.lru_cache
def _telling(cls: Any, engine: Any) -> Any:
    """The executor's class, with a manager thread of ours."""

    class Manager(engine._ExecutorManagerThread):  # type: ignore[misc]  # which engine is known when this runs
        failures: Any

        def terminate_broken(self, broken: BaseException) -> None:
            failure = _first(self.failures)
            if failure is not None:
                broken.__cause__ = from_bytes(failure)
                broken.add_note("The initializer of a worker failed: see the cause above.")
            for item in self.pending_work_items.values():
                item.future = BrokenFuture(item.future, _own)
            super().terminate_broken(broken)

    def manager_of(self: Any) -> Any:
        return self.__dict__.get("_executor_manager_thread")

    def set_manager(self: Any, manager: Any) -> None:
        """The engine sets it before it starts it: the moment to make it ours."""
        if manager is not None:
            manager.__class__ = Manager
            manager.failures = self._keeptrace_failures
        self.__dict__["_executor_manager_thread"] = manager

    return type(cls.__name__, (cls,), {"__module__": cls.__module__, "_executor_manager_thread": property(manager_of, set_manager)})


def _own(shared: BaseException) -> BaseException:
    """An error like the shared one, for one future."""
    told = type(shared)(*shared.args)
    told.__cause__ = shared.__cause__
    for note in getattr(shared, "__notes__", ()):
        told.add_note(note)
    return told
