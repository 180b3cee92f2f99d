"""Whether a process of this machine is alive, and since when.

The system gives a dead process's number to a new process; the time of the start tells them apart.
"""

from __future__ import annotations

import os

# Of /proc/PID/stat, behind the command's name: the state, and the clock ticks at the start.
_STATE = 0
_START = 19
_DEAD = (b"Z", b"X")  # a zombie has ended, but its parent has not read the exit code


def start_of(pid: int) -> int | None:
    """The start of a process, in clock ticks of the system. None if the process has ended, or if
    the system does not say.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            facts = file.read().rpartition(b")")[2].split()
        return None if facts[_STATE] in _DEAD else int(facts[_START])
    except (OSError, ValueError, IndexError):
        return None


def is_alive(pid: int, start: int | None) -> bool:
    """Whether the process with this start is alive. start: of start_of(), None if not known."""
    if start is not None:
        return start_of(pid) == start
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's process
        return True
    return True
