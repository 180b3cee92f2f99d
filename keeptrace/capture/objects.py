"""Reads objects of any class: as stand-ins, with the attributes in their __dict__ and slots.

A class that another module tells exactly (capture/exact.py) or in short (capture/summaries.py)
becomes that instead; a stand-in of an earlier restore becomes the node that it was made from.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..core.raw import attribute_of, first_of, mro_of, ordered_items
from ..core.report import Node, Ref
from ..restore.standins import details_of
from .contents import items_of, names_in, pairs_of, read_text, show
from .kinds import Kind
from .summaries import Summarise
from .types import TypeInfo

if TYPE_CHECKING:
    from .values import Values


def read_object(values: Values, value: Any, depth: int) -> Node:
    """Everything else: a stand-in, with the attributes in its __dict__ and slots."""
    info = values.info(type(value))
    if info.is_special:
        node = _read_special(values, value, info, depth)
        if node is not None:
            return node
    extra: dict[str, Any] = {}
    node = ["object", values.type_index(info.cls), None, None, extra]
    if depth > 1:
        node[3] = _attributes_of(values, value, info, depth - 1)
    elif info.dict_of is not None or info.slots:
        values.cut("depth")
        extra["why"] = "depth"
    if info.base is not None:
        _add_contents(values, value, info.base, depth, extra)
    if depth > 1 and info.kind in _MORE_ATTRIBUTES:
        _MORE_ATTRIBUTES[info.kind](node, info)
    if values.wants_dir and id(value) in values.wants_dir:
        extra["dir"] = names_in(_namespace_of(values, value, info) or (), info.mro)
    if info.kind is Kind.DEFAULT:
        extra["address"] = id(value)
    else:
        show(values, node, value, info)
    return node


def _add_elements_by_name(node: Node, info: TypeInfo) -> None:
    """Adds the elements of a named tuple to its attributes, by their names."""
    names = attribute_of(info.mro, "_fields")[1]
    if all(type(name) is str for name in names):
        node[3].update(zip(names, node[4]["items"]))


def _add_name_and_value(node: Node, info: TypeInfo) -> None:
    """Adds what the properties `name` and `value` of an enum's member would give."""
    attributes = node[3]
    for short, long in (("name", "_name_"), ("value", "_value_")):
        if long in attributes:
            attributes[short] = attributes[long]


_MORE_ATTRIBUTES: Final[dict[Kind, Callable[[Node, TypeInfo], None]]] = {
    Kind.NAMEDTUPLE: _add_elements_by_name,
    Kind.ENUM: _add_name_and_value,
}


def _read_special(values: Values, value: Any, info: TypeInfo, depth: int) -> Node | None:
    """What is told otherwise than by its attributes; None for what is not."""
    details = details_of(value)
    if details is not None:
        return _read_stand_in(values, value, info, details, depth)
    if info.exact is not None:
        kind, parts_of = info.exact
        parts = parts_of(value)
        if parts is not None:
            return read_exact(values, kind, parts)
    if info.is_class:
        return read_type(values, value, depth)
    return None if info.summary is None else _read_summary(values, info.summary, value, info)


def read_type(values: Values, value: type, depth: int) -> Node:
    node = ["type", values.type_index(value)]
    return [*node, names_in((), mro_of(value))] if id(value) in values.wants_dir else node


def read_exact(values: Values, kind: str, parts: tuple[Any, ...]) -> Node:
    return ["exact", kind, values.refs(parts, 2)]


def _read_summary(values: Values, summarise: Summarise, value: Any, info: TypeInfo) -> Node:
    text, known, length = summarise(value)
    extra: dict[str, Any] = {"why": "a summary"}
    if length is not None:
        extra["len"] = length
    return ["object", values.type_index(info.cls), text, values.named(known, 3), extra]


def _namespace_of(values: Values, value: Any, info: TypeInfo) -> Any:
    if info.dict_of is None:
        return None
    try:
        namespace = info.dict_of(value)
    except AttributeError:
        return None
    return namespace if issubclass(type(namespace), dict) else None


def _attributes_of(values: Values, value: Any, info: TypeInfo, depth: int) -> dict[str, Ref]:
    found: dict[str, Ref] = {}
    namespace = _namespace_of(values, value, info)
    if namespace:
        left_out = dict.__len__(namespace) - values.max_items
        if left_out > 0:
            values.cut("max_items", left_out)
            kept = {
                name: item
                for name, item in first_of(dict.items, namespace, values.max_items)
                if type(name) is str
            }
        else:
            kept = dict.copy(namespace)
        found = values.named(kept, depth)
    for name, read in info.slots:
        try:
            found.setdefault(name, values.ref(read(value), depth))
        except AttributeError:  # a slot without a value
            continue
    return found


def _add_contents(values: Values, value: Any, base: Any, depth: int, extra: dict[str, Any]) -> None:
    if base is dict or base is OrderedDict:
        extra["len"] = dict.__len__(value)
        if depth > 1:
            read = dict.items if base is dict else ordered_items
            extra["pairs"] = pairs_of(values, value, depth - 1, read)[1]
    elif base in (str, bytes, bytearray):
        _, extra["len"], text = read_text(values, value, depth, base, base.__name__)
        if base is str:
            extra["str"] = text
    elif base not in (int, float):
        extra["len"] = base.__len__(value)
        if depth > 1:
            extra["items"] = items_of(values, value, base, depth - 1)[1]


def _read_stand_in(values: Values, value: Any, info: TypeInfo, details: Any, depth: int) -> Node:
    """A stand-in that an earlier restore made: nothing more is known of it, and nothing may be
    lost.
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
        extra["pairs"] = values.refs(
            [part for pair in details.pairs.items() for part in pair], depth - 1
        )
    elif details.items:
        extra["items"] = values.refs(details.items, depth - 1)
    if details.node and details.node[0] in (
        "module",
        "redacted",
        "str",
        "bytes",
        "bytearray",
        "function",
    ):
        return list(details.node)
    attributes = _attributes_of(values, value, info, max(depth - 1, 1))
    return ["object", values.type_index(info.cls), details.text, attributes, extra]
