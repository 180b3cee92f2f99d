"""Reads objects of any class: as stand-ins, with the attributes in __dict__ and slots.

Some classes have exact values (capture/exact.py) or summaries (capture/summary_table.py) instead. A
stand-in of an earlier restore becomes its original node again.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from ..core.guard import Failed
from ..core.nodes import (
    Attributes,
    class_,
    exact,
    instance,
    kept_text,
    kind_of,
    length_of,
    put_attributes,
    put_repr,
    with_names,
)
from ..core.raw import class_attribute, first_of, mro_of, ordered_items, qualname_of, text_keys
from ..core.report import Node
from ..restore.standins import Details, details_of
from .chosen import Chosen
from .contents import items_of, names_in, node_with_repr, pairs_of, read_text
from .kinds import Kind
from .summary import Summarise
from .types import TypeInfo
from .values import Values

# Facts are plain data: lists and dicts of atoms. (levels)
_LEVELS_OF_FACTS: Final = 4


def read_object(values: Values, value: object, depth: int) -> Node:
    """A stand-in, unless a special node fits the value better."""
    info = values.info(type(value))
    if info.is_special:
        node = _read_special(values, value, info, depth)
        if node is not None:
            return node
    extra: dict[str, Any] = {}
    attributes: Attributes | None = None
    if depth > 1:
        attributes = _attributes_of(values, value, info, depth - 1)
    elif info.dict_of is not None or info.slots:
        values.cut("depth")
        extra["why"] = "depth"
    if info.base is not None:
        _add_contents(values, value, info.base, depth, extra)
    more = _MORE_ATTRIBUTES.get(info.kind)
    if more is not None and attributes is not None:
        more(attributes, extra, info)
    if id(value) in values.wants_dir:
        extra["dir"] = names_in(_namespace_of(value, info), info.mro)
    return node_with_repr(values, value, info, attributes, extra)


def _add_elements_by_name(attributes: Attributes, extra: dict[str, Any], info: TypeInfo) -> None:
    """Adds the elements of a named tuple to the attributes, by name."""
    names = class_attribute(info.mro, "_fields")
    if all(type(name) is str for name in names):
        attributes.update(zip(names, extra["items"]))


def _add_name_and_value(attributes: Attributes, extra: dict[str, Any], info: TypeInfo) -> None:
    """Adds the values of the properties `name` and `value` of an enum's member."""
    for short, long in (("name", "_name_"), ("value", "_value_")):
        if long in attributes:
            attributes[short] = attributes[long]


_Add: TypeAlias = Callable[[Attributes, dict[str, Any], TypeInfo], None]
_MORE_ATTRIBUTES: Final[dict[Kind, _Add]] = {
    Kind.NAMEDTUPLE: _add_elements_by_name,
    Kind.ENUM: _add_name_and_value,
}


def _read_special(values: Values, value: Any, info: TypeInfo, depth: int) -> Node | None:
    """The special node of a stand-in, exact value, class or summary; None for other values."""
    details = details_of(value)
    if details is not None:
        return _read_stand_in(values, value, info, details, depth)
    if info.chosen is not None and values.options.run_reprs is not False:
        return _read_chosen(values, info.chosen, value, info, depth)
    if info.exact is not None:
        kind, parts_of = info.exact
        parts = parts_of(value)
        if parts is not None:
            return read_exact(values, kind, parts)
    if info.is_class:
        return read_type(values, value, depth)
    if info.summary is None:
        return None
    return _read_summary(values, info.summary, value, info, depth)


def read_type(values: Values, value: type, depth: int) -> Node:
    node = class_(values.type_index(value))
    if id(value) in values.wants_dir:
        node = with_names(node, names_in((), mro_of(value)))
    return node


def read_exact(values: Values, kind: str, parts: tuple[Any, ...]) -> Node:
    return exact(kind, values.refs(parts, 2))


def _read_summary(
    values: Values, summarise: Summarise, value: object, info: TypeInfo, depth: int
) -> Node:
    summary = summarise(value)
    extra: dict[str, Any] = {}
    if not summary.has_state:
        extra["why"] = "a summary"
    length = summary.length
    if type(length) is int and 0 <= length <= sys.maxsize:  # a library may lie
        extra["len"] = length
    attributes: Attributes = {}
    if summary.has_state and depth > 1:
        attributes = _attributes_of(values, value, info, depth - 1)
    attributes.update(values.named(dict(summary.facts), _LEVELS_OF_FACTS))
    if depth > 1:
        attributes.update(values.named(dict(summary.held), depth - 1))
    elif summary.held or summary.has_state:
        values.cut("depth")
    if callable(summary.text):
        return node_with_repr(values, value, info, attributes, extra)
    text = values.renderer.cut(summary.text)
    return instance(values.type_index(info.cls), text, attributes, extra)


