"""The signals by which a parent asks a worker for its stacks, and when a signal may be sent.

A signal without a handler ends the process, and a handler of the program's would run. So:

- The worker chooses unused signals, and writes their numbers into its black box.
- The worker gives a number up before the program sets a handler of its own, or resets ours.
- The parent sends a signal only if its number is in the box, and if the system says that the worker
  handles the signal now and does not block it. On systems that do not say so, we use only signals
  that are ignored by default.
"""

from __future__ import annotations

import os
import signal
from typing import Final, NamedTuple

# Ignored without a handler; few programs use it.
_TEXT: Final[int | None] = getattr(signal, "SIGURG", None)
# Ignored without a handler; of BSD and macOS.
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
    """None where the system does not say."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            lines = file.read().splitlines()
        told = {name: value for name, _, value in (line.partition(b":") for line in lines)}
        return SignalState(int(told[b"SigBlk"], 16), int(told[b"SigCgt"], 16))
    except (OSError, KeyError, ValueError):
        return None


def signal_for_text() -> int | None:
    """A free signal for faulthandler to answer."""
    return _first_free([] if _TEXT is None else [_TEXT])


def signal_for_locals() -> int | None:
    """A free signal for Python to answer: a real-time signal from the middle, because programs take
    the first ones.
    """
    realtime: list[int] = []
    if hasattr(signal, "SIGRTMIN") and state_of(os.getpid()) is not None:
        realtime = [*range(signal.SIGRTMAX - 1, signal.SIGRTMIN, -1), signal.SIGRTMAX]
    return _first_free(realtime or ([] if _INFO is None else [_INFO]))


def _first_free(numbers: list[int]) -> int | None:
    state = state_of(os.getpid())
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for number in numbers:
        of_c_code = state is not None and state.catches(number)
        if signal.getsignal(number) == signal.SIG_DFL and number not in blocked and not of_c_code:
            return number
    return None
