"""A file as the listing of a directory shows the file."""

from __future__ import annotations

from typing import NamedTuple


class FoundFile(NamedTuple):
    """A regular file of a directory."""

    name: str
    size: int  # bytes
    changed: float  # seconds since 1970
    owner: int
