"""Object graph → values of a report, within the bounds, without running any of the user's code.

Rules:
 1. Types are recognised by identity and read by raw descriptors (`type.__dict__`), so no property, `__getattr__`,
    metaclass or `__dir__` of the user's ever runs. Their `__repr__`s are collected, and run last, under guard.
 2. A queue, no recursion: every object is expanded once, at its least distance from a variable, and the nearest first;
    so when a bound is reached what is missing is what is furthest away.
 3. The graph is held while it is walked: an `id` that is reused would show one object as another.
 4. What is left out is counted in `cuts` and visible where it was.
"""

from __future__ import annotations

import sys
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import islice
from typing import Any, Final, TypeAlias

from ._bounds import MAX_DIGITS, MAX_READ, MAX_TYPES
from ._clock import monotonic
from ._guard import Failed, run_each
from ._options import Options, bound
from ._render import Kind, NeedsUserCode, Renderer, kind_of
from ._report import Node, Ref
from ._restore import MARK, details_of
from ._summaries import SUMMARISED, Summary, summary_of

_INT64: Final = range(-(1 << 63), 1 << 63)
# Longer strings become nodes, so that a text passed through fifty frames is kept once. (characters)
_SHARED_TEXT: Final = 200
# The clock is read once per so many values.
_CLOCK_EVERY: Final = 32
# What a value costs beside its text, about. (bytes)
_OVERHEAD: Final = 24
# What an element costs beside its value. (bytes)
_ELEMENT: Final = 8
_UNREAD: Final[Node] = []  # of a value that is placed and not read yet

mro_of: Final = type.__dict__["__mro__"].__get__
namespace_of: Final = type.__dict__["__dict__"].__get__
_module_of: Final = type.__dict__["__module__"].__get__
_qualname_of: Final = type.__dict__["__qualname__"].__get__
# typeshed takes the __dict__ of this class for one of its instances'
_module_dict: Final[Any] = types.ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]


def names_of(cls: type) -> tuple[str, str]:
    """Module and qualified name of a class, without its metaclass having a say."""
    try:
        module = _module_of(cls)
    except AttributeError:  # deleted from the class
        module = "builtins"
    return module if type(module) is str else "builtins", str.__str__(_qualname_of(cls))


class TypeInfo:
    """What one needs to know of a class to read its instances. Made once per class and capture."""

    __slots__ = (
        *("base", "cls", "dict_of", "exact", "index", "is_class", "is_special", "kind", "module", "mro", "qualname", "slots", "summary"),
    )

    def __init__(self, cls: type, index: int) -> None:
        self.cls = cls  # held, see rule 3
        self.index = index
        self.module, self.qualname = names_of(cls)
        self.mro = mro_of(cls)
        self.dict_of: Callable[[Any], Any] | None = None
        self.slots: list[tuple[str, Callable[[Any], Any]]] = []
        self.base: type | None = None  # the builtin container or text that it derives from
        is_stand_in = False
        for parent in self.mro:
            is_stand_in = is_stand_in or MARK in namespace_of(parent)
            if self.base is None and id(parent) in _BASES:
                self.base = parent
            slots, dict_of = _layout(parent)
            self.slots += slots
            self.dict_of = self.dict_of or dict_of
        exact = _EXACT.get((self.module, self.qualname))
        self.exact = exact if exact and _is_found(cls, self.module, self.qualname) else None
        self.kind = kind_of(self.mro)
        self.summary = summary_of(self.mro)
        self.is_class = any(cls is type for cls in self.mro)  # `in` would ask a metaclass's __eq__
        self.is_special = self.is_class or is_stand_in or self.exact is not None or self.summary is not None


# Of most classes it is the first; C types like SimpleNamespace have the other.
_READERS_OF_DICT: Final = (types.GetSetDescriptorType, types.MemberDescriptorType)
_Layout: TypeAlias = tuple[list[tuple[str, Callable[[Any], Any]]], Callable[[Any], Any] | None]
# What a class itself adds to its instances, of classes that stay: those that their module names. With the class, so that its
# id is not given to another. More than a large program's failures meet; then it starts afresh.
_layouts: Final[dict[int, tuple[type, _Layout]]] = {}
_MOST_LAYOUTS: Final = 4096


