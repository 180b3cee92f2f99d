"""The manager thread of KeepTraceProcessPoolExecutor: its waiting, and the breaking of its pool.

concurrent/process_pool/executor.py shows the whole.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from concurrent.futures import process as engine
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from threading import RLock
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
    """The engine's class as in Python 3.14: a lock keeps wakeup() from writing to a pipe being
    closed.

    In older versions, a program ending while its pool breaks may print an OSError, or write to
    another file with the same descriptor.
    """

    _lock: RLock

    def close(self) -> None:
        with self._lock:
            super().close()

    def wakeup(self) -> None:
        with self._lock:
            super().wakeup()


class ManagerThread(engine._ExecutorManagerThread):
    """The engine's thread, but after a worker's death every future gets an error of its own, with
    the known facts.

    The thread waits by a lasting poll object. The engine makes two selectors for each result, and
    registers every worker.
    """

    def join(self, timeout: float | None = None) -> None:
        # The interpreter joins the thread at exit.
        free_abandoned(self.shutdown_lock, self.thread_wakeup._lock)  # type: ignore[attr-defined]
        super().join(timeout)

    # Starts a worker, and adds the worker to the given workers. The executor may be collected.
    hire: Callable[[dict[int, Any]], None]

    # The error of starting a worker in place of a held worker.
    _unreplaced: list[str] | None = None

    # The workers' pids, and the poll object for workers, results and wakeups.
    _polled: tuple[list[int], Any] = ([], None)

    def wait_result_broken_or_wakeup(self) -> Any:
        """Returns the same as the engine's method."""
        if self._unreplaced is not None:  # the pool is broken
            return None, True, self._unreplaced
        result, is_broken, cause = self._wait()
        exc = getattr(result, "exception", None)
        if exc is not None:
            stopped = take_stopped(exc)
            if stopped is not None:
                self._dismiss(stopped)
                result.exit_pid = None  # a worker may be dismissed after its last task, too
        return result, is_broken, cause

    def _dismiss(self, pid: int) -> None:
        """Lets a worker go that became a held process, and starts another worker in its place."""
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

    def _poll(self, results: Connection) -> list[tuple[int, int]]:
        pids, poll = self._polled
        if poll is None or pids != list(self.processes):
            poll = select.poll()
            processes = dict(self.processes)
            poll.register(results, select.POLLIN)
            poll.register(self.thread_wakeup._reader, select.POLLIN)
            for process in processes.values():
                poll.register(process.sentinel, select.POLLIN)
            self._polled = list(processes), poll
        return poll.poll()  # type: ignore[no-any-return]  # Windows has no poll objects

    def terminate_broken(self, *cause: Any) -> None:
        # We keep the executor alive: the engine drops its reference while holding the executor's
        # lock.
        executor: Any = self.executor_reference()
        self._break = _Break(self, executor)
        # The engine takes no lock here.
        if not hasattr(engine._ExecutorManagerThread, "_terminate_broken"):  # Python 3.11
            with self.shutdown_lock:
                if executor is not None:  # after these lines, submit() adds no future
                    executor._broken = ABRUPT
                    executor._shutdown_thread = True
                self._tell_futures()
        with bounded_shutdown(self.processes, self.call_queue):
            super().terminate_broken(*cause)
        self._break.tell_executor()
        del self._break  # because _Break refers to the executor

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

    def __init__(self, manager: ManagerThread, executor: Any) -> None:
        items = manager.pending_work_items
        super().__init__(
            manager.processes, lambda process: tasks_of(process, items, engine._process_chunk)
        )
        self._executor = executor
        self._told = not self.deaths

    def error(self, shared: BaseException) -> BrokenProcessPool:
        """A separate error for a future, with the known facts."""
        self.tell_executor()
        error = BrokenProcessPool(*shared.args)
        error.__cause__ = shared.__cause__
        self.explain(error)
        return error

    def tell_executor(self) -> None:
        """Adds the facts to the error of later submit() calls. The engine sets its error for
        submit() before the errors of the futures.
        """
        if not self._told and self._executor is not None:
            self._told = True
            self._executor._broken += f" ({' '.join(map(str, self.deaths))})"
