"""summarise(): what a library or a program itself wants to be kept of its objects."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final

from ..core.errors import OptionError
from ..core.raw import name_of
from .chosen import Key, register, remove
from .types import forget

# keeptrace keeps these themselves.
_KEPT: Final = (
    *(object, type, str, bytes, bytearray, int, float, bool, complex, list, tuple, dict, set),
    *(frozenset, type(None), types.FunctionType, types.MethodType, types.ModuleType),
)


class Summarised:
    """A function that summarise() registered. undo() or the end of the `with` block removes it."""

    def __init__(self, key: Key, kind: type | str, function: Callable[[Any], Any]) -> None:
        self._key = key
        self._kind = kind  # held, so that the id of a class is not given to another
        self._function = function

    def undo(self) -> None:
        """Removes the function; an earlier one for the class holds again."""
        remove(self._key, self._function)
        forget()

    def __enter__(self) -> Summarised:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.undo()


def summarise(
    kind: type | str, function: Callable[[Any], str] | Callable[[Any], dict[str, Any]]
) -> Summarised:
    """Keeps of the instances of a class what `function(instance)` returns.

    kind: the class, or its qualified name ("package.module.Class", the class's own `__module__` and
        `__qualname__`), so that nothing needs to be imported. Subclasses are meant, too.
    function: returns a text, which becomes the repr, or a dict of names and values, which become
        the attributes.

    The function is code of the program that runs while a failure is captured: in another thread,
    with a deadline, and not with run_reprs=False. If it raises, or takes too long, or returns
    anything else, only the type of that object is kept. What it returns is bounded, and secrets are
    hidden in it. Each process needs its own call: a pool's workers in their initializer.

    Returns an object whose undo() removes the function; it is a context manager as well.

    Raises OptionError for a name without a module, for builtin classes, which are kept themselves,
    and for what cannot be called.
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
