"""Memory that can be read without danger.

A buffer may be a mapped file. If somebody truncates the file, reading the buffer ends the process
with SIGBUS, which nothing can catch. So we read only memory with a known owner: bytes, bytearrays,
array.arrays, and numpy arrays that own their memory or are views of the former.
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