def _read_chosen(
    values: Values, function: Chosen, value: object, info: TypeInfo, depth: int
) -> Node:
    """The node of an object of a class with a function by summarise(). The function runs later."""
    extra: dict[str, Any] = {"why": "a summary"}
    text = f"<{info.qualname}: its summary has not ended>"
    node = instance(values.type_index(info.cls), text, None, extra)

    def use(result: object) -> None:
        kind = type(result)
        if kind is str:
            put_repr(node, values.renderer.cut(str(result)))
        elif kind is dict:
            found = first_of(dict.items, result, values.max_items)
            _put_chosen(values, node, info, dict(found), depth)
        else:
            why = f"returned {qualname_of(kind)}"
            if isinstance(result, Failed):
                why = result.why
            values.cut("failed reprs")
            text = f"<{info.qualname} object at {id(value):#x}, whose summary {why}>"
            put_repr(node, text)

    values.later(lambda: function(value), use)
    return node


def _put_chosen(
    values: Values, node: Node, info: TypeInfo, found: dict[Any, Any], depth: int
) -> None:
    named = text_keys(found.items())
    text = values.renderer.fields(info.qualname, named.items())
    put_repr(node, text)
    if depth > 1:
        put_attributes(node, values.named(named, depth - 1))


def _namespace_of(value: object, info: TypeInfo) -> dict[Any, Any]:
    """The __dict__ of an object; an empty dict for an object without __dict__."""
    if info.dict_of is None:
        return {}
    try:
        namespace = info.dict_of(value)
    except AttributeError:
        return {}
    if not issubclass(type(namespace), dict):
        return {}
    found: dict[Any, Any] = namespace
    return found


def _attributes_of(values: Values, value: object, info: TypeInfo, depth: int) -> Attributes:
    found: Attributes = {}
    namespace = _namespace_of(value, info)
    if dict.__len__(namespace):
        left_out = dict.__len__(namespace) - values.max_items
        if left_out > 0:
            values.cut("max_items", left_out)
        if left_out > 0 or type(namespace) is not dict:  # copying a subclass would iterate it
            kept = text_keys(first_of(dict.items, namespace, values.max_items))
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
        if depth > 1:
            read = _READ_PAIRS[base]
            extra["len"], extra["pairs"] = pairs_of(values, value, depth - 1, read)
        else:
            extra["len"] = dict.__len__(value)
    elif base in (str, bytes, bytearray):
        node = read_text(values, value, depth, base, base.__name__)
        extra["len"] = length_of(node)
        if base is str:
            extra["str"] = kept_text(node)
    elif base not in (int, float):
        if depth > 1:
            extra["len"], extra["items"] = items_of(values, value, base, depth - 1)
        else:
            extra["len"] = base.__len__(value)


_READ_PAIRS: Final[dict[type, Callable[[Any], Iterable[Any]]]] = {
    dict: dict.items,
    OrderedDict: ordered_items,
}
# Stand-ins of these kinds keep the whole original node.
_KEPT_AS_NODES: Final = frozenset({"module", "redacted", "str", "bytes", "bytearray", "function"})


def _read_stand_in(
    values: Values, value: object, info: TypeInfo, details: Details, depth: int
) -> Node:
    """The node of a stand-in made by an earlier restore, with all information of the stand-in."""
    if details.node and kind_of(details.node) in _KEPT_AS_NODES:
        return list(details.node)
    extra = _known_of_stand_in(details)
    if details.pairs is not None:
        parts: list[Any] = []
        for pair in details.pairs.items():
            parts += pair
        extra["pairs"] = values.refs(parts, depth - 1)
    elif details.items:
        extra["items"] = values.refs(details.items, depth - 1)
    attributes = _attributes_of(values, value, info, max(depth - 1, 1))
    return instance(values.type_index(info.cls), details.text, attributes, extra)


def _known_of_stand_in(details: Details) -> dict[str, Any]:
    """Length, text, reason and names of a stand-in, without unknown values."""
    extra: dict[str, Any] = {}
    if details.length is not None:
        extra["len"] = details.length
    if details.string is not None:
        extra["str"] = details.string
    if details.why:
        extra["why"] = details.why
    if details.dir:
        extra["dir"] = sorted(details.dir)
    return extra
