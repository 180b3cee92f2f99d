"""Object graph → values of a report, within the bounds, without running any of the user's code.

Rules:
 1. Types are recognised by identity and read by raw descriptors (core/raw.py), so no property,
    `__getattr__`, metaclass or `__dir__` of the user's ever runs. With run_reprs=True their
    `__repr__`s are collected, and run last, under guard.
 2. A queue, no recursion: every object is expanded once, at its least distance from a variable,
    and the nearest first; so when a bound is reached what is missing is what is furthest away.
 3. The graph is held while it is walked: an `id` that is reused would show one object as another.
 4. What is left out is counted in `cuts` and visible where it was.
 5. A reader may raise whatever it likes: drain() is the one place that calls them, and there the
    value becomes a stand-in that says why. Everything else of the report is kept.
"""

from __future__ import annotations

import types
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from ..core.bounds import MAX_DIGITS, MAX_READ, MAX_TYPES
from ..core.clock import monotonic
from ..core.guard import Failed, run_each
from ..core.options import Options, bound
from ..core.raw import (
    attribute_of,
    first_of,
    module_dict,
    mro_of,
    names_of,
    namespace_of,
    ordered_items,
)
from ..core.report import Node, Ref
from ..restore.standins import details_of
from .kinds import Kind
from .reprs import NeedsUserCode, Renderer, stack_is_short
from .summaries import Summarise
from .types import TypeInfo

_INT64: Final = range(-(1 << 63), 1 << 63)
# bit_length() takes a third of the time of a look into the range, and lacks its least number alone.
_BITS: Final = 64
# Longer strings become nodes, so that a text passed through fifty frames is kept once. (characters)
_SHARED_TEXT: Final = 200
# The clock is read once per so many values.
_CLOCK_EVERY: Final = 32
# What a value costs beside its text, about. (bytes)
_OVERHEAD: Final = 24
# What an element costs beside its value. (bytes)
_ELEMENT: Final = 8
_UNREAD: Final[Node] = []  # of a value that is placed and not read yet


