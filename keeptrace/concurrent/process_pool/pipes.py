"""Reads messages of multiprocessing.connection from a file descriptor (POSIX), as
Connection.recv_bytes() does.

Quicker than recv_bytes(), and can be called off. The module also drains pipes, and takes their
locks.
"""

from __future__ import annotations

import math
import os
import select
import struct
from collections.abc import Callable
from os import getppid  # at once: a task may replace os.getppid
from typing import TYPE_CHECKING, Final, Protocol

from ...core.clock import monotonic

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

HEADER: Final = struct.Struct("!i")  # the size, or -1 and then
LONG_HEADER: Final = struct.Struct("!Q")
# A message of so many bytes, header included, is in the pipe whole or not at all (POSIX; Windows
# has no such figure, and no use of this).
_AT_ONCE: Final[int] = getattr(select, "PIPE_BUF", 512)

# Interval at which a waiting worker looks for its parent. (seconds)
_LOOK: Final = 5.0


class Lock(Protocol):
    """A lock shared by the processes of a pool."""

    def acquire(self, block: bool = ..., timeout: float | None = ..., /) -> bool: ...
    def release(self) -> None: ...


class Queue(Protocol):
    """The private parts of a multiprocessing.SimpleQueue. On Windows, _wlock is None."""

    _reader: Connection
    _writer: Connection
    _rlock: Lock
    _wlock: Lock | None


class TaskQueue(Queue, Protocol):
    """The private parts of a multiprocessing.Queue, as its readers use them."""

    _sem: Lock
    get: Callable[..., object]


class Words(Protocol):
    """The words of a worker's black box."""

    def __getitem__(self, index: int, /) -> int: ...
    def __setitem__(self, index: int, value: int, /) -> None: ...


def take_lock(lock: Lock, parent: int, timeout: float | None = None) -> bool:
    """Takes a lock shared by a pool's processes. False after `timeout` seconds, and when the parent
    is gone.

    Only the parent frees a dead worker's lock: without a parent, the other workers would deadlock.
    parent: the os.getppid() of the worker's start.
    """
    left, deadline = _LOOK, math.inf
    if timeout is not None:
        deadline = monotonic() + timeout
    while True:
        if timeout is not None:
            left = min(_LOOK, max(0.0, deadline - monotonic()))
        if lock.acquire(True, left):
            return True
        if getppid() != parent or monotonic() >= deadline:
            return False


def _always() -> bool:
    return True


def read_message(fd: int, wait_for_more: Callable[[], bool] = _always) -> bytes:
    """Reads a message. Raises EOFError at the end of the pipe, OSError if the pipe is closed;
    BlockingIOError if the descriptor does not block, and the pipe has no message.

    wait_for_more: called before each further part of a message; waits for the part if the
        descriptor does not block. Returns False to give up, by an EOFError.
    """
    header = os.read(fd, HEADER.size)
    if not header:
        raise EOFError
    if len(header) < HEADER.size:
        header += _rest(fd, HEADER.size - len(header), wait_for_more)
    (size,) = HEADER.unpack(header)
    if size < 0:
        (size,) = LONG_HEADER.unpack(_rest(fd, LONG_HEADER.size, wait_for_more))
    if size > _AT_ONCE - HEADER.size and not wait_for_more():
        # the sender may have died after sending the header
        raise EOFError("the message ends after its header")
    try:
        data = os.read(fd, size)
    except BlockingIOError:  # a large message: the pipe had room for the header only
        data = b""
    if len(data) == size:
        return data
    return data + _rest(fd, size - len(data), wait_for_more)


def drain(fd: int) -> None:
    """Drains the pipe without waiting."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while poll.poll(0) and os.read(fd, 1 << 16):
        pass


def _rest(fd: int, size: int, wait_for_more: Callable[[], bool]) -> bytes:
    parts = []
    while size > 0:
        part = b""
        if wait_for_more():
            part = os.read(fd, size)
        if not part:
            raise EOFError("the message ends too early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
