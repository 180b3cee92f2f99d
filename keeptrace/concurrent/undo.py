"""Brings back what an engine removes from a restored exception in the parent.

An engine overwrites `__cause__` with its text, and joblib sets `__traceback__` to None. So we put
an object there, without any other reference. The overwrite drops the only reference, CPython runs
`__del__` at once, and `__del__` puts the original back.

A sealed exception (a frozen dataclass, a `__setattr__` that raises) would refuse the engine's
overwrite, and end the engine's thread. Until the overwrite, such an exception has a subclass of its
class, where attributes can be set.
"""

from __future__ import annotations

import sys
import types
from typing import Any, Final

from ..restore.classes import has_hook
from ..restore.once import made_once
from .crossing import set_traceback, traceback_of

_cause_of: Final = BaseException.__dict__["__cause__"].__get__
_set_cause: Final = BaseException.__dict__["__cause__"].__set__
_suppress_of: Final = BaseException.__dict__["__suppress_context__"].__get__
_set_suppress: Final = BaseException.__dict__["__suppress_context__"].__set__
_set_class: Final[Any] = object.__dict__["__class__"].__set__

# What engines set of an exception, and what decides whether they can.
SET_BY_ENGINES: Final = ("__setattr__", "__cause__", "__traceback__")


@made_once(256)
def _unsealed(cls: type[BaseException]) -> type[BaseException]:
    """A subclass of the same name, where engines can set attributes."""
    namespace: dict[str, Any] = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__slots__": (),
        "__doc__": cls.__doc__,
        **{name: getattr(BaseException, name) for name in SET_BY_ENGINES},
    }
    metaclass: Any = type(cls)
    made: type[BaseException] = metaclass(cls.__name__, (cls,), namespace)
    return made


def _unseal(exc: BaseException) -> type[BaseException]:
    """Lets engines set attributes of a sealed exception. Returns the exception's own class."""
    cls = type(exc)
    if has_hook(cls.__mro__, *SET_BY_ENGINES):
        try:
            _set_class(exc, _unsealed(cls))
        except Exception:  # refused by the user's metaclass: the engine may fail as without us
            return cls
    return cls


def survive(exc: BaseException, *, overwriting: bool, wiping: bool) -> None:
    """Prepares a restored exception for an engine.

    overwriting: the engine sets another cause; the exception's own cause comes back.
    wiping: the engine sets `__traceback__` to None; the exception's own traceback comes back.
    """
    cls = _unseal(exc)
    if wiping:  # such engines set the traceback again later, so the exception stays unsealed
        cls = type(exc)
    if overwriting:
        _set_cause(exc, _UndoCause(exc, cls))
    traceback = traceback_of(exc)
    if wiping and traceback is not None:
        set_traceback(exc, _entry_holding(_UndoTraceback(exc, traceback), traceback))


def _entry_holding(undo: _UndoTraceback, following: types.TracebackType) -> types.TracebackType:
    """A traceback entry with this function's frame, the only owner of `undo`."""
    return types.TracebackType(following, sys._getframe(), 0, 1)


class _UndoCause(BaseException):
    """Stands as the cause. Puts the original cause back after an engine's overwrite, and seals the
    exception again by its own class.
    """

    def __init__(self, exc: BaseException, cls: type[BaseException]) -> None:
        self._exc = exc
        self._cls = cls
        self._cause = _cause_of(exc)
        self._suppress = _suppress_of(exc)

    def __del__(self) -> None:
        _set_cause(self._exc, self._cause)
        _set_suppress(self._exc, self._suppress)
        if type(self._exc) is not self._cls:
            _set_class(self._exc, self._cls)


class _UndoTraceback:
    """Puts the original traceback back after an engine drops it."""

    __slots__ = ("_exc", "_traceback")

    def __init__(self, exc: BaseException, traceback: types.TracebackType) -> None:
        self._exc = exc
        self._traceback = traceback

    def __del__(self) -> None:
        set_traceback(self._exc, self._traceback)
