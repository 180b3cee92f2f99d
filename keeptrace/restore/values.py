"""The report's values as objects.

Mutable objects are made empty first and filled last, so cycles work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from .exact import CANNOT_BUILD, EXACT
from .exactness import is_whole, refs_an_element
from .live import Missing, load_live_objects, missing_instance
from .order import in_order
from .policy import POOL, Policy, may_import_module
from .standins import (
    StandIn,
    aside_name,
    details_of,
    is_protocol,
    known_details,
    make_stand_in,
    stand_in_class,
)

_SHELLS: Final[dict[str, Callable[[], Any]]] = {"list": list, "dict": dict, "set": set}
_CONTAINERS: Final = ("list", "dict", "set", "tuple", "frozenset")


class ValueTable:
    """The report's value table as objects."""

    def __init__(self, report: dict[str, Any], type_of: list[Any], policy: Policy) -> None:
        self._nodes: list[list[Any]] = report["values"]
        self._types = report["types"]
        self._type_of = type_of
        self._policy = policy
        self.made: list[Any] = [None] * len(self._nodes)
        self._done = bytearray(len(self._nodes))
        self.live: list[Any] = []
        if report.get("live") and policy.load_live:
            self.live = load_live_objects(
                report["live"], sum(node[0] == "live" for node in self._nodes), policy is not POOL
            )

    def __call__(self, ref: object) -> Any:
        if type(ref) is list:
            return self.made[ref[0]]
        return ref

    def make_shells(self) -> None:
        """Makes all objects that can exist before their contents."""
        made, done = self.made, self._done
        for index, node in enumerate(self._nodes):
            kind = node[0]
            leaf = _LEAVES.get(kind)
            if leaf is not None:
                made[index] = leaf(self, node)
            elif kind in _CONTAINERS:
                if not is_whole(node):
                    made[index] = self._cut_container(node)
                elif kind in _SHELLS:
                    made[index] = _SHELLS[kind]()
                elif kind == "tuple" and list not in map(type, node[2]):
                    made[index] = tuple(node[2])
                else:
                    continue
            else:
                continue
            done[index] = 1

    def _put(self, index: int, value: object) -> None:
        self.made[index] = value
        self._done[index] = 1

    def finish(self, exceptions: list[BaseException]) -> None:
        """Makes objects that need finished parts (tuples, frozensets, dates), then fills shells."""
        if not all(self._done):
            for index, node in enumerate(self._nodes):
                if node[0] == "exception":
                    self._put(index, exceptions[node[1]])
            for index in in_order(
                [index for index, done in enumerate(self._done) if not done], self._parts
            ):
                if not self._done[index]:
                    self._put(index, self._with_parts(self._nodes[index]))
        for value, node in zip(self.made, self._nodes):
            filler = _FILLERS.get(node[0])
            if filler is not None:
                filler(self, value, node)

    def _parts(self, index: int) -> list[int]:
        """The values to make before this value."""
        if self._done[index]:
            return []
        node = self._nodes[index]
        parts = node[2]
        if node[0] == "live":
            parts = node[2:3]
        return [part[0] for part in parts if type(part) is list]

    def _with_parts(self, node: list[Any]) -> object:
        if node[0] == "live":
            return self._live_object(node)
        kind, name, refs = node
        parts = self.each(refs)
        try:
            if kind == "tuple":
                return tuple(parts)
            if kind == "frozenset":
                return frozenset(_keys(parts))
            return EXACT[name](*parts)
        except CANNOT_BUILD as problem:  # a part is a stand-in, or the data is damaged
            return self._note(f"<{kind}: {problem}>", node)

    def _live_object(self, node: list[Any]) -> object:
        _, number, stand_in = node
        if number < len(self.live):
            found = self.live[number]
        else:
            found = missing_instance(Missing)
        if isinstance(found, Missing):
            return self._not_live(self(stand_in), found)
        return found

    def _not_live(self, value: object, missing: Missing) -> object:
        """The stand-in for a missing live object, with the reason."""
        details = details_of(value)
        if details is not None and self._policy.load_live:
            why = known_details(missing).why
            if details.why:
                why = f"{details.why}; {why}"
            details.why = why
        return value

    def _fill_container(self, value: Any, node: list[Any]) -> None:
        kind, _, refs = node
        if not is_whole(node):
            details = known_details(value)
            if kind == "dict":
                details.pairs = self._pairs(refs)
                details.items = list(details.pairs)
            else:
                details.items = self.each(refs)
        elif kind == "list":
            value.extend(self.each(refs))
        elif kind == "set":
            value.update(_keys(self.each(refs)))
        elif kind == "dict":
            value.update(self._pairs(refs))

    def _fill_stand_in(self, value: object, node: list[Any]) -> None:
        _, _, _, attributes, extra = node
        if attributes:
            namespace = vars(value)
            namespace.update(zip(attributes, self.each(attributes.values())))
            for name in [name for name in attributes if name[:1] == "_"]:
                if is_protocol(name, namespace[name]):
                    namespace[aside_name(name)] = namespace.pop(name)
        if not extra:
            return
        details = known_details(value)
        if "pairs" in extra:
            details.pairs = self._pairs(extra["pairs"])
            details.items = list(details.pairs)
        elif "items" in extra:
            details.items = self.each(extra["items"])

    def _pairs(self, flat: list[Any]) -> dict[Any, Any]:
        return dict(zip(_keys(self.each(flat[: len(flat) & ~1 : 2])), self.each(flat[1::2])))

    def each(self, refs: Iterable[Any]) -> list[Any]:
        made = self.made
        return [made[ref[0]] if type(ref) is list else ref for ref in refs]

    def _cut_container(self, node: list[Any]) -> StandIn:
        kind, length, items = node
        count = len(items) // refs_an_element(kind)
        standin = make_stand_in(
            stand_in_class(kind, "builtins", True),
            "",
            node,
            f"{count} of its {length} elements were kept",
        )
        details = known_details(standin)
        details.length = length
        details.text = f"<{kind} of {length} elements, the first {count} kept>"
        return standin

    def _note(self, text: str, node: list[Any]) -> StandIn:
        return make_stand_in(stand_in_class("object", "builtins", False), text, node)

    def _object(self, node: list[Any]) -> StandIn:
        _, type_index, text, _, extra = node
        module, qualname, _ = self._types[type_index]
        extra = extra or {}
        length = extra.get("len")
        cls = stand_in_class(qualname, module, length is not None)
        if text is None:
            text = _default_repr(module, qualname, extra.get("address"))
        standin = make_stand_in(cls, text, node, extra.get("why", ""))
        if extra:
            details = known_details(standin)
            details.length = length
            details.string = extra.get("str")
            details.dir = frozenset(extra.get("dir", ()))
        return standin

    def _text(self, node: list[Any]) -> object:
        kind, length, text = node
        if len(text) == length and kind == "str":
            return text
        standin = make_stand_in(
            stand_in_class(kind, "builtins", True),
            "",
            node,
            f"{len(text)} of its {length} characters were kept",
        )
        shown = text
        if kind != "str":
            shown = text.encode("latin-1")
        details = known_details(standin)
        details.length = length
        details.items = text
        details.text = f"{shown!r}... ({length} in all)"
        details.string = f"{text}... ({length} in all)"
        return standin

    def _bytes(self, node: list[Any]) -> object:
        kind, length, text = node
        if len(text) < length:
            return self._text(node)
        raw = text.encode("latin-1")
        if kind == "bytes":
            return raw
        return bytearray(raw)

    def _type(self, node: list[Any]) -> object:
        _, index, *names = node
        cls = self._type_of[index]
        if cls is None:
            module, qualname, _ = self._types[index]
            found = self._policy.find(module, qualname)
            if isinstance(found, type):
                return found
            cls = stand_in_class(qualname, module, False)
            if names:  # the result of dir(); names like __slots__ would have effects
                namespace = {name: None for name in names[0] if not name.startswith("__")}
                namespace.update(__module__=module, __qualname__=qualname)
                cls = type(cls.__name__, (cls,), namespace)
        return cls

    def _module(self, node: list[Any]) -> object:
        _, name, *names = node
        if self._policy.lookups and may_import_module(name):
            found = sys.modules.get(name)
            if found is not None:
                return found
        standin = make_stand_in(
            stand_in_class("module", "builtins", False), f"<module {name!r}>", node
        )
        vars(standin)["__name__"] = name
        if names:
            known_details(standin).dir = frozenset(names[0])
        return standin

    def _function(self, node: list[Any]) -> object:
        _, module, qualname, name, address = node
        found = self._policy.function(module, qualname)
        if found is not None:
            return found
        if address:
            kind, text = "function", f"<function {qualname} at {address:#x}>"
        else:
            kind, text = "builtin_function_or_method", f"<built-in function {name}>"
        standin = make_stand_in(stand_in_class(kind, "builtins", False), text, node)
        vars(standin).update(__name__=name, __qualname__=qualname, __module__=module)
        return standin

    def _redacted(self, node: list[Any]) -> StandIn:
        _, what = node
        return make_stand_in(
            stand_in_class("redacted", "keeptrace", False),
            f"<redacted: {what}>",
            node,
            "it looked secret",
        )


