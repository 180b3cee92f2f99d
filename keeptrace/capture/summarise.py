"""summarise(): a library or a program chooses the parts of its objects to keep."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final

from ..core.errors import OptionError
from ..core.raw import name_of
from .chosen import Key, register, remove
from .types import forget

# Classes with exact nodes: a summary would lose the value.
_KEPT: Final = (
    object,
    type,
    str,
    bytes,
    bytearray,
    int,
    float,
    bool,
    complex,
    list,
    tuple,
    dict,
    set,
    frozenset,
    type(None),
    types.FunctionType,
    types.MethodType,
    types.ModuleType,
)


class Summarised:
    """A registration by summarise(). undo() or the end of a `with` block removes the function."""

    def __init__(self, key: Key, kind: type | str, function: Callable[[Any], Any]) -> None:
        self._key = key
        self._kind = kind  # held, so no other class gets the id
        self._function = function

    def undo(self) -> None:
        """Removes the function. An earlier function for the class is in force again."""
        remove(self._key, self._function)
        forget()

    def __enter__(self) -> Summarised:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.undo()


def summarise(
    kind: type | str, function: Callable[[Any], str] | Callable[[Any], dict[str, Any]]
) -> Summarised:
    """Keeps the result of `function(instance)` in place of each instance of a class.

    kind: the class, or the class's qualified name ("package.module.Class", made of `__module__` and
        `__qualname__`), which needs no import. Subclasses have the same function.
    function: returns a text, which becomes the repr, or a dict of names and values, which become
        the attributes.

    The function is the program's code, and runs during a capture: in another thread, with a
    deadline, and not with run_reprs=False. If the function raises, is too slow, or returns anything
    else, the report keeps only the type of the object. The result is bounded, and secrets in the
    result are hidden. Each process needs its own call: a pool's workers in their initializer.

    Returns an object with undo(), which removes the function. The object is a context manager, too.

    Raises OptionError for a name without a module, for builtin classes, whose values keeptrace
    keeps exactly, and for a function that is not callable.
    """
    if not callable(function):
        raise OptionError(f"summarise needs a function of one object, not {function!r}")
    key = _key_of(kind)
    register(key, function)
    forget()
    return Summarised(key, kind, function)


def _key_of(kind: type | str) -> Key:
    if isinstance(kind, str):
        _check_name(kind)
        return kind
    if not isinstance(kind, type):
        raise OptionError(f"summarise needs a class or its qualified name, not {kind!r}")
    if any(kind is kept for kept in _KEPT):
        raise OptionError(f"summarise cannot change how {name_of(kind)} is kept; give a subclass")
    return id(kind)


def _check_name(name: str) -> None:
    module, _, qualname = name.rpartition(".")
    if not module or not qualname.isidentifier():
        raise OptionError(f'summarise needs a qualified name, "package.module.Class", not {name!r}')
    if any(name == f"{kept.__module__}.{kept.__qualname__}" for kept in _KEPT):
        raise OptionError(f"summarise cannot change how {qualname} is kept; give a subclass")
