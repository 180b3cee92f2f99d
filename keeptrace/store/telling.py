"""Messages on stderr about a dump: the command to open the dump."""

from __future__ import annotations

import os
import sys

from ..core.telling import failed, tell
from ..core.texts import quoted
from ..format.files import is_url
from .names import read_name

__all__ = ["command_to_open", "failed", "tell"]


def command_to_open(path: str) -> str:
    """The command to open a dump with the running Python, quoted for a shell."""
    directory, name = os.path.split(path)
    told = read_name(name)
    start = path
    if told is not None and not is_url(path):
        start = os.path.join(directory, told.stamp)  # the time alone names a dump
    return f"{_python()} -m keeptrace debug {quoted(start)}"


def _python() -> str:
    """The running Python, as a word of a shell's command line."""
    if not sys.executable:
        return "python"
    ours = os.path.dirname(sys.executable)
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        if os.path.exists(os.path.join(directory, "python")):
            if directory == ours:
                return "python"
            return quoted(sys.executable)
    return quoted(sys.executable)