def _layout(cls: type) -> _Layout:
    """The slots of a class, and what reads the __dict__ of its instances if it is the one that brings it."""
    found = _layouts.get(id(cls))
    if found is not None:
        return found[1]
    slots: list[tuple[str, Callable[[Any], Any]]] = []
    dict_of = None
    for name, item in namespace_of(cls).items():
        kind = type(item)
        if kind is types.MemberDescriptorType and not name.startswith("__"):
            slots.append((name, item.__get__))
        elif kind in _READERS_OF_DICT and name == "__dict__" and cls is not type:
            dict_of = item.__get__
    if _is_found(cls, *names_of(cls)):
        if len(_layouts) >= _MOST_LAYOUTS:
            _layouts.clear()
        _layouts[id(cls)] = cls, (slots, dict_of)
    return slots, dict_of


def _is_found(cls: type, module: str, qualname: str) -> bool:
    """Whether the module's namespace has the class under its name."""
    home = sys.modules.get(module)
    return type(home) is types.ModuleType and _module_dict(home).get(qualname) is cls


class Values:
    """The value table of a report while it is filled."""

    def __init__(self, options: Options, exceptions: dict[int, int], cuts: dict[str, int], deadline: float) -> None:
        self.nodes: list[Node] = []
        self.types: list[list[Any]] = []
        self.wants_dir: set[int] = set()  # ids of objects whose names are kept, for "did you mean"
        self.options = options
        self.deadline = deadline
        self.bytes = 0
        self._exceptions = exceptions
        self._cuts = cuts
        self._infos: dict[int, TypeInfo] = {}
        self._last_type = 0  # of all classes beyond the bound
        self._seen: dict[int, int] = {}
        self._queue: list[tuple[int, Any, int]] = []  # index, object, depth; it is never shortened: it holds the graph, see rule 3
        self._read = 0  # how many of the queue have been read
        self._spent: dict[tuple[int, str], int] = {}
        self._pending: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
        self._stop = ""  # the bound that was reached
        self._max_text = options.max_text
        self._max_items = bound(options.max_items)
        self._max_values = min(options.max_values, MAX_READ)
        self._short = min(_SHARED_TEXT, options.max_text)

    @cached_property
    def renderer(self) -> Renderer:
        return Renderer(self.options.max_repr, self.options.run_reprs)

    # -- in

    def ref(self, value: Any, depth: int) -> Ref:
        """The ref of a value that is `depth` levels from the end of what is kept."""
        return self.refs((value,), depth)[0]

    def refs(self, values: Iterable[Any], depth: int) -> list[Ref]:
        """The ref of each value: of an atom itself, of everything else its place in the table, where it is read later."""
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
                if value in _INT64:
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
        """The refs of a namespace. Names that are no texts are left out: no source can use them."""
        found: dict[str, Ref] = {}
        seen = self._seen.get
        short = self._short
        size = 0
        for name, value in namespace.items():
            if type(name) is not str:
                continue
            cls = type(value)
            if cls is str:
                if len(value) <= short:
                    size += len(value)
                    found[name] = value
                    continue
            elif cls is int:
                if value in _INT64:
                    found[name] = value
                    continue
            elif value is None or cls is float or cls is bool:
                found[name] = value
                continue
            index = seen(id(value))
            found[name] = self._place(value, depth) if index is None else [index]
        self.bytes += size
        return found

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
        """Lets `call`, the user's code, run under guard when everything has been read; `use` gets the result, or Failed."""
        self._pending.append((call, use))

    def _cut(self, cls: type, reason: str) -> Ref:
        self.cut(reason)
        key = (id(cls), reason)
        if key not in self._spent:
            node = ["object", self.info(cls).index, f"<{names_of(cls)[1]}: not kept, {reason} was reached>", None, {"why": reason}]
            self._spent[key] = self.add(node)
        return [self._spent[key]]

    def info(self, cls: type) -> TypeInfo:
        found = self._infos.get(id(cls))
        if found is None:
            found = self._infos[id(cls)] = TypeInfo(cls, self._last_type)
            if len(self.types) < MAX_TYPES - 1:
                found.index = len(self.types)
                self.types.append([found.module, found.qualname, []])
            elif len(self.types) < MAX_TYPES:
                self._last_type = found.index = len(self.types)
                self.types.append(["builtins", "<one of too many types>", []])
        return found

    # -- the walk

    def drain(self) -> None:
        """Reads everything that was named, nearest first, until a bound is reached."""
        nodes = self.nodes
        max_bytes = self.options.max_bytes
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
            reader = reader_of(id(type(value)))
            nodes[index] = reader(self, value, depth) if reader is not None else self._object(value, depth)

    def finish(self) -> None:
        """Runs the user's __repr__s, under guard."""
        pending, self._pending = self._pending, []
        if pending:
            for (_, use), result in zip(pending, run_each([call for call, _ in pending], self.deadline)):
                use(result)

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
            return ["object", self.info(int).index, f"<int of {value.bit_length()} bits>", None, {"why": "max_text"}]
        self.bytes += value.bit_length() // 4
        return ["int", hex(value)]

    def _items(self, value: Any, raw: Any, depth: int) -> tuple[int, list[Ref]]:
        length = raw.__len__(value)
        most = self._room(length)
        items = self.refs(_first(raw.__iter__, value, most), depth)
        self.bytes += _ELEMENT * len(items)
        if length > len(items):
            self._cut_elements(most, length - len(items))
        return length, items

    def _room(self, length: int) -> int:
        """Elements that a container of so many may have: numbers take no entry in the table, so there could be any number of them."""
        room = (self.options.max_bytes - self.bytes) // _ELEMENT
        return length if length <= self._max_items and length <= room else max(1, min(self._max_items, room))

    def _cut_elements(self, most: int, count: int) -> None:
        self.cut("max_items" if most == self._max_items else "max_bytes", count)

    def _container(self, value: Any, depth: int) -> Node:
        if depth < 2 and value:
            return self._edge(value, len(value))
        cls, kind = _CONTAINERS[id(type(value))]
        return [kind, *self._items(value, cls, depth - 1)]

    def _pairs(self, value: Any, depth: int, read: Any = dict.items) -> tuple[int, list[Ref]]:
        length = dict.__len__(value)
        most = self._room(length)
        size = 0
        flat: list[Ref] = []
        items: list[Any] = []
        for key, item in _first(read, value, most):
            if type(key) is str and len(key) <= _SHARED_TEXT:
                size += len(key)
            else:  # a tuple is a key only when it is whole
                key = self.ref(key, max(depth, 2) if type(key) is tuple else depth)
            flat += key, None
            items.append(item)
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
        node: Node = ["object", info.index, None, None, {"why": "depth"} if length is None else {"len": length, "why": "depth"}]
        self._show(node, value, info)
        return node

    def _type(self, value: type, depth: int) -> Node:
        node = ["type", self.info(value).index]
        return [*node, self._dir((), mro_of(value))] if id(value) in self.wants_dir else node

    def _module(self, value: types.ModuleType, depth: int) -> Node:
        namespace = _module_dict(value)
        name = namespace.get("__name__")
        node = ["module", name if type(name) is str else "?"]
        return [*node, self._dir(namespace, ())] if id(value) in self.wants_dir else node

    def _function(self, value: Any, depth: int) -> Node:
        module, name, qualname = value.__module__, value.__name__, value.__qualname__
        address = id(value) if type(value) is types.FunctionType else 0
        return ["function", module if type(module) is str else "", qualname, name, address]

    def _builtin(self, value: Any, depth: int) -> Node:
        owner = value.__self__
        if owner is None or type(owner) is types.ModuleType:
            return self._function(value, depth)
        return self._object(value, depth)

    def _method(self, value: Any, depth: int) -> Node:
        node = self._edge(value)
        node[3] = {"__self__": self.ref(value.__self__, depth - 1), "__func__": self.ref(value.__func__, depth - 1)} if depth > 1 else None
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
            node[3].update(zip(_first_of(info.mro, "_fields"), extra["items"]))
        elif info.kind is Kind.ENUM and depth > 1:  # what its properties `name` and `value` would give
            node[3].update({short: node[3][long] for short, long in (("name", "_name_"), ("value", "_value_")) if long in node[3]})
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
        return None if info.summary is None else self._summary(value, info.summary, info)

    def _summary(self, value: Any, summarise: Callable[[Any], Summary], info: TypeInfo) -> Node:
        if summary_of((info.cls, object)) is None and info.module.partition(".")[0] not in SUMMARISED:  # a subclass of the user's
            (result,) = run_each([lambda: summarise(value)] if self.options.run_reprs else [], self.deadline) or [Failed("was not run")]
        else:
            try:
                result = summarise(value)
            except Exception as problem:  # an array half built: the library's own code fails on it
                result = Failed(f"raised {type(problem).__name__}")
        if isinstance(result, Failed):
            self.cut("failed reprs")
            return ["object", info.index, f"<{info.qualname}: its summary {result.why}>", None, {"address": id(value)}]
        text, known, length = result
        extra: dict[str, Any] = {"why": "a summary"} if length is None else {"why": "a summary", "len": length}
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
                kept = {name: item for name, item in _first(dict.items, namespace, self._max_items) if type(name) is str}
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
                extra["pairs"] = self._pairs(value, depth - 1, base.items)[1]
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
        """The repr: at once where that runs nobody's code, else later, under guard. The default one is only an address."""
        if info.kind is Kind.DEFAULT:
            node[4]["address"] = id(value)
            return
        try:
            node[2] = self.renderer(value)
        except NeedsUserCode:
            node[2] = f"<{info.qualname}: its repr was not run>"

            def use(result: Any) -> None:
                if isinstance(result, Failed):
                    self.cut("failed reprs")
                    node[2] = f"<{info.qualname} object at {id(value):#x}, whose repr {result.why}>"
                else:
                    node[2] = result

            self.later(lambda: self.renderer.with_user_code(value), use)

    def _stand_in_again(self, value: Any, info: TypeInfo, details: Any, depth: int) -> Node:
        """A stand-in that an earlier restore made: nothing more is known of it, and nothing may be lost."""
        extra: dict[str, Any] = {}
        for name, found in (("len", details.length), ("str", details.string), ("why", details.why or None)):
            if found is not None:
                extra[name] = found
        if details.dir:
            extra["dir"] = sorted(details.dir)
        if details.pairs is not None:
            extra["pairs"] = self.refs([part for pair in details.pairs.items() for part in pair], depth - 1)
        elif details.items:
            extra["items"] = self.refs(details.items, depth - 1)
        if details.node and details.node[0] in ("module", "redacted", "str", "bytes", "bytearray", "function"):
            return list(details.node)
        attributes = self._attributes(value, info, max(depth - 1, 1))
        return ["object", info.index, details.text, attributes, extra]


