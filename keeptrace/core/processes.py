"""Processes of this machine: whether one lives, and since when, so that a number that was given to
another process meanwhile is not mistaken.
"""

from __future__ import annotations

import os

# Of /proc/PID/stat, behind the command's name: the state, and the clock ticks at the start.
_STATE = 0
_START = 19
_DEAD = (b"Z", b"X")  # a zombie has ended: its parent has not asked for its exit code


def start_of(pid: int) -> int | None:
    """When a process was started, in clock ticks of the system; None if it has ended, or where the
    system does not say.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            facts = file.read().rpartition(b")")[2].split()
        return None if facts[_STATE] in _DEAD else int(facts[_START])
    except (OSError, ValueError, IndexError):
        return None


def is_alive(pid: int, start: int | None) -> bool:
    """Whether the process lives that was started then. start: of start_of(), None if not known."""
    if start is not None:
        return start_of(pid) == start
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's process
        return True
    return True
