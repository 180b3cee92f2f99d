"""Memory that is kept back for a failure where no other is left.

A MemoryError's frames may hold all of the memory, also all that importing the capture takes. So
whoever imports the package takes the reserve. Nothing is written to it: it takes address space
alone.
"""

from __future__ import annotations

_SIZE = 32 << 20  # bytes
_reserve: bytes | None = None


def hold_reserve() -> None:
    """Takes the reserve, if there is memory for it."""
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