_LEAVES: Final[dict[str, Callable[[ValueTable, list[Any]], Any]]] = {
    "int": lambda values, node: int(node[1], 16),
    "complex": lambda values, node: complex(node[1], node[2]),
    "str": ValueTable._text,
    "bytes": ValueTable._bytes,
    "bytearray": ValueTable._bytes,
    "object": ValueTable._object,
    "type": ValueTable._type,
    "module": ValueTable._module,
    "function": ValueTable._function,
    "redacted": ValueTable._redacted,
}
_FILLERS: Final[dict[str, Callable[[ValueTable, Any, list[Any]], None]]] = {
    "object": ValueTable._fill_stand_in,
    **dict.fromkeys(_CONTAINERS, ValueTable._fill_container),
}
_MOST_OF_ONE_HASH: Final = 16


def _default_repr(module: str, qualname: str, address: int | None) -> str:
    """The text of object.__repr__."""
    name = qualname
    if module != "builtins":
        name = f"{module}.{qualname}"
    if address is None:
        return f"<{name} object>"
    return f"<{name} object at {address:#x}>"


def _keys(values: list[Any]) -> list[Any]:
    """The values as keys. Many forged keys with the same hash would take quadratic time, so
    stand-ins replace most of such keys.
    """
    keys = [value if type(value) is str else _hashable(value) for value in values]
    if len(keys) <= 2 * _MOST_OF_ONE_HASH:
        return keys
    counts: dict[int, int] = {}
    for at, key in enumerate(keys):
        number = hash(key)
        counts[number] = counts.get(number, 0) + 1
        if counts[number] > _MOST_OF_ONE_HASH:
            text = f"<{type(key).__name__}: one of too many of the same hash>"
            keys[at] = make_stand_in(stand_in_class("object", "builtins", False), text, [])
    return keys


def _hashable(value: object) -> object:
    """The value, or a stand-in if hashing fails: the data is damaged, or the class has changed."""
    try:
        hash(value)
    except Exception as problem:  # the hash of a live object is the user's code
        return make_stand_in(
            stand_in_class("object", "builtins", False), f"<{type(value).__name__}: {problem}>", []
        )
    return value
