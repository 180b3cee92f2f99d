"""The two queues of an executor, the standard library's or loky's: a failure to unpickle a message
fails only the message's task.

    parent ── _CallItem(work_id, fn, args, kwargs) ─▶ _take(), in the worker
    parent, Results.recv() ◀── _ResultItem(work_id, ...) ── worker

Both engines have the names in the drawing. In the engines' own code, such a failure breaks the
pool, with all its tasks.
"""

from __future__ import annotations

import math
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from os import getppid  # at once: a task may replace os.getppid
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from ...core.clock import monotonic, sleep
from ..deaths.black_box import JOB, POSIX
from .pipes import Lock, Words, drain, read_message, take_lock

if TYPE_CHECKING:
    from .pipes import TaskQueue

# -- the worker


def read_tasks(engine: ModuleType, calls: Any, results: Any, words: Words) -> None:
    """Makes a worker read its tasks by _take().

    The worker closes its copies of the parent's ends, so the worker notices the parent's end.
    """
    if POSIX:
        calls.get = partial(_take, engine, calls, calls._reader.fileno(), getppid(), words, results)
        calls._writer.close()
        results._reader.close()
        results._wlock = MessageLock(results._wlock, getppid())


def receive(calls: TaskQueue, fd: int, parent: int, timeout: float | None) -> bytes:
    """The bytes of the next message. Raises queue.Empty after `timeout` seconds, EOFError when the
    parent is gone.

    Without `with`: a worker interrupted within a message keeps the lock. Otherwise another worker
    would read the rest as a message.
    """
    deadline = monotonic() + (timeout or 0)
    if not take_lock(calls._rlock, parent, timeout):
        if getppid() != parent:
            raise EOFError
        raise queue.Empty
    try:
        if timeout is not None:
            left = max(0.0, deadline - monotonic())
            if not calls._reader.poll(left):
                raise queue.Empty
        message = read_message(fd)
    except (EOFError, OSError, queue.Empty):
        calls._rlock.release()
        raise
    calls._rlock.release()
    calls._sem.release()
    return message


def _take(
    engine: ModuleType,
    calls: object,
    fd: int,
    parent: int,
    words: Words,
    results: Any,
    block: bool = True,
    timeout: float | None = None,
    receive: Callable[..., bytes] = receive,
) -> object:
    """The queue's next task, or None: the end.

    Stands for multiprocessing's Queue.get(), and likewise raises queue.Empty.
    """
    try:
        data = receive(calls, fd, parent, timeout)
    except (EOFError, OSError):  # the parent was killed
        results.put = sys.exit  # the engine shuts the queue down; loky would wait for an answer
        return None
    try:
        item = ForkingPickler.loads(data)
    except BaseException as problem:
        problem.add_note(
            "keeptrace: raised in the worker, as the task's function and arguments were unpickled"
        )
        number = numbers_in(data)["work_id"]
        item = engine._CallItem(number, _raise, (problem,), {})
    if item is not None:
        words[JOB] = item.work_id + 1
    return item


def _raise(problem: BaseException) -> None:
    raise problem


class CutMessage(SystemExit):
    """Ends a worker after an interrupt in the middle of writing a result: the parent would read the
    next message as the rest of the result.
    """


class MessageLock:
    """Replaces the lock of the result queue; the engine holds the lock while writing a message.

    A worker interrupted in between may have written a part of a message. The worker keeps the lock,
    and its next attempt to write ends the worker. With the engine's lock, other workers would
    continue behind half a message, or the worker would deadlock on its own lock.
    """

    def __init__(self, lock: Lock, parent: int) -> None:
        self._lock = lock
        self._parent = parent
        self._taken = False

    def __enter__(self) -> None:
        if self._taken:
            raise CutMessage(1)
        self._taken = True
        if not take_lock(self._lock, self._parent):
            raise BrokenPipeError("the parent is gone")

    def __exit__(self, kind: object, problem: BaseException | None, traceback: object) -> None:
        # An OSError means that the parent is gone; the other workers must notice, too.
        if problem is None or isinstance(problem, OSError):
            self._lock.release()
            self._taken = False


def numbers_in(data: bytes) -> dict[str, int]:
    """The numeric attributes of a pickled _CallItem or _ResultItem, without unpickling.

    The numbers are the first and the last entries of the item's dict, so we cannot mistake a number
    in the user's data between for an attribute.
    """
    found: dict[str, int] = {}
    name = None
    argument: Any
    import pickletools  # only after a failure to unpickle

    for opcode, argument, _ in pickletools.genops(bytes(data)):
        is_number = isinstance(argument, int) and opcode.name.startswith(("BININT", "LONG", "INT"))
        if name and is_number and not (name == "work_id" and name in found):
            found[name] = argument
        if opcode.name == "MEMOIZE":
            continue
        name = None
        if argument in ("work_id", "exit_pid"):
            name = argument
    return found


