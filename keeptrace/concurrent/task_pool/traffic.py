"""The messages between KeepTracePool and its workers, in the parent.

concurrent/task_pool/pool.py shows the whole.
"""

from __future__ import annotations

import select
import threading
from queue import SimpleQueue
from typing import Any, Final

from ...core.hold import Holding
from ...core.options import Options
from ..crossing import add_note
from ..deaths.black_box import POSIX
from ..engines import PoolEngine
from ..process_pool.pipes import Queue, drain, read_message
from .worker import TRAILER, pack
from .workers import WAKE, Task, Workers

_FOR_NOBODY: Final = (None, None, None)  # a dummy result that the engine ignores
_NO_MORE: Final = b"-"  # ends a worker

# Time to wait for a lock in use by other processes. (seconds)
_AGAIN: Final = 0.05


class Traffic(Workers):
    """The messages between the pool and its workers."""

    def __init__(
        self,
        engine: PoolEngine,
        options: Options,
        holding: Holding | None,
        inqueue: Queue,
        outqueue: Queue,
    ) -> None:
        super().__init__(engine, options, holding, inqueue, outqueue)
        self._fd = outqueue._reader.fileno()
        # For the result thread: results that no worker sent, and None, the engine's sentinel.
        self._told: SimpleQueue[object] = SimpleQueue()
        self.cache: dict[int, Any] = {}  # the engine's table: job → result object
        self._over = False  # the thread of results has had the sentinel

    # -- in the engine's thread of tasks

    def put(self, task: Task | None) -> None:
        """Sends a task, or answers in place of a worker. Never raises: the engine's thread would
        answer a second time.
        """
        if task is None:
            self._send(_NO_MORE)
            return
        job, index, func, args, _ = task
        engine = self._engine.pool
        if self.broken is not None:
            self._tell(_FOR_NOBODY)
        elif func is engine._helper_reraises_exception:
            # The iterable raised in the parent itself: the exception has its frames.
            self._tell((job, index, (False, args[0])))
        else:
            try:
                message = pack(self._engine.pickler, task, job, index)
            except BaseException as problem:
                self._tell((job, index, (False, problem)))
                return
            self.sent[job, index] = task
            self._send(message)

    def _send(self, message: bytes) -> None:
        # Set before reading `broken`: either stop() sees our ident, or we see `broken`.
        self._sending = threading.get_ident()
        try:
            if self.broken is None:
                self._inqueue._writer.send_bytes(message)
        finally:
            self._sending = 0

    # -- in the engine's thread of results

    def get(self) -> object:
        """The next result, or None: the end.

        Raises only EOFError and OSError, when the pipe is closed.
        """
        while self.broken is None:
            if not self._told.empty():
                return self._next_told()
            try:
                message = self._read()
            except EOFError:
                if self.broken is None:
                    raise
                break
            if self.broken is not None:
                break
            if len(message) > TRAILER.size:
                return self._result(message)
            return _FOR_NOBODY
        if POSIX:
            drain(self._fd)  # the engine waits until nothing is left
        self._fail_all()
        told = None
        if not self._over:
            told = self._next_told()
        self._fail_all()
        return told

    def _read(self) -> bytes:
        if POSIX:
            return read_message(self._fd, self._is_whole)
        return self._outqueue._reader.recv_bytes()

    def _next_told(self) -> object:
        told = self._told.get()
        self._over = self._over or told is None
        return told

    def _is_whole(self) -> bool:
        return self.broken is None

    def _result(self, message: bytes) -> object:
        key = TRAILER.unpack_from(message, len(message) - TRAILER.size)
        self.sent.pop(key, None)
        try:
            found: tuple[int, int, tuple[bool, Any]] = self._engine.pickler.loads(message)
        except BaseException as problem:
            add_note(problem, "keeptrace: raised in the parent, as the task's result was unpickled")
            return *key, (False, problem)
        succeeded, value = found[2]
        # by type, because isinstance() may run code of the exception, and the code may raise
        if succeeded or not issubclass(type(value), StopIteration):
            return found
        if not isinstance(self.cache.get(key[0]), self._engine.pool.IMapIterator):
            return found
        # As in a generator; a StopIteration would just end the loop over imap().
        told = RuntimeError("a task raised StopIteration")
        told.__cause__ = value
        return *key, (False, told)

    def _fail_all(self) -> None:
        assert self.broken is not None
        for waiting in list(self.cache.values()):
            outcome = False, self.broken()
            if isinstance(waiting, self._engine.pool.IMapIterator):
                with waiting._cond:
                    waiting._unsorted.clear()
                    waiting._length = waiting._index + 1
                waiting._set(waiting._index, outcome)
            else:
                if isinstance(waiting, self._engine.pool.MapResult):
                    waiting._number_left = 1
                waiting._set(0, outcome)

    # -- in any thread

    def tell_end(self, _: None) -> None:
        """Replaces `outqueue.put`, which can block on a lock held by a dead worker.

        The engine calls `put` to send its sentinel.
        """
        self._tell(None)

    def _tell(self, result: object) -> None:
        """Hands a result, or the sentinel, to the thread of results."""
        self._told.put(result)
        while not self._wake():
            self.examine()  # the owner of the lock may be dead

    def _wake(self) -> bool:
        """Wakes the result thread. False if other processes used the pipe."""
        writer, lock = self._outqueue._writer, self._outqueue._wlock
        with self._turn:
            if self.broken is not None or self.ending:
                return True
            if lock is None:
                writer.send_bytes(WAKE)
                return True
            if not lock.acquire(True, _AGAIN):
                return False
            room = select.poll()
            room.register(writer, select.POLLOUT)
            if room.poll(0):  # a full pipe has messages, and the thread looks after each message
                writer.send_bytes(WAKE)
            lock.release()
            return True
