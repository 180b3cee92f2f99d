"""Object graph → values of a report, within the bounds, without running any of the user's code.

Rules:
 1. Types are recognised by identity and read by raw descriptors (core/raw.py), so no property,
    `__getattr__`, metaclass or `__dir__` of the user's ever runs. With run_reprs=True the user's
    `__repr__`s are collected, and run last, under guard.
 2. A queue replaces recursion. Every object is read once, at its least distance from a variable,
    the nearest objects first. So a bound cuts the objects that are furthest away.
 3. The graph is held during the walk: a reused `id` would show one object as another.
 4. Values beyond a bound are counted in `cuts`, and a stand-in marks their places.
 5. A reader may raise any exception. Only drain() calls readers: drain() puts a stand-in with the
    reason in the place of the unreadable value, and reads on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from ..core.bounds import MAX_READ, MAX_TYPES
from ..core.clock import monotonic
from ..core.guard import run_each, stack_is_short
from ..core.nodes import stand_in
from ..core.options import Options, bound
from ..core.raw import names_of
from ..core.report import Node, Ref
from .contents import ELEMENT, SHARED_TEXT
from .objects import read_object
from .readers import READERS as _READERS
from .reprs import Renderer
from .types import TypeInfo, info_of

# Integers of fewer bits are atoms. (bits)
_BITS: Final = 64
# The ids of classes without a bound, because hash() of a class may run a metaclass.
_ATOMS: Final = frozenset((id(bool), id(float)))
# The clock is read once per so many values.
_CLOCK_EVERY: Final = 32
# The approximate size of a value without its text. (bytes)
_OVERHEAD: Final = 24
_UNREAD: Final[Node] = []  # the node of a value with a place, before drain() reads the value


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
        self.max_items: int = bound(options.max_items)
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
        the table, and drain() reads the values later.

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
        """Leaves `call`, the user's code, to finish(). `use` gets the result, or Failed."""
        self._pending.append((call, use))

    def _cut(self, cls: type, reason: str) -> Ref:
        self.cut(reason)
        key = (id(cls), reason)
        if key not in self._spent:
            text = f"<{names_of(cls)[1]}: not kept, {reason} was reached>"
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

    # -- the walk

    def drain(self) -> None:
        """Reads all values with places, the nearest first, until the capture reaches a bound."""
        nodes = self.nodes
        max_bytes = self.max_bytes
        reader_of = _READERS.get
        # The queue grows meanwhile.
        for index, value, depth in islice(self._queue, self._read, None):
            self._read = read = self._read + 1
            if self.bytes > max_bytes or not read % _CLOCK_EVERY:
                self._look_at_bounds()
            if self._stop:
                nodes[index] = nodes[self._cut(type(value), self._stop)[0]]
                continue
            self.bytes += _OVERHEAD
            try:
                nodes[index] = reader_of(id(type(value)), read_object)(self, value, depth)
            except BaseException as problem:  # a library's code raised, or Ctrl-C came
                nodes[index] = self._unreadable(value, problem)

    def _look_at_bounds(self) -> None:
        """Notes the first bound that the capture has reached."""
        if self._stop:
            return
        if monotonic() > self.deadline:
            self._stop = "max_seconds"
        elif self.bytes > self.max_bytes:
            self._stop = "max_bytes"

    def _unreadable(self, value: object, problem: BaseException) -> Node:
        """The stand-in of a value whose reader failed."""
        if isinstance(problem, RecursionError) and stack_is_short():
            raise problem  # the stack is short: capture() tries again with more
        self.cut("unreadable")
        cls = type(value)
        why = f"reading it raised {names_of(type(problem))[1]}"
        text = f"<{names_of(cls)[1]} object at {id(value):#x}: {why}>"
        return ["object", self.type_index(cls), text, None, {"why": why, "address": id(value)}]

    def finish(self) -> None:
        """Runs the user's code that later() has collected, under guard, and reads the results."""
        while self._pending:
            pending, self._pending = self._pending, []
            results = run_each([call for call, _ in pending], self.deadline)
            for (_, use), result in zip(pending, results):
                use(result)
            self.drain()
        if self._renderer is not None and self._renderer.failed:
            self.cut("failed reprs", self._renderer.failed)

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
