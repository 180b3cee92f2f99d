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
- submit(), map() and shutdown() are the engine's; its queues are there, but nobody uses them.
"""

from __future__ import annotations

import functools
import select
import sys
from collections import deque
from concurrent.futures import process as engine
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.reduction import ForkingPickler
from queue import Empty
from typing import Any, Final

from ...core.clock import monotonic, sleep
from ...core.hold import Holding
from ...core.options import Options
from ..deaths.black_box import ENDED, JOB, STATE, BlackBox, box_of
from ..deaths.dead import WorkerDied, death_of
from ..deaths.worker import make_worker
from .breaking import tasks_of
from .healing_worker import NO_MORE, NUMBER, work
from .lines import Line
from .manager import ManagerThread
from .on_death import DEATHS
from .pipes import drain

# For the exit code of a process whose sentinel says that it is gone. (seconds)
_EXITS: Final = 1.0
_MOMENT: Final = 0.005  # (seconds)


class TaskLost(WorkerDied, BrokenProcessPool):
    """The worker that ran the task died; the pool goes on. `deaths` has the worker's death."""


class Worker:
    """A worker's process, and what its parent knows of it."""

    def __init__(self, process: Any, line: Line, left: int | None) -> None:
        self.process = process
        self.line = line
        self.left = left  # tasks until it ends by itself
        self.is_ready = False
        self.task: int | None = None  # the number of the task that it was given

    @property
    def box(self) -> BlackBox:
        box = box_of(self.process)
        assert box is not None
        return box

    def takes_tasks(self) -> bool:
        return self.is_ready and self.task is None and self.left != 0

    def give(self, number: int, pickled: memoryview) -> bool:
        """Sends a task. Gives whether all of it is written."""
        self.task = number
        if self.left is not None:
            self.left -= 1
        return self.line.send(NUMBER.pack(number), pickled)

    def has_begun(self) -> bool:
        """Whether the worker took the task that it was given off its line."""
        return self.task is not None and bool(self.box.words[JOB] == self.task + 1)

    def ended_by_itself(self) -> bool:
        return self.task is None and bool(self.box.words[STATE] == ENDED)


class Crew:
    """The workers of an executor. Knows the executor's parts, not the executor, which may be
    collected.

    max_deaths: deaths in a row that the pool survives; None for the default.
    """

    def __init__(
        self, executor: Any, options: Options, holding: Holding | None, max_deaths: int | None
    ) -> None:
        context = executor._mp_context
        self._pipe = context.Pipe
        self._new_worker = functools.partial(make_worker, context.Process, options, work)
        self._most: int | None = executor._max_tasks_per_child
        self._start = executor._initializer, executor._initargs, self._most
        self._holding = holding
        self._size: int = executor._max_workers
        self.processes: dict[int, Any] = executor._processes  # by pid
        self.max_deaths = DEATHS * self._size if max_deaths is None else max_deaths
        self._main_file = getattr(sys.modules.get("__main__"), "__file__", None)
        self.deaths = 0  # since a task was finished
        self.replaces = True
        self.poll = select.poll()
        self.workers: dict[int, Worker] = {}  # by the descriptors of line and sentinel

    def take_over(self, manager: Any) -> None:
        """Makes a manager thread the one of these workers."""
        manager.__class__ = HealingManager
        manager.crew = self

    def hire(self) -> None:
        """Starts a worker. Raises what the system raises if it cannot be started."""
        self._restore_main_file()
        worker = self._started()
        if self._restore_main_file():  # gone meanwhile, perhaps before the worker was told
            worker.process.kill()
            worker.process.join()
            worker.line.close()
            worker = self._started()
        for fd in (worker.line.fd, worker.process.sentinel):
            self.workers[fd] = worker
            self.poll.register(fd, select.POLLIN)
        self.processes[worker.process.pid] = worker.process

    def _started(self) -> Worker:
        ours, theirs = self._pipe()
        line = Line(ours)  # before the start: a forked worker closes its copy
        process = self._new_worker((self._holding, theirs, *self._start))
        try:
            process.start()
        except BaseException:
            line.close()
            raise
        finally:
            theirs.close()
        return Worker(process, line, self._most)

    def _restore_main_file(self) -> bool:
        """Gives __main__ the script's name again, which Python drops when the script has ended.

        A worker that is started between then and the interpreter's end finds the script by it.
        """
        main = sys.modules.get("__main__")
        if self._main_file is None or main is None or hasattr(main, "__file__"):
            return False
        main.__file__ = self._main_file
        return True

    def hire_some(self, count: int) -> None:
        """Starts so many workers, as far as there may be more.

        Raises what the system raises, if there is no other worker.
        """
        for _ in range(min(count, self._size - len(self.processes))):
            try:
                self.hire()
            except Exception:
                if not self.processes:
                    raise
                return

    def hire_for(self, waiting: int) -> None:
        """Starts workers for so many tasks that wait, as hire_some() does."""
        if waiting and len(self.processes) < self._size:
            free = sum(worker.task is None and worker.left != 0 for worker in self.each())
            self.hire_some(waiting - free)

    def each(self) -> list[Worker]:
        return [worker for fd, worker in self.workers.items() if fd == worker.line.fd]

    def remove(self, worker: Worker) -> None:
        """Forgets a worker that has ended."""
        self.ignore(worker.line.fd)
        self.ignore(worker.process.sentinel)
        del self.workers[worker.line.fd], self.workers[worker.process.sentinel]
        del self.processes[worker.process.pid]
        worker.line.close()
        worker.box.close()

    def ignore(self, fd: int) -> None:
        """Waits for this descriptor no more."""
        with suppress(KeyError):
            self.poll.unregister(fd)

    def dismiss(self) -> None:
        """Ends all workers, none of which has a task, and waits for them."""
        workers = self.each()
        for worker in workers:
            worker.line.send(NO_MORE)
        for worker in workers:
            worker.process.join()
            worker.line.close()

    def close(self) -> None:
        for worker in self.each():
            worker.line.close()


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
        for worker in ended:
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
            _answer(item.future, message)
        if worker.takes_tasks():
            self._idle[worker.line.fd] = worker

    def _examine(self, worker: Worker) -> None:
        """Sees to a worker that has ended. Raises _Breaks if the pool is to break."""
        _reap(worker.process)
        self._hear(worker)  # it may have answered before it died
        self._idle.pop(worker.line.fd, None)
        if not worker.ended_by_itself():
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
        self.crew.dismiss()
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


def _answer(future: Any, message: bytes) -> None:
    try:
        succeeded, value = ForkingPickler.loads(message)
    except BaseException as problem:
        problem.add_note("keeptrace: raised in the parent, as the task's result was unpickled")
        succeeded, value = False, problem
    if succeeded:
        future.set_result(value)
    else:
        future.set_exception(value)
