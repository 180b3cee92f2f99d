"""Reads messages of multiprocessing.connection from a file descriptor (POSIX), as
Connection.recv_bytes() does.

Quicker than recv_bytes(), and can be called off. This module also drains pipes, and takes their
locks.
"""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Callable
from os import getppid  # at once: a task may replace it
from typing import Any, Final

from ...core.clock import monotonic

HEADER: Final = struct.Struct("!i")  # the size, or -1 and then
LONG_HEADER: Final = struct.Struct("!Q")
# A message of so many bytes, header included, is in the pipe whole or not at all (POSIX; Windows
# has no such figure, and no use of this).
_AT_ONCE: Final[int] = getattr(select, "PIPE_BUF", 512)

# Interval at which a waiting worker looks for its parent. (seconds)
_LOOK: Final = 5.0


def take_lock(lock: Any, parent: int, timeout: float | None = None) -> bool:
    """Takes a lock that a pool's processes share. False after `timeout` seconds, and when the
    parent is gone.

    Only the parent frees a dead worker's lock: without a parent, the other workers would deadlock.
    parent: the os.getppid() of the worker's start.
    """
    deadline = None if timeout is None else monotonic() + timeout
    while True:
        left = _LOOK if deadline is None else min(_LOOK, max(0.0, deadline - monotonic()))
        if lock.acquire(True, left):
            return True
        if getppid() != parent or (deadline is not None and monotonic() >= deadline):
            return False


def _always() -> bool:
    return True


def read_message(fd: int, wait_for_more: Callable[[], bool] = _always) -> bytes:
    """Reads one message. Raises EOFError at the end of the pipe, OSError if the pipe is closed;
    BlockingIOError if the descriptor does not block, and no message is there.

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
