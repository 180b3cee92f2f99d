"""Reports on their way through Dask: bases, patches, and how a client rebuilds an exception.

Failures of the same types at the same lines differ in a few values. A worker sends the report of
the first failure in full, as the *base*. Of each later failure the worker sends a *patch*: the
report, compressed with the base as zlib's dictionary, so nothing is lost.

Worker and scheduler see the same messages in the same order, so both keep the same bases.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final

from .crossing import from_bytes, traceback_of

# Bases kept for a worker: as large as the largest report. (bytes)
_MOST_BASES: Final = 1 << 20
# zlib looks back 32 KiB at most. So we compress a report in pieces. The dictionary for each piece
# is the same stretch of the base, with 8 KiB on both sides. (bytes)
_PIECE: Final = 16 << 10
_AROUND: Final = 8 << 10


class PickledCall:
    """Pickles as the call of a function."""

    def __init__(self, function: Callable[..., Any], *args: object) -> None:
        self._call = function, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call


class Bases:
    """The newest bases of a worker, within a bound."""

    def __init__(self) -> None:
        self._kept: dict[int, bytes] = {}
        self._size = 0

    def add(self, number: int, base: bytes) -> None:
        self._kept[number] = base
        self._size += len(base)
        while self._size > _MOST_BASES:
            self._size -= len(self._kept.pop(next(iter(self._kept))))

    def get(self, number: int) -> bytes | None:
        return self._kept.get(number)


def patch(data: bytes, base: bytes) -> list[bytes]:
    """The data, compressed piece by piece with the base around the piece as dictionary."""
    pieces = []
    for at in range(0, len(data), _PIECE):
        engine = zlib.compressobj(wbits=-15, zdict=_around(base, at))
        piece = data[at : at + _PIECE]
        pieces.append(engine.compress(piece) + engine.flush())
    return pieces


def patched(pieces: Sequence[bytes], base: bytes) -> bytes:
    plain = []
    for number, piece in enumerate(pieces):
        around = _around(base, number * _PIECE)
        engine = zlib.decompressobj(wbits=-15, zdict=around)
        plain.append(engine.decompress(piece))
    return b"".join(plain)


def _around(base: bytes, at: int) -> bytes:
    start = max(0, at - _AROUND)
    end = at + _PIECE + _AROUND
    return base[start:end]


# Key and traceback of the last exception rebuilt in the thread.
_last: Final = threading.local()


def rebuild(key: bytes, data: bytes) -> BaseException:
    exc = from_bytes(data)
    _last.arrived = key, traceback_of(exc)
    return exc


def rebuild_shared(key: bytes, pieces: list[bytes], base: bytes) -> BaseException:
    try:
        data = patched(pieces, zlib.decompress(base))
    except zlib.error:
        data = b""  # from_bytes() then reports the damage
    return rebuild(key, data)


def traceback_for(key: bytes) -> TracebackType | None:
    known: bytes | None
    traceback: TracebackType | None
    known, traceback = getattr(_last, "arrived", (None, None))
    _last.arrived = None, None
    if known == key:
        return traceback
    return None
