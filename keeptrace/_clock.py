"""The real clocks, whatever a program or its tests put in their place.

Tests patch `time.monotonic` or `time.sleep`; freezegun also replaces them in every module that has imported them by name.
Deadlines that never come, or come at once, would follow. A default argument is out of their reach.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def monotonic(_read: Callable[[], float] = time.monotonic) -> float:
    """Seconds, for deadlines and durations."""
    return _read()


def sleep(seconds: float, _sleep: Callable[[float], None] = time.sleep) -> None:
    """Waits so long."""
    _sleep(seconds)


def now(_read: Callable[[], float] = time.time) -> float:
    """Seconds since 1970."""
    return _read()
