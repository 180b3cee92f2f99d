"""Exact values of the standard library: the parts from which a reader rebuilds a value.

Reading the parts runs none of the program's code: parts come from immutable C classes, or from the
slots of Python classes. A value whose parts are no plain data becomes an ordinary object. A
half-built value lacks parts: reading the value raises AttributeError.
"""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..core.raw import (
    class_attribute,
    is_found,
    is_of_c,
    loaded,
    mro_of,
    names_of,
    state_of,
    stored,
)

if TYPE_CHECKING:
    from datetime import datetime, time

Parts: TypeAlias = Callable[[Any], tuple[Any, ...] | None]

_PATHS: Final = ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
_ATOMS: Final = frozenset(map(id, (str, int, float, bool, bytes, type(None))))
# Bounds for a value whose text the standard library's Python code makes: is_plain_data() checks the
# attributes, and the elements and levels below.
_MOST_STATE: Final = 20
_MOST_PARTS: Final = 1_000
_MOST_LEVELS: Final = 3
# The directory of Python's library. `os` itself is frozen and has no file name.
_STDLIB: Final = os.path.dirname(functools.wraps.__code__.co_filename) + os.sep


def is_stdlib_code(function: object) -> bool:
    """Whether a function's code comes from a file of the standard library."""
    if type(function) is not types.FunctionType:
        return False
    file = function.__code__.co_filename
    return len(_STDLIB) > 1 and file.startswith(_STDLIB) and "site-packages" not in file


def is_plain_data(value: object, levels: int = _MOST_LEVELS) -> bool:
    """Whether the standard library's code can read a value without running the program's code."""
    if id(type(value)) in _ATOMS:
        return True
    if not levels:
        return False
    parts = _parts_within(value)
    if parts is None:
        return False
    return all(is_plain_data(part, levels - 1) for part in parts)


def _parts_within(value: Any) -> Iterable[Any] | None:
    """The elements of a small container, or the state of a standard library's object, else None."""
    cls = type(value)
    if cls is list or cls is tuple:
        if len(value) <= _MOST_PARTS:
            return tuple(value)
        return None
    if cls is dict:
        if len(value) <= _MOST_PARTS:
            return chain.from_iterable(tuple(value.items()))
        return None
    module, qualname = names_of(cls)
    if module not in _PYTHON_HOMES or not is_found(cls, module, qualname):
        return None
    return [state_of(value, _MOST_STATE)]


def _naive_or_fixed(value: datetime | time) -> bool:
    """Whether a time has no zone, or a datetime.timezone made of plain parts."""
    zone = value.tzinfo
    if zone is None:
        return True
    return type(zone) is loaded("datetime", "timezone") and _timezone(zone) is not None


def _datetime(value: datetime) -> tuple[Any, ...] | None:
    if not _naive_or_fixed(value):
        return None
    day = (value.year, value.month, value.day)
    return (
        *day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.tzinfo,
        value.fold,
    )


def _time(value: time) -> tuple[Any, ...] | None:
    if not _naive_or_fixed(value):
        return None
    return (value.hour, value.minute, value.second, value.microsecond, value.tzinfo, value.fold)


def _timezone(value: Any) -> tuple[Any, ...] | None:
    """Offset and name; None if either has a class of the program's."""
    parts: tuple[Any, ...] = value.__getinitargs__()
    offset, *names = parts
    if type(offset) is not loaded("datetime", "timedelta"):
        return None
    if all(type(name) is str for name in names):
        return parts
    return None


def _fraction(value: object) -> tuple[Any, ...] | None:
    numerator = stored(value, "_numerator")
    denominator = stored(value, "_denominator")
    if type(numerator) is not int or type(denominator) is not int:
        return None
    if denominator <= 0:
        return None
    return numerator, denominator


def _uuid(value: object) -> tuple[Any, ...] | None:
    number = stored(value, "int")
    is_whole = type(number) is int and 0 <= number < 1 << 128
    if is_whole:
        return (f"{number:032x}",)
    return None


def _path(value: object) -> tuple[Any, ...] | None:
    """The path's text, made by pathlib's code."""
    try:
        text = plain_text(value, "__str__")
    except AttributeError:  # half built: the path has no parts
        return None
    if text is None:
        return None
    return (text,)


_OF_C: Final[dict[tuple[str, str], tuple[str, Parts]]] = {
    ("builtins", "range"): ("range", lambda value: (value.start, value.stop, value.step)),
    ("builtins", "slice"): ("slice", lambda value: (value.start, value.stop, value.step)),
    ("datetime", "datetime"): ("datetime", _datetime),
    ("datetime", "date"): ("date", lambda value: (value.year, value.month, value.day)),
    ("datetime", "time"): ("time", _time),
    ("datetime", "timedelta"): (
        "timedelta",
        lambda value: (value.days, value.seconds, value.microseconds),
    ),
    ("datetime", "timezone"): ("timezone", _timezone),
    ("decimal", "Decimal"): ("Decimal", lambda value: (str(value),)),
}
_OF_PYTHON: Final[dict[tuple[str, str], tuple[str, Parts]]] = {
    ("fractions", "Fraction"): ("Fraction", _fraction),
    ("uuid", "UUID"): ("UUID", _uuid),
    **{(home, name): (name, _path) for home in ("pathlib", "pathlib._local") for name in _PATHS},
}
# Modules whose code makes the text of a value of plain data without calling other code.
_PYTHON_HOMES: Final = frozenset({"pathlib", "pathlib._local", "uuid", "fractions", "ipaddress"})

# (module, name) of a class → the kind (restore/exact.py), and the function for the parts
EXACT: Final[dict[tuple[str, str], tuple[str, Parts]]] = {**_OF_C, **_OF_PYTHON}


def exact_of(cls: type) -> tuple[str, Parts] | None:
    """The exact kind of a class's instances, and the function for their parts; else None."""
    names = names_of(cls)
    found = EXACT.get(names)
    if found is None or not is_found(cls, *names):
        return None
    if is_of_c(cls) or names in _OF_PYTHON:
        return found
    return None


def is_exact_value(value: object) -> bool:
    """Whether a report can hold the value exactly: str() runs none of the program's code."""
    exact = exact_of(type(value))
    return exact is not None and exact[1](value) is not None


def plain_text(value: object, name: str) -> str | None:
    """The text by `__repr__` or `__str__` of a class of Python's library; None if not safe."""
    cls = type(value)
    module, qualname = names_of(cls)
    if module not in _PYTHON_HOMES or not is_found(cls, module, qualname):
        return None
    method = class_attribute(mro_of(cls), name)
    if not is_stdlib_code(method) or not is_plain_data(value):
        return None
    text = method(value)
    if type(text) is str:
        return text
    return None
