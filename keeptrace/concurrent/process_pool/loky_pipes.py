"""The parent's ends of the two pipes shared by loky's workers, for an executor that replaces dead
workers. After a death within a message, the parent mends the pipe. POSIX.

    TaskWriter ── message | message | mess...  ─▶ a worker with the queue's lock
    CutResults ◀── message | mess...           ── a worker with the queue's lock

- Results: the parent is the only reader. The rest of a dead worker's result never arrives: the
  parent drops the arrived part, and the pipe is empty.
- Tasks: the parent is the only writer. The bytes written, less the bytes in the pipe, are the bytes
  read; their number shows the dead reader's place in a message. The parent reads the rest, and
  sends the message again.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

from ..deaths.black_box import SENDING, STATE, box_of
from .pipes import HEADER, LONG_HEADER
from .queues import Results, gone

_MOST_SHORT: Final = 0x7FFFFFFF  # the largest message with a short header (bytes)
# A smaller message is sent with its header by a single write, as by multiprocessing. (bytes)
_SMALL: Final = 16_384
_PART: Final = 1 << 18  # read at once (bytes)


class CutResults(Results):
    """The reading end of the queue of results."""

    _is_cut = False

    def was_cut(self) -> bool:
        """Whether a message ended with its sender's death since the last call."""
        is_cut, self._is_cut = self._is_cut, False
        return is_cut

    def wait_for_more(self) -> bool:
        while self._has_sender():
            # Returns at the death of the sender, and also soon after the death of another worker.
            if super().wait_for_more():
                return True
        self._is_cut = not self.poll()
        return not self._is_cut

    def _has_sender(self) -> bool:
        """Whether a living worker is within a message; such a worker may pause for long."""
        dead = gone(self.workers)
        living = [process for process in list(self.workers.values()) if process not in dead]
        boxes = [box_of(process) for process in living]
        return any(box is not None and box.words[STATE] == SENDING for box in boxes)


class _Message(NamedTuple):
    """start, end: the place among all written bytes. number: of the task, if known."""

    start: int
    end: int
    number: int | None


class TaskWriter(Connection):
    """The writing end of the queue of tasks. Never blocks within a write, and so knows the number
    of bytes written into the pipe.
    """

    def set_up(self, number_in: Callable[[Any], int | None], most: int) -> None:
        """most: the number of unread messages in the pipe."""
        self._number_in = number_in
        self._lock = threading.Lock()
        self._written = 0
        self._messages: deque[_Message] = deque(maxlen=most)
        os.set_blocking(self.fileno(), False)
        self._room = select.poll()
        self._room.register(self.fileno(), select.POLLOUT)

    def _send_bytes(self, buf: memoryview) -> None:
        """Overrides Connection's method."""
        size = len(buf)
        header = HEADER.pack(size)
        if size > _MOST_SHORT:
            header = HEADER.pack(-1) + LONG_HEADER.pack(size)
        start = self._written
        end = start + len(header) + size
        self._messages.append(_Message(start, end, self._number_in(buf)))
        if size <= _SMALL:
            self._write(header + bytes(buf))
        else:
            self._write(header)
            self._write(buf)

    def _write(self, data: bytes | memoryview) -> None:
        left = memoryview(data)
        while left:
            written = self._written_now(left)
            left = left[written:]
            if not written:
                self._room.poll()

    def _written_now(self, data: memoryview) -> int:
        with self._lock:
            try:
                written = os.write(self._handle, data)  # type: ignore[attr-defined]
            except BlockingIOError:
                return 0
            self._written += written
            return written

    def last_read(self, reader: int) -> tuple[_Message | None, int]:
        """The last message that was read, be it in part, and how many of its bytes were not.

        reader: the pipe's other end. Nobody may read from the pipe meanwhile.
        """
        with self._lock:
            read = self._written - _size_of_content(reader)
        for message in reversed(list(self._messages)):
            if message.start < read:
                return message, message.end - read
        return None, 0

    def __reduce__(self) -> Any:
        """Workers get a plain connection."""
        from multiprocessing.connection import reduce_connection  # type: ignore[attr-defined]

        return reduce_connection(self)


def _size_of_content(fd: int) -> int:
    """The number of bytes in a pipe."""
    import fcntl
    import termios

    size = fcntl.ioctl(fd, termios.FIONREAD, bytes(4))
    return int.from_bytes(size, sys.byteorder)


def drop(size: int, reader: int) -> None:
    """Reads the rest of a message, which the parent's other thread may still be writing."""
    while size:
        size -= len(os.read(reader, min(size, _PART)))


def survive_cuts(executor: Any, number_in: Callable[[Any], int | None]) -> None:
    """Gives the ends of an executor's pipes these classes, before its workers start.

    number_in: pickled item → the task's number, or None.
    """
    executor._result_queue._reader.__class__ = CutResults
    calls = executor._call_queue
    calls._writer.__class__ = TaskWriter
    calls._writer.set_up(number_in, calls._maxsize + 1)
