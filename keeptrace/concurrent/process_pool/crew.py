"""The workers of an executor that replaces dead workers, in the parent.
(concurrent/process_pool/healing.py has the whole.)
"""

from __future__ import annotations

import functools
import select
import sys
from contextlib import suppress
from typing import Any

from ...core.hold import Holding
from ...core.options import Options
from ..deaths.black_box import ENDED, JOB, STATE, BlackBox, box_of
from ..deaths.worker import make_worker
from .healing_worker import NO_MORE, NUMBER, work
from .lines import Line
from .on_death import most_deaths


class Worker:
    """A worker's process, and the parent's notes about the worker."""

    def __init__(self, process: Any, line: Line, left: int | None) -> None:
        self.process = process
        self.line = line
        self.left = left  # tasks until the worker ends by itself
        self.is_ready = False
        self.is_held = False  # became a held process, with a failure
        self.task: int | None = None  # the number of its task

    @property
    def box(self) -> BlackBox:
        box = box_of(self.process)
        assert box is not None
        return box

    def takes_tasks(self) -> bool:
        return self.is_ready and self.task is None and self.left != 0 and not self.is_held

    def give(self, number: int, pickled: memoryview) -> bool:
        """Sends a task. Returns whether the whole task is written."""
        self.task = number
        if self.left is not None:
            self.left -= 1
        return self.line.send(NUMBER.pack(number), pickled)

    def has_begun(self) -> bool:
        """Whether the worker took its task off the line."""
        return self.task is not None and bool(self.box.words[JOB] == self.task + 1)

    def ended_by_itself(self) -> bool:
        return self.task is None and bool(self.box.words[STATE] == ENDED)


class Crew:
    """The workers of an executor. Refers to the executor's parts, but not to the executor, so that
    the executor can be collected.

    max_deaths: deaths in a row that the pool survives; None for the default.
    """

    def __init__(
        self, executor: Any, options: Options, holding: Holding | None, max_deaths: int | None
    ) -> None:
        context = executor._mp_context
        self._pipe = context.Pipe
        self._new_worker = functools.partial(make_worker, context.Process, options, work)
        self._most: int | None = executor._max_tasks_per_child
        self._start = (executor._initializer, executor._initargs, self._most)
        self._holding = holding
        self._size: int = executor._max_workers
        self.processes: dict[int, Any] = executor._processes  # by pid
        self.max_deaths: int = most_deaths(max_deaths, self._size)
        main = sys.modules.get("__main__")
        self._main_file = getattr(main, "__file__", None)
        self.deaths = 0  # since the last finished task
        self.replaces = True
        self.poll: select.poll = select.poll()
        self.workers: dict[int, Worker] = {}  # by the descriptors of line and sentinel

    def hire(self) -> None:
        """Starts a worker. Raises the system's error if no worker can be started."""
        self._restore_main_file()
        worker = self._started()
        if self._restore_main_file():  # gone meanwhile, perhaps before the worker got the name
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
        """Gives __main__ the script's name again; Python drops the name at the script's end.

        A worker started after the script's end, before the interpreter's end, needs the name to
        find the script.
        """
        main = sys.modules.get("__main__")
        if self._main_file is None or main is None or hasattr(main, "__file__"):
            return False
        main.__file__ = self._main_file
        return True

    def hire_some(self, count: int) -> None:
        """Starts `count` workers, up to the size of the pool.

        Without any other worker, raises the system's error if no worker can be started.
        """
        room = self._size - len(self.processes)
        for _ in range(min(count, room)):
            try:
                self.hire()
            except Exception:
                if not self.processes:
                    raise
                return

    def hire_for(self, waiting: int) -> None:
        """Starts workers for `waiting` tasks, as hire_some() does."""
        if waiting and len(self.processes) < self._size:
            free = [each for each in self.each() if each.task is None and each.left != 0]
            self.hire_some(waiting - len(free))

    def each(self) -> list[Worker]:
        return [worker for fd, worker in self.workers.items() if fd == worker.line.fd]

    def remove(self, worker: Worker) -> None:
        """Forgets an ended worker."""
        self.ignore(worker.line.fd)
        self.ignore(worker.process.sentinel)
        del self.workers[worker.line.fd]
        del self.workers[worker.process.sentinel]
        del self.processes[worker.process.pid]
        worker.line.close()
        worker.box.close()

    def ignore(self, fd: int) -> None:
        """Stops polling the descriptor."""
        with suppress(KeyError):
            self.poll.unregister(fd)

    def end_all(self) -> None:
        """Ends all workers, and waits for their end. No worker has a task."""
        workers = self.each()
        for worker in workers:
            worker.line.send(NO_MORE)
        for worker in workers:
            worker.process.join()
            worker.line.close()

    def close(self) -> None:
        for worker in self.each():
            worker.line.close()
