"""The parent's ends of the two pipes that loky's workers share, of an executor that replaces dead
workers: each is whole again after a worker died within a message. POSIX.

    TaskWriter ── message | message | mess...  ─▶ a worker, which holds the queue's lock
    CutResults ◀── message | mess...           ── a worker, which holds the queue's lock

- Results: the parent is the only reader. A result whose sender is dead never arrives whole: the
  part that has come is dropped, and the pipe is empty.
- Tasks: the parent is the only writer. The bytes written, less the bytes that the pipe has, are the
  bytes read; their number tells how much of which message the dead reader has taken. The parent
  reads the rest, and sends the message again.
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
# Sent with its header by one write, as by multiprocessing. (bytes)
_SMALL: Final = 16_384
_PART: Final = 1 << 18  # read at once (bytes)


class CutResults(Results):
    """The reading end of the queue of results."""

    _is_cut = False

    def was_cut(self) -> bool:
        """Whether a message has ended with its sender's death since the last call."""
        is_cut, self._is_cut = self._is_cut, False
        return is_cut

    def wait_for_more(self) -> bool:
        while self._has_sender():
            # Does not wait for ever if the sender dies, and less for a death of another worker.
            if super().wait_for_more():
                return True
        self._is_cut = not self.poll()
        return not self._is_cut

    def _has_sender(self) -> bool:
        """Whether a living worker is within a message: it may have been stopped for a while."""
        dead = gone(self.workers)
        living = [process for process in list(self.workers.values()) if process not in dead]
        boxes = [box_of(process) for process in living]
        return any(box is not None and box.words[STATE] == SENDING for box in boxes)


class _Message(NamedTuple):
    """start, end: its place among all bytes that were written. number: of its task, if known."""

    start: int
    end: int
    number: int | None


class TaskWriter(Connection):
    """The writing end of the queue of tasks. Never blocks within a write, and so knows how many
    bytes the pipe has got.
    """

    def set_up(self, number_in: Callable[[Any], int | None], most: int) -> None:
        """most: messages that are written and not yet read."""
        self._number_in = number_in
        self._lock = threading.Lock()
        self._written = 0
        self._messages: deque[_Message] = deque(maxlen=most)
        os.set_blocking(self.fileno(), False)
        self._room = select.poll()
        self._room.register(self.fileno(), select.POLLOUT)

    def _send_bytes(self, buf: Any) -> None:
        """Stands for Connection's."""
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

    def _write(self, data: Any) -> None:
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

    def cut_message(self, reader: int) -> _Message | None:
        """The message of which a part was read, and its place from there to its end.

        None if the last reader has read a whole message or nothing.
        """
        with self._lock:
            read = self._written - _size_of_content(reader)
        for message in list(self._messages):
            if message.start < read < message.end:
                return message._replace(start=read)
        return None

    def __reduce__(self) -> Any:
        """Workers get a plain connection."""
        from multiprocessing.connection import reduce_connection  # type: ignore[attr-defined]

        return reduce_connection(self)


def _size_of_content(fd: int) -> int:
    """How many bytes a pipe has."""
    import fcntl
    import termios

    size = fcntl.ioctl(fd, termios.FIONREAD, bytes(4))
    return int.from_bytes(size, sys.byteorder)


def drop_rest(message: _Message, reader: int) -> None:
    """Reads the rest of a message, which the parent's other thread may still be writing."""
    left = message.end - message.start
    while left:
        left -= len(os.read(reader, min(left, _PART)))


def survive_cuts(executor: Any, number_in: Callable[[Any], int | None]) -> None:
    """Makes the ends of an executor's pipes of these classes, before its workers start.

    number_in: gives the task's number in a pickle, if known.
    """
    executor._result_queue._reader.__class__ = CutResults
    calls = executor._call_queue
    calls._writer.__class__ = TaskWriter
    calls._writer.set_up(number_in, calls._maxsize)
