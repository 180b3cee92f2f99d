"""Which memory may be read at all.

A buffer may be a mapped file. Where somebody cut that file short meanwhile, reading ends the
process with SIGBUS, which nothing can catch. So only memory whose owner is known is read: that of
bytes, bytearrays, array.arrays, and of numpy arrays that own theirs, or look at one of these.
"""

from __future__ import annotations

from typing import Any, Final

from .raw import loaded

_view_obj: Final = memoryview.__dict__["obj"].__get__
# Views of views of views; a longer chain is not followed. (objects)
_MOST_OWNERS: Final = 100


def is_own_memory(value: Any) -> bool:
    """Whether the bytes behind a buffer are there for as long as the buffer is."""
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


def _ndarray_of(value: Any) -> Any:
    """numpy's class, if the value is an array of it."""
    ndarray = loaded("numpy", "ndarray")
    return ndarray if isinstance(ndarray, type) and issubclass(type(value), ndarray) else None
