"""KeepTraceProcessPoolExecutor(on_death="replace"): a worker that dies costs its own task alone.

    executor ── work_ids ─▶ HealingManager, a thread      workers
                            ├─ Line ── task ───────────▶  healing_worker.work()
                            │       ◀── result ──         one socket pair each
                            ├─ Line ...

- The engine's workers share two queues, with a lock each: one that dies with a lock, or within a
  message, leaves queues that nobody can trust. Here each worker has a line of its own, so that a
  death hurts nothing but that line.
- A worker has one task at a time. Its black box (concurrent/deaths/black_box.py) says whether it
  had begun: a task that was not begun goes to another worker, any other gets a TaskLost.
- Workers that die one after the other, without a finished task between, break the pool as the
  engine does. So does an initializer that raises.
- crew.py has the workers, as their parent knows them.
- submit(), map() and shutdown() are the engine's; its queues are there, but nobody uses them.
"""

from __future__ import annotations

import select
from collections import deque
from concurrent.futures import process as engine
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.reduction import ForkingPickler
from queue import Empty
from typing import Any, Final

from ...core.clock import monotonic, sleep
from ...core.hold import take_stopped
from ..deaths.dead import WorkerDied, death_of
from .breaking import tasks_of
from .crew import Crew, Worker
from .dismissed import dismiss
from .manager import ManagerThread
from .pipes import drain

# For the exit code of a process whose sentinel says that it is gone. (seconds)
_EXITS: Final = 1.0
_MOMENT: Final = 0.005  # (seconds)


class TaskLost(WorkerDied, BrokenProcessPool):
    """The worker that ran the task died; the pool goes on. `deaths` has the worker's death."""


def take_over(manager: Any, crew: Crew) -> None:
    """Makes a manager thread the one of these workers."""
    manager.__class__ = HealingManager
    manager.crew = crew


class _Breaks(Exception):
    """The pool is to be broken; its one argument says why, in the engine's form."""


class HealingManager(ManagerThread):
    """The manager thread of an executor that replaces its workers."""

    crew: Crew
    _again: deque[int]  # tasks that a worker was given, and had not begun when it died
    _idle: dict[int, Worker]  # those that take tasks, by the descriptors of their lines

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
        """Hands out tasks. Gives whether any are left, or may still come."""
        while self._idle and self._hand_out():
            pass
        if not self.is_shutting_down():
            return True
        self.flag_executor_shutting_down()
        return bool(self.pending_work_items)

    def _serve(self) -> None:
        """Waits until something happens, and sees to that."""
        self.crew.hire_for(self._waiting())
        ended = []
        for fd, event in self.crew.poll.poll():
            worker = self.crew.workers.get(fd)
            if worker is None:
                drain(fd)  # somebody woke this thread
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
        """Gives a task to an idle worker. Gives whether there was one."""
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
        """Sees to a line that can be written to, or has something to read."""
        if event & select.POLLOUT and worker.line.flush():
            self.crew.poll.modify(worker.line.fd, select.POLLIN)
        if event & ~select.POLLOUT:
            self._hear(worker)

    def _hear(self, worker: Worker) -> None:
        try:
            message = worker.line.receive()
        except EOFError:
            # What is left to know comes by its sentinel.
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
        """Sees to a worker that has ended, or that is held itself. Raises _Breaks if the pool is to
        break.
        """
        self._hear(worker)  # it may have answered before
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
        """Sees to the task of a worker that died."""
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


def _reap(process: Any) -> None:
    """Waits for the exit code of a process whose sentinel says that it is gone.

    A task that closes all descriptors closes the sentinel's, too. Nobody can reach that process any
    more, so it is killed.
    """
    deadline = monotonic() + _EXITS
    while process.exitcode is None and monotonic() < deadline:
        sleep(_MOMENT)
    if process.exitcode is None:
        process.kill()
    process.join()


def _answer(future: Any, message: bytes) -> bool:
    """Gives whether the worker that answered is held itself from now on."""
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
