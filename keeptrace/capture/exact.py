"""Values of the standard library that arrive as what they are: the parts they are rebuilt from.

The parts are read without the program's code: from C classes that nobody can have changed, or
from the slots of the classes written in Python. Parts that are no plain data make the value an
object like any other. Half-built values lack parts, and raise AttributeError.
"""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..core.raw import attribute_of, is_found, is_of_c, loaded, mro_of, names_of, state_of, stored

Parts: TypeAlias = Callable[[Any], tuple[Any, ...] | None]

_PATHS: Final = ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
_ATOMS: Final = frozenset(map(id, (str, int, float, bool, bytes, type(None))))
# Entries of an object whose text is made by the standard library's Python code. (attributes)
_MOST_STATE: Final = 20
# Elements and levels that are looked through before such code runs on them.
_MOST_PARTS: Final = 1_000
_MOST_LEVELS: Final = 3
# Where Python's library was compiled; os itself is frozen, and has no such place.
_STDLIB: Final = os.path.dirname(functools.wraps.__code__.co_filename) + os.sep


def is_stdlib_code(function: Any) -> bool:
    """Whether a function is the standard library's, and not of a module with such a name."""
    if type(function) is not types.FunctionType:
        return False
    file = function.__code__.co_filename
    return len(_STDLIB) > 1 and file.startswith(_STDLIB) and "site-packages" not in file


def is_plain_data(value: Any, levels: int = _MOST_LEVELS) -> bool:
    """Whether the standard library's code can read a value without meeting the program's."""
    cls = type(value)
    if id(cls) in _ATOMS:
        return True
    if levels == 0:
        return False
    if cls is list or cls is tuple:
        few = len(value) <= _MOST_PARTS
        return few and all(is_plain_data(item, levels - 1) for item in tuple(value))
    if cls is dict:
        few = len(value) <= _MOST_PARTS
        items = tuple(value.items())
        return few and all(is_plain_data(item, levels - 1) for pair in items for item in pair)
    module, qualname = names_of(cls)
    if module not in _PYTHON_HOMES or not is_found(cls, module, qualname):
        return False
    return is_plain_data(state_of(value, _MOST_STATE), levels - 1)


def _naive_or_fixed(value: Any) -> bool:
    """Whether a time's zone, if any, is one of datetime.timezone made of plain parts."""
    zone = value.tzinfo
    if zone is None:
        return True
    return type(zone) is loaded("datetime", "timezone") and _timezone(zone) is not None


def _datetime(value: Any) -> tuple[Any, ...] | None:
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


def _time(value: Any) -> tuple[Any, ...] | None:
    if not _naive_or_fixed(value):
        return None
    return (value.hour, value.minute, value.second, value.microsecond, value.tzinfo, value.fold)


def _timezone(value: Any) -> tuple[Any, ...] | None:
    """Offset and name; either may be of a subclass of the program's."""
    parts: tuple[Any, ...] = value.__getinitargs__()
    if type(parts[0]) is not loaded("datetime", "timedelta"):
        return None
    return parts if all(type(name) is str for name in parts[1:]) else None


def _fraction(value: Any) -> tuple[Any, ...] | None:
    parts = stored(value, "_numerator"), stored(value, "_denominator")
    is_whole = all(type(part) is int for part in parts) and parts[1] > 0
    return parts if is_whole else None


def _uuid(value: Any) -> tuple[Any, ...] | None:
    number = stored(value, "int")
    is_whole = type(number) is int and 0 <= number < 1 << 128
    return (f"{number:032x}",) if is_whole else None


def _path(value: Any) -> tuple[Any, ...] | None:
    """The path's text, which code of pathlib makes of its parts."""
    try:
        text = plain_text(value, "__str__")
    except AttributeError:  # half built: the text has nothing to be made of
        return None
    return None if text is None else (text,)


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
# Modules whose values' texts are made by code that calls nobody, if the state is plain data.
_PYTHON_HOMES: Final = frozenset({"pathlib", "pathlib._local", "uuid", "fractions", "ipaddress"})

# (module, name) of a class -> the kind in _restore.EXACT, and what gives its parts
EXACT: Final[dict[tuple[str, str], tuple[str, Parts]]] = {**_OF_C, **_OF_PYTHON}


def exact_of(cls: type) -> tuple[str, Parts] | None:
    """What tells the instances of a class exactly, if anything does."""
    names = names_of(cls)
    found = EXACT.get(names)
    if found is None or not is_found(cls, *names):
        return None
    return found if is_of_c(cls) or names in _OF_PYTHON else None


def plain_text(value: Any, name: str) -> str | None:
    """What `__repr__` or `__str__` of a class in Python's library gives, where it calls nobody."""
    cls = type(value)
    module, qualname = names_of(cls)
    if module not in _PYTHON_HOMES or not is_found(cls, module, qualname):
        return None
    method = attribute_of(mro_of(cls), name)[1]
    if not is_stdlib_code(method) or not is_plain_data(value):
        return None
    text = method(value)
    return text if type(text) is str else None
