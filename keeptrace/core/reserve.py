"""A reserve of memory for the capture of a MemoryError.

The frames of a MemoryError may hold all memory, and even importing the capture needs some. So the
import of the package takes the reserve. Nothing writes to the reserve, so the reserve costs address
space alone.
"""

from __future__ import annotations

_SIZE = 32 << 20  # bytes
_reserve: bytes | None = None


def hold_reserve() -> None:
    """Takes the reserve, if there is enough memory."""
    global _reserve
    if _reserve is None:
        try:
            _reserve = bytes(_SIZE)
        except MemoryError:
            return


def release_reserve() -> None:
    """Frees the reserve."""
    global _reserve
    _reserve = None


hold_reserve()
