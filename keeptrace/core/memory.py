"""Finds memory that is safe to read.

A buffer may be a mapped file. If somebody truncates the file, reading the buffer ends the process
with SIGBUS, and no handler can catch the signal. So keeptrace reads only memory with a known owner:
bytes, bytearrays, array.arrays, numpy arrays with their own memory, and views of these.
"""

from __future__ import annotations

from typing import Any, Final

from .raw import loaded

_view_obj: Final = memoryview.__dict__["obj"].__get__
# Views of views of views; a longer chain is not followed. (objects)
_MOST_OWNERS: Final = 100


def is_own_memory(value: object) -> bool:
    """Whether a buffer keeps its bytes alive."""
    for _ in range(_MOST_OWNERS):
        cls = type(value)
        if cls is bytes or cls is bytearray or cls is loaded("array", "array"):
            return True
        if cls is memoryview:
            value = _view_obj(value)
            continue
        ndarray = _ndarray_of(value)
        if ndarray is None:
            return False
        owner = ndarray.base.__get__(value)
        if owner is None:
            return bool(ndarray.flags.__get__(value).owndata)
        value = owner
    return False


def _ndarray_of(value: object) -> Any:
    """numpy's class, if the value is an array."""
    ndarray = loaded("numpy", "ndarray")
    if isinstance(ndarray, type) and issubclass(type(value), ndarray):
        return ndarray
    return None
