"""Brings back what an engine removes from a restored exception in the parent.

An engine overwrites `__cause__` with its text, and joblib sets `__traceback__` to None. So we put
an object there, without any other reference. The overwrite drops the only reference, CPython runs
`__del__` at once, and `__del__` puts the original back.
"""

from __future__ import annotations

import sys
import types
from typing import Final

from .crossing import set_traceback, traceback_of

_cause_of: Final = BaseException.__dict__["__cause__"].__get__
_set_cause: Final = BaseException.__dict__["__cause__"].__set__
_suppress_of: Final = BaseException.__dict__["__suppress_context__"].__get__
_set_suppress: Final = BaseException.__dict__["__suppress_context__"].__set__


def survive_overwriting(exc: BaseException) -> None:
    """Brings the exception's cause back after an engine sets another cause."""
    _set_cause(exc, _UndoCause(exc))


def survive_wiping(exc: BaseException) -> None:
    """Brings the exception's traceback back after an engine sets `__traceback__` to None."""
    traceback = traceback_of(exc)
    if traceback is not None:
        set_traceback(exc, _entry_holding(_UndoTraceback(exc, traceback), traceback))


def _entry_holding(undo: _UndoTraceback, following: types.TracebackType) -> types.TracebackType:
    """A traceback entry with this function's frame, the only owner of `undo`."""
    return types.TracebackType(following, sys._getframe(), 0, 1)


class _UndoCause(BaseException):
    """Stands as the cause, and puts the original cause back after an engine's overwrite."""

    def __init__(self, exc: BaseException) -> None:
        self._exc = exc
        self._cause = _cause_of(exc)
        self._suppress = _suppress_of(exc)

    def __del__(self) -> None:
        _set_cause(self._exc, self._cause)
        _set_suppress(self._exc, self._suppress)


class _UndoTraceback:
    """Puts the original traceback back after an engine drops it."""

    __slots__ = ("_exc", "_traceback")

    def __init__(self, exc: BaseException, traceback: types.TracebackType) -> None:
        self._exc = exc
        self._traceback = traceback

    def __del__(self) -> None:
        set_traceback(self._exc, self._traceback)
