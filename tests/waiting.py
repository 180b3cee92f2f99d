"""Waiting in tests, with an end."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Waits for it, so many seconds at most."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ends(call: Callable[[], Any], seconds: float = 20) -> bool:
    """Whether the call returns, or raises, within so many seconds."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
