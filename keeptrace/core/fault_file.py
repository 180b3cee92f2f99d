"""Who has faulthandler write where: one file a process, and one owner of the signals.

faulthandler itself does not tell whose file it was given. A program that enabled it keeps it; what
we enabled, a worker's black box may take over.
"""

from __future__ import annotations

import faulthandler
import signal
from typing import Final

# Orders to end, which a process may get at any time. Their stack in the file tells that it was
# ordered, and did not die. faulthandler passes them on, so the process ends of them as ever.
ORDERS: Final = ("SIGTERM", "SIGHUP")

_signals: Final[list[int]] = []
_is_enabled = False


def take(file: int, answers_to: int | None, *, takes_over: bool) -> None:
    """Lets faulthandler write into a file: as the process dies, is ordered to end, or is asked for
    its stack by the signal `answers_to`.

    takes_over: also where somebody else has enabled faulthandler.
    """
    global _is_enabled
    release()
    if takes_over or not is_elsewhere():
        faulthandler.enable(file)
        _is_enabled = True
    for name in ORDERS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            faulthandler.register(number, file, all_threads=False, chain=True)
            _signals.append(number)
    if answers_to is not None:
        # Reading other threads' frames from C is not safe while they run.
        faulthandler.register(answers_to, file, all_threads=False)
        _signals.append(answers_to)


def is_elsewhere() -> bool:
    """Whether somebody else has enabled faulthandler."""
    return faulthandler.is_enabled() and not _is_enabled


def release() -> None:
    """Takes back what take() did."""
    global _is_enabled
    if _is_enabled:
        faulthandler.disable()
        _is_enabled = False
    for number in _signals:
        faulthandler.unregister(number)
    _signals.clear()
