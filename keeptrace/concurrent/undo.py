"""Brings back what an engine removes from a restored exception in the parent.

An engine overwrites `__cause__` with its text, and joblib sets `__traceback__` to None. So we put
an object there, without any other reference. The overwrite drops the only reference, CPython runs
`__del__` at once, and `__del__` puts the original back.

A sealed exception (a frozen dataclass, a `__setattr__` that raises) would refuse the engine's
overwrite, and end the engine's thread. Such an exception gets a subclass of its class, where
attributes can be set:

- until the engine sets the cause. parsl sets the traceback, too, but by with_traceback(), which
  asks no `__setattr__`.
- below joblib until the exception is pickled, mostly for good. After the overwrite that we notice,
  a context manager of joblib sets the traceback again. The cost: type() names the subclass, and the
  `==` of a dataclass, which compares types, is False. `except` and isinstance() work.
"""

from __future__ import annotations

import abc
import sys
import types
from typing import Any, Final, SupportsIndex

from ..core.raw import names_of
from ..restore.classes import has_hook
from ..restore.descriptors import raw_mro_of, raw_name_of, raw_namespace_of
from ..restore.once import made_once
from .crossing import set_traceback, traceback_of

_cause_of: Final = BaseException.__dict__["__cause__"].__get__
_set_cause: Final = BaseException.__dict__["__cause__"].__set__
_suppress_of: Final = BaseException.__dict__["__suppress_context__"].__get__
_set_suppress: Final = BaseException.__dict__["__suppress_context__"].__set__
_set_class: Final[Any] = object.__dict__["__class__"].__set__

# A class that defines one of these may refuse what engines set.
SET_BY_ENGINES: Final = ("__setattr__", "__cause__", "__traceback__")
_VALUE_OF: Final[dict[str, Any]] = {"__cause__": _cause_of, "__traceback__": traceback_of}


def is_sealed(exc: BaseException, *names: str) -> bool:
    """Whether the exception refuses an attribute of these names: tried as the engine will.

    The attributes keep their values if the names are "__cause__" and "__traceback__".
    """
    if not has_hook(raw_mro_of(type(exc)), *SET_BY_ENGINES):
        return False
    cause, suppress, traceback = _cause_of(exc), _suppress_of(exc), traceback_of(exc)
    _set_cause(exc, BaseException())  # shows whether None is set, if there was no cause
    try:
        for name in names:
            setattr(exc, name, None)
        # a `__setattr__` may also set nothing
        return any(_VALUE_OF[name](exc) is not None for name in names if name in _VALUE_OF)
    except BaseException:  # by the class's own `__setattr__`, or a property without a setter
        return True
    finally:
        set_traceback(exc, traceback)
        _set_cause(exc, cause)
        _set_suppress(exc, suppress)  # last: setting a cause changes the flag


class _Quiet:
    """A base before the user's class, whose `__init_subclass__` would see our subclass."""

    __slots__ = ()

    def __init_subclass__(cls, **arguments: object) -> None:
        pass


@made_once(256)
def _unsealed(cls: type[BaseException]) -> type[BaseException]:
    """A subclass of the same name, where engines can set attributes.

    Made by type.__new__ alone: no code of a metaclass, or of an `__init_subclass__`, runs.
    """

    def reduce_as_own_class(exc: BaseException, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        # pickle refuses a class that the module does not have under the class's name
        _set_class(exc, cls)
        return cls.__reduce_ex__(exc, protocol)

    module, qualname = names_of(cls)
    namespace: dict[str, Any] = {
        "__module__": module,
        "__qualname__": qualname,
        "__slots__": (),
        "__doc__": raw_namespace_of(cls).get("__doc__"),
        "__reduce_ex__": reduce_as_own_class,
        **{name: getattr(BaseException, name) for name in SET_BY_ENGINES},
    }
    metaclass: Any = type(cls)
    made: type[BaseException] = type.__new__(metaclass, raw_name_of(cls), (_Quiet, cls), namespace)
    if issubclass(metaclass, abc.ABCMeta):  # else isinstance() would spoil the cache of the class
        abc._abc_init(made)  # type: ignore[attr-defined]  # of CPython
    return made


def _unseal(exc: BaseException) -> None:
    """Lets engines set attributes of a sealed exception. Never raises.

    An exception of another layout stays sealed: then the engine fails as without us.
    """
    cls = type(exc)
    try:
        _set_class(exc, _unsealed(cls))
    # Another layout, no memory, or a metaclass's own `mro` or `__hash__`, whose SystemExit would
    # end the engine's thread here.
    except BaseException:
        return


def survive(
    exc: BaseException, *, overwriting: bool, wiping: bool, other_names: tuple[str, ...] = ()
) -> None:
    """Prepares a restored exception for an engine. Never raises.

    overwriting: the engine sets another cause; the exception's own cause comes back.
    wiping: the engine sets `__traceback__` to None; the exception's own traceback comes back.
    other_names: attributes that the engine sets as well, before the cause.
    """
    cls = type(exc)
    written = {"__cause__": overwriting, "__traceback__": wiping}
    if is_sealed(exc, *other_names, *[name for name in written if written[name]]):
        _unseal(exc)
    if wiping:  # joblib sets the traceback again, after our last notice
        cls = type(exc)
    if overwriting:
        _set_cause(exc, _UndoCause(exc, cls))
    if wiping:
        hold_traceback(exc)


def hold_traceback(exc: BaseException) -> None:
    """Brings the exception's traceback back after an engine sets another one, or None."""
    traceback = traceback_of(exc)
    if traceback is not None:
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
