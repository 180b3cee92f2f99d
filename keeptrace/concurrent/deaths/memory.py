"""The record of a worker with Options(memory_mark=...). If the kernel kills the worker, no signal
handler runs, so the worker writes its record beforehand.

A thread of the worker looks at the resident memory. While the memory is above the mark, the black
box has the main thread's stack with its variables, and the largest variables. The thread renews the
record as the memory grows, without running any of the program's code.

A single large allocation within C code can end the worker before the thread looks.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ...core.clock import monotonic, sleep
from ...core.options import Options
from ..worker_frames import ENGINES, module_of
from .black_box import INDEX, JOB, LIMIT, MOST_NOTE, RESIDENT, BlackBox
from .sizes import LargeVariable, largest_of, size_text

# Between two looks: a worker filling 1 GB a second is seen every 100 MB. (seconds)
_LOOK: Final = 0.1
# Above the mark, the thread renews the record when the memory has grown by a factor, or after a
# time, when the stack has changed. (a factor; seconds)
_GROWN: Final = 1.1
_RENEWED: Final = 1.0
# Bounds of the capture: the worker is at work, and short of memory. (bytes; seconds)
_MOST_BYTES: Final = 60_000
_MOST_SECONDS: Final = 0.5

_CGROUPS: Final = "/sys/fs/cgroup"
# Without a limit, control groups of version 1 have a number near the largest integer. (bytes)
_NO_LIMIT: Final = 1 << 60


class MemoryNote(
    NamedTuple(
        "MemoryNote",
        [
            ("resident", int),
            ("limit", int),
            ("frames", bytes),
            ("largest", tuple[LargeVariable, ...]),
        ],
    )
):
    """A worker's record of its memory.

    resident: the memory at the last look. (bytes)
    limit: the container's limit, or the machine's memory; 0 if unknown. (bytes)
    frames: the stack above the mark, for from_bytes(); empty below the mark.
    largest: the largest variables of the stack.
    """

    __slots__ = ()

    def __str__(self) -> str:
        told = f"it had {size_text(self.resident)} resident"
        if self.limit:
            told += f" of a limit of {size_text(self.limit)}"
        return f"{told} when last seen"


# -- in the worker


def watch(
    box: BlackBox, options: Options, frames_to_bytes: Callable[[types.FrameType, Options], bytes]
) -> None:
    """Starts a thread that watches the process, and notes the calling thread's stack.

    frames_to_bytes: makes MemoryNote.frames from the innermost frame.
    """
    mark = mark_of(options)
    if mark is None or box.fd < 0:
        return
    box.words[LIMIT] = memory_limit()
    watcher = _Watcher(box, mark, options, sys._getframe(1), frames_to_bytes)
    thread = threading.Thread(target=watcher.run, name="keeptrace memory", daemon=True)
    thread.start()


def mark_of(options: Options) -> int | None:
    """The mark in bytes. None without a mark, or for a fraction of an unknown limit."""
    mark = options.memory_mark
    if isinstance(mark, float):
        return int(mark * memory_limit()) or None
    return mark


class _Watcher:
    def __init__(
        self,
        box: BlackBox,
        mark: int,
        options: Options,
        base: types.FrameType,
        frames_to_bytes: Callable[[types.FrameType, Options], bytes],
    ) -> None:
        self._box = box
        self._mark = mark
        self._frames_to_bytes = frames_to_bytes
        self._options = options.replace(
            run_reprs=False,
            pickler=None,
            max_live_bytes=0,
            max_bytes=min(options.max_bytes, _MOST_BYTES),
            max_seconds=min(options.max_seconds, _MOST_SECONDS),
        )
        self._of = threading.get_ident()
        self._base = base  # frames outside belong to the process that forked the worker
        self._pid = os.getpid()
        self._noted = 0  # the resident memory at the last note; 0 without a note
        self._at = 0.0

    def run(self) -> None:
        try:
            while self._pid == os.getpid():
                self._look()
                sleep(_LOOK)
        except (OSError, ValueError):  # the task closed the box, or /proc cannot be read
            return

    def _look(self) -> None:
        resident = resident_memory()
        self._box.words[RESIDENT] = resident
        if resident < self._mark:
            if self._noted:
                self._noted = 0
                self._box.drop_note()
            return
        now = monotonic()
        if resident >= self._noted * _GROWN or now >= self._at + _RENEWED:
            self._note()
            self._noted = resident
            self._at = now

    def _note(self) -> None:
        top = sys._current_frames().get(self._of)
        if top is None:
            return
        words = self._box.words
        task = words[JOB], words[INDEX]
        try:
            frames = self._frames_to_bytes(top, self._options)
            largest = largest_of(_frames_within(self._base, top))
        except Exception:  # the main thread changes a variable meanwhile: the next look tries again
            return
        for told in ((*task, frames, largest), (*task, b"", largest)):
            data = pickle.dumps(told)
            if len(data) <= MOST_NOTE:
                self._box.note(data)
                return


def _frames_within(
    base: types.FrameType, frame: types.FrameType | None
) -> Iterator[types.FrameType]:
    """The frames from `frame` outwards to the base, without the engine's frames and ours."""
    while frame is not None and frame is not base:
        if not module_of(frame).startswith((*ENGINES, "keeptrace.")):
            yield frame
        frame = frame.f_back


def resident_memory() -> int:
    """The process's resident memory in bytes. Without /proc, its peak so far."""
    try:
        with open("/proc/self/statm", "rb") as file:
            _, pages, *_ = file.read().split()
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if sys.platform == "darwin":
            return most
        return most * 1024


def memory_limit() -> int:
    """The least limit of the process's control groups, or the machine's memory.

    In bytes; 0 if the system has neither.
    """
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        machine = 0
    found = [machine, *_limits_of_groups()]
    limits = [limit for limit in found if 0 < limit < _NO_LIMIT]
    return min(limits, default=0)


def _limits_of_groups() -> Iterator[int]:
    try:
        with open("/proc/self/cgroup") as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return
    for number, controllers, path in groups:
        if number == "0":
            yield from _limits_above(_CGROUPS, path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _limits_above(f"{_CGROUPS}/memory", path, "memory.limit_in_bytes")


def _limits_above(root: str, path: str, name: str) -> Iterator[int]:
    """The limits of a group and of all groups around it. Within a container, the path may lead
    nowhere, and the container's own group is the root.
    """
    parts: list[str] = []
    if ".." not in path:
        parts = path.strip("/").split("/")
    for count in range(len(parts), -1, -1):
        path_of_limit = "/".join((root, *parts[:count], name))
        try:
            with open(path_of_limit) as file:
                text = file.read().strip()
        except OSError:
            continue
        if text.isdigit():  # not "max"
            yield int(text)


# -- in the parent


def note_of(box: BlackBox) -> MemoryNote | None:
    """A dead worker's record of its memory; None without a record.

    Leaves out a stack of an earlier task than the last.
    """
    resident: Any = box.words[RESIDENT]
    if not resident:
        return None
    limit = int(box.words[LIMIT])
    frames: bytes = b""
    largest: Sequence[LargeVariable] = ()
    data = box.noted()
    if data:
        *task, noted_frames, noted_largest = pickle.loads(data)
        if task == [box.words[JOB], box.words[INDEX]]:
            frames = noted_frames
            largest = noted_largest
    return MemoryNote(int(resident), limit, frames, tuple(largest))
