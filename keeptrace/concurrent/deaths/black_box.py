"""Black boxes: notes of a worker process for its parent, after the worker's death.

Each worker has a box: an anonymous file (in memory on Linux), made by the parent and inherited by
the worker.

    mapped by the worker                        texts and records, in the order of writing
    [state | job | index | ...] [note] [note]   [the initializer's failure] [faulthandler's text]
    one page                                    [answers to stacks()] ...

- The worker writes its state into the page: a store into memory for each task cannot fail or block.
- A note of a worker with a memory mark (memory.py) goes into the unused of two rooms; then a word
  names the new room. A worker killed while writing leaves the older note whole. Rooms without a
  note take no memory.
- A box costs the parent a descriptor. A map of the page would cost another descriptor, so the
  parent reads the words from the file, with a system call for each worker that is dead or asked for
  its stacks.
- The file has no name, so nothing is left behind, however parent or worker end.
- On a system without such files (Windows), the box is empty: a death has only its exit code.
"""

from __future__ import annotations

import importlib
import mmap
import os
import struct
import sys
import tempfile
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

POSIX: Final = os.name == "posix"

# The words of a box's page, 64 bits each, written by the worker alone.
STATE, JOB, INDEX, ASK_TEXT, ASK_LOCALS, RESIDENT, LIMIT, _NOTED = range(8)

# STATE: the state of the worker. In READING and SENDING, a part of a message may have moved; in
# READING, SENDING and WAITING, the worker holds the queue's lock. TAKEN: it has a task that nobody
# knows yet.
STARTING, IDLE, WAITING, READING, RUNNING, SENDING, ENDED, TAKEN = range(8)

# ASK_TEXT and ASK_LOCALS: the number of the signal for this kind of answer. NOT_YET: the worker is
# still starting. TAKEN: none, because the program uses the signal.
NOT_YET, TAKEN = 0, 0xFFFF

# RESIDENT and LIMIT: the memory of a worker with a memory mark. (bytes)
# _NOTED: 1 or 2 for the room of the newest note, 0 for none.

_WORDS: Final = 8
_WORD: Final = struct.Struct("=Q")
_PAGE: Final = mmap.PAGESIZE
_ROOM: Final = 1 << 17  # for a note (bytes)
_START: Final = _PAGE + 2 * _ROOM  # of texts and records
MOST_NOTE: Final = _ROOM - _WORD.size  # (bytes)

# A record begins with a NUL, a byte that faulthandler never writes; then kind and size.
_RECORD: Final = struct.Struct("=cQ")
_FAILURE, ANSWER = b"F", b"A"

# The parent reads so much of faulthandler's text: ~100 threads of 100 frames. (bytes)
MOST_TEXT: Final = 1 << 20


def _start_of_room(room: int) -> int:
    """The offset of the first or second room for a note."""
    return _PAGE + (room - 1) * _ROOM


