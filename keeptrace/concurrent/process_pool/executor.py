"""KeepTraceProcessPoolExecutor: concurrent.futures.ProcessPoolExecutor whose tasks' exceptions
arrive with their frames.

Our changes to the engine:

- The context that starts processes: each worker gets a black box (concurrent/deaths/black_box.py)
  and starts in work() of worker.py. work() puts FramedException in place of the engine's class for
  exceptions, and runs the engine's own loop.
- If reading `exc.__traceback__` raises, the worker loop dies; we send the exception and restart the
  loop.
- How a worker takes a task off the queue: the worker notes the task. A failure to unpickle the
  arguments fails only their task. The worker ends when the parent is gone, for any reason.
- How the parent takes a result off the queue: a failure to unpickle a result fails only its task.
- How the manager thread waits for results: cheaper than the engine's way. Waking an ending thread
  is safe.
- How workers shut down: in bounded time, even if a worker is killed meanwhile.
- How the manager thread breaks the pool: every future gets an error of its own, with the deaths of
  the workers and their tasks.

worker.py has the worker, manager.py the manager thread, queues.py the queues. The first executor of
a program imports them, with all that captures and restores: a program that only imports the class
need not wait for that, and workers that are forked find it all imported.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import process as engine
from concurrent.futures.process import ProcessPoolExecutor
from functools import partial
from multiprocessing.context import BaseContext
from queue import SimpleQueue
from threading import RLock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ...core.hold import Hold, make_holding
from ...core.options import Options, make_options
from .interrupts import free_abandoned, interrupts_deferred, make_event_atomic, make_future_atomic
from .on_death import OnDeath, check_on_death
from .shared import manager_attribute, stacks

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .crew import Crew

P = ParamSpec("P")
T = TypeVar("T")

# A forked child must not join these threads at exit: it would deadlock.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=engine._threads_wakeups.clear)


def _adopt(executor: Any, manager: Any) -> None:
    """Makes a manager thread ours."""
    if executor._crew is not None:
        from .healing import take_over  # other executors need not import the module

        take_over(manager, executor._crew)
    else:
        from .manager import ManagerThread

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

    Takes the arguments of concurrent.futures.ProcessPoolExecutor, with the same meaning.

    trace: what to keep of a failing task (keeptrace.Options).
    on_death: the fate of the pool when a worker dies. "break", as in the standard library: all
        tasks get a BrokenProcessPool. "replace": only the worker's own task gets the error, and
        another worker takes the dead worker's place (POSIX).
    max_deaths: with "replace", deaths in a row, without a finished task between, before the pool
        breaks all the same. Default: 3 for each worker.
    hold: True or a keeptrace.Hold keeps processes of failed tasks alive, for keeptrace.attach().

    After a death, tasks get a BrokenProcessPool with an attribute `deaths`: a list of WorkerDeath.
    With on_death="replace", the error of the worker's own task is a WorkerDied as well.

    Raises OptionError for another on_death or max_deaths, besides the engine's own errors."""

    _crew: Crew | None = None  # the workers of an executor that replaces dead workers

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
        from .breaking import WorkerContext
        from .manager import Wakeup
        from .queues import read_results
        from .worker import work

        options = make_options(trace)
        holding = make_holding(hold, can_stop=True)
        check_on_death(on_death, max_deaths)
        super().__init__(
            max_workers, mp_context, initializer, initargs, max_tasks_per_child=max_tasks_per_child
        )
        if on_death == "replace":
            from .crew import Crew

            self._crew = Crew(self, options, holding, max_deaths)
        self._mp_context: Any = WorkerContext(self._mp_context, options, work, holding)
        read_results(engine, self)
        # An interrupt could leave the engine's queue and semaphore locked.
        self._work_ids: Any = SimpleQueue()
        make_event_atomic(self._idle_worker_semaphore)
        # An RLock knows its owner, so we can free the lock after an interrupt.
        self._shutdown_lock: Any = RLock()
        calls: Any = self._call_queue  # type: ignore[attr-defined]  # missing in typeshed
        calls.shutdown_lock = self._shutdown_lock
        wakeup: Any = self._executor_manager_thread_wakeup
        if not hasattr(wakeup, "_lock"):
            wakeup.__class__ = Wakeup
        wakeup._lock = RLock()  # a collection of garbage within the lock may wake the thread, too

    _executor_manager_thread = manager_attribute(_adopt)
    stacks = stacks

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        try:
            future = super().submit(fn, *args, **kwargs)
        except BaseException:  # an interrupt, perhaps after the engine used the task's number
            self._free_abandoned()
            with self._shutdown_lock:
                self._queue_count += 1
            raise
        make_future_atomic(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._free_abandoned()
        try:
            super().shutdown(wait, cancel_futures=cancel_futures)
        except BaseException:  # an interrupt: perhaps nobody calls this executor again
            self._free_abandoned()
            raise

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
        from .breaking import tasks_of

        return tasks_of(process, self._pending_work_items, engine._process_chunk)


def _executor_collected(
    wakeup: Any, _: object, is_finalizing: Callable[[], bool] = sys.is_finalizing
) -> None:
    """Wakes the manager thread when the executor is collected.

    The engine takes the executor's shutdown lock first. But the thread dropping the last reference
    may hold the lock; and as the interpreter ends, the lock may belong to a thread that is gone."""
    if not is_finalizing():
        free_abandoned(wakeup._lock)
        wakeup.wakeup()
