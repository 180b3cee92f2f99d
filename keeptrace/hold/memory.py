"""Resident memory of held processes."""

from __future__ import annotations

import os
from collections.abc import Iterable

from .directory import Directory, Name
from .peers import peer_of


def resident(pid: int) -> int:
    """Bytes of resident memory of a process; 0 where the system does not tell."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):  # it has ended; or macOS
        return 0


def resident_of(directory: Directory, names: Iterable[Name]) -> int:
    """What these held processes have together."""
    chosen = set(names)
    return sum(
        resident(peer_of(connection).pid)
        for name, connection in directory.living()
        if name in chosen
    )
