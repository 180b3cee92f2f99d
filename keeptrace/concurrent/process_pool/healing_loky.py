"""Loky's executor with on_death="replace": the death of a worker costs only its own task.

Loky's workers share two queues, with a lock each. Each worker's black box has its state, so the
parent can mend the queues after a death, and free the dead worker's locks:

    RUNNING           its task is lost, the queues are whole
    IDLE, STARTING    nothing is lost
    WAITING           the worker held the lock of the queue of tasks, and read nothing
    READING           the worker held the same lock, and had read a part of a message: the parent
                      reads the rest, and sends the task again
    SENDING           the worker held the lock of the queue of results: the parent drops the arrived
                      part of the result, and the task is lost
    TAKEN             the worker had read a task of unknown number: the executor breaks

loky_pipes.py has the parent's ends of the pipes. (healing.py has the standard library's executor,
whose workers share nothing; loky's timeouts and resizing need loky's own queues.)
"""

from __future__ import annotations

import queue
import re
import select
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from os import getppid  # at once: a task may replace os.getppid
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from ...core.clock import monotonic, sleep
from ..deaths.black_box import (
    IDLE,
    JOB,
    READING,
    RUNNING,
    SENDING,
    STATE,
    TAKEN,
    WAITING,
    box_of,
)
from ..deaths.dead import WorkerDied, death_of
from .loky_pipes import drop
from .pipes import Lock, Words, read_message, take_lock
from .queues import MessageLock, gone

if TYPE_CHECKING:
    from .pipes import TaskQueue

# Seconds a lock may stay taken with no living owner: a worker may have died between taking the lock
# and noting its new state.
_ORPHANED: Final = 2.0
_MOMENT: Final = 0.01  # (seconds)

# The attribute work_id near the start of a pickle, and its number of one, two or four bytes.
_NUMBER: Final = re.compile(rb"work_id\x94?(?:K(.)|M(..)|J(....))", re.DOTALL)
_HEAD: Final = 200  # (bytes)

# -- the worker


def note_states(calls: Any, results: Any, words: Words) -> None:
    """Makes a worker of read_tasks() note its states."""
    take = calls.get
    receive = _receiver(calls, words)

    def get(block: bool = True, timeout: float | None = None) -> object:
        item = take(block, timeout, receive=receive)
        state = RUNNING
        if item is None:
            state = IDLE
        words[STATE] = state
        return item

    calls.get = get
    results._wlock = _NotedLock(results._wlock, words)


def _receiver(calls: TaskQueue, words: Words) -> Callable[..., bytes]:
    """A function like receive() of queues.py that notes the states."""
    ready = select.poll()
    ready.register(calls._reader.fileno(), select.POLLIN)

    def receive(calls: TaskQueue, fd: int, parent: int, timeout: float | None) -> bytes:
        deadline = monotonic() + (timeout or 0)
        if not take_lock(calls._rlock, parent, timeout):
            if getppid() != parent:
                raise EOFError
            raise queue.Empty
        words[STATE] = WAITING
        try:
            left = None  # (milliseconds)
            if timeout is not None:
                left = max(0.0, deadline - monotonic()) * 1000
            if not ready.poll(left):
                raise queue.Empty
            words[STATE] = READING
            message = read_message(fd)
        except (EOFError, OSError, queue.Empty):
            words[STATE] = IDLE
            calls._rlock.release()
            raise
        # Noted before freeing the lock: a worker in READING has the lock.
        number = number_in(message)
        if number is None:
            words[STATE] = TAKEN  # until get() has unpickled the message
        else:
            words[JOB] = number + 1
            words[STATE] = RUNNING
        calls._rlock.release()
        calls._sem.release()
        return message

    return receive


def number_in(message: bytes | memoryview) -> int | None:
    """The task's number in a pickled _CallItem: its first attribute. None if unknown."""
    found = _NUMBER.search(message, 0, _HEAD)
    if found is None:
        return None
    return int.from_bytes(found[found.lastindex or 0], "little")


class _NotedLock:
    def __init__(self, lock: MessageLock, words: Words) -> None:
        self._lock = lock
        self._words = words

    def __enter__(self) -> None:
        self._lock.__enter__()
        self._words[STATE] = SENDING

    def __exit__(self, kind: object, problem: BaseException | None, traceback: object) -> None:
        if problem is None:
            self._words[STATE] = IDLE
        self._lock.__exit__(kind, problem, traceback)


# -- the parent


