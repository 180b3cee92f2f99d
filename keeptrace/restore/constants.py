"""Constants of modules, such as `MISSING = Missing()`.

Programs know such a constant by identity, so a pickle names the module and the variable, instead of
making another instance.

A constant's class is written in Python, without pickling of its own, and the attributes are plain
data. The reader takes the module's own object only if class and attributes are the same there.
"""

from __future__ import annotations

import sys
import types
from typing import Any, Final

from .classes import has_hook
from .descriptors import raw_mro_of, raw_names_in, raw_namespace_of
from .fields import BUILTIN_TYPES, has_own_state

# Attributes of a constant: a name and a text to show, mostly.
_MOST_ATTRIBUTES: Final = 8
_PLAIN: Final = (str, int, float, bool, types.NoneType)
# Methods with which a class controls pickling.
PICKLING: Final = (
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__setstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
)


def state_of_constant(value: object) -> dict[str, Any] | None:
    """The attributes of a possible constant; None for other objects."""
    cls = type(value)
    if cls is object:
        return {}
    if not _is_plain_class(cls):
        return None
    pairs = _attributes_of(value)
    is_small = len(pairs) <= _MOST_ATTRIBUTES
    if is_small and all(type(name) is str and type(item) in _PLAIN for name, item in pairs):
        return dict(pairs)
    return None


def _attributes_of(value: object) -> list[tuple[Any, Any]]:
    """The entries of the slots and of the __dict__. No key is hashed or compared."""
    pairs: list[tuple[Any, Any]] = []
    for parent in raw_mro_of(type(value)):
        for name, item in raw_namespace_of(parent).items():
            if type(item) is types.MemberDescriptorType:
                try:
                    pairs.append((name, item.__get__(value)))
                except (AttributeError, TypeError):  # a slot without a value, or of another class
                    continue
            elif name == "__dict__" and type(item) is types.GetSetDescriptorType:
                pairs += dict.items(item.__get__(value))
    return pairs


def _is_plain_class(cls: type) -> bool:
    mro = raw_mro_of(cls)
    if any(id(parent) in BUILTIN_TYPES for parent in mro if parent is not object):
        return False
    return not has_hook(mro, *PICKLING) and not has_own_state(cls)


def constant(cls: type, module: str, name: str, state: dict[str, Any]) -> object:
    """A live pickle calls this function in the place of a constant.

    Returns the constant of the loaded module. If the module has a different object there, returns a
    new instance.
    """
    home = sys.modules.get(module)
    if type(home) is types.ModuleType:
        found = raw_names_in(home).get(name)
        if type(found) is cls and state_of_constant(found) == state:
            return found
    made: object = object.__new__(cls)
    for attribute, value in state.items():
        object.__setattr__(made, attribute, value)
    return made
