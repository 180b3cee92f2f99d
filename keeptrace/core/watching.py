"""The watcher: a small process that notes the memory of other processes, for the records of killed
ones. Linux.

    .4711-81562.box      a process's black box (store/boxes.py): a line of JSON, then
                         the watcher's line, of a fixed length: resident, peak, seen, ended

- A watcher serves one directory of boxes: the watcher reads /proc/PID/status of each process with a
  box there, waits for their ends, and ends after the last one.
- The watched processes do nothing. A look at a process costs the watcher a system call; looks are a
  second apart, and a tenth of a second while memory grows.
- The system tells nothing of a dead process's memory. So the record has the last look, and the
  peak that the system had noted by then.
"""

from __future__ import annotations

import os
import re
import select
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from .clock import now
from .digest import digest
from .processes import namespace, start_of

if TYPE_CHECKING:
    import socket

BOX_NAME: Final = re.compile(r"\.(\d+)-(\d+)\.box", re.ASCII)
# The watcher's line in a box, without its end. (bytes)
LINE: Final = 80
_SAMPLE: Final = re.compile(rb"(\d+) (\d+) (\d+\.\d+) (\d+\.\d+) *")
_MOST_HEAD: Final = 1 << 13  # where the box's first line has ended (bytes)
_MOST_STATUS: Final = 1 << 13  # of /proc/PID/status (bytes)
_MOST_MESSAGE: Final = 64  # a pid (bytes)
_PID: Final = re.compile(rb"\d{1,9}")
_MEMORY: Final = re.compile(rb"^Vm(HWM|RSS):\s*(\d+) kB$", re.MULTILINE)

# Between two looks: at the most, and while a process grows. (seconds)
_LONGEST: Final = 1.0
_SHORTEST: Final = 0.1
# Growth by this fraction of a process's memory counts as growing, and is noted. (a fraction)
_GROWTH: Final = 1 / 16


class Sample(NamedTuple):
    """A look at the memory of a process.

    resident: bytes. peak: the most until then. seen: when, in seconds since 1970. ended: when the
    process died; 0.0 if the watcher has not seen its death.
    """

    resident: int
    peak: int
    seen: float
    ended: float = 0.0

    def line(self) -> bytes:
        words = f"{self.resident} {self.peak} {self.seen:.3f} {self.ended:.3f}"
        return words.encode().ljust(LINE)


def sample_in(line: bytes) -> Sample | None:
    """The sample in a watcher's line; None if there was no look."""
    found = _SAMPLE.fullmatch(line)
    if found is None:
        return None
    return Sample(int(found[1]), int(found[2]), float(found[3]), float(found[4]))


# -- the side of the watched process


def start_watcher(directory: str, pid: int = 0) -> None:
    """Starts a watcher for a directory of boxes, unless there is one. Does nothing where the system
    cannot serve a watcher: the memory is not known then.

    pid: a process that has no box yet; 0 if the first box is there.
    """
    program = os.path.basename(sys.executable or "")
    if not program.startswith(("python", "pypy")):
        return
    if not hasattr(os, "pidfd_open") or not os.path.exists("/proc/self/status"):
        return
    import subprocess

    room = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(os.path.dirname(room))
    python = [sys.executable, "-I", "-S", "-c", _CODE, root, directory, str(pid)]
    # By a shell, so that the watcher is no child of ours: programs wait for all their children.
    command = ["/bin/sh", "-c", '"$@" &', "sh", *python]
    null = subprocess.DEVNULL
    try:
        subprocess.run(
            command,
            check=False, cwd="/", stdin=null, stdout=null, stderr=null, start_new_session=True,
        )  # fmt: skip
    except OSError:  # no shell, or no more processes
        return


# Behind the standard library: a package beside ours must not shadow its modules.
_CODE: Final = """
import sys
sys.path.append(sys.argv[1])
from keeptrace.core.watching import watch
watch(sys.argv[2], int(sys.argv[3]))
"""


# -- the side of the watcher


