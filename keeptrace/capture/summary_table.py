"""The table of classes with summaries: each library's own table, joined.

summary.py explains summaries. summarise.py has the public function, by which programs register
summaries of their own classes.
"""

from __future__ import annotations

import functools
from typing import Any, Final, TypeAlias

from ..core.raw import loaded, name_of, package_of
from ..live.outside import facts, text_of
from .arrays import NUMPY
from .database import DATABASE
from .devices import DEVICES
from .living import BUILTIN, LIVING
from .summary import Summarise, SummariseAs, Summary, Table
from .tables import TABLES
from .web import WEB, mapped_of
from .xarrays import XARRAY

# -- views of memory


def _memoryview(cls: object, value: Any) -> Summary:
    """A view without contents: the owner of the memory has the contents. A released view raises."""
    known = {name: getattr(value, name) for name in ("nbytes", "format", "shape", "readonly")}
    length = None
    if value.ndim:
        length = value.shape[0]
    return Summary(memoryview.__repr__(value), known, length)


# -- open files


def _file(cls: object, value: object) -> Summary:
    """Name, mode and position."""
    known = facts(value)
    return Summary(text_of(value, known), known)


_BUILTIN: Final[dict[int, SummariseAs]] = {id(memoryview): _memoryview, **BUILTIN}
_FILES: Final = ("FileIO", "BufferedReader", "BufferedWriter", "BufferedRandom", "TextIOWrapper")
# (module, class) → the function that summarises an instance
_SUMMARIES: Final[Table] = {
    **NUMPY,
    **TABLES,
    **XARRAY,
    **DEVICES,
    **LIVING,
    **WEB,
    **DATABASE,
    **{("_io", name): _file for name in _FILES},
}


# First part of the module → name of the class → (module, summary) of each such class.
_Packages: TypeAlias = dict[str, dict[str, list[tuple[str, SummariseAs]]]]


def _by_package() -> _Packages:
    """The table by the first part of the module and the name of the class. A library defines a
    class in an inner module, and users import the class from an outer module.
    """
    found: _Packages = {}
    for (home, name), summarise in _SUMMARIES.items():
        package = home.partition(".")[0]
        names = found.setdefault(package, {})
        names.setdefault(name, []).append((home, summarise))
    return found


_BY_PACKAGE: Final = _by_package()


def is_of_summarised_library(mro: tuple[type, ...]) -> bool:
    """Whether a class, or a base, comes from a library with entries in the table."""
    return any(package_of(cls) in _BY_PACKAGE for cls in mro)


def summary_of(mro: tuple[type, ...]) -> Summarise | None:
    """The function that summarises an instance of mro[0]; None for most classes."""
    builtin = _BUILTIN.get(id(mro[0]))
    if builtin is not None:
        return functools.partial(builtin, mro[0])
    for cls in mro:
        names = _BY_PACKAGE.get(package_of(cls))
        if names is None:
            continue
        for home, summarise in names.get(name_of(cls), ()):
            if loaded(home, name_of(cls)) is cls:
                return functools.partial(summarise, cls)
    return mapped_of(mro)
