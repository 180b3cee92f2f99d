"""Finds lazy objects: objects that load missing parts when code reads or formats them.

An exception's own `__str__` makes the message; Python and every logger run `__str__`, too. So does
a capture, for the exceptions of most libraries. But if a message formats a row of a database,
`__str__` would query the database, from another thread. So `__str__` does not run if the exception
holds a lazy object, at most two attributes away.

An object is lazy if reading the object runs code unlike the code of Python's own classes: the class
defines `__getattr__`, or has descriptors of a library's own kind (columns and relations of all
object-relational mappers; none has a name like `__signature__`), or computes its elements and has
no `__str__`. Objects with an iterator alone (a response of requests) are not lazy, nor are
Mappings.
"""

from __future__ import annotations

import _weakref
import functools
import gc
import itertools
import sys
import types
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..core.memory import is_own_memory
from ..core.raw import (
    attribute_of,
    class_attribute,
    first_of,
    loaded,
    mro_of,
    namespace_of,
    state_of,
)
from .exact import is_stdlib_code
from .facts import args_of

if TYPE_CHECKING:
    import numpy

# Searching this many objects takes some milliseconds. An exception with more objects counts as
# lazy. (objects)
_MOST_OBJECTS: Final = 10_000
# Steps from attribute to attribute; going into a container is no step.
_MOST_STEPS: Final = 2
# If a program makes classes all the time, the table reaches the bound and starts afresh. (classes)
_MOST_CLASSES: Final = 4_096
_CONTAINERS: Final = {id(cls): cls for cls in (list, tuple, set, frozenset, dict)}
_NEVER: Final = (types.FunctionType, types.ModuleType, types.CodeType, types.FrameType)
# Atoms hold no objects, so the search skips a long list of numbers at once.
_ATOMS: Final = frozenset(map(id, (str, int, float, bool, bytes, complex, type(None), type)))
# C classes whose reprs contain the reprs of their referents, as those of containers do.
_CLASSES_THAT_SHOW_HELD: Final[tuple[type, ...]] = (
    deque,
    slice,
    functools.partial,
    types.MethodType,
    types.MappingProxyType,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
    itertools.count,
    itertools.repeat,
)
_SHOW_HELD: Final = frozenset(map(id, _CLASSES_THAT_SHOW_HELD))
# Modules of classes whose hooks and descriptors only look into the object.
_LOADS_NOTHING: Final = frozenset({"pydantic.main"})
# The repr of a reference asks the referent. So would a look at the referent.
_REFERENCES: Final = (_weakref.ReferenceType, _weakref.ProxyType, _weakref.CallableProxyType)


class _Facts(
    NamedTuple(
        "_Facts",
        [
            ("cls", type),
            ("mro", tuple[type, ...]),
            ("is_lazy", bool),
            ("is_opaque", bool),  # the search does not enter instances
            ("tells_in_c", bool),  # C code makes the repr, and may format referents
        ],
    )
):
    """The remembered facts of a class. The entry holds the class, so no other class gets its id."""

    __slots__ = ()


_known: Final[dict[int, _Facts]] = {}


def _facts_of(cls: type) -> _Facts:
    found = _known.get(id(cls))
    if found is None:
        if len(_known) >= _MOST_CLASSES:
            _known.clear()
        mro = mro_of(cls)
        is_class = any(parent is type for parent in mro)
        is_opaque = is_class or any(cls is never for never in _NEVER)
        found = _Facts(cls, mro, _is_lazy(mro), is_opaque, _tells_in_c(mro))
        _known[id(cls)] = found
    return found


def _tells_in_c(mro: tuple[type, ...]) -> bool:
    """Whether C code makes the repr, and may format referents beside those of _elements()."""
    owner, told = attribute_of(mro, "__repr__")
    is_of_c = type(told) is types.WrapperDescriptorType
    shows_held = id(owner) in _CONTAINERS or id(owner) in _SHOW_HELD
    return is_of_c and not shows_held and owner not in (object, BaseException)


def holds_lazy(values: Collection[Any]) -> bool:
    """Whether a value may be lazy, or holds an object that may be lazy."""
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
            _add_parts(waiting, value, steps, facts)
        if len(seen) + len(waiting) > _MOST_OBJECTS:
            return True
    return False


def _add_parts(waiting: deque[tuple[Any, int]], value: object, steps: int, facts: _Facts) -> None:
    """Adds an object's elements and attributes to the search."""
    waiting.extendleft((item, steps) for item in _elements(value, facts))
    if steps < _MOST_STEPS:
        waiting.extend((item, steps + 1) for item in _held(value, facts))


def _elements(value: Any, facts: _Facts) -> Iterator[Any]:
    """The elements of a container, read with the methods of Python's own class."""
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


def _in_container(value: object, cls: Any) -> list[Any]:
    if cls is dict:
        return [*_but_atoms(dict.keys, value), *_but_atoms(dict.values, value)]
    return _but_atoms(cls.__iter__, value)


def _in_array(ndarray: type[numpy.ndarray], value: object) -> list[Any]:
    """The elements of an array of objects."""
    if not ndarray.dtype.__get__(value).hasobject or not is_own_memory(value):
        return []
    return _but_atoms(ndarray.flat.__get__, value)


def _held(value: object, facts: _Facts) -> Iterator[Any]:
    """An object's attributes, and the referents that a repr in C may format."""
    yield from state_of(value, _MOST_OBJECTS + 1).values()
    if facts.tells_in_c:
        yield from _but_atoms(gc.get_referents, value)


def _but_atoms(read: Callable[[Any], Iterable[Any]], value: object) -> list[Any]:
    """The elements given by `read`, without atoms, and only some more than the bound."""
    found = first_of(read, value, sys.maxsize)
    if _ATOMS.issuperset(map(id, map(type, found))):
        return []
    others = [item for item in found if id(type(item)) not in _ATOMS]
    return others[: _MOST_OBJECTS + 1]


def _is_lazy(mro: tuple[type, ...]) -> bool:
    if any(cls is reference for cls in mro for reference in _REFERENCES):
        return True
    for hook in ("__getattr__", "__getattribute__"):
        owner, method = attribute_of(mro, hook)
        if _is_foreign(method) and not _loads_nothing(owner):
            return True
    computes_elements = _is_foreign(class_attribute(mro, "__getitem__"))
    if computes_elements and not _says_its_text(mro):
        return True
    return any(map(_has_own_descriptor, mro))


def _has_own_descriptor(cls: type) -> bool:
    if _loads_nothing(cls):
        return False
    items = namespace_of(cls).items()
    return any(_is_own_descriptor(item) for name, item in items if not _is_dunder(name))


def _loads_nothing(cls: type) -> bool:
    module = namespace_of(cls).get("__module__")
    return type(module) is str and module in _LOADS_NOTHING


def _is_dunder(name: object) -> bool:
    return type(name) is str and name[:2] == "__" and name[-2:] == "__"


def _says_its_text(mro: tuple[type, ...]) -> bool:
    """Whether a class defines `__str__`, or derives from a container class of Python's."""
    if type(class_attribute(mro, "__str__")) is types.FunctionType:
        return True
    return any(id(cls) in _CONTAINERS or cls is Collection for cls in mro)


def _is_foreign(method: object) -> bool:
    return type(method) is types.FunctionType and not is_stdlib_code(method)


def _is_own_descriptor(item: object) -> bool:
    """Whether an attribute of a class is a descriptor of a library's class in Python."""
    mro = mro_of(type(item))
    return _is_foreign(class_attribute(mro, "__get__"))
