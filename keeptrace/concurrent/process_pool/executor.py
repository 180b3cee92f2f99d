"""KeepTraceProcessPoolExecutor: concurrent.futures.ProcessPoolExecutor whose tasks' exceptions
arrive with their frames.

Our changes to the engine:

- The context that starts processes: each worker gets a black box (concurrent/deaths/black_box.py)
  and starts in _work() below. _work() puts FramedException in place of the engine's class for
  exceptions, and runs the engine's own loop.
- If reading `exc.__traceback__` raises, the worker loop dies; we send the exception and restart the
  loop.
- How a worker takes a task off the queue: the worker notes the task. Arguments that cannot be
  unpickled fail that task alone. The worker ends when the parent is gone, for any reason.
- How the parent takes a result off the queue: a result that cannot be unpickled fails its task
  alone.
- How the manager thread waits for results: cheaper than the engine's way. Waking the thread while
  it ends is safe.
- How workers shut down: in bounded time, even if a worker is killed meanwhile.
- How the manager thread breaks the pool: every future gets an error of its own, with the deaths of
  the workers and their tasks.

manager.py has the manager thread, queues.py the queues.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import process as engine
from concurrent.futures.process import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing.context import BaseContext
from queue import SimpleQueue
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from ...core.hold import (
    Hold,
    Holding,
    allow_stop,
    become_held,
    make_holding,
    remember_pipes,
)
from ...core.options import Options, make_options
from ..crossing import context_of, framed_exception, run_initializer, traceback_of
from ..deaths.black_box import JOB, BlackBox
from .breaking import WorkerContext, manager_attribute, stacks, tasks_of
from .interrupts import free_abandoned, interrupts_deferred, make_event_atomic, make_future_atomic
from .manager import ManagerThread, Wakeup
from .on_death import OnDeath, check_on_death
from .queues import CutMessage, read_results, read_tasks

if TYPE_CHECKING:
    from concurrent.futures import Future

P = ParamSpec("P")
T = TypeVar("T")

# How far below the task's exception may stand in the chain of the error that reading its traceback
# raised.
_MOST_CONTEXTS: Final = 100

# A forked child must not join these threads at exit: it would deadlock.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=engine._threads_wakeups.clear)

# -- the worker


def _work(
    box: BlackBox,
    options: Options,
    holding: Holding | None,
    call_queue: Any,
    result_queue: Any,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    most: int | None = None,
) -> None:
    """The main function of a worker: the engine's, within our surroundings."""
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
    become_held()  # of its last task


def _run_loop(
    box: BlackBox,
    call_queue: Any,
    result_queue: Any,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    most: int | None,
) -> None:
    """Runs the engine's loop, again after an exception that ended it."""
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


def _next_task(get: Callable[..., Any], *how: Any, **more: Any) -> Any:
    """The next task, unless this worker is held from here on."""
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
        if (
            start is not None
            and start.tb_frame in frames
            and start.tb_frame.f_code.co_filename == engine.__file__
        ):
            return exc, frames[1].f_locals
    return None, {}


def _contexts(exc: BaseException) -> Iterator[BaseException]:
    while (exc := context_of(exc)) is not None:
        yield exc


# -- the parent


def _adopt(executor: Any, manager: Any) -> None:
    """Makes a manager thread ours."""
    if executor._crew is not None:
        from .healing import take_over  # the workers of other executors do without

        take_over(manager, executor._crew)
    else:
        manager.__class__ = ManagerThread
        manager.hire = partial(
            _hire,
            executor._mp_context,
            (executor._call_queue, executor._result_queue),
            (executor._initializer, executor._initargs, executor._max_tasks_per_child),
        )
    manager.executor_reference = weakref.ref(
        executor, partial(_executor_collected, manager.thread_wakeup)
    )
    make_event_atomic(manager._started)


def _hire(
    context: Any,
    queues: tuple[object, object],
    start: tuple[object, tuple[Any, ...], int | None],
    workers: dict[int, Any],
) -> None:
    """Starts a worker, as the engine's _spawn_process() does."""
    process = context.Process(target=engine._process_worker, args=(*queues, *start))
    process.start()
    workers[process.pid] = process


