"""Finds the constants of modules (restore/constants.py) for a live pickle."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from ..core.raw import is_of_c, module_dict, module_of, mro_of, text_keys
from ..restore.constants import constant, state_of_constant

# id of a constant → the arguments of constant()
Constants: TypeAlias = Mapping[int, tuple[Any, ...]]

NO_CONSTANTS: Final[Constants] = {}
# A report's exceptions and values come from fewer modules, mostly. (modules)
_MOST_MODULES: Final = 50


def constants_among(objects: Iterable[object], classes: Iterable[type]) -> Constants:
    """The constants among the objects: of the modules that define the classes or their bases."""
    ids = {id(value) for value in objects if _may_be_constant(value)}
    found: dict[int, tuple[Any, ...]] = {}
    if not ids:
        return found
    for home in _homes_of(classes):
        for name, value in _names_in(home).items():
            if id(value) in ids and id(value) not in found:
                state = state_of_constant(value)
                if state is not None:
                    found[id(value)] = (type(value), home, name, state)
    return found


def _may_be_constant(value: object) -> bool:
    cls = type(value)
    return cls is object or not is_of_c(cls)


def _homes_of(classes: Iterable[type]) -> list[str]:
    """The names of the modules of the classes and of their bases, within the bound."""
    homes: dict[str, None] = {}  # a set in the order of the classes
    for cls in classes:
        for parent in mro_of(cls):
            if not is_of_c(parent):
                homes[module_of(parent)] = None
    return list(homes)[:_MOST_MODULES]


def _names_in(home: str) -> dict[str, Any]:
    """The names of a loaded module, and their objects."""
    module = sys.modules.get(home)
    if type(module) is not types.ModuleType:
        return {}
    return text_keys(list(module_dict(module).items()))


def naming(pickler: Callable[..., Any], constants: Constants) -> Callable[..., Any]:
    """A subclass of a pickler that refers to the constants by name."""
    base: Any = pickler

    class Naming(base):  # type: ignore[misc]  # known at run time alone
        def reducer_override(self, obj: object) -> object:
            found = constants.get(id(obj))
            if found is not None:
                return constant, found
            override = getattr(super(), "reducer_override", None)
            if override is None:
                return NotImplemented
            return override(obj)

    return Naming
