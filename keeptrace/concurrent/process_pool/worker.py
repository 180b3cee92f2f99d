"""A worker of KeepTraceProcessPoolExecutor: its steps before, around and after the engine's loop.

executor.py shows the whole. Spawned workers import the module, and so import all modules for a
failing task: a failure itself imports nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import process as engine
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from ...core.hold import Holding, allow_stop, become_held, remember_pipes
from ...core.options import Options
from ..crossing import context_of, framed_exception, run_initializer, traceback_of
from ..deaths.black_box import JOB, BlackBox
from .queues import CutMessage, read_tasks

if TYPE_CHECKING:
    from .pipes import TaskQueue

P = ParamSpec("P")
R = TypeVar("R")

# Reading a task's traceback raised an error: we search so far down the error's chain for the task's
# exception. (exceptions)
_MOST_CONTEXTS: Final = 100


def work(
    box: BlackBox,
    options: Options,
    holding: Holding | None,
    call_queue: TaskQueue,
    result_queue: object,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    most: int | None = None,
) -> None:
    """The main function of a worker: prepares the worker, then runs the engine's function."""
    if holding is not None:
        remember_pipes()
        allow_stop()
    framed = framed_exception(options, engine, holding=holding)
    setattr(engine, "_ExceptionWithTraceback", framed)
    read_tasks(engine, call_queue, result_queue, box.words)
    if holding is not None:
        call_queue.get = partial(_next_task, call_queue.get)
    if initializer is not None:
        initializer, initargs = run_initializer, (initializer, initargs, options, box)
    _run_loop(box, call_queue, result_queue, initializer, initargs, most)
    become_held()  # with the failure of its last task, if any


def _run_loop(
    box: BlackBox,
    call_queue: Any,
    result_queue: Any,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    most: int | None,
) -> None:
    """Runs the engine's loop; restarts the loop after an exception that refuses to be read."""
    while True:
        try:
            engine._process_worker(call_queue, result_queue, initializer, initargs, most)
            return
        except CutMessage:
            raise
        except BaseException as problem:
            exc, of_loop = _refusing(problem)
            if exc is None:
                raise
            crossed: Any = engine._ExceptionWithTraceback(exc, traceback_of(exc))
            engine._sendback_result(
                result_queue, box.words[JOB] - 1, exception=crossed, exit_pid=of_loop["exit_pid"]
            )
            if of_loop["exit_pid"] is not None:
                return
            most = most and most - of_loop["num_tasks"]
            initializer = None


def _next_task(get: Callable[P, R], *how: P.args, **more: P.kwargs) -> R:
    """The next task, unless the worker becomes a held process now."""
    become_held()
    return get(*how, **more)


def _refusing(problem: BaseException) -> tuple[BaseException | None, dict[str, Any]]:
    """The task's exception and the loop's variables, after reading the exception's traceback raised
    and killed the worker loop.

    The exception is None if the loop died for another reason.
    """
    frames = []
    entry = traceback_of(problem)
    while entry is not None:
        frames.append(entry.tb_frame)
        entry = entry.tb_next
    for exc in islice(_contexts(problem), _MOST_CONTEXTS):
        start = traceback_of(exc)
        if start is None or start.tb_frame not in frames:
            continue
        if start.tb_frame.f_code.co_filename == engine.__file__:
            return exc, frames[1].f_locals
    return None, {}


def _contexts(exc: BaseException) -> Iterator[BaseException]:
    while (exc := context_of(exc)) is not None:
        yield exc
