"""The manager thread of KeepTraceProcessPoolExecutor: how the thread waits, and how its pool
breaks.

concurrent/process_pool/executor.py shows the whole.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from concurrent.futures import process as engine
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final

from ...core.hold import take_stopped
from ..crossing import BrokenFuture
from ..deaths.black_box import POSIX
from .breaking import PoolBreak, tasks_of
from .dismissed import dismiss
from .interrupts import free_abandoned
from .queues import bounded_shutdown

# The engine's text from Python 3.12 on.
ABRUPT: Final = "A child process terminated abruptly, the process pool is not usable anymore"


class Wakeup(engine._ThreadWakeup):
    """The engine's class as in Python 3.14: nobody writes to the pipe while the pipe is being
    closed.

    In older versions, a program that ends while its pool breaks may print an OSError, or write to
    another file with the same descriptor.
    """

    _lock: Any

    def close(self) -> None:
        with self._lock:
            super().close()

    def wakeup(self) -> None:
        with self._lock:
            super().wakeup()


class ManagerThread(engine._ExecutorManagerThread):
    """The engine's thread, but after a worker's death every future gets an error of its own, with
    the known facts.

    The thread waits by one poll object. The engine makes two selectors for each result, one with
    every worker in it.
    """

    def join(self, timeout: float | None = None) -> None:
        # The interpreter joins this thread at exit.
        free_abandoned(self.shutdown_lock, self.thread_wakeup._lock)  # type: ignore[attr-defined]
        super().join(timeout)

    # Starts a worker, and puts it among these. The executor may be collected by then.
    hire: Callable[[dict[int, Any]], None]

    # Why no worker could be started in place of one that is held.
    _unreplaced: list[str] | None = None

    # The workers' pids, and the poll object for these workers, results and wakeups.
    _polled: tuple[list[int], Any] = ([], None)

    def wait_result_broken_or_wakeup(self) -> Any:
        """Returns the same as the engine's method."""
        if self._unreplaced is not None:  # the pool is broken
            return None, True, self._unreplaced
        result, is_broken, cause = self._wait()
        exc = getattr(result, "exception", None)
        stopped = take_stopped(exc) if exc is not None else None
        if stopped is not None:
            self._dismiss(stopped)
            result.exit_pid = None  # after its last task, too
        return result, is_broken, cause

    def _dismiss(self, pid: int) -> None:
        """Lets a worker go that is held itself, and starts another one in its place."""
        workers: Any = self.processes
        with self.shutdown_lock:
            dismiss(workers.pop(pid))
            try:
                self.hire(workers)
            except Exception as problem:  # no memory, no processes
                import traceback

                self._unreplaced = traceback.format_exception(problem)

    def _wait(self) -> Any:
        """Handles only arrived results; everything else goes to the engine's method."""
        queue: Any = self.result_queue
        results = queue._reader
        if not POSIX or self._poll(results) != [(results.fileno(), select.POLLIN)]:
            return super().wait_result_broken_or_wakeup()
        try:
            return results.recv(), False, None
        except BaseException as problem:  # the pool is broken
            import traceback

            return None, True, traceback.format_exception(problem)

    def _poll(self, results: Any) -> list[tuple[int, int]]:
        pids, poll = self._polled
        if poll is None or pids != list(self.processes):
            poll = select.poll()
            processes = dict(self.processes)
            for file in (
                results,
                self.thread_wakeup._reader,
                *(process.sentinel for process in processes.values()),
            ):
                poll.register(file, select.POLLIN)
            self._polled = list(processes), poll
        return poll.poll()  # type: ignore[no-any-return]  # Any, because not every system has it

    def terminate_broken(self, *cause: Any) -> None:
        # Kept alive, because the engine drops its reference while holding the executor's lock.
        executor: Any = self.executor_reference()
        self._break = _Break(self, executor)
        # On Python 3.11 the engine takes no lock here.
        if not hasattr(engine._ExecutorManagerThread, "_terminate_broken"):
            with self.shutdown_lock:
                if executor is not None:  # from here on, submit() adds no future
                    executor._broken = ABRUPT
                    executor._shutdown_thread = True
                self._tell_futures()
        with bounded_shutdown(self.processes, self.call_queue):
            super().terminate_broken(*cause)
        self._break.tell_executor()
        del self._break  # it has the executor

    def _terminate_broken(self, *cause: object) -> None:
        self._tell_futures()
        super()._terminate_broken(*cause)  # type: ignore[misc]  # Python 3.12 and newer

    def join_executor_internals(self) -> None:
        with bounded_shutdown(self.processes, self.call_queue):
            super().join_executor_internals()

    def _tell_futures(self) -> None:
        items: dict[int, Any] = self.pending_work_items
        for item in items.values():
            item.future = BrokenFuture(item.future, self._break.error)


class _Break(PoolBreak):
    """Why the pool of a manager thread broke."""

    def __init__(self, manager: Any, executor: Any) -> None:
        items = manager.pending_work_items
        super().__init__(
            manager.processes, lambda process: tasks_of(process, items, engine._process_chunk)
        )
        self._executor = executor
        self._told = not self.deaths

    def error(self, shared: BaseException) -> BrokenProcessPool:
        """An error for one future, with the known facts."""
        self.tell_executor()
        error = BrokenProcessPool(*shared.args)
        error.__cause__ = shared.__cause__
        self.explain(error)
        return error

    def tell_executor(self) -> None:
        """Adds the facts to the error that submit() raises from now on; the engine sets this error
        before those of the futures.
        """
        if not self._told and self._executor is not None:
            self._told = True
            self._executor._broken += f" ({' '.join(map(str, self.deaths))})"