class Values:
    """The value table of a report while it is filled."""

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
        self._infos: dict[int, TypeInfo] = {}
        self._last_type = 0  # of all classes beyond the bound
        self._type_indexes: dict[int, tuple[type, int]] = {}  # with the class, see rule 3
        self._seen: dict[int, int] = {}
        self._queue: list[
            tuple[int, Any, int]
        ] = []  # index, object, depth; it is never shortened: it holds the graph, see rule 3
        self._read = 0  # how many of the queue have been read
        self._spent: dict[tuple[int, str], int] = {}
        self._pending: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
        self._renderer: Renderer | None = None  # most small captures need none
        self._stop = ""  # the bound that was reached
        self._max_text = options.max_text
        self._max_bytes = options.max_bytes
        self._max_items = bound(options.max_items)
        self._max_values = min(options.max_values, MAX_READ)
        self._short = min(_SHARED_TEXT, options.max_text)

    @property
    def renderer(self) -> Renderer:
        if self._renderer is None:
            self._renderer = Renderer(self.options.max_repr, self.options.run_reprs)
        return self._renderer

    # -- in

    def ref(self, value: Any, depth: int) -> Ref:
        """The ref of a value that is `depth` levels from the end of what is kept."""
        return self.refs((value,), depth)[0]

    def refs(self, values: Iterable[Any], depth: int) -> list[Ref]:
        """The ref of each value:

        of an atom itself, of everything else its place in the table, where it is read later.
        """
        found: list[Ref] = []
        append = found.append
        seen = self._seen.get
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
                if value.bit_length() < _BITS or value in _INT64:
                    append(value)
                    continue
            elif value is None or cls is float or cls is bool:
                append(value)
                continue
            index = seen(id(value))
            append(self._place(value, depth) if index is None else [index])
        self.bytes += size
        return found

    def named(self, namespace: dict[Any, Any], depth: int) -> dict[str, Ref]:
        """Puts refs in the place of a namespace's values; the dict must be the caller's own copy.

        Drops names that are no texts: no source can use them.
        """
        placed: list[tuple[str, Ref]] = []
        has_odd_names = False
        seen = self._seen.get
        short = self._short
        size = 0
        for name, value in namespace.items():
            if type(name) is not str:
                has_odd_names = True
                continue
            cls = type(value)
            if cls is str:
                if len(value) <= short:
                    size += len(value)
                    continue
            elif cls is int:
                if value.bit_length() < _BITS or value in _INT64:
                    continue
            elif value is None or cls is float or cls is bool:
                continue
            index = seen(id(value))
            placed.append((name, self._place(value, depth) if index is None else [index]))
        self.bytes += size
        if has_odd_names:  # storing into the dict would run their __eq__
            namespace = {name: item for name, item in namespace.items() if type(name) is str}
        if placed:
            namespace.update(placed)
        return namespace

    def _place(self, value: Any, depth: int) -> Ref:
        """The place of a value that was not met before."""
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
        """A node of its own, that no object stands for."""
        self.nodes.append(node)
        return len(self.nodes) - 1

    @property
    def objects(self) -> dict[int, Any]:
        """For each index of a value that was read, the object."""
        return {index: value for index, value, _ in self._queue}

    def cut(self, reason: str, count: int = 1) -> None:
        self._cuts[reason] = self._cuts.get(reason, 0) + count

    def later(self, call: Callable[[], Any], use: Callable[[Any], None]) -> None:
        """Lets `call`, the user's code, run under guard when everything has been read;

        `use` gets the result, or Failed.
        """
        self._pending.append((call, use))

    def _cut(self, cls: type, reason: str) -> Ref:
        self.cut(reason)
        key = (id(cls), reason)
        if key not in self._spent:
            text = f"<{names_of(cls)[1]}: not kept, {reason} was reached>"
            self._spent[key] = self.add(
                ["object", self._type_index(cls), text, None, {"why": reason}]
            )
        return [self._spent[key]]

    def _type_index(self, cls: type) -> int:
        """The index of a type; beyond the bound on types all are one."""
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
        found = self._infos.get(id(cls))
        if found is None:
            found = TypeInfo(cls, self._type_index(cls), self.renderer.kind)
            self._infos[id(cls)] = found
        return found

    # -- the walk

    def drain(self) -> None:
        """Reads everything that was named, nearest first, until a bound is reached."""
        nodes = self.nodes
        max_bytes = self._max_bytes
        reader_of = _READERS.get
        for index, value, depth in islice(self._queue, self._read, None):  # it grows meanwhile
            self._read += 1
            if not self._read % _CLOCK_EVERY and not self._stop and monotonic() > self.deadline:
                self._stop = "max_seconds"
            if not self._stop and self.bytes > max_bytes:
                self._stop = "max_bytes"
            if self._stop:
                nodes[index] = nodes[self._cut(type(value), self._stop)[0]]
                continue
            self.bytes += _OVERHEAD
            try:
                nodes[index] = reader_of(id(type(value)), _read_object)(self, value, depth)
            except BaseException as problem:  # a library's code may raise anything; Ctrl-C may come
                nodes[index] = self._unreadable(value, problem)

    def _unreadable(self, value: Any, problem: BaseException) -> Node:
        """The stand-in of a value whose reader failed."""
        if isinstance(problem, RecursionError) and stack_is_short():
            raise problem  # not the value's fault: the capture is tried again with more stack
        self.cut("unreadable")
        cls = type(value)
        why = f"reading it raised {names_of(type(problem))[1]}"
        text = f"<{names_of(cls)[1]} object at {id(value):#x}: {why}>"
        return ["object", self._type_index(cls), text, None, {"why": why, "address": id(value)}]

    def finish(self) -> None:
        """Runs what of the user's code is to be run, under guard."""
        if self._pending:
            pending, self._pending = self._pending, []
            results = run_each([call for call, _ in pending], self.deadline)
            for (_, use), result in zip(pending, results):
                use(result)
        if self._renderer is not None and self._renderer.failed:
            self.cut("failed reprs", self._renderer.failed)

    # -- readers: one a kind of node

    def _text(self, value: Any, depth: int, raw: Any = str, kind: str = "str") -> Node:
        length = raw.__len__(value)
        kept = raw.__getitem__(value, slice(0, self._max_text))
        if length > self._max_text:
            self.cut("max_text")
        self.bytes += len(kept)
        return [kind, length, kept if raw is str else bytes(kept).decode("latin-1")]

    def _int(self, value: int, depth: int) -> Node:
        if value.bit_length() > min(8 * self._max_text, 4 * MAX_DIGITS - 16):
            self.cut("max_text")
            return [
                "object",
                self.info(int).index,
                f"<int of {value.bit_length()} bits>",
                None,
                {"why": "max_text"},
            ]
        self.bytes += value.bit_length() // 4
        return ["int", hex(value)]

    def _items(self, value: Any, raw: Any, depth: int) -> tuple[int, list[Ref]]:
        length = raw.__len__(value)
        most = self._room(length)
        items = self.refs(first_of(raw.__iter__, value, most), depth)
        self.bytes += _ELEMENT * len(items)
        if length > len(items):
            self._cut_elements(most, length - len(items))
        return length, items

    def _room(self, length: int) -> int:
        """Elements that a container of so many may have:

        numbers take no entry in the table, so there could be any number of them.
        """
        room = (self._max_bytes - self.bytes) // _ELEMENT
        if length <= self._max_items and length <= room:
            return length
        return max(1, min(self._max_items, room))

    def _cut_elements(self, most: int, count: int) -> None:
        self.cut("max_items" if most == self._max_items else "max_bytes", count)

    def _container(self, value: Any, depth: int) -> Node:
        if depth < 2 and value:
            return self._edge(value, len(value))
        cls, kind = _CONTAINERS[id(type(value))]
        return [kind, *self._items(value, cls, depth - 1)]

    def _pairs(
        self, value: Any, depth: int, read: Callable[[Any], Any] = dict.items
    ) -> tuple[int, list[Ref]]:
        length = dict.__len__(value)
        most = self._room(length)
        size = 0
        keys: list[Ref] = []
        items: list[Any] = []
        for key, item in first_of(read, value, most):
            if type(key) is str and len(key) <= _SHARED_TEXT:
                size += len(key)
            else:  # a tuple is a key only when it is whole
                key = self.ref(key, max(depth, 2) if type(key) is tuple else depth)
            keys.append(key)
            items.append(item)
        flat: list[Ref] = [None] * (2 * len(keys))
        flat[::2] = keys
        flat[1::2] = self.refs(items, depth)
        if length > len(items):
            self._cut_elements(most, length - len(items))
        self.bytes += size + _ELEMENT * len(flat)
        return length, flat

    def _dict(self, value: dict[Any, Any], depth: int) -> Node:
        if depth < 2 and value:
            return self._edge(value, len(value))
        return ["dict", *self._pairs(value, depth - 1)]

    def _edge(self, value: Any, length: int | None = None) -> Node:
        self.cut("depth")
        info = self.info(type(value))
        node: Node = [
            "object",
            info.index,
            None,
            None,
            {"why": "depth"} if length is None else {"len": length, "why": "depth"},
        ]
        self._show(node, value, info)
        return node

    def _type(self, value: type, depth: int) -> Node:
        node = ["type", self.info(value).index]
        return [*node, self._dir((), mro_of(value))] if id(value) in self.wants_dir else node

    def _module(self, value: types.ModuleType, depth: int) -> Node:
        namespace = module_dict(value)
        name = namespace.get("__name__")
        node = ["module", name if type(name) is str else "?"]
        return [*node, self._dir(namespace, ())] if id(value) in self.wants_dir else node

    def _function(self, value: Any, depth: int) -> Node:
        module = value.__module__
        name, qualname = str.__str__(value.__name__), str.__str__(value.__qualname__)
        address = id(value) if type(value) is types.FunctionType else 0
        return ["function", module if type(module) is str else "", qualname, name, address]

    def _builtin(self, value: Any, depth: int) -> Node:
        owner = value.__self__
        if owner is None or type(owner) is types.ModuleType:
            return self._function(value, depth)
        return self._object(value, depth)

    def _method(self, value: Any, depth: int) -> Node:
        node = self._edge(value)
        node[3] = (
            {
                "__self__": self.ref(value.__self__, depth - 1),
                "__func__": self.ref(value.__func__, depth - 1),
            }
            if depth > 1
            else None
        )
        return node

    def _exact(self, kind: str, parts: tuple[Any, ...]) -> Node:
        return ["exact", kind, self.refs(parts, 2)]

    def _object(self, value: Any, depth: int) -> Node:
        """Everything else: a stand-in, with the attributes in its __dict__ and slots."""
        info = self._infos.get(id(type(value))) or self.info(type(value))
        if info.is_special:
            node = self._special(value, info, depth)
            if node is not None:
                return node
        extra: dict[str, Any] = {}
        node = ["object", info.index, None, None, extra]
        if depth > 1:
            node[3] = self._attributes(value, info, depth - 1)
        elif info.dict_of is not None or info.slots:
            self.cut("depth")
            extra["why"] = "depth"
        if info.base is not None:
            self._contents(value, info.base, depth, extra)
        if info.kind is Kind.NAMEDTUPLE and depth > 1:
            names = attribute_of(info.mro, "_fields")[1]
            if all(type(name) is str for name in names):
                node[3].update(zip(names, extra["items"]))
        elif (
            info.kind is Kind.ENUM and depth > 1
        ):  # what its properties `name` and `value` would give
            node[3].update(
                {
                    short: node[3][long]
                    for short, long in (("name", "_name_"), ("value", "_value_"))
                    if long in node[3]
                }
            )
        if self.wants_dir and id(value) in self.wants_dir:
            extra["dir"] = self._dir(self._namespace(value, info) or (), info.mro)
        if info.kind is Kind.DEFAULT:
            extra["address"] = id(value)
        else:
            self._show(node, value, info)
        return node

    def _special(self, value: Any, info: TypeInfo, depth: int) -> Node | None:
        """What is told otherwise than by its attributes; None for what is not."""
        details = details_of(value)
        if details is not None:
            return self._stand_in_again(value, info, details, depth)
        if info.exact is not None:
            kind, parts_of = info.exact
            parts = parts_of(value)
            if parts is not None:
                return self._exact(kind, parts)
        if info.is_class:
            return self._type(value, depth)
        return None if info.summary is None else self._summary(info.summary, value, info)

    def _summary(self, summarise: Summarise, value: Any, info: TypeInfo) -> Node:
        text, known, length = summarise(value)
        extra: dict[str, Any] = {"why": "a summary"}
        if length is not None:
            extra["len"] = length
        return ["object", info.index, text, self.named(known, 3), extra]

    def _namespace(self, value: Any, info: TypeInfo) -> Any:
        if info.dict_of is None:
            return None
        try:
            namespace = info.dict_of(value)
        except AttributeError:
            return None
        return namespace if issubclass(type(namespace), dict) else None

    def _attributes(self, value: Any, info: TypeInfo, depth: int) -> dict[str, Ref]:
        found: dict[str, Ref] = {}
        namespace = self._namespace(value, info)
        if namespace:
            left_out = dict.__len__(namespace) - self._max_items
            if left_out > 0:
                self.cut("max_items", left_out)
                kept = {
                    name: item
                    for name, item in first_of(dict.items, namespace, self._max_items)
                    if type(name) is str
                }
            else:
                kept = dict.copy(namespace)
            found = self.named(kept, depth)
        for name, read in info.slots:
            try:
                found.setdefault(name, self.ref(read(value), depth))
            except AttributeError:  # a slot without a value
                continue
        return found

    def _contents(self, value: Any, base: Any, depth: int, extra: dict[str, Any]) -> None:
        if base is dict or base is OrderedDict:
            extra["len"] = dict.__len__(value)
            if depth > 1:
                read = dict.items if base is dict else ordered_items
                extra["pairs"] = self._pairs(value, depth - 1, read)[1]
        elif base in (str, bytes, bytearray):
            _, extra["len"], text = self._text(value, depth, base, base.__name__)
            if base is str:
                extra["str"] = text
        elif base not in (int, float):
            extra["len"] = base.__len__(value)
            if depth > 1:
                extra["items"] = self._items(value, base, depth - 1)[1]

    def _dir(self, namespace: Any, mro: tuple[type, ...]) -> list[str]:
        names = {name for name in tuple(namespace) if type(name) is str}
        for cls in mro:
            names.update(name for name in namespace_of(cls) if type(name) is str)
        return sorted(names)

    def _show(self, node: Node, value: Any, info: TypeInfo) -> None:
        """The repr: at once where that runs nobody's code, else later, under guard.

        The default one is only an address.
        """
        if info.kind is Kind.DEFAULT:
            node[4]["address"] = id(value)
            return
        try:
            node[2] = self.renderer(value)
        except NeedsUserCode:
            node[2] = f"<{info.qualname}: its repr has not ended>"

            def use(result: Any) -> None:
                if isinstance(result, Failed):
                    self.cut("failed reprs")
                    node[2] = f"<{info.qualname} object at {id(value):#x}, whose repr {result.why}>"
                else:
                    node[2] = result

            self.later(lambda: self.renderer.with_user_code(value), use)

    def _stand_in_again(self, value: Any, info: TypeInfo, details: Any, depth: int) -> Node:
        """A stand-in that an earlier restore made:

        nothing more is known of it, and nothing may be lost.
        """
        extra: dict[str, Any] = {}
        for name, found in (
            ("len", details.length),
            ("str", details.string),
            ("why", details.why or None),
        ):
            if found is not None:
                extra[name] = found
        if details.dir:
            extra["dir"] = sorted(details.dir)
        if details.pairs is not None:
            extra["pairs"] = self.refs(
                [part for pair in details.pairs.items() for part in pair], depth - 1
            )
        elif details.items:
            extra["items"] = self.refs(details.items, depth - 1)
        if details.node and details.node[0] in (
            "module",
            "redacted",
            "str",
            "bytes",
            "bytearray",
            "function",
        ):
            return list(details.node)
        attributes = self._attributes(value, info, max(depth - 1, 1))
        return ["object", info.index, details.text, attributes, extra]


# id of a builtin container → itself, and the kind of its nodes
_CONTAINERS: Final = {id(cls): (cls, cls.__name__) for cls in (list, tuple, set, frozenset)}


def _read_object(values: Values, value: Any, depth: int) -> Node:
    return values._object(value, depth)


_READERS: Final[dict[int, Callable[[Values, Any, int], Node]]] = {
    id(str): Values._text,
    id(bytes): lambda values, value, depth: values._text(value, depth, bytes, "bytes"),
    id(bytearray): lambda values, value, depth: values._text(value, depth, bytearray, "bytearray"),
    id(int): Values._int,
    id(complex): lambda values, value, depth: ["complex", value.real, value.imag],
    **dict.fromkeys(_CONTAINERS, Values._container),
    id(dict): Values._dict,
    id(type): Values._type,
    id(types.ModuleType): Values._module,
    id(types.FunctionType): Values._function,
    id(types.BuiltinFunctionType): Values._builtin,
    id(types.MethodType): Values._method,
    id(type(Ellipsis)): lambda values, value, depth: ["exact", "Ellipsis", []],
    id(type(NotImplemented)): lambda values, value, depth: ["exact", "NotImplemented", []],
}
