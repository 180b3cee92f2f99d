"""Decides who owns faulthandler's output: a process has only one file for it.

faulthandler itself does not know the owner of its file. If the program enables faulthandler, before
or after keeptrace, the program keeps faulthandler. The black box of a pool's worker takes over a
file of keeptrace's. The file that loses the stack gets a note.
"""

from __future__ import annotations

import faulthandler
import functools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

# Signals that order a process to end. The stack in the file shows that the process did not crash.
# faulthandler passes the signal on, so the process ends as without faulthandler.
ORDERS: Final = ("SIGTERM", "SIGHUP")
# The note in a file that loses the stack at death.
ELSEWHERE: Final = "faulthandler writes elsewhere\n"


class _Owned:
    """keeptrace's part of faulthandler: the file (-1 for none), and the signals."""

    def __init__(self) -> None:
        self.file = -1
        self.is_enabled = False
        self.orders: list[int] = []
        self.question: int | None = None


_ours: Final = _Owned()


def take(file: int, question: int | None, *, takes_over: bool) -> None:
    """Makes faulthandler write the stack into a file: at the death of the process, at an order to
    end, and at the signal `question`.

    takes_over: take faulthandler also from another owner.
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
        # Reading the frames of other, running threads from C is not safe.
        faulthandler.register(question, file, all_threads=False)
        _ours.question = question


@contextmanager
def orders_wait() -> Iterator[None]:
    """In the block, orders to end wait: for a file that take() gets only at the end of the block.

    A pool may end its workers in the millisecond after their start.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    orders = [getattr(signal, name) for name in ORDERS]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, orders)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_elsewhere() -> bool:
    """Whether another owner has enabled faulthandler."""
    return faulthandler.is_enabled() and not _ours.is_enabled


def keep_orders(set_handlers: Callable[[], None]) -> None:
    """Calls a function that sets C handlers of signals. faulthandler still writes the stack at an
    order to end, and passes the signal on to the new handlers.
    """
    for number in _ours.orders:
        faulthandler.unregister(number)
    set_handlers()
    for number in _ours.orders:
        faulthandler.register(number, _ours.file, all_threads=False, chain=True)


def release() -> None:
    """Undoes take()."""
    _let_go()
    for number in _ours.orders:
        faulthandler.unregister(number)
    _ours.orders.clear()
    _ours.file = -1


def give_up() -> None:
    """Leaves the stack at death, and the question, to another file."""
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
    except OSError:  # a full disk, or the program has closed the file
        return


def _watch_program() -> None:
    """From now on, a program that enables faulthandler becomes the owner."""
    enable = faulthandler.enable
    if hasattr(enable, "__wrapped__"):
        return

    @functools.wraps(enable)
    def watched(*args: Any, **kwargs: Any) -> Any:
        _note_loss()
        _ours.is_enabled = False
        return enable(*args, **kwargs)

    faulthandler.enable = watched
