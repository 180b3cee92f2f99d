"""Who has faulthandler write where: one file a process.

faulthandler itself does not tell whose file it was given. A program that enables faulthandler keeps
it, before or after us; the black box of a pool's worker takes over what we enabled. A note in the
file that loses the stack says so.
"""

from __future__ import annotations

import faulthandler
import functools
import os
import signal
from collections.abc import Callable
from typing import Any, Final

# Orders to end, which a process may get at any time. Their stack in the file tells that it was
# ordered, and did not die. faulthandler passes them on, so the process ends of them as ever.
ORDERS: Final = ("SIGTERM", "SIGHUP")
# Stands in the file if the stack at death will not.
ELSEWHERE: Final = "faulthandler writes elsewhere\n"


class _Owned:
    """What of faulthandler is ours: its file (-1 for none), and signals."""

    def __init__(self) -> None:
        self.file = -1
        self.is_enabled = False
        self.orders: list[int] = []
        self.question: int | None = None


_ours: Final = _Owned()


def take(file: int, question: int | None, *, takes_over: bool) -> None:
    """Lets faulthandler write into a file: as the process dies, is ordered to end, or is asked for
    its stack by the signal `question`.

    takes_over: also where somebody else has enabled faulthandler.
    """
    release()
    _ours.file = file
    if takes_over or not is_elsewhere():
        _watch_program()
        faulthandler.enable(file)
        _ours.is_enabled = True
    for name in ORDERS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            faulthandler.register(number, file, all_threads=False, chain=True)
            _ours.orders.append(number)
    if question is not None:
        # Reading other threads' frames from C is not safe while they run.
        faulthandler.register(question, file, all_threads=False)
        _ours.question = question


def is_elsewhere() -> bool:
    """Whether somebody else has enabled faulthandler."""
    return faulthandler.is_enabled() and not _ours.is_enabled


def keep_orders(set_handlers: Callable[[], None]) -> None:
    """Calls a function that sets C handlers of signals; an order to end is noted as before, and
    passed on to these.
    """
    for number in _ours.orders:
        faulthandler.unregister(number)
    set_handlers()
    for number in _ours.orders:
        faulthandler.register(number, _ours.file, all_threads=False, chain=True)


def release() -> None:
    """Takes back what take() did."""
    _let_go()
    for number in _ours.orders:
        faulthandler.unregister(number)
    _ours.orders.clear()
    _ours.file = -1


def give_up() -> None:
    """Leaves the stack at death, and the questions, to another file."""
    _note_loss()
    _let_go()


def _let_go() -> None:
    if _ours.is_enabled:
        _ours.is_enabled = False
        faulthandler.disable()
    if _ours.question is not None:
        faulthandler.unregister(_ours.question)
        _ours.question = None


def _note_loss() -> None:
    if not _ours.is_enabled:
        return
    try:
        os.write(_ours.file, ELSEWHERE.encode())
    except OSError:  # a full disk, or a file that the program has closed
        return


def _watch_program() -> None:
    """From here on, a program that enables faulthandler gets it."""
    enable = faulthandler.enable
    if hasattr(enable, "__wrapped__"):
        return

    @functools.wraps(enable)
    def watched(*args: Any, **kwargs: Any) -> Any:
        _note_loss()
        _ours.is_enabled = False
        return enable(*args, **kwargs)

    faulthandler.enable = watched
