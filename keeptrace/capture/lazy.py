"""Which objects load what they lack when somebody reads or formats them.

An exception's message is made by its own `__str__`, which Python and every logger run, too. That is
right for the exceptions of libraries, which call methods and properties of theirs. But a message
that formats a row of a database would query it, from another thread. So a message is not made where
the exception holds such an object, itself or one step further.

An object counts as lazy where reading it is the work of code that no class of Python's has: its
class answers for attributes by `__getattr__`, or by descriptors of a kind of its own (the columns
and relations of all object-relational mappers are such), or computes its elements, and has no text
of its own. What only iterates (a response of requests), or is a Mapping, is not lazy.
"""

from __future__ import annotations

import functools
import gc
import itertools
import types
import weakref
from collections import deque
from collections.abc import Collection, Iterator
from typing import Any, Final

from ..core.raw import attribute_of, first_of, mro_of, namespace_of, state_of
from .exact import is_stdlib_code

# Objects of one exception that are looked at.
_MOST_OBJECTS: Final = 200
# Elements of a container, and attributes of an object, that are looked at.
_MOST_ITEMS: Final = 50
# Steps from attribute to attribute; elements of containers take none.
_MOST_STEPS: Final = 2
# Classes that are remembered; programs that make classes all the time start afresh.
_MOST_CLASSES: Final = 4_096
_CONTAINERS: Final = {id(cls): cls for cls in (list, tuple, set, frozenset, dict)}
_NEVER: Final = (types.FunctionType, types.ModuleType, types.CodeType, types.FrameType)
# Classes of C whose texts have the texts of what they hold.
_SHOW_HELD: Final = frozenset(
    map(
        id,
        (
            *(deque, slice, functools.partial, types.MethodType, types.MappingProxyType),
            *(type({}.keys()), type({}.values()), type({}.items())),
            *(itertools.count, itertools.repeat),
        ),
    )
)
# Their texts ask the object that they refer to, and nobody can look whether it is lazy.
_REFERENCES: Final = (weakref.ReferenceType, weakref.ProxyType, weakref.CallableProxyType)

# With the class, so that its id is not given to another.
_known: Final[dict[int, tuple[type, bool]]] = {}


def holds_lazy(values: Collection[Any]) -> bool:
    """Whether an object among these, in containers among these, or held by one, is lazy."""
    waiting = [(value, 0) for value in values]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_OBJECTS:
        value, steps = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        cls = type(value)
        if any(cls is never for never in _NEVER) or any(of is type for of in mro_of(cls)):
            continue
        if id(cls) not in _CONTAINERS and is_lazy(cls):
            return True
        waiting += [(item, steps) for item in _elements(value, mro_of(cls))]
        if steps < _MOST_STEPS:
            waiting += [(item, steps + 1) for item in state_of(value, _MOST_ITEMS).values()]
    return False


def _elements(value: Any, mro: tuple[type, ...]) -> Iterator[Any]:
    """What is read of a container, by the methods of the class of Python's that it is."""
    for cls in mro:
        if cls is dict:
            for pair in first_of(dict.items, value, _MOST_ITEMS):
                yield from pair
        elif id(cls) in _CONTAINERS:
            yield from first_of(_CONTAINERS[id(cls)].__iter__, value, _MOST_ITEMS)
        elif id(cls) in _SHOW_HELD:
            yield from gc.get_referents(value)[:_MOST_ITEMS]


def is_lazy(cls: type) -> bool:
    """Whether reading the instances of a class may load something."""
    found = _known.get(id(cls))
    if found is None:
        if len(_known) >= _MOST_CLASSES:
            _known.clear()
        found = _known[id(cls)] = cls, _is_lazy(mro_of(cls))
    return found[1]


def _is_lazy(mro: tuple[type, ...]) -> bool:
    if any(cls is reference for cls in mro for reference in _REFERENCES):
        return True
    for hook in ("__getattr__", "__getattribute__"):
        if _is_foreign(attribute_of(mro, hook)[1]):
            return True
    if _is_foreign(attribute_of(mro, "__getitem__")[1]) and not _says_its_text(mro):
        return True
    return any(_is_own_descriptor(item) for cls in mro for item in namespace_of(cls).values())


def _says_its_text(mro: tuple[type, ...]) -> bool:
    """Whether it is a text (or translates one), or a container by a class of Python's."""
    if type(attribute_of(mro, "__str__")[1]) is types.FunctionType:
        return True
    return any(id(cls) in _CONTAINERS or cls is Collection for cls in mro)


def _is_foreign(method: Any) -> bool:
    return type(method) is types.FunctionType and not is_stdlib_code(method)


def _is_own_descriptor(item: Any) -> bool:
    """Whether an attribute of a class is a descriptor of a class that a library wrote in Python."""
    return _is_foreign(attribute_of(mro_of(type(item)), "__get__")[1])
