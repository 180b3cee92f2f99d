"""The program's own functions for what is kept of a class: what summarise() has registered.

capture/objects.py calls the functions, under guard. A class is known by itself, or by its qualified
name, so that nobody has to import a library for its sake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..core.raw import names_of

Chosen: TypeAlias = Callable[[Any], "str | dict[str, Any]"]
# The id of a class, or its qualified name
Key: TypeAlias = int | str

# The last function of a key holds.
_functions: Final[dict[Key, list[Chosen]]] = {}


def register(key: Key, function: Chosen) -> None:
    """Makes this function the one for the class."""
    _functions.setdefault(key, []).append(function)


def remove(key: Key, function: Chosen) -> None:
    """Takes a function back; an earlier one holds again."""
    left = [each for each in _functions.get(key, ()) if each is not function]
    if left:
        _functions[key] = left
    else:
        _functions.pop(key, None)


def chosen_of(mro: tuple[type, ...]) -> Chosen | None:
    """The function for the instances of mro[0]: its own, or its nearest base's."""
    if not _functions:
        return None
    for cls in mro:
        found = _functions.get(id(cls)) or _functions.get(".".join(names_of(cls)))
        if found:
            return found[-1]
    return None