class _Watched:
    """A process with a box. Raises OSError if the process has ended."""

    def __init__(self, box: str, pid: int) -> None:
        self.end: int = os.pidfd_open(pid)  # readable when the process has ended
        try:
            self._status = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            os.close(self.end)
            raise
        self._box = box
        self._last: Sample | None = None
        self._noted = 0

    def look(self) -> bool:
        """Looks at the memory. Gives whether it is growing."""
        try:
            text = os.pread(self._status, _MOST_STATUS, 0)
        except OSError:  # it has just ended
            return False
        found = {name: int(number) << 10 for name, number in _MEMORY.findall(text)}
        if len(found) < 2:  # likewise
            return False
        before = self._last
        last = Sample(found[b"RSS"], found[b"HWM"], now())
        self._last = last
        if last.peak > self._noted * (1 + _GROWTH):
            self._note(last)
        if before is None:
            return False
        return last.resident > before.resident * (1 + _GROWTH)

    def note_end(self) -> None:
        if self._last is not None:
            self._note(self._last._replace(ended=now()))

    def _note(self, sample: Sample) -> None:
        self._noted = sample.peak
        try:
            box = os.open(self._box, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # removed: the process has ended well
            return
        try:
            head = os.pread(box, _MOST_HEAD, 0).find(b"\n")
            if head >= 0:  # else the box is only just made
                os.pwrite(box, sample.line(), head + 1)
        except OSError:  # a full disk
            return
        finally:
            os.close(box)

    def close(self) -> None:
        os.close(self.end)
        os.close(self._status)


class _Watcher:
    """The processes of one directory.

    inbox: receives the pids of processes that have started another watcher. Any user of the machine
        can send to it, so other messages are ignored.
    """

    def __init__(self, directory: str, pid: int, inbox: socket.socket) -> None:
        self._directory = directory
        self._inbox = inbox
        self._poll = select.poll()
        self._poll.register(inbox.fileno(), select.POLLIN)
        self._watched: dict[str, _Watched] = {}  # by the names of their boxes
        self._roots: dict[int, int] = {}  # readable at their ends; by pid
        self._changed = -1.0  # the directory
        self._add_root(pid)

    def run(self) -> None:
        """Watches until there is no process."""
        pause = _SHORTEST
        while self._find() or self._roots:
            is_growing = [each.look() for each in self._watched.values()]
            pause = min(pause * 2, _LONGEST)
            if any(is_growing):
                pause = _SHORTEST
            ready = {fd for fd, _ in self._poll.poll(pause * 1000)}
            if self._inbox.fileno() in ready:
                message = self._inbox.recv(_MOST_MESSAGE)
                if _PID.fullmatch(message):
                    self._add_root(int(message))
            self._drop_ended(ready)

    def _find(self) -> bool:
        """Finds new boxes, and drops removed ones. Gives whether any are left."""
        try:
            changed = os.stat(self._directory).st_mtime
            if changed == self._changed and now() - changed > _LONGEST:
                return bool(self._watched)
            names = {name for name in os.listdir(self._directory) if BOX_NAME.fullmatch(name)}
        except OSError:  # no directory: not yet, or no more
            changed, names = -1.0, set()
        self._changed = changed
        for name in names - self._watched.keys():
            self._add(name)
        for name in self._watched.keys() - names:
            self._drop(name)
        return bool(self._watched)

    def _add(self, name: str) -> None:
        found = BOX_NAME.fullmatch(name)
        assert found is not None
        pid, start = int(found[1]), int(found[2])
        try:
            watched = _Watched(os.path.join(self._directory, name), pid)
        except OSError:  # it has ended
            return
        if start_of(pid) != start:  # another process, or of another container
            watched.close()
            return
        self._poll.register(watched.end, select.POLLIN)
        self._watched[name] = watched

    def _drop(self, name: str) -> None:
        watched = self._watched.pop(name)
        self._poll.unregister(watched.end)
        watched.close()

    def _add_root(self, pid: int) -> None:
        try:
            end = os.pidfd_open(pid)
        except OSError:  # it has ended, or there is none
            return
        self._poll.register(end, select.POLLIN)
        self._roots[pid] = end

    def _drop_ended(self, ready: set[int]) -> None:
        for name, watched in list(self._watched.items()):
            if watched.end in ready:
                watched.note_end()
                self._drop(name)
        for pid, end in list(self._roots.items()):
            if end in ready:
                self._poll.unregister(end)
                os.close(self._roots.pop(pid))


def address_of(directory: str) -> bytes:
    """The address of a directory's watcher: abstract, so no file is left."""
    about = f"{os.geteuid()} {namespace()} {directory}".encode("utf-8", "surrogateescape")
    return b"\0keeptrace-watcher-" + digest(about).encode()


def watch(directory: str, pid: int) -> None:
    """The main function of a watcher. pid: of start_watcher()."""
    import socket

    name = address_of(directory)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        try:
            inbox.bind(name)
        except OSError:  # there is a watcher
            inbox.sendto(str(pid).encode(), name)
            return
        _Watcher(directory, pid, inbox).run()
