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

# Objects of one exception that are looked at: some milliseconds. With more of them it counts as one
# that holds a lazy object, since nobody knows.
_MOST_OBJECTS: Final = 10_000
# Steps from attribute to attribute; elements of containers take none.
_MOST_STEPS: Final = 2
# Classes that are remembered; programs that make classes all the time start afresh.
_MOST_CLASSES: Final = 4_096
_CONTAINERS: Final = {id(cls): cls for cls in (list, tuple, set, frozenset, dict)}
_NEVER: Final = (types.FunctionType, types.ModuleType, types.CodeType, types.FrameType)
# No object behind these: a long list of numbers is passed over at once.
_ATOMS: Final = frozenset(map(id, (str, int, float, bool, bytes, complex, type(None), type)))
# Classes of C whose texts have the texts of what they hold, as containers do.
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


class _Facts(NamedTuple):
    """What is remembered of a class: with itself, so that its id is not given to another."""

    cls: type
    mro: tuple[type, ...]
    is_lazy: bool
    is_opaque: bool  # nothing is looked for in its instances
    tells_in_c: bool  # C code makes its text, and may format what it holds


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
    """Whether an object among these, in containers among these, or held by one, may be lazy."""
    waiting = deque((value, 0) for value in values)  # those of least steps first
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
    """What is read of a container, by the methods of the class of Python's that it is."""
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


def _held(value: Any, facts: _Facts) -> Iterator[Any]:
    """What stands in an object, and what its text in C may tell."""
    yield from state_of(value, _MOST_OBJECTS + 1).values()
    if facts.tells_in_c:
        yield from _but_atoms(gc.get_referents, value)


def _but_atoms(read: Callable[[Any], Iterable[Any]], value: Any) -> list[Any]:
    """What `read` gives of a container, but for the atoms; more than enough of it."""
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
    """Whether it is a text (or translates one), or a container by a class of Python's."""
    if type(attribute_of(mro, "__str__")[1]) is types.FunctionType:
        return True
    return any(id(cls) in _CONTAINERS or cls is Collection for cls in mro)


def _is_foreign(method: Any) -> bool:
    return type(method) is types.FunctionType and not is_stdlib_code(method)


def _is_own_descriptor(item: Any) -> bool:
    """Whether an attribute of a class is a descriptor of a class that a library wrote in Python."""
    return _is_foreign(attribute_of(mro_of(type(item)), "__get__")[1])
