"""Finds lazy objects: objects that load missing parts when code reads or formats them.

An exception's own `__str__` makes its message; Python and every logger run `__str__`, too. For most
libraries' exceptions this is right. But a message that formats a row of a database would query the
database, from another thread. So `__str__` does not run if the exception holds a lazy object,
directly or one step further.

An object is lazy if reading it runs code that no class of Python's has: its class defines
`__getattr__`, or has descriptors of a library's own kind (columns and relations of all
object-relational mappers), or computes its elements and has no `__str__`. An object that is only
iterable (a response of requests), or a Mapping, is not lazy.
"""

from __future__ import annotations

import functools
import gc
import itertools
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

from ..core.memory import is_own_memory
from ..core.raw import attribute_of, first_of, loaded, mro_of, namespace_of, state_of
from .exact import is_stdlib_code
from .facts import args_of

# Objects of one exception; looking at them takes some milliseconds. An exception with more objects
# counts as lazy.
_MOST_OBJECTS: Final = 10_000
# Steps from attribute to attribute; going into a container is no step.
_MOST_STEPS: Final = 2
# Classes that are remembered. A program that makes classes all the time reaches the bound, and the
# table starts afresh.
_MOST_CLASSES: Final = 4_096
_CONTAINERS: Final = {id(cls): cls for cls in (list, tuple, set, frozenset, dict)}
_NEVER: Final = (types.FunctionType, types.ModuleType, types.CodeType, types.FrameType)
# These hold no objects, so a long list of numbers is skipped at once.
_ATOMS: Final = frozenset(map(id, (str, int, float, bool, bytes, complex, type(None), type)))
# C classes whose reprs contain the reprs of their referents, as those of containers do.
_CLASSES_THAT_SHOW_HELD: Final[tuple[type, ...]] = (
    *(deque, slice, functools.partial, types.MethodType, types.MappingProxyType),
    *(type({}.keys()), type({}.values()), type({}.items())),
    *(itertools.count, itertools.repeat),
)
_SHOW_HELD: Final = frozenset(map(id, _CLASSES_THAT_SHOW_HELD))
# Reprs of references ask the referent, and looking at the referent would ask it, too.
_REFERENCES: Final = (weakref.ReferenceType, weakref.ProxyType, weakref.CallableProxyType)


class _Facts(
    NamedTuple(
        "_Facts",
        [
            ("cls", type),
            ("mro", tuple[type, ...]),
            ("is_lazy", bool),
            ("is_opaque", bool),  # the search does not go into its instances
            ("tells_in_c", bool),  # C code makes its repr, and may format its referents
        ],
    )
):
    """The remembered facts of a class, which holds the class, so that its id stays its own."""

    __slots__ = ()


_known: Final[dict[int, _Facts]] = {}


def _facts_of(cls: type) -> _Facts:
    found = _known.get(id(cls))
    if found is None:
        if len(_known) >= _MOST_CLASSES:
            _known.clear()
        mro = mro_of(cls)
        is_opaque = any(cls is never for never in _NEVER) or any(of is type for of in mro)
        owner, told = attribute_of(mro, "__repr__")
        is_of_c = type(told) is types.WrapperDescriptorType
        shows_held = id(owner) in _CONTAINERS or id(owner) in _SHOW_HELD
        tells_in_c = is_of_c and not shows_held and owner not in (object, BaseException)
        found = _Facts(cls, mro, _is_lazy(mro), is_opaque, tells_in_c)
        _known[id(cls)] = found
    return found


def holds_lazy(values: Collection[Any]) -> bool:
    """Whether one of the values may be lazy, or holds an object that may be lazy."""
    waiting = deque((value, 0) for value in values)  # in the order of their steps
    seen: set[int] = set()
    while waiting:
        value, steps = waiting.popleft()
        cls = type(value)
        if id(cls) in _ATOMS or id(value) in seen:
            continue
        seen.add(id(value))
        if id(cls) in _CONTAINERS:
            waiting.extendleft((item, steps) for item in _in_container(value, cls))
        else:
            facts = _facts_of(cls)
            if facts.is_opaque:
                continue
            if facts.is_lazy:
                return True
            waiting.extendleft((item, steps) for item in _elements(value, facts))
            if steps < _MOST_STEPS:
                waiting.extend((item, steps + 1) for item in _held(value, facts))
        if len(seen) + len(waiting) > _MOST_OBJECTS:
            return True
    return False


def _elements(value: Any, facts: _Facts) -> Iterator[Any]:
    """The elements of a container, read by the methods of Python's own class."""
    for cls in facts.mro:
        if id(cls) in _CONTAINERS:
            yield from _in_container(value, cls)
        elif id(cls) in _SHOW_HELD:
            yield from _but_atoms(gc.get_referents, value)
        elif cls is BaseException:
            yield from args_of(value)
        elif cls is loaded("numpy", "ndarray"):
            yield from _in_array(cls, value)
        elif cls is loaded("numpy", "void") and value.dtype.hasobject:
            yield cls.item(value)


def _in_container(value: Any, cls: Any) -> list[Any]:
    if cls is dict:
        return [*_but_atoms(dict.keys, value), *_but_atoms(dict.values, value)]
    return _but_atoms(cls.__iter__, value)


def _in_array(ndarray: Any, value: Any) -> list[Any]:
    """The elements of an array of objects."""
    if not ndarray.dtype.__get__(value).hasobject or not is_own_memory(value):
        return []
    return _but_atoms(ndarray.flat.__get__, value)


def _held(value: object, facts: _Facts) -> Iterator[Any]:
    """An object's attributes, and the referents that its repr in C may format."""
    yield from state_of(value, _MOST_OBJECTS + 1).values()
    if facts.tells_in_c:
        yield from _but_atoms(gc.get_referents, value)


def _but_atoms(read: Callable[[Any], Iterable[Any]], value: object) -> list[Any]:
    """The elements that `read` gives, without the atoms, and only some more than the bound."""
    found = first_of(read, value, sys.maxsize)
    if _ATOMS.issuperset(map(id, map(type, found))):
        return []
    return [item for item in found if id(type(item)) not in _ATOMS][: _MOST_OBJECTS + 1]


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
    """Whether a class defines `__str__`, or is a container by a class of Python's."""
    if type(attribute_of(mro, "__str__")[1]) is types.FunctionType:
        return True
    return any(id(cls) in _CONTAINERS or cls is Collection for cls in mro)


def _is_foreign(method: object) -> bool:
    return type(method) is types.FunctionType and not is_stdlib_code(method)


def _is_own_descriptor(item: object) -> bool:
    """Whether an attribute of a class is a descriptor whose class a library wrote in Python."""
    return _is_foreign(attribute_of(mro_of(type(item)), "__get__")[1])
