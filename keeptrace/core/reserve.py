"""A reserve of memory for the capture of a MemoryError.

The frames of a MemoryError may hold all memory, and even importing the capture needs some. So the
import of the package takes the reserve. Nothing writes to the reserve, so the reserve costs address
space alone.
"""

from __future__ import annotations

from . import FREE_THREADED

TYPE_CHECKING = False  # `typing` itself may be shadowed
if TYPE_CHECKING:
    from mmap import mmap

_SIZE = 32 << 20  # bytes
# A free-threaded Python takes memory from the system by segments of 32 MiB, a segment a thread:
# enough for this thread, for two helpers, and for the C library. (bytes)
_SIZE_BY_SEGMENTS = 128 << 20
_reserve: bytes | mmap | None = None


def hold_reserve() -> None:
    """Takes the reserve, if there is enough memory."""
    global _reserve
    if _reserve is None:
        try:
            _reserve = _taken()
        except (MemoryError, OSError):
            return


def _taken() -> bytes | mmap:
    """The reserve. Freed bytes go back to the system, except on a free-threaded Python: there the
    objects' allocator would keep the address space, and the C library would get none.
    """
    if not FREE_THREADED:
        return bytes(_SIZE)
    from mmap import mmap

    return mmap(-1, _SIZE_BY_SEGMENTS)


def release_reserve() -> None:
    """Frees the reserve."""
    global _reserve
    _reserve = None


hold_reserve()