def _first_of(mro: tuple[type, ...], name: str) -> Any:
    return next(namespace_of(cls)[name] for cls in mro if name in namespace_of(cls))


def _first(read: Any, value: Any, count: int) -> list[Any]:
    """The first elements that `read` gives of a container that another thread may be changing."""
    for _ in range(3):
        try:
            return list(islice(read(value), count))
        except RuntimeError:  # changed size during iteration
            continue
    return []


def _naive_or_utc(value: Any) -> bool:
    return value.tzinfo is None or type(value.tzinfo) is sys.modules["datetime"].timezone


def _datetime_parts(value: Any) -> tuple[Any, ...] | None:
    if not _naive_or_utc(value):
        return None
    return (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, value.tzinfo, value.fold)


def _time_parts(value: Any) -> tuple[Any, ...] | None:
    return (value.hour, value.minute, value.second, value.microsecond, value.tzinfo, value.fold) if _naive_or_utc(value) else None


def _path(value: Any) -> tuple[Any, ...]:
    return (str(value),)


_PATHS: Final = ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
_Parts = Callable[[Any], tuple[Any, ...] | None]

# (module, name) of a class of the standard library -> the kind in _restore.EXACT and the parts that it is rebuilt from.
_EXACT: Final[dict[tuple[str, str], tuple[str, _Parts]]] = {
    ("builtins", "range"): ("range", lambda value: (value.start, value.stop, value.step)),
    ("builtins", "slice"): ("slice", lambda value: (value.start, value.stop, value.step)),
    ("datetime", "datetime"): ("datetime", _datetime_parts),
    ("datetime", "date"): ("date", lambda value: (value.year, value.month, value.day)),
    ("datetime", "time"): ("time", _time_parts),
    ("datetime", "timedelta"): ("timedelta", lambda value: (value.days, value.seconds, value.microseconds)),
    ("datetime", "timezone"): ("timezone", lambda value: value.__getinitargs__()),
    ("decimal", "Decimal"): ("Decimal", lambda value: (str(value),)),
    ("fractions", "Fraction"): ("Fraction", lambda value: (value.numerator, value.denominator)),
    ("uuid", "UUID"): ("UUID", lambda value: (value.hex,)),
    **{(module, name): (name, _path) for module in ("pathlib", "pathlib._local") for name in _PATHS},
}

# Builtin types whose contents are read also in subclasses.
_BASES: Final = {id(cls): cls for cls in (list, tuple, set, frozenset, OrderedDict, dict, deque, str, bytes, bytearray, int, float)}

# id of a builtin container → itself, and the kind of its nodes
_CONTAINERS: Final = {id(cls): (cls, cls.__name__) for cls in (list, tuple, set, frozenset)}

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
