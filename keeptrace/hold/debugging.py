"""A debugger in the held process, on the terminal of the attacher.

main thread                              watching thread, meanwhile
standard streams become the terminal's   the attacher is gone ─▶ streams become /dev/null, SIGINT:
post_mortem(exc)                                                 the debugger reads the end: quits
standard streams become /dev/null        somebody else connects ─▶ answer: who is attached
"""

from __future__ import annotations

import _thread
import os
import signal
import socket
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from ..core.errors import KeepTraceError
from ..core.hold import descriptors as all_descriptors
from ..debug import post_mortem
from .peers import is_readable

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

# Facts of the terminal that debuggers need, from the attacher's environment.
TERMINAL_VARIABLES: Final = (
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "FORCE_COLOR",
    "PYTHON_COLORS",
    "PYTHONBREAKPOINT",
    "LINES",
    "COLUMNS",
    "INPUTRC",
    "TERMINFO",
)
# Between two interrupts of a debugger still running after its attacher is gone. (seconds)
_AGAIN: Final = 1.0


def debug(
    exc: BaseException,
    debugger: str | None,
    descriptors: Sequence[int],
    variables: Mapping[str, str],
) -> str | None:
    """Opens the debugger on these descriptors, until the user quits.

    Returns why no debugger could be opened, or None.
    """
    try:
        with _environment(variables), _terminal(descriptors):
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                post_mortem(exc, debugger=debugger)
            finally:
                _ignore_interrupts()
    except KeepTraceError as problem:
        return str(problem)
    except KeyboardInterrupt:  # some debuggers end so; or the attacher is gone
        return None
    except BaseException as problem:  # the debugger itself failed
        return f"{type(problem).__name__}: {problem}"
    return None


def _ignore_interrupts() -> None:
    while True:
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            return
        except KeyboardInterrupt:  # came just now
            continue


@contextmanager
def watched(
    connection: socket.socket, listener: socket.socket, serve: Callable[[], object]
) -> Iterator[None]:
    """In the block, a thread watches the attacher, and calls serve() for further connections."""
    ended, end = os.pipe()
    is_done = _thread.allocate_lock()
    is_done.acquire()

    def watch() -> None:
        try:
            _watch(connection, listener, serve, ended)
        finally:
            is_done.release()

    # Without threading.Thread, so the program's list of threads lacks ours.
    _thread.start_new_thread(watch, ())
    try:
        yield
    finally:
        os.close(end)
        is_done.acquire()
        os.close(ended)


def _watch(
    connection: socket.socket, listener: socket.socket, serve: Callable[[], object], ended: int
) -> None:
    files: list[FileDescriptorLike] = [ended, listener, connection]
    is_alone, timeout = False, None
    while True:
        ready = is_readable(*files, timeout=timeout)
        if ended in ready:
            return
        if listener.fileno() in ready:
            serve()
        if connection.fileno() in ready:  # an attacher sends nothing more: only its end
            files.remove(connection)
            no_streams()
            is_alone, timeout = True, _AGAIN
        if is_alone:
            os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Takes the terminal's variables from the attacher, within the block."""
    kept = {name: os.environ.pop(name, None) for name in TERMINAL_VARIABLES}
    for name in kept:
        if name in variables:
            os.environ[name] = variables[name]
    try:
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _terminal(descriptors: Sequence[int]) -> Iterator[None]:
    """Makes these descriptors the standard streams, within the block."""
    before = sys.stdin, sys.stdout, sys.stderr
    # all_descriptors() has also listed its own descriptor, closed by now.
    others = {fd for fd in all_descriptors() if _file_of(fd) is not None}
    files = {_file_of(fd) for fd in descriptors}
    for number, fd in enumerate(descriptors):
        os.dup2(fd, number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # open for the whole block
    sys.stdout = open(1, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # the terminal is gone, or the user closed it
                stream.flush()
        no_streams()
        _forget(files, others)
        sys.stdin, sys.stdout, sys.stderr = before


def _file_of(fd: int) -> tuple[int, int] | None:
    """The target of a descriptor; None if the descriptor is closed."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _forget(files: Collection[tuple[int, int] | None], others: Collection[int]) -> None:
    """Closes descriptors of the terminal that a debugger left open: a reader of the terminal waits
    until all are closed. Descriptors open before the debugger stay open.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in all_descriptors():
        if fd not in others and fd != null and _file_of(fd) in files:
            os.dup2(null, fd, inheritable=False)
    os.close(null)


def no_streams() -> None:
    """Makes /dev/null the standard streams."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in range(3):
        os.dup2(null, number)
    if null > 2:
        os.close(null)
