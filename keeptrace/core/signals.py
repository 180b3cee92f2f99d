"""The signals with which a parent asks a worker for stacks, and the rules for sending.

A signal without a handler ends the process, and a handler of the program's would run. So:

- The worker chooses unused signals, and writes their numbers into its black box.
- The worker gives a number up before the program sets a handler of its own, or resets ours.
- The parent sends a signal only if the number is in the box, and if the system shows that the
  worker handles the signal now and does not block the signal. On systems without this information,
  keeptrace uses only signals that are ignored by default.
"""

from __future__ import annotations

import os
import signal
from typing import Final, NamedTuple

# Ignored without a handler; few programs use this signal.
_TEXT: Final[int | None] = getattr(signal, "SIGURG", None)
# Ignored without a handler; a signal of BSD and macOS.
_INFO: Final[int | None] = getattr(signal, "SIGINFO", None)


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a signal without a name in this Python
        return f"signal {number}"


class SignalState(NamedTuple("SignalState", [("blocked", int), ("caught", int)])):
    """Signal masks of a process's main thread, from the system: bit n - 1 stands for signal n."""

    __slots__ = ()

    def blocks(self, number: int) -> bool:
        return bool(self.blocked >> number - 1 & 1)

    def catches(self, number: int) -> bool:
        return bool(self.caught >> number - 1 & 1)


def state_of(pid: int) -> SignalState | None:
    """The signal masks of a process; None on a system without /proc."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            lines = file.read().splitlines()
        told = {name: value for name, _, value in (line.partition(b":") for line in lines)}
        return SignalState(int(told[b"SigBlk"], 16), int(told[b"SigCgt"], 16))
    except (OSError, KeyError, ValueError):
        return None


def signal_for_text() -> int | None:
    """A free signal for faulthandler to answer."""
    return _first_free(_TEXT)


def signal_for_locals() -> int | None:
    """A free signal for Python to answer: a real-time signal from the middle, because programs take
    the first ones.
    """
    if hasattr(signal, "SIGRTMIN") and state_of(os.getpid()) is not None:
        return _first_free(*range(signal.SIGRTMAX - 1, signal.SIGRTMIN, -1), signal.SIGRTMAX)
    return _first_free(_INFO)


def _first_free(*numbers: int | None) -> int | None:
    """The first unused signal. None in place of a number: this system lacks the signal."""
    state = state_of(os.getpid())
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for number in numbers:
        if number is None:
            continue
        of_c_code = state is not None and state.catches(number)
        if signal.getsignal(number) == signal.SIG_DFL and number not in blocked and not of_c_code:
            return number
    return None
