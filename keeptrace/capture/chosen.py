"""The functions that summarise() has registered for classes.

capture/objects.py calls the functions, under guard. A program registers a function for a class, or
for the qualified name of a class: a name needs no import of the class's library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..core.raw import names_of

Chosen: TypeAlias = Callable[[Any], "str | dict[str, Any]"]
# The id of a class, or its qualified name
Key: TypeAlias = int | str

# The last function of a key is in force.
_functions: Final[dict[Key, list[Chosen]]] = {}


def register(key: Key, function: Chosen) -> None:
    """Registers a function for a class, in the place of an earlier function."""
    _functions.setdefault(key, []).append(function)


def remove(key: Key, function: Chosen) -> None:
    """Removes a function. An earlier function for the class is in force again."""
    left = [each for each in _functions.get(key, ()) if each is not function]
    if left:
        _functions[key] = left
    else:
        _functions.pop(key, None)


def chosen_of(mro: tuple[type, ...]) -> Chosen | None:
    """The function for the instances of mro[0]: the class's own, or the nearest base's."""
    if not _functions:
        return None
    for cls in mro:
        found = _functions.get(id(cls)) or _functions.get(".".join(names_of(cls)))
        if found:
            return found[-1]
    return None
