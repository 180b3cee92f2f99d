"""What is said of a dump on stderr: the command that opens it."""

from __future__ import annotations

import os
import sys

from ..core.telling import failed, tell
from ..core.texts import quoted
from ..format.files import is_url
from .names import read_name

__all__ = ["command_to_open", "failed", "tell"]


def command_to_open(path: str) -> str:
    """The command that opens a dump, by this very Python; works as pasted into a shell."""
    directory, name = os.path.split(path)
    told = read_name(name)
    # The time alone names a dump of a directory.
    start = path if told is None or is_url(path) else os.path.join(directory, told.stamp)
    return f"{_python()} -m keeptrace debug {quoted(start)}"


def _python() -> str:
    """This Python as a word of a shell's command line."""
    if not sys.executable:
        return "python"
    ours = os.path.dirname(sys.executable)
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        if os.path.exists(os.path.join(directory, "python")):
            if directory == ours:
                return "python"
            return quoted(sys.executable)
    return quoted(sys.executable)
