"""KeepTraceProcessPoolExecutor(on_death="replace"): the death of a worker costs only its own task.

    executor ── work_ids ─▶ HealingManager, a thread      workers
                            ├─ Line ── task ───────────▶  healing_worker.work()
                            │       ◀── result ──         a socket pair each
                            ├─ Line ...

- The engine's workers share two queues, with a lock each: a worker that dies with a lock, or within
  a message, leaves broken queues behind. Our workers have a line each, so a death breaks only the
  dead worker's line.
- A worker has a single task at a time. Its black box (concurrent/deaths/black_box.py) says whether
  the worker had begun: a task not yet begun goes to another worker, a begun task gets a TaskLost.
- Deaths in a row, without a finished task between, break the pool as in the engine. So does the
  exception of an initializer.
- crew.py has the workers, in the parent.
- submit(), map() and shutdown() are the engine's; the engine's queues exist, but nobody uses them.
"""

from __future__ import annotations

import select
from collections import deque
from concurrent.futures import process as engine
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.reduction import ForkingPickler
from queue import Empty
from typing import TYPE_CHECKING, Any, Final

from ...core.clock import monotonic, sleep
from ...core.hold import take_stopped
from ..deaths.dead import WorkerDied, death_of
from .breaking import tasks_of
from .crew import Crew, Worker
from .dismissed import dismiss
from .manager import ManagerThread
from .pipes import drain

if TYPE_CHECKING:
    from concurrent.futures import Future
    from multiprocessing.process import BaseProcess

# Time to wait for the exit code of a process with a ready sentinel. (seconds)
_EXITS: Final = 1.0
_MOMENT: Final = 0.005  # (seconds)


class TaskLost(WorkerDied, BrokenProcessPool):
    """The task's worker died; the pool goes on. `deaths` has the worker's death."""


def take_over(manager: Any, crew: Crew) -> None:
    """Makes a manager thread the manager of these workers."""
    manager.__class__ = HealingManager
    manager.crew = crew


class _Breaks(Exception):
    """Breaks the pool. The argument is the cause, in the engine's form."""