def healing_manager(base: Any, engine: ModuleType, describe: Callable[..., list[str]]) -> type:
    """The manager thread's class, for executors that replace dead workers.

    base: the class for executors that break.
    describe: (process, the executor's items) → the running calls of a worker.
    """
    terminated: Any = engine.TerminatedWorkerError
    lost = type("TaskLost", (WorkerDied, terminated), {"__module__": __name__})

    class HealingManager(base):  # type: ignore[misc]  # either engine's
        max_deaths: int
        deaths = 0  # since the last finished task

        def wait_result_broken_or_wakeup(self) -> object:
            found = super().wait_result_broken_or_wakeup()
            _, is_broken, problem = found
            is_cut = self.result_queue._reader.was_cut()
            is_death = is_cut or type(problem) is terminated
            if is_broken and is_death and self._replace_dead(is_cut):
                return None, False, None
            return found

        def process_result_item(self, item: Any) -> None:
            if not isinstance(item, int):  # an int is the pid of a worker that ended by itself
                self.deaths = 0
            super().process_result_item(item)

        def _replace_dead(self, is_cut: bool) -> bool:
            """Returns whether the executor goes on.

            is_cut: whether a result ended with its sender's death.
            """
            if self.result_queue._reader.poll():
                # The dead worker may have answered: the thread reads the answer, and comes again.
                return not is_cut
            dead = gone(self.processes)
            self.deaths += len(dead)
            if self.deaths > self.max_deaths:
                return False
            if not _Queues(self, engine).are_whole(dead, is_cut):
                return False
            executor = self.executor_reference()
            is_last = len(dead) == len(self.processes)
            if executor is None and is_last and self.pending_work_items:
                return False  # only an executor can start another worker
            for process in dead:
                self._forget(process)
            if executor is not None:
                self._hire(executor)
            return True

        def _hire(self, executor: Any) -> None:
            if self.pending_work_items or not self.executor_flags.shutdown:
                with self.processes_management_lock:
                    executor._adjust_process_count()

        def _forget(self, process: BaseProcess) -> None:
            items = self.pending_work_items
            death = death_of(process, describe(process, items))
            if death.text and sys.stderr is not None:  # loky's own workers write to the same place
                sys.stderr.write(death.text)
            box: Any = box_of(process)
            number = box.words[JOB] - 1
            state = box.words[STATE]
            if state in (RUNNING, SENDING) and number in items:
                error = lost(str(death), [death])
                if state == SENDING:
                    error.add_note("keeptrace: the worker died as it sent the result of this task")
                if death.stack is not None:
                    error.add_note(death.note())
                self.running_work_items.remove(number)
                items.pop(number).future.set_exception(error)
            with self.processes_management_lock:
                self.processes.pop(process.pid, None)

    return HealingManager


class _Queues:
    """The two queues of an executor. Dead workers may have left both locked, or cut a message."""

    def __init__(self, manager: Any, engine: ModuleType) -> None:
        self._manager = manager
        self._engine = engine

    def are_whole(self, dead: list[Any], is_cut: bool) -> bool:
        """Mends the queues, and frees the locks of the dead. Returns whether that succeeds."""
        states = {_state_of(process) for process in dead}
        if states & {None, TAKEN} or (is_cut and SENDING not in states):
            return False
        if READING in states and not self._send_again():
            return False
        self._free_locks_of(states)
        processes = self._manager.processes.values()
        living = [process for process in processes if process not in dead]
        reading = self._manager.call_queue._rlock
        sending = self._manager.result_queue._wlock
        if not _is_usable(reading, living, (WAITING, READING)):
            return False
        return _is_usable(sending, living, (SENDING,))

    def _free_locks_of(self, states: set[int | None]) -> None:
        """Frees the locks that dead workers in these states held."""
        if states & {WAITING, READING}:
            _free(self._manager.call_queue._rlock)
        if SENDING in states:
            _free(self._manager.result_queue._wlock)

    def _send_again(self) -> bool:
        """Sends a task that a dead worker took from the queue, whole or in part, to another worker.

        Returns whether the queue is whole.
        """
        items = self._manager.pending_work_items
        calls = self._manager.call_queue
        reader = calls._reader.fileno()
        message, left = calls._writer.last_read(reader)
        if message is None:
            return True
        number = message.number
        if number is None:
            return False
        if left == 0 and (self._is_noted(number) or number not in items):
            return True  # the dead worker had read nothing after this message
        if number not in items:
            return False
        drop(left, reader)
        calls._sem.release()  # as its reader would have
        item = items[number]
        call = self._engine._CallItem(number, item.fn, item.args, item.kwargs)
        calls.put(call)
        return True

    def _is_noted(self, number: int) -> bool:
        """Whether a worker has noted that it has this task."""
        for process in self._manager.processes.values():
            box = box_of(process)
            if box is not None and box.words[JOB] == number + 1:
                return True
        return False


def _state_of(process: object) -> int | None:
    """The worker's state; None without a box, or if the worker's initializer raised."""
    box = box_of(process)
    if box is None or box.failure() is not None:
        return None
    return int(box.words[STATE])


def _is_usable(lock: Lock, living: list[Any], states: tuple[int, ...]) -> bool:
    """Whether the lock is free, or a living worker has the lock."""
    deadline = monotonic() + _ORPHANED
    while not lock.acquire(False):
        if any(_state_of(process) in states for process in living):
            return True
        if monotonic() > deadline:
            return False
        sleep(_MOMENT)
    lock.release()
    return True


def _free(lock: Lock) -> None:
    """Frees a lock without a living owner."""
    lock.acquire(False)
    lock.release()
