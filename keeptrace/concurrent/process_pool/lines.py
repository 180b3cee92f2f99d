"""The parent's ends of the lines to workers that share nothing: a socket pair for each worker.

A line carries multiprocessing.connection's messages both ways, and never blocks. The line keeps
unwritten bytes for a later flush(); the caller polls for the rest of an incomplete message.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Final

from .pipes import HEADER, LONG_HEADER

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

# Read at once: about the capacity of a socket. (bytes)
_PART: Final = 1 << 18
_MOST_SHORT: Final = 0x7FFFFFFF  # the largest message with a short header (bytes)


class Line:
    """The line to a worker. POSIX."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.fd: int = connection.fileno()
        os.set_blocking(self.fd, False)
        self._unsent: list[memoryview] = []
        self._received = bytearray()
        _lines.add(self)

    def send(self, *parts: bytes | memoryview) -> bool:
        """Sends the parts as a single message. Returns whether all is written: see flush()."""
        size = sum(map(len, parts))
        header = HEADER.pack(size)
        if size > _MOST_SHORT:
            header = HEADER.pack(-1) + LONG_HEADER.pack(size)
        self._unsent += map(memoryview, (header, *parts))
        return self.flush()

    def flush(self) -> bool:
        """Writes as much as fits. Returns whether nothing is left to write."""
        while self._unsent:
            try:
                written = os.writev(self.fd, self._unsent)
            except BlockingIOError:
                return False
            except OSError:  # the worker is gone; the caller polls its sentinel
                self._unsent.clear()
                return True
            while self._unsent and written >= len(self._unsent[0]):
                written -= len(self._unsent.pop(0))
            if written:
                self._unsent[0] = self._unsent[0][written:]
        return True

    def receive(self) -> bytes | None:
        """The next message, or None before its last part. Raises EOFError at the end."""
        while (message := self._whole()) is None:
            try:
                part = os.read(self.fd, _PART)
            except BlockingIOError:
                return None
            except ConnectionResetError:  # the worker died with a message unread
                part = b""
            if not part:
                raise EOFError
            self._received += part
        return message

    def _whole(self) -> bytes | None:
        data, start = self._received, HEADER.size
        if len(data) < start:
            return None
        (size,) = HEADER.unpack_from(data)
        if size < 0:
            start += LONG_HEADER.size
            if len(data) < start:
                return None
            (size,) = LONG_HEADER.unpack_from(data, HEADER.size)
        if len(data) < start + size:
            return None
        with memoryview(data) as view:
            message = bytes(view[start : start + size])
        del data[: start + size]
        return message

    def close(self) -> None:
        self._connection.close()


# All open lines. A forked process closes its copies: an open copy would hide the parent's end from
# the workers.
_lines: Final[weakref.WeakSet[Line]] = weakref.WeakSet()


def _close_copies() -> None:
    for line in list(_lines):
        line.close()
    _lines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_copies)