# -- the parent

# The longest pause of a living worker between two parts of a result. (seconds)
_PAUSE: Final = 1.0
# Stock pools can hang if a worker dies while holding a lock. Our pools wait so long, then kill the
# remaining workers. (seconds)
_ENDS: Final = 5.0
_MOMENT: Final = 0.01  # (seconds)


class Results(Connection):
    """The reading end of the queue of results."""

    engine: Any
    workers: dict[int, Any]  # the executor's own

    def recv(self) -> object:
        data = read_message(self._handle, self.wait_for_more)  # type: ignore[attr-defined]
        try:
            return ForkingPickler.loads(data)
        except BaseException as problem:
            numbers = numbers_in(data)
            if "work_id" not in numbers:
                raise
            problem.add_note("keeptrace: raised in the parent, as the task's result was unpickled")
            item = self.engine._ResultItem(numbers["work_id"], exception=problem)
            if hasattr(item, "exit_pid"):  # the standard library's
                item.exit_pid = numbers.get("exit_pid")
            return item

    def wait_for_more(self) -> bool:
        """Waits for the next part of a message, but not forever: the sender may have died.

        After the death of another worker, the part comes within _PAUSE.
        """
        sentinels = [process.sentinel for process in list(self.workers.values())]
        return self in wait([self, *sentinels]) or self in wait([self], _PAUSE)

    def __reduce__(self) -> tuple[Any, ...]:
        """Workers get a plain connection."""
        from multiprocessing.connection import reduce_connection  # type: ignore[attr-defined]

        reduction: tuple[Any, ...] = reduce_connection(self)
        return reduction


def read_results(engine: ModuleType, executor: Any) -> None:
    """Makes an executor read its results by Results.recv()."""
    if POSIX:
        results = executor._result_queue._reader
        results.__class__ = Results
        results.engine = engine
        results.workers = executor._processes


@contextmanager
def bounded_shutdown(workers: Mapping[int, Any], calls: Any) -> Iterator[None]:
    """Bounds shutdown: a worker killed while holding the queue lock would block the other workers
    forever.

    The engine's thread that writes tasks can block as well: no worker reads any more, but forked
    processes keep the pipe open. kill_stragglers() drains the pipe.
    """
    if not POSIX or calls._reader.closed:  # closed: the pool is breaking already
        yield
        return
    pipe = os.dup(calls._reader.fileno())
    over = threading.Event()
    watcher = threading.Thread(
        target=kill_stragglers, args=(list(workers.values()), pipe, over), daemon=True
    )
    try:
        watcher.start()
    except RuntimeError:  # no more threads: shutdown is unbounded
        watcher = None  # type: ignore[assignment]
    try:
        yield
    finally:
        over.set()
        if watcher is not None:
            watcher.join()
        os.close(pipe)


def kill_stragglers(workers: list[Any], pipe: int, over: threading.Event) -> None:
    """Runs in a thread until `over` is set. _ENDS seconds after the death of a worker, kills the
    remaining workers. Then drains the pipe of tasks.
    """
    waiting = {process.sentinel: process for process in workers}
    deadline = math.inf
    while waiting and not over.is_set():
        for sentinel in wait(list(waiting), _PAUSE):
            if not _ended_well(waiting.pop(sentinel)) and deadline == math.inf:
                deadline = monotonic() + _ENDS
        if monotonic() > deadline:
            for process in waiting.values():
                _kill(process)
            deadline = math.inf
    while not over.wait(_MOMENT):
        drain(pipe)


def _kill(process: Any) -> None:
    try:
        process.kill()
    except AttributeError:  # loky's processes have no kill()
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _ended_well(process: Any) -> bool:
    """Whether a worker exited with code 0. Another thread may have reaped the process; wait for its
    exit code.
    """
    deadline = monotonic() + _PAUSE
    while process.exitcode is None and monotonic() < deadline:
        sleep(_MOMENT)
    return process.exitcode == 0  # type: ignore[no-any-return]  # either engine's process


def gone(workers: Mapping[int, Any]) -> list[Any]:
    """The ended workers, by their sentinels: the exit code may come a moment later."""
    by_sentinel = {process.sentinel: process for process in list(workers.values())}
    return [by_sentinel[sentinel] for sentinel in wait(list(by_sentinel), timeout=0)]
