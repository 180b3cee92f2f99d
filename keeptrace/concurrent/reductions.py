"""How an exception with our reduction pickles, and how the parent rebuilds the exception.

Picklers look up `__reduce_ex__` on the instance, so an entry in the exception's `__dict__` is
enough. Builtin exceptions allow no subclass. If another library registered the class in copyreg,
picklers call the library first; for such a class we register ourselves before the library.
"""

from __future__ import annotations

import copyreg
import sys
import types
from collections.abc import Callable
from typing import Any, Final

from ..capture.capture import capturing
from .crossing import dict_of, from_bytes
from .undo import hold_traceback, survive

KEY: Final = "__reduce_ex__"


class Reduction:
    """The `__reduce_ex__` of an exception."""

    __slots__ = ()

    def told(self, frame: types.FrameType) -> tuple[Any, ...]:
        """The reduction for the pickler in the frame."""
        raise NotImplementedError


def rebuild_overwritten(data: bytes) -> BaseException:
    """The exception, prepared for an engine that overwrites the cause. Never raises."""
    exc = from_bytes(data)
    survive(exc, overwriting=True, wiping=False)
    return exc


def rebuild_for_pebble(data: bytes) -> BaseException:
    """The exception, prepared for pebble, which sets an attribute `traceback`, then the cause.

    Never raises.
    """
    exc = from_bytes(data)
    survive(exc, overwriting=True, wiping=False, other_names=("traceback",))
    return exc


def rebuild_wiped(data: bytes) -> BaseException:
    """The exception, prepared for an engine that overwrites the cause and wipes the traceback.

    Never raises.
    """
    exc = from_bytes(data)
    survive(exc, overwriting=True, wiping=True)
    return exc


def rebuild_reraised(data: bytes) -> BaseException:
    """The exception, prepared for an engine that sets the cause (if any) and the traceback.

    Never raises.
    """
    exc = from_bytes(data)
    survive(exc, overwriting=exc.__cause__ is not None, wiping=False)
    hold_traceback(exc)  # with_traceback() sets the traceback, even of a sealed exception
    return exc


def rebuild_lasting(data: bytes) -> BaseException:
    """The exception, with its bytes for pickling again. Never raises."""
    exc = from_bytes(data)
    attach(exc, data)
    return exc


def attach(exc: BaseException, data: bytes) -> None:
    """Lets the exception pickle as these bytes of to_bytes()."""
    dict_of(exc)[KEY] = _Lasting(data)
    go_first(type(exc))


class _Lasting(Reduction):
    """The __reduce_ex__ of an exception with known bytes."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self, protocol: object) -> tuple[Any, ...]:
        return rebuild_lasting, (self._data,)

    def told(self, frame: types.FrameType) -> tuple[Any, ...]:
        return rebuild_lasting, (self._data,)


def wants_own(frame: types.FrameType) -> bool:
    """Whether copy.copy() asks, or the pickler of a capture for an object that holds the exception:
    both get the reduction of the exception's own class.
    """
    return capturing.get() or frame.f_globals.get("__name__") == "copy"


class _Registered:
    """Replaces another library's reducer of a class in copyreg: exceptions with our reduction use
    our reduction, all others the library's.

    Once Dask is imported, tblib has a reducer for every class of exceptions, and picklers call the
    reducer before the exception's own `__reduce_ex__`.
    """

    __slots__ = ("_other",)

    def __init__(self, other: Callable[[Any], str | tuple[Any, ...]]) -> None:
        self._other = other

    def __call__(self, exc: BaseException) -> str | tuple[Any, ...]:
        own = dict_of(exc).get(KEY)
        frame = sys._getframe(1)
        if isinstance(own, Reduction) and not wants_own(frame):
            return own.told(frame)
        return self._other(exc)


def go_first(cls: type) -> None:
    """Lets the picklers of the process use our reduction before another library's for the class.

    We touch `copyreg` only if another library, such as tblib, registered the class.
    """
    try:
        other = copyreg.dispatch_table.get(cls)
    except Exception:  # a metaclass whose __hash__ raises: picklers find no other reducer either
        return
    if other is None:
        return
    home = getattr(other, "__module__", None) or ""
    if not home.startswith(__package__.partition(".")[0]):
        copyreg.dispatch_table[cls] = _Registered(other)