class KeepTraceProcessPoolExecutor(ProcessPoolExecutor):
    """A ProcessPoolExecutor whose tasks' exceptions arrive with their whole chain, and their frames
    and variables.

    All arguments are those of concurrent.futures.ProcessPoolExecutor, and mean the same.

    trace: what to keep of a failing task (keeptrace.Options).
    on_death: what becomes of the pool when a worker dies. "break", as the standard library's: all
        tasks get a BrokenProcessPool. "replace": the worker's own task does, and another worker
        takes its place (POSIX).
    max_deaths: with "replace", how many workers may die one after the other, without a finished
        task between, before the pool breaks all the same. Default: 3 for each worker.
    hold: True or a keeptrace.Hold keeps processes of failed tasks alive, for keeptrace.attach().

    The BrokenProcessPool that tasks get when a worker dies has an attribute `deaths`: a list of
    WorkerDeath. With on_death="replace", the error of the worker's own task is a WorkerDied as
    well.

    Raises OptionError for another on_death or max_deaths, besides what the engine raises."""

    _crew: Any = None  # the workers, where those that die are replaced

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        trace: Options | None = None,
        on_death: OnDeath = "break",
        max_deaths: int | None = None,
        hold: Hold | bool | None = None,
    ) -> None:
        options = make_options(trace)
        holding = make_holding(hold, can_stop=True)
        check_on_death(on_death, max_deaths)
        super().__init__(
            max_workers, mp_context, initializer, initargs, max_tasks_per_child=max_tasks_per_child
        )
        if on_death == "replace":
            from .crew import Crew

            self._crew = Crew(self, options, holding, max_deaths)
        self._mp_context: Any = WorkerContext(self._mp_context, options, _work, holding)
        read_results(engine, self)
        self._work_ids: Any = SimpleQueue()  # the engine's can be left locked by an interrupt
        make_event_atomic(self._idle_worker_semaphore)  # nor is this made for interrupts
        self._shutdown_lock: Any = RLock()  # whose owner is known, if it was interrupted
        calls: Any = self._call_queue  # type: ignore[attr-defined]  # typeshed does not know it
        calls.shutdown_lock = self._shutdown_lock
        wakeup: Any = self._executor_manager_thread_wakeup
        if not hasattr(wakeup, "_lock"):
            wakeup.__class__ = Wakeup
        wakeup._lock = RLock()  # garbage that is collected within it may wake the thread as well

    _executor_manager_thread = manager_attribute(_adopt)
    stacks = stacks

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        try:
            future = super().submit(fn, *args, **kwargs)
        except BaseException:  # an interrupt, perhaps after the number was used
            self._free_abandoned()
            with self._shutdown_lock:
                self._queue_count += 1
            raise
        make_future_atomic(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._free_abandoned()
        super().shutdown(wait, cancel_futures=cancel_futures)

    if sys.version_info >= (3, 14):

        def terminate_workers(self) -> None:
            self._replace_no_more()
            super().terminate_workers()

        def kill_workers(self) -> None:
            self._replace_no_more()
            super().kill_workers()

    def _replace_no_more(self) -> None:
        if self._crew is not None:
            self._crew.replaces = False

    def _free_abandoned(self) -> None:
        wakeup: Any = self._executor_manager_thread_wakeup
        if wakeup is not None:
            free_abandoned(self._shutdown_lock, wakeup._lock)

    def _start_executor_manager_thread(self) -> None:
        if self._executor_manager_thread is None:
            with interrupts_deferred():
                super()._start_executor_manager_thread()

    def _spawn_process(self) -> None:
        with interrupts_deferred():
            if self._crew is not None:
                self._crew.hire()
            else:
                super()._spawn_process()  # type: ignore[misc]

    def _adjust_process_count(self) -> None:
        if self._crew is None:  # else its manager thread starts workers
            super()._adjust_process_count()

    def _tasks_of(self, process: object) -> list[str]:
        return tasks_of(process, self._pending_work_items, engine._process_chunk)


def _executor_collected(
    wakeup: Any, _: Any, is_finalizing: Callable[[], bool] = sys.is_finalizing
) -> None:
    """Wakes the manager thread when nobody has the executor any more.

    The engine takes the executor's shutdown lock for that. But the thread that drops the last
    reference may hold this lock, or a thread may have held it that is gone, as the interpreter
    ends."""
    if not is_finalizing():
        free_abandoned(wakeup._lock)
        wakeup.wakeup()
