"""Object graph → values of a report, within the bounds, without running any of the user's code.

Rules:
 1. Types are recognised by identity and read by raw descriptors (core/raw.py), so no property,
    `__getattr__`, metaclass or `__dir__` of the user's ever runs. With run_reprs=True the user's
    `__repr__`s are collected, and run last, under guard.
 2. A queue replaces recursion. Every object is read once, at its least distance from a variable,
    the nearest objects first. So a bound cuts the objects that are furthest away.
 3. The graph is held during the walk: a reused `id` would show one object as another.
 4. Values beyond a bound are counted in `cuts`, and a stand-in marks their places.
 5. A reader may raise any exception. Only the walk (walk.py) calls readers: the walk puts a
    stand-in with the reason in the place of the unreadable value, and reads on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from ..core.bounds import MAX_READ, MAX_TYPES
from ..core.nodes import stand_in
from ..core.options import Options, as_limit
from ..core.raw import names_of, qualname_of
from ..core.report import Node, Ref
from .reprs import Renderer
from .types import TypeInfo, info_of

# Integers of fewer bits are atoms. (bits)
_BITS: Final = 64
# Classes whose every value is an atom, by id: hash() of a class may run its metaclass.
_ATOMS: Final = frozenset((id(bool), id(float)))
# A longer string becomes a node, so fifty frames with the same string share a node. (characters)
SHARED_TEXT: Final = 200
# The size of a reference to an element. (bytes)
ELEMENT: Final = 8
_UNREAD: Final[Node] = []  # the node of a value with a place, before the walk reads the value


class Values:
    """The value table of a report, while the capture fills the table."""

    def __init__(
        self, options: Options, exceptions: dict[int, int], cuts: dict[str, int], deadline: float
    ) -> None:
        self.nodes: list[Node] = []
        self.types: list[list[Any]] = []
        self.wants_dir: set[int] = set()  # ids of objects whose names are kept, for "did you mean"
        self.options = options
        self.deadline = deadline
        self.bytes: int = 0
        self._exceptions = exceptions
        self._cuts = cuts
        self.infos: dict[int, TypeInfo] = {}
        self._last_type = 0  # index of all classes beyond the bound
        self._type_indexes: dict[int, tuple[type, int]] = {}  # with the class, see rule 3
        self._seen: dict[int, int] = {}
        # Index, object, depth. The queue holds the graph (rule 3), so it is never shortened.
        self._queue: list[tuple[int, Any, int]] = []
        self._read = 0  # how many of the queue have been read
        self._spent: dict[tuple[int, str], int] = {}
        self._pending: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
        self._renderer: Renderer | None = None  # most small captures need none
        self._stop = ""  # the first bound that was reached
        self.max_text: int = options.max_text
        self.max_bytes: int = options.max_bytes
        self.max_items: int = as_limit(options.max_items)
        self._max_values = min(options.max_values, MAX_READ)
        self._short = min(SHARED_TEXT, options.max_text)

    @property
    def renderer(self) -> Renderer:
        if self._renderer is None:
            self._renderer = Renderer(self.options.max_repr, self.options.run_reprs, self.infos)
        return self._renderer

    # -- in

    def ref(self, value: object, depth: int) -> Ref:
        """The ref of one value, which is kept for `depth` levels more."""
        return self.refs((value,), depth)[0]

    def refs(self, values: Iterable[Any], depth: int) -> list[Ref]:
        """The refs of values. The ref of an atom is the atom itself. Other values get a place in
        the table, and the walk reads the values later.

        A hot loop of the capture: a function for the test of atoms would cost a call a value.
        """
        found: list[Ref] = []
        append = found.append
        short = self._short
        size = 0
        for value in values:
            cls = type(value)
            if cls is str:
                if len(value) <= short:
                    size += len(value)
                    append(value)
                    continue
            elif cls is int:
                if value.bit_length() < _BITS:
                    append(value)
                    continue
            elif value is None or cls is float or cls is bool:
                append(value)
                continue
            append(self._place(value, depth))
        self.bytes += size
        return found

    def named(self, namespace: dict[Any, Any], depth: int) -> dict[str, Ref]:
        """Replaces the values of a namespace by refs. The dict must be the caller's own copy.

        Drops names that are not exact texts: no source code can use such a name. The loop is hot,
        like the loop of refs(), and so has the same test of atoms inline.
        """
        others: list[tuple[str, Any]] = []
        short = self._short
        size = 0
        for name, value in namespace.items():
            if type(name) is not str:
                return self.named(_with_plain_names(namespace), depth)
            cls = type(value)
            if cls is str:
                if len(value) <= short:
                    size += len(value)
                    continue
            elif cls is int:
                if value.bit_length() < _BITS:
                    continue
            elif value is None or id(cls) in _ATOMS:
                continue
            others.append((name, value))
        self.bytes += size
        for name, value in others:
            namespace[name] = self._place(value, depth)
        return namespace

    def _place(self, value: object, depth: int) -> Ref:
        """The ref of a value in the table. Gives a new value a place, if there is room."""
        known = self._seen.get(id(value))
        if known is not None:
            return [known]
        index = len(self.nodes)
        if id(value) in self._exceptions:
            self.nodes.append(["exception", self._exceptions[id(value)]])
        elif self._stop or index >= self._max_values:
            return self._cut(type(value), self._stop or "max_values")
        else:
            self.nodes.append(_UNREAD)
            self._queue.append((index, value, depth))
        self._seen[id(value)] = index
        return [index]

    def add(self, node: Node) -> int:
        """Adds a node of the capture's own, which stands for no object of the program."""
        self.nodes.append(node)
        return len(self.nodes) - 1

    @property
    def objects(self) -> dict[int, Any]:
        """The objects with places in the table, by the indexes of their values."""
        return {index: value for index, value, _ in self._queue}

    def cut(self, reason: str, count: int = 1) -> None:
        self._cuts[reason] = self._cuts.get(reason, 0) + count

    def later(self, call: Callable[[], Any], use: Callable[[Any], None]) -> None:
        """Leaves `call`, the user's code, to Walk.finish(). `use` gets the result, or Failed."""
        self._pending.append((call, use))

    def _cut(self, cls: type, reason: str) -> Ref:
        self.cut(reason)
        key = (id(cls), reason)
        if key not in self._spent:
            text = f"<{qualname_of(cls)}: not kept, {reason} was reached>"
            self._spent[key] = self.add(stand_in(self.type_index(cls), text, reason))
        return [self._spent[key]]

    def type_index(self, cls: type) -> int:
        """The index of a type. Types beyond the bound share an index."""
        known = self._type_indexes.get(id(cls))
        if known is None:
            index = self._last_type
            if len(self.types) < MAX_TYPES - 1:
                index = len(self.types)
                self.types.append([*names_of(cls), []])
            elif len(self.types) < MAX_TYPES:
                index = self._last_type = len(self.types)
                self.types.append(["builtins", "<one of too many types>", []])
            known = self._type_indexes[id(cls)] = cls, index
        return known[1]

    def info(self, cls: type) -> TypeInfo:
        found = self.infos.get(id(cls))
        if found is None:
            found = self.infos[id(cls)] = info_of(cls)
        return found

    # -- bounds of containers

    def room_for(self, length: int) -> int:
        """How many of a container's elements fit. max_values does not limit atoms, because atoms
        have no places in the table.
        """
        room = (self.max_bytes - self.bytes) // ELEMENT
        if length <= self.max_items and length <= room:
            return length
        return max(1, min(self.max_items, room))

    def cut_elements(self, most: int, count: int) -> None:
        reason = "max_bytes"
        if most == self.max_items:
            reason = "max_items"
        self.cut(reason, count)


def _with_plain_names(namespace: dict[Any, Any]) -> dict[str, Any]:
    """The entries whose names are exact texts. Storing beside other names runs their __eq__."""
    return {name: item for name, item in namespace.items() if type(name) is str}
