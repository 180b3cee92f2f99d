"""Carriers: exceptions raised in place of an exception that an engine cannot handle.

Some engines rebuild exceptions from class and args. The loops of multiprocessing's workers survive
only an Exception. All engines crash if attribute access raises, some if setting an attribute
raises. Such an exception gets a carrier: an exception of our own class. Every engine can handle a
carrier, and a carrier pickles as the original.
"""

from __future__ import annotations

import copyreg
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any, Final

from ..capture.facts import chain_of
from ..core.options import Options
from ..restore.classes import has_hook
from ..restore.descriptors import raw_mro_of
from .crossing import CarrierType, as_pickle_finds, dict_of, to_bytes
from .reductions import rebuild_overwritten, rebuild_wiped
from .undo import is_sealed

# Engines, and the module traceback on their behalf, read these of an exception; a class's own code
# may raise instead.
_READ_BY_ENGINES: Final = (
    "__getattribute__",
    "__getattr__",
    "__bool__",
    "__len__",
    "__class__",
    "__notes__",
    "__cause__",
    "__context__",
    "__suppress_context__",
    "__traceback__",
)
# And these of a class, from its metaclass.
_READ_OF_CLASSES: Final = ("__getattribute__", "__qualname__")


def _refuses(exc: BaseException) -> bool:
    """Whether an engine's reading may raise, for any exception of the chain."""
    return any(map(_may_raise, chain_of(exc)))


def _may_raise(exc: BaseException) -> bool:
    cls = type(exc)
    if has_hook(raw_mro_of(cls), *_READ_BY_ENGINES):
        return True
    metaclass = type(cls)
    if metaclass is not type and has_hook(raw_mro_of(metaclass), *_READ_OF_CLASSES):
        return True
    return _has_odd_parts(exc) and not _is_printable(exc)


def _has_odd_parts(exc: BaseException) -> bool:
    """Whether the module traceback reads parts of the exception that may have any type."""
    if issubclass(type(exc), (SyntaxError, NameError, AttributeError)):
        return True
    return type(dict_of(exc).get("__notes__")) not in (types.NoneType, list)


def _is_printable(exc: BaseException) -> bool:
    """Whether the exception prints: tried as the engine will."""
    try:
        traceback.format_exception_only(exc)
    except BaseException:
        return False
    return True


def _refuses_or_is_sealed(exc: BaseException) -> bool:
    return _refuses(exc) or is_sealed(exc, "__traceback__")


def _ends_worker(exc: BaseException) -> bool:
    return not issubclass(type(exc), Exception) or _refuses(exc)


def _always(exc: BaseException) -> bool:
    return True


# package -> the exceptions that need a carrier
NEEDS_CARRIER: Final[dict[str, Callable[[BaseException], bool]]] = {
    "concurrent": _refuses_or_is_sealed,
    # Their workers set no attributes of an exception, so a sealed exception needs no carrier. Their
    # parents set the cause; undo.py prepares the exception.
    "loky": _refuses,
    "joblib": _refuses,
    "pebble": _refuses,
    # all but an Exception end the worker, and the caller of the task deadlocks
    "multiprocessing": _ends_worker,
    "multiprocess": _ends_worker,
    "billiard": _always,  # sends the class, importable or not
    "mpire": _always,  # rebuilds the exception from class, args and attributes
}


def carrier_of(exc: BaseException, options: Options, engine: str) -> Exception:
    """An exception that pickles as `exc` in every engine."""
    if "dill" in sys.modules:  # dill does not look into copyreg
        sys.modules["dill"].pickle(CarrierType, _save_carrier_type)
    data = to_bytes(exc, options)
    rebuild = rebuild_overwritten
    if engine == "joblib":
        rebuild = rebuild_wiped
    cls: Any = CarrierType(
        type(exc).__name__,
        (Exception,),
        {
            "__module__": type(exc).__module__,
            "__reduce_ex__": lambda self, protocol: (as_pickle_finds(rebuild), (data,)),
            "__str__": lambda self: _text_of(exc),
            "args": property(_Args),
            "carried": exc,
            "engine": engine,
        },
    )
    carrier: Exception = cls()
    cls.carrier = carrier
    return carrier


def _text_of(exc: BaseException) -> str:
    try:
        return str(exc)
    except BaseException as problem:  # engines call str() where nothing may raise
        return f"<its str() raised {type(problem).__name__}>"


class _Args:
    """The args of a carrier. They pickle as the rebuilt exception's args."""

    def __init__(self, carrier: BaseException) -> None:
        self._carrier = carrier

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return getattr, (self._carrier, "args")


def _reduce_carrier_type(cls: CarrierType) -> tuple[Callable[..., Any], tuple[object, ...]]:
    make: Callable[..., Any] = type
    if cls.engine == "mpire":
        make = _maker_of
    return make, (cls.carrier,)


def _save_carrier_type(pickler: Any, cls: CarrierType) -> None:
    pickler.save_reduce(*_reduce_carrier_type(cls), obj=cls)


def _maker_of(exc: BaseException) -> types.SimpleNamespace:
    """Replaces the exception's class for mpire: mpire calls `__new__`, then sets args and
    attributes.
    """
    return types.SimpleNamespace(__new__=lambda cls: exc)


copyreg.pickle(CarrierType, _reduce_carrier_type)
