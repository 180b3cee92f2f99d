"""Black boxes in a directory of dumps: a small file for each living process.

    .4711-81562.box     the process and its start: a line of JSON, a watcher's line
                        (core/watching.py), then the text of faulthandler

A process holds a lock on its box, and removes the box as the process ends. A box without a lock
belongs to a dead process: the next reader of the directory makes a dump of the box (deaths.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from typing import Final, NamedTuple

from ..core.processes import is_alive, namespace, start_of
from ..core.watching import BOX_NAME, LINE, Sample, sample_in
from ..format.files import create
from .local import LocalDirectory

# The stacks of ~100 threads of 100 frames, and the line before them. (bytes)
_MOST_TEXT: Final = 1 << 20
# The least number of a box's descriptor: more than most programs have open.
_LEAST_NUMBER: Final = 200
# The line before a stack that another process has asked for.
ASKED: Final = "keeptrace asks for a stack\n"
# A parent's line, just before the parent kills the process on purpose.
KILLED: Final = "killed by its parent, on purpose\n"


class BoxFacts(NamedTuple):
    """The facts that a process writes into its box at its start.

    start: see core/processes.py. space: the namespace of the process's number, or None. began:
    seconds since 1970. kills: processes of the control group killed so far for lack of memory.
    stack: the signal upon which the process writes its stack. has_stack: whether faulthandler
    writes into the box when the process dies. worker: of pytest-xdist.
    """

    pid: int
    start: int | None
    space: int | None
    command: str
    began: float
    kills: int | None
    stack: int | None
    has_stack: bool
    worker: str | None


class Box(NamedTuple):
    """A box after reading. text: of faulthandler. changed: seconds since 1970. sample: the last
    look of a watcher at the process's memory, if any.
    """

    name: str
    facts: BoxFacts
    text: str
    changed: float
    sample: Sample | None


def make_box(directory: str, facts: BoxFacts) -> tuple[str, int]:
    """Makes a box: its path, and a descriptor holding its lock. Raises OSError."""
    import fcntl

    path = _path(directory, facts.pid, facts.start)
    try:
        file = create(path)
    except FileExistsError:  # of an earlier start in this very process
        os.unlink(path)
        file = create(path)
    file = _moved_up(file)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    fcntl.fcntl(file, fcntl.F_SETFL, flags | os.O_APPEND)
    head = json.dumps(facts._asdict()).encode()
    room_for_sample = b" " * LINE
    os.write(file, head + b"\n" + room_for_sample + b"\n")
    return path, file


def _path(directory: str, pid: int, start: int | None) -> str:
    return os.path.join(directory, f".{pid}-{start or 0}.box")


def note_kill(directory: str, pid: int) -> None:
    """Notes in the box of a process, if any, that the parent now kills the process."""
    path = _path(directory, pid, start_of(pid))
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # the process has no box, or has ended
        return
    try:
        os.write(file, KILLED.encode())
    except OSError:  # a full disk
        return
    finally:
        os.close(file)


def _moved_up(file: int) -> int:
    """The same file under a high number.

    Daemons close all files and open new files, which get the lowest numbers. faulthandler must not
    write into a daemon's new file.
    """
    import fcntl

    try:
        moved = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _LEAST_NUMBER)
    except OSError:  # above the process's limit of descriptors
        return file
    os.close(file)
    return moved


def identity_of(file: int) -> tuple[int, int] | None:
    """Identifies the file behind a descriptor; None if the descriptor is closed."""
    try:
        state = os.fstat(file)
    except OSError:
        return None
    return state.st_dev, state.st_ino


def has_boxes(files: LocalDirectory) -> bool:
    """Whether the directory has any box, of a living or a dead process."""
    return os.name == "posix" and bool(_names(files))


def _names(files: LocalDirectory) -> list[str]:
    try:
        return sorted(entry for entry in os.listdir(files.directory) if BOX_NAME.fullmatch(entry))
    except OSError:  # no directory yet
        return []


def left_boxes(files: LocalDirectory) -> Generator[Box]:
    """The user's boxes of dead processes.

    The step to the next box removes the last box, which then counts as kept. Closing the iterator
    leaves the last box in place.
    """
    for name in _names(files):
        try:
            file = files.opened(name, os.O_RDWR)
        except OSError:  # another user's, or gone
            continue
        try:
            if not _is_left(file):
                continue
            box = _read(name, file)
            if box is not None and not _lives(box.facts):
                yield box
                files.remove(name)
        finally:
            os.close(file)


def _is_left(file: int) -> bool:
    """Takes the lock of a box, so no other process reads the box. False if the lock is taken."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return os.fstat(file).st_nlink == 1  # else another process was first


def _lives(facts: BoxFacts) -> bool:
    """Whether the process still runs, but without its lock: after exec, or C code closed files."""
    return facts.space == namespace() and is_alive(facts.pid, facts.start)


def _read(name: str, file: int) -> Box | None:
    state = os.fstat(file)
    head, _, rest = os.pread(file, _MOST_TEXT, 0).partition(b"\n")
    line, _, text = rest.partition(b"\n")
    try:
        facts, sample = BoxFacts(**json.loads(head)), sample_in(line)
    except (ValueError, TypeError):  # a line cut short by the death, or of a later version
        return None
    return Box(name, facts, text.decode("utf-8", "replace"), state.st_mtime, sample)


def box_of(path: str) -> Box | None:
    """The box of a living process in a file; None for other files."""
    name = os.path.basename(path)
    if BOX_NAME.fullmatch(name) is None:
        return None
    with open(path, "rb") as file:
        return _read(name, file.fileno())


def name_has_pid(name: str, pid: int) -> bool:
    """Whether a file has the name of a process's box."""
    found = BOX_NAME.fullmatch(name)
    return found is not None and found[1] == str(pid)
