"""The terminal's Ctrl-C, while a held process has its debugger on the terminal.

    terminal ── SIGINT, SIGWINCH ─▶ the process in front ── kill() ─▶ held process

The terminal signals the process group in its foreground. The group of the attaching program also
has the workers of its pool, and a Ctrl-C would end the workers. So a small process with a group of
its own stands in front meanwhile, and passes the signals on. A shell does the same with its jobs.
"""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final, NoReturn

# Signals of the terminal for the debugger.
_PASSED_ON: Final = (signal.SIGINT, signal.SIGWINCH)
# Between two checks whether the attaching process lives. (seconds)
_LOOK: Final = 1.0
# The usual limit of open descriptors; few programs raise the limit further. (descriptors)
_DESCRIPTORS: Final = 1 << 16


@contextmanager
def passing_on(terminal: int, pid: int) -> Iterator[None]:
    """In the block, the process gets the signals of the terminal, and Ctrl-Z does nothing."""
    if _is_in_front(terminal):
        with _another_in_front(terminal, pid):
            yield
    elif threading.current_thread() is threading.main_thread():
        with _handled(pid):
            yield
    else:  # the terminal is not ours
        yield


def _is_in_front(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:  # a pipe, or the terminal of another session
        return False


@contextmanager
def _another_in_front(terminal: int, pid: int) -> Iterator[None]:
    front = _fork(lambda: _pass_on(pid))
    with suppress(OSError):  # the fork itself was first
        os.setpgid(front, front)
    try:
        os.tcsetpgrp(terminal, front)
        yield
    finally:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        with suppress(OSError):  # the terminal is gone
            os.tcsetpgrp(terminal, os.getpgrp())
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.kill(front, signal.SIGKILL)
        os.waitpid(front, 0)


def _fork(become: Callable[[], NoReturn]) -> int:
    """Forks a process without signal handlers, with all signals blocked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                become()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def _pass_on(pid: int) -> NoReturn:
    """The process in front."""
    try:
        os.closerange(0, _DESCRIPTORS)  # an open copy would hide the attacher's end from the held
        attacher = os.getppid()
        os.setpgid(0, 0)
        while os.getppid() == attacher:
            number = _next_signal()
            if number is not None:
                os.kill(pid, number)
    finally:
        os._exit(0)


def _next_signal() -> int | None:
    if not hasattr(signal, "sigtimedwait"):  # macOS
        return signal.sigwait(_PASSED_ON)
    found = signal.sigtimedwait(_PASSED_ON, _LOOK)
    if found is None:
        return None
    return found.si_signo


@contextmanager
def _handled(pid: int) -> Iterator[None]:
    def pass_on(number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):  # the held process has just ended
            os.kill(pid, number)

    before: dict[int, Any] = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is None:  # set by C code
                handler = signal.SIG_DFL
            signal.signal(number, handler)
