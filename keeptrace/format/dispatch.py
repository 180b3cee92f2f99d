"""Picklers' tables of reductions, for classes of exceptions defined at any time.

A pickler finds the reduction of an object by the exact class: in the pickler's own table or in
copyreg.dispatch_table. The C code of pickle keeps this very dict, and finds only entries of the
dict. In all other places a Table replaces the dict. A Table makes the entry of a class when a
pickler first asks for the class.

    copyreg.dispatch_table           for libraries with tables of their own; copyreg.pickle() writes
                                     here
    pickle.dispatch_table            for pickle's picklers in Python, and dill's
    pickle.Pickler                   a subclass with the Table as the instances' own table
    attributes of pickler classes    ForkingPickler's and cloudpickle's, and all other references to
                                     the dict

A Table does not reach code with an earlier import of pickle's C functions or C class
(`from pickle import dumps`): such code only finds the entries of the dict.
"""

from __future__ import annotations

import copyreg
import pickle
import types
from collections import ChainMap
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Final, Protocol, TypeAlias, TypeGuard

Reduction: TypeAlias = Callable[[Any], str | tuple[Any, ...]]

PLAIN: Final[dict[type, Reduction]] = copyreg.dispatch_table
_CPickler: Any = pickle.Pickler
_PyPickler: Any = pickle._Pickler
# The descriptor that reads and sets the table of a pickler.
_own_table: Final = vars(_CPickler)["dispatch_table"]
_subclasses_of: Final = type.__dict__["__subclasses__"]
_ABSENT: Final = object()


class Owner(Protocol):
    """Decides about the entries of some classes."""

    def claim(self, cls: object) -> None:
        """Makes the entry of a class, if the class belongs to the owner."""

    def note(self, cls: object, reduction: Reduction | None) -> bool:
        """Whether the class belongs to the owner. Then the owner notes the reduction, which comes
        into force after the owner's end.
        """


class Table(MutableMapping[type, Reduction]):
    """copyreg's table, with entries made by an owner on demand."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def __getitem__(self, cls: type) -> Reduction:
        self._owner.claim(cls)
        return PLAIN[cls]

    def __setitem__(self, cls: type, reduction: Reduction) -> None:
        if not self._owner.note(cls, reduction):
            PLAIN[cls] = reduction

    def __delitem__(self, cls: type) -> None:
        if not self._owner.note(cls, None):
            del PLAIN[cls]

    def __iter__(self) -> Iterator[type]:
        return iter(PLAIN)

    def __len__(self) -> int:
        return len(PLAIN)

    def copy(self) -> dict[type, Reduction]:
        return _Copy(self, PLAIN)

    def __or__(self, other: Any) -> dict[type, Reduction]:
        return _Copy(self, {**PLAIN, **other})


class _Copy(dict[type, Reduction]):
    """A pickler's own copy of a Table. The Table makes the entries of later classes."""

    def __init__(self, table: Table, entries: dict[type, Reduction]) -> None:
        super().__init__(entries)
        self._table = table

    def __missing__(self, cls: type) -> Reduction:
        return self._table[cls]

    def get(self, cls: Any, default: object = None) -> Any:
        try:
            return self[cls]
        except KeyError:
            return default

    def copy(self) -> dict[type, Reduction]:
        return _Copy(self._table, self)


class _TableOf:
    """The attribute `dispatch_table` of C picklers: the pickler's own table, or else a Table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __get__(self, pickler: object, cls: object = None) -> object:
        if pickler is None:
            return self
        try:
            return _own_table.__get__(pickler)
        except AttributeError:  # the pickler has no table of its own
            return self._table

    def __set__(self, pickler: object, table: object) -> None:
        _own_table.__set__(pickler, table)

    def __delete__(self, pickler: object) -> None:
        _own_table.__delete__(pickler)


class Replacements:
    """Temporary replacements of attributes of modules and classes."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, str, Any, Any]] = []

    def put(self, holder: object, name: str, new: object) -> None:
        self._made.append((holder, name, vars(holder).get(name, _ABSENT), new))
        setattr(holder, name, new)

    def undo(self) -> None:
        """Puts back the earlier values. A newer value, put there by other code, stays."""
        for holder, name, original, new in reversed(self._made):
            if vars(holder).get(name) is not new:
                continue
            if original is _ABSENT:
                delattr(holder, name)
            else:
                setattr(holder, name, original)
        self._made.clear()


def install(table: Table, replaced: Replacements) -> type:
    """Gives the table to every pickler within reach.

    Returns the pickler class that replaces the C class.
    """
    own = {
        "dispatch_table": _TableOf(table),
        "__module__": _CPickler.__module__,
        "__doc__": _CPickler.__doc__,
    }
    for cls in _pickler_classes():
        _exchange(cls, PLAIN, table, replaced.put)
        if _CPickler in cls.__bases__ and "dispatch_table" not in vars(cls):
            replaced.put(cls, "dispatch_table", _TableOf(table))
    made = type("Pickler", (_CPickler,), own)
    replaced.put(pickle, "Pickler", made)
    replaced.put(pickle, "dispatch_table", table)
    replaced.put(copyreg, "dispatch_table", table)
    return made


def remove(table: Table) -> None:
    """Puts copyreg's dict back into classes made with the table in the meantime."""
    for cls in _pickler_classes():
        _exchange(cls, table, PLAIN, setattr)


def _pickler_classes() -> list[Any]:
    """The classes derived from pickle's two picklers."""
    found: dict[int, Any] = {}
    waiting = [*_subclasses_of(_CPickler), *_subclasses_of(_PyPickler)]
    while waiting:
        cls = waiting.pop()
        if id(cls) not in found:
            found[id(cls)] = cls
            waiting += _subclasses_of(cls)
    return list(found.values())


def _exchange(cls: object, old: object, new: Any, put: Callable[[Any, str, Any], None]) -> None:
    """Replaces a table, wherever the class refers to the table."""
    for name, value in list(vars(cls).items()):
        if value is old:
            put(cls, name, new)
        elif isinstance(value, ChainMap) and any(part is old for part in value.maps):
            maps = list(value.maps)
            for at, part in enumerate(value.maps):
                if part is old:
                    maps[at] = new
            put(cls, name, type(value)(*maps))


def is_for_us(cls: object) -> TypeGuard[type]:
    """Whether init() decides about the pickling of instances of the class."""
    return isinstance(cls, type) and (cls is types.TracebackType or issubclass(cls, BaseException))