def _make_file() -> int:
    """A file without a name, of a page and two rooms, for appending."""
    import fcntl

    fd = _nameless()
    os.ftruncate(fd, _START)
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_APPEND)
    return fd


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create("keeptrace", os.MFD_CLOEXEC)
        except OSError:  # a sandbox may forbid the call
            pass
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class _FileWords:
    """The words of a box, from its file."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __getitem__(self, index: int) -> int:
        data = os.pread(self._fd, _WORD.size, index * _WORD.size)
        (word,) = _WORD.unpack(data)
        return int(word)


class BlackBox:
    """The box of a worker. The box travels to the worker in the arguments of its process."""

    __slots__ = ("__weakref__", "_map", "fd", "words")

    def __init__(self, fd: int | None = None) -> None:
        self.fd: int = -1
        self._map: mmap.mmap | None = None
        self.words: Any = [0] * _WORDS
        if POSIX:
            if fd is None:
                fd = _make_file()
            self.fd = fd
            self.words = _FileWords(self.fd)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.fd < 0:
            return BlackBox, ()
        return _inherited, (_starting_reduction().DupFd(self.fd),)

    def close(self) -> None:
        """Frees the file. The words keep their last values, as numbers."""
        if self.fd < 0:
            return
        fd = self.fd
        self.fd = -1
        words = self.words
        self.words = [words[index] for index in range(_WORDS)]
        if self._map is not None:
            words.release()
            self._map.close()
        os.close(fd)

    def __del__(self, _close: Callable[[int], None] = os.close) -> None:
        # At the end of the interpreter, the module's names may be gone before an unclosed pool.
        if self.fd >= 0:
            _close(self.fd)

    # -- in the worker

    def open(self) -> None:
        """Maps the words for writing."""
        if self.fd >= 0 and self._map is None:
            self._map = mmap.mmap(self.fd, _START)
            self.words = memoryview(self._map)[:_PAGE].cast("Q")

    def put(self, failure: bytes) -> None:
        """Keeps the exception of the worker's initializer."""
        self._write(_FAILURE, failure)

    def answer(self, data: bytes) -> None:
        self._write(ANSWER, data)

    def note(self, data: bytes) -> None:
        """Keeps a note of at most MOST_NOTE bytes in place of the note before."""
        if self._map is not None:
            room = 1
            if self.words[_NOTED] == 1:
                room = 2
            note = _WORD.pack(len(data)) + data
            start = _start_of_room(room)
            end = start + len(note)
            self._map[start:end] = note
            self.words[_NOTED] = room

    def drop_note(self) -> None:
        self.words[_NOTED] = 0

    def _write(self, kind: bytes, data: bytes) -> None:
        if self.fd >= 0:
            left = memoryview(b"\0" + _RECORD.pack(kind, len(data)) + data)
            while left:
                left = left[os.write(self.fd, left) :]

    # -- in the parent

    def size(self) -> int:
        if self.fd < 0:
            return _START
        return os.fstat(self.fd).st_size

    def clear(self) -> None:
        """Drops all texts and records, after the parent has read the answers."""
        if self.fd >= 0:
            os.ftruncate(self.fd, _START)

    def noted(self) -> bytes:
        """The newest note; empty without a note."""
        if self.fd < 0:
            return b""
        room = self.words[_NOTED]
        if room == 0:
            return b""
        data = os.pread(self.fd, _ROOM, _start_of_room(room))
        (size,) = _WORD.unpack_from(data)
        note = data[_WORD.size :]
        return note[:size]

    def read(self, start: int = _START) -> tuple[str, list[tuple[bytes, bytes]]]:
        """Texts and complete records after `start`: faulthandler's text, and the records."""
        text = b""
        data = b""
        records = []
        if self.fd >= 0:
            data = os.pread(self.fd, self.size() - start, start)
        while data:
            plain, mark, data = data.partition(b"\0")
            text += plain
            if not mark or len(data) < _RECORD.size:
                break
            kind, size = _RECORD.unpack_from(data)
            rest = data[_RECORD.size :]
            if len(rest) < size:
                break
            records.append((kind, rest[:size]))
            data = rest[size:]
        return text[-MOST_TEXT:].decode("ascii", "replace"), records

    def failure(self) -> bytes | None:
        """The exception of the worker's initializer, as bytes for from_bytes()."""
        _, records = self.read()
        for kind, data in records:
            if kind == _FAILURE:
                return data
        return None

    def last_words(self) -> str:
        """faulthandler's text from the process's death; empty if the process died silently."""
        text, _ = self.read()
        start = text.rfind("Fatal Python error: ")
        if start < 0:
            return ""
        return text[start:]


def _starting_reduction() -> ModuleType:
    """The module `reduction` of the package that is starting a process in the thread:
    multiprocessing, or the fork multiprocess.
    """
    context = sys.modules.get("multiprocess.context")
    if context is not None and context.get_spawning_popen() is not None:
        return importlib.import_module("multiprocess.reduction")
    return importlib.import_module("multiprocessing.reduction")


def _inherited(fd: Any) -> BlackBox:
    return BlackBox(fd.detach())


def box_of(process: object) -> BlackBox | None:
    found = getattr(process, "_keeptrace_box", None)
    if isinstance(found, BlackBox):
        return found
    return None


def failure_of(process: object) -> bytes | None:
    """The exception of a worker's initializer, as bytes for from_bytes()."""
    box = box_of(process)
    if box is None:
        return None
    return box.failure()
