"""Runs a repro in a child process, and says whether the test passes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import Final, NamedTuple

from ...core.errors import missing_extra

# For pytest, the imports of the program, and the call. (seconds)
_PATIENCE: Final = 120.0
# The end of pytest's report. (lines)
_LINES: Final = 30


class Verdict(NamedTuple):
    """fails_alike: whether the call fails the same way. output: the end of pytest's report."""

    fails_alike: bool
    output: str


def verify(path: str) -> Verdict:
    """Runs the test file with pytest, in a child process of the same Python.

    Raises MissingExtraError if pytest is not installed.
    """
    if importlib.util.find_spec("pytest") is None:
        raise missing_extra("--verify", "pytest", "test")
    file = os.path.abspath(path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file]
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=os.path.dirname(file),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return Verdict(False, f"it did not end within {_PATIENCE:.0f} seconds")
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return Verdict(done.returncode == 0, "\n".join(lines[-_LINES:]))
