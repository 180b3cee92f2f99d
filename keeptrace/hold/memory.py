"""Resident memory of held processes."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.processes import resident
from .directory import Directory, Name
from .peers import peer_of


def resident_of(directory: Directory, names: Iterable[Name]) -> int:
    """The memory of these held processes together. (bytes)"""
    chosen = set(names)
    return sum(
        resident(peer_of(connection).pid)
        for name, connection in directory.living()
        if name in chosen
    )
