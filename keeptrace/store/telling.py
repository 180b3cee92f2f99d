"""What is said of a dump on stderr: the command that opens it."""

from __future__ import annotations

from ..core.telling import failed, tell
from ..core.texts import quoted

__all__ = ["command_to_open", "failed", "tell"]


def command_to_open(path: str) -> str:
    """The command that opens a dump."""
    return f"python -m keeptrace debug {quoted(path)}"
