"""Asks another process for a snapshot.

A process prepared by install(signal=...) gets the signal. Every other process runs a small script
by sys.remote_exec, new in Python 3.14.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from ..core.clock import monotonic, sleep
from ..core.errors import KeepTraceError
from ..core.processes import is_alive, start_of
from ..core.signals import signal_name, state_of
from ..format.files import create, remove
from ..hooks.meeting import (
    Facts,
    Request,
    drop_request,
    facts_of,
    meeting_place,
    put_request,
    take_answer,
)

# Between two looks for the answer. (seconds)
_LOOK: Final = 0.01
_SCRIPT: Final = """\
import sys
sys.path.insert(0, {package!r})
try:
    from keeptrace.hooks.answering import answer
except BaseException as problem:
    with open({failed!r}, "w") as file:
        file.write("keeptrace cannot be imported there: %s: %s" % (type(problem).__name__, problem))
else:
    answer({directory!r}, {token!r}, sys._getframe().f_back, None, {max_seconds!r})
finally:
    sys.path.remove({package!r})
"""
_UNPREPARED: Final = (
    "process {pid} was not prepared: let it call keeptrace.install(signal=signal.SIGUSR1), "
    "or use Python 3.14 or newer at both ends"
)


def snapshot_of(pid: int, timeout: float, max_seconds: float | None = None) -> bytes:
    """A snapshot of another process, as a dump.

    timeout: seconds to wait for the answer.
    max_seconds: as in keeptrace.Options; default: the options of the process.

    Raises KeepTraceError with the reason if the process gives no snapshot.
    """
    check_process(pid)
    request = Request(os.urandom(8).hex(), max_seconds)
    found = facts_of(pid)
    if found is not None and found[1].snapshot is not None:
        return _by_signal(*found, request, timeout)
    if not hasattr(sys, "remote_exec"):
        raise KeepTraceError(_UNPREPARED.format(pid=pid))
    return _by_script(pid, request, timeout)


def check_process(pid: int) -> None:
    """Raises KeepTraceError if the process does not exist or belongs to another user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        raise KeepTraceError(f"there is no process {pid}") from None
    except PermissionError:
        raise KeepTraceError(
            f"process {pid} is another user's: run keeptrace as that user"
        ) from None
    except OverflowError:
        raise KeepTraceError(f"{pid} is no number of a process") from None


# -- prepared processes


def _by_signal(directory: str, facts: Facts, request: Request, timeout: float) -> bytes:
    number = facts.snapshot or 0
    state = state_of(facts.pid)
    if state is not None and not state.catches(number):
        raise KeepTraceError(
            f"process {facts.pid} has put {signal_name(number)} to another use since: "
            "give install() a signal that the program does not use"
        )
    try:
        put_request(directory, facts.pid, request)
    except FileExistsError:
        drop_request(directory, facts.pid)
        raise KeepTraceError(
            f"somebody else was asking process {facts.pid}; ask again, if that is over"
        ) from None
    try:
        os.kill(facts.pid, number)
        return _awaited(directory, facts.pid, request, timeout)
    except TimeoutError:
        is_taken = not drop_request(directory, facts.pid)
        raise KeepTraceError(_silence(facts.pid, timeout, is_taken=is_taken)) from None
    finally:
        drop_request(directory, facts.pid)


def _awaited(directory: str, pid: int, request: Request, timeout: float) -> bytes:
    """The answer. Raises TimeoutError, and KeepTraceError if the process has ended."""
    start = start_of(pid)
    deadline = monotonic() + timeout
    while True:
        data = take_answer(directory, request.token)
        if data is not None:
            return data
        if not is_alive(pid, start):
            raise KeepTraceError(f"process {pid} has ended")
        if monotonic() > deadline:
            raise TimeoutError
        sleep(_LOOK)


def _silence(pid: int, timeout: float, *, is_taken: bool) -> str:
    if is_taken:
        return f"process {pid} began a snapshot, and did not end it within {timeout:g} seconds"
    return (
        f"process {pid} did not answer within {timeout:g} seconds: its main thread has been in C "
        f"code or in a system call all the time; keeptrace stacks {pid} may tell where"
    )


# -- any process, from Python 3.14 on


def _by_script(pid: int, request: Request, timeout: float) -> bytes:
    directory = meeting_place()
    script = os.path.join(directory, f"script-{request.token}.py")
    room = os.path.dirname(os.path.abspath(__file__))
    package = os.path.dirname(os.path.dirname(room))
    text = _SCRIPT.format(
        package=package,
        directory=directory,
        token=request.token,
        failed=os.path.join(directory, f"failed-{request.token}"),
        max_seconds=request.max_seconds,
    )
    with os.fdopen(create(script), "w", encoding="utf-8") as file:
        file.write(text)
    try:
        _inject(pid, script)
        return _awaited(directory, pid, request, timeout)
    except TimeoutError:
        raise KeepTraceError(_silence(pid, timeout, is_taken=False)) from None
    finally:
        remove(script)


def _inject(pid: int, script: str) -> None:
    """Lets the process run the script. Raises KeepTraceError with the obstacle and the remedy."""
    try:
        sys.remote_exec(pid, script)  # type: ignore[attr-defined,unused-ignore]  # Python 3.14
    except PermissionError:
        raise KeepTraceError(
            f"the system does not let us look into process {pid}: run keeptrace as root, or allow "
            "it (on Linux: CAP_SYS_PTRACE, or sysctl kernel.yama.ptrace_scope=0)"
        ) from None
    except (OSError, RuntimeError, ValueError) as problem:
        version = "{}.{}".format(*sys.version_info)
        raise KeepTraceError(
            f"process {pid} does not take a script ({problem}): it must be a Python {version}, as "
            f"this one is, that allows it (PYTHON_DISABLE_REMOTE_DEBUG is not set); "
            f"or {_UNPREPARED.format(pid=pid)}"
        ) from None
