"""attach(): the debugger of a held process, on this terminal.

The attaching process lends its standard streams and waits, until the user quits the debugger or the
held process ends. foreground.py explains Ctrl-C.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..core.errors import KeepTraceError
from ..debug import check_debugger
from .debugging import TERMINAL_VARIABLES
from .foreground import passing_on
from .listing import busy_text, find
from .peers import ask, receive


def attach(exc_or_number: BaseException | int, debugger: str | None = None) -> None:
    """Opens a debugger in a held process, on this terminal, in the live frames of its failure.

    exc_or_number: an exception from a pool with `hold=`, or a number of held().
    debugger: as for post_mortem(); the failed process must have the debugger installed.

    Returns when the user quits the debugger. The process stays held, for another attach().

    Raises KeepTraceError if no process holds the failure, if another process is attached (the
    message names its pid), or if the calling process has no standard streams; OptionError for an
    unknown debugger.
    """
    check_debugger(debugger)
    with find(exc_or_number) as connection:
        streams = _streams()
        message = {"do": "attach", "debugger": debugger, "variables": _variables()}
        answer = ask(connection, message, streams)
        if "busy" in answer:
            raise KeepTraceError(busy_text(answer["busy"]))
        with _restored(streams[0]), passing_on(streams[0], answer["pid"]):
            problem = _end_of(connection)
    if problem is not None:
        raise KeepTraceError(problem)


def _streams() -> list[int]:
    """The descriptors of the standard streams."""
    try:
        sys.stdout.flush()
        return [stream.fileno() for stream in (sys.stdin, sys.stdout, sys.stderr)]
    except (AttributeError, OSError, ValueError):
        raise KeepTraceError(
            "attach() needs a terminal: call it in a program that runs in one, or type"
            " `keeptrace held` and `keeptrace attach N` in one"
        ) from None


def _variables() -> dict[str, str]:
    return {name: os.environ[name] for name in TERMINAL_VARIABLES if name in os.environ}


def _end_of(connection: socket.socket) -> str | None:
    """Waits for the debugger's end. Returns the error, or None."""
    try:
        answer, _ = receive(connection, timeout=None)
    except (EOFError, OSError):
        return "the held process has ended"
    problem: str | None = answer.get("error")
    return problem


@contextmanager
def _restored(fd: int) -> Iterator[None]:
    """Restores the terminal's modes; a killed debugger would leave its own modes behind."""
    import termios

    try:
        modes = termios.tcgetattr(fd)
    except termios.error:  # a pipe
        yield
        return
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(fd, termios.TCSADRAIN, modes)