class HealingManager(ManagerThread):
    """The manager thread of an executor that replaces its workers."""

    crew: Crew
    _again: deque[int]  # tasks of dead workers that had not begun their tasks
    _idle: dict[int, Worker]  # workers without a task, by the descriptors of their lines

    def run(self) -> None:
        self._again, self._idle = deque(), {}
        self.crew.poll.register(self.thread_wakeup._reader, select.POLLIN)
        try:
            while self._has_more():
                self._serve()
        except _Breaks as why:
            self.terminate_broken(*why.args)
        except BaseException as problem:
            import traceback

            self.terminate_broken(traceback.format_exception(problem))
        else:
            self._farewell()
        self.crew.close()

    def _has_more(self) -> bool:
        """Hands out tasks. Returns whether tasks are left, or may still come."""
        while self._idle and self._hand_out():
            pass
        if not self.is_shutting_down():
            return True
        self.flag_executor_shutting_down()
        return bool(self.pending_work_items)

    def _serve(self) -> None:
        """Waits for the next events, and handles them."""
        self.crew.hire_for(self._waiting())
        ended = []
        for fd, event in self.crew.poll.poll():
            worker = self.crew.workers.get(fd)
            if worker is None:
                drain(fd)  # somebody woke the thread
            elif fd != worker.line.fd:
                ended.append(worker)
            else:
                self._attend(worker, event)
                if worker.is_held:
                    ended.append(worker)
        for worker in dict.fromkeys(ended):
            self._examine(worker)

    # -- tasks

    def _waiting(self) -> int:
        return len(self._again) + int(self.work_ids_queue.qsize())

    def _hand_out(self) -> bool:
        """Gives a task to an idle worker. Returns False without a task."""
        number = self._next_task()
        if number is None:
            return False
        item = self.pending_work_items[number]
        try:
            pickled = ForkingPickler.dumps((item.fn, item.args, item.kwargs))
        except BaseException as problem:
            del self.pending_work_items[number]
            item.future.set_exception(problem)
            return True
        fd, worker = self._idle.popitem()
        if not worker.give(number, pickled):
            self.crew.poll.modify(fd, select.POLLIN | select.POLLOUT)
        return True

    def _next_task(self) -> int | None:
        if self._again:
            return self._again.popleft()
        while True:
            try:
                number = self.work_ids_queue.get_nowait()
            except Empty:
                return None
            if self.pending_work_items[number].future.set_running_or_notify_cancel():
                return int(number)
            del self.pending_work_items[number]

    # -- workers

    def _attend(self, worker: Worker, event: int) -> None:
        """Handles a writable or readable line."""
        if event & select.POLLOUT and worker.line.flush():
            self.crew.poll.modify(worker.line.fd, select.POLLIN)
        if event & ~select.POLLOUT:
            self._hear(worker)

    def _hear(self, worker: Worker) -> None:
        try:
            message = worker.line.receive()
        except EOFError:
            # Its sentinel then brings the worker to _examine().
            self.crew.ignore(worker.line.fd)
            return
        if message is None:
            return
        if worker.task is None:
            worker.is_ready = True
        else:
            item = self.pending_work_items.pop(worker.task)
            worker.task = None
            self.crew.deaths = 0
            worker.is_held = _answer(item.future, message)
        if worker.takes_tasks():
            self._idle[worker.line.fd] = worker

    def _examine(self, worker: Worker) -> None:
        """Handles a worker that ended, or that became a held process. Raises _Breaks to break the
        pool.
        """
        self._hear(worker)  # the worker may have answered before
        if not worker.is_held:
            _reap(worker.process)
            self._hear(worker)
        self._idle.pop(worker.line.fd, None)
        if worker.is_held:
            dismiss(worker.process)
        elif not worker.ended_by_itself():
            self._count_death(worker)
            self._settle(worker)
        self.crew.remove(worker)
        if not self.is_shutting_down():
            self.crew.hire_some(1)

    def _count_death(self, worker: Worker) -> None:
        self.crew.deaths += 1
        if worker.box.failure() is not None or not self.crew.replaces:
            raise _Breaks(None)
        if self.crew.deaths > self.crew.max_deaths:
            raise _Breaks(
                [
                    f"{self.crew.deaths} workers died one after the other, without a finished task"
                    " between: no more are started (max_deaths)"
                ]
            )

    def _settle(self, worker: Worker) -> None:
        """Handles the task of a dead worker."""
        number = worker.task
        if number is None:
            return
        if not worker.has_begun():
            self._again.append(number)
            return
        items = self.pending_work_items
        death = death_of(worker.process, tasks_of(worker.process, items, engine._process_chunk))
        error = TaskLost(str(death), [death])
        if death.stack is not None:
            error.add_note(death.note())
        items.pop(number).future.set_exception(error)

    def _farewell(self) -> None:
        self.crew.end_all()
        self.call_queue.close()
        self.call_queue.join_thread()
        with self.shutdown_lock:
            self.thread_wakeup.close()


def _reap(process: BaseProcess) -> None:
    """Waits for the exit code of a process with a ready sentinel.

    A task that closes all descriptors closes the sentinel's, too, and nobody can reach the living
    process any more. We kill such a process.
    """
    deadline = monotonic() + _EXITS
    while process.exitcode is None and monotonic() < deadline:
        sleep(_MOMENT)
    if process.exitcode is None:
        process.kill()
    process.join()


def _answer(future: Future[object], message: bytes) -> bool:
    """Sets the result or the exception. Returns whether the worker became a held process."""
    try:
        succeeded, value = ForkingPickler.loads(message)
    except BaseException as problem:
        problem.add_note("keeptrace: raised in the parent, as the task's result was unpickled")
        succeeded, value = False, problem
    if succeeded:
        future.set_result(value)
        return False
    stopped = take_stopped(value)
    future.set_exception(value)
    return stopped is not None
