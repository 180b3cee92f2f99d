"""Dumps of repeats: the first and the newest dump of a failure, and a few between.

Values differ from one repeat to the next, so the newest repeat has a dump as long as dumps of
repeats take a small part of the program's time. In a crash loop most repeats are only counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from ..core.clock import monotonic
from .names import read_name

_T = TypeVar("_T")

# The first, the newest, and three between show whether the values change. (dumps of one failure)
MOST_ALIKE: Final = 5
# A hundred usual dumps: enough for a whole burst of failures. (seconds)
_BURST: Final = 0.25
# Nobody notices a program slower by one percent. (part of the time)
_SHARE: Final = 0.01


class Allowance:
    """The time that dumps of repeats may take in a process."""

    def __init__(self) -> None:
        self._start = monotonic()
        self._spent = 0.0  # seconds

    def is_left(self) -> bool:
        running = monotonic() - self._start
        return self._spent < _BURST + _SHARE * running

    def spend(self, call: Callable[[], _T]) -> _T:
        """Returns or raises the result of the call, and takes its time from the allowance."""
        start = monotonic()
        try:
            return call()
        finally:
            self._spent += monotonic() - start


def surplus(names: Sequence[str], first: str | None, newest: str) -> list[str]:
    """The dumps of a failure to remove, neither its first nor its newest.

    names: all its dumps, oldest first. The dumps left are spread over the time.
    """
    between = [name for name in names if name not in (first, newest)]
    names = [*filter(None, [first]), *between, newest]
    kept: list[str] = []
    times: list[float] = []
    for name in names:
        told = read_name(name)
        if told is not None:
            kept.append(name)
            times.append(told.time)

    def gap_around(at: int) -> float:
        """The seconds between the neighbours of a dump."""
        return times[at + 1] - times[at - 1]

    removed = []
    while len(kept) > MOST_ALIKE:
        inner = range(1, len(kept) - 1)
        at = min(inner, key=gap_around)
        removed.append(kept.pop(at))
        del times[at]
    return removed
