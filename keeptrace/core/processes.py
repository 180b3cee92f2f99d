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
    """The start of a process, in clock ticks of the system. None if the process has ended, or on a
    system without /proc.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            facts = file.read().rpartition(b")")[2].split()
        if facts[_STATE] in _DEAD:
            return None
        return int(facts[_START])
    except (OSError, ValueError, IndexError):
        return None


def resident(pid: int) -> int:
    """Bytes of resident memory of a process; 0 on a system without /proc."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):  # the process has ended; or macOS
        return 0


def is_alive(pid: int, start: int | None) -> bool:
    """Whether the process with this start is alive. start: from start_of(); None means unknown."""
    if start is not None:
        return start_of(pid) == start
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's process
        return True
    return True


def namespace() -> int | None:
    """The id of this process's PID namespace: containers have equal numbers for other processes.
    None on a system without /proc.
    """
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return None


def memory_kills() -> int | None:
    """The number of processes of our control group killed for lack of memory; None if the system
    does not count.
    """
    try:
        told = dict(line.split() for line in _of_group("memory.events").splitlines())
        return int(told["oom_kill"])
    except (OSError, ValueError, KeyError):
        return None


def memory_of_group() -> tuple[int, int] | None:
    """The peak memory of our control group, and the limit, in bytes; None without a limit, or if
    the system does not count.
    """
    try:
        return int(_of_group("memory.peak")), int(_of_group("memory.max"))
    except (OSError, ValueError):  # "max": no limit
        return None


def _of_group(name: str) -> str:
    """A file of our control group. Raises OSError."""
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        path = file.read().strip().rpartition("::")[2].lstrip("/")
    with open(os.path.join("/sys/fs/cgroup", path, name), encoding="utf-8") as file:
        return file.read()


def is_main_interpreter() -> bool:
    """Whether the caller runs in the main interpreter, not in a subinterpreter."""
    # Statements, not import_module(): shadows.py protects only import statements.
    try:
        import _interpreters as interpreters  # type: ignore[import-not-found]  # 3.13 and newer
    except ImportError:
        try:
            import _xxsubinterpreters as interpreters  # type: ignore[import-not-found]
        except ImportError:  # this Python has no subinterpreters
            return True
    return bool(interpreters.get_current() == interpreters.get_main())
