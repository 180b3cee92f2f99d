"""Tests of what is freed, in a process that has never started a thread, where that matters."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# Once a thread has started, a free-threaded Python 3.13 makes every new function and code object
# immortal, with all they hold. The garbage collector of 3.14 frees them.
_KEEPS_FUNCTIONS = "free-threading build" in sys.version and sys.version_info < (3, 14)


def unthreaded(test: Callable[[], None]) -> Callable[[], None]:
    """The test, which runs in a process of its own on a Python that frees no function."""
    if not _KEEPS_FUNCTIONS:
        return test

    @functools.wraps(test)
    def in_process() -> None:
        program = f"import {test.__module__} as tests; tests.{test.__name__}.__wrapped__()"
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parent, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert not done.returncode, done.stderr

    return in_process
