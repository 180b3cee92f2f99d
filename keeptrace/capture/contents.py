"""Reads the text, elements, pairs, names or repr of a value.

Each function reads with the methods of the builtin class, so a subclass's methods never run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..core import FREE_THREADED
from ..core.guard import Failed
from ..core.nodes import Attributes, instance, put_repr, text
from ..core.raw import copy_of, first_of, namespace_of
from ..core.report import Node, Ref
from .kinds import Kind
from .reprs import NeedsUserCode
from .types import TypeInfo
from .values import ELEMENT, SHARED_TEXT, Values


def read_text(values: Values, value: object, depth: int, raw: Any = str, kind: str = "str") -> Node:
    """The node of a text. raw: the builtin class, str, bytes or bytearray."""
    length = raw.__len__(value)
    kept = raw.__getitem__(value, slice(0, values.max_text))
    if length > values.max_text:
        values.cut("max_text")
    values.bytes += len(kept)
    if raw is not str:
        kept = bytes(kept).decode("latin-1")
    return text(kind, length, kept)


def _elements(
    values: Values, value: Any, length_of: Callable[[Any], int], read: Callable[[Any], Any]
) -> tuple[int, int, list[Any]]:
    """The length of a container, how many elements fit, and these elements.

    Another thread may change the container meanwhile: the length is that of the elements read.
    """
    if FREE_THREADED:
        copy = copy_of(read, value)
        if copy is not None:
            most = values.room_for(len(copy))
            return len(copy), most, copy[:most]
    length = length_of(value)
    most = values.room_for(length)
    found = first_of(read, value, most)
    if len(found) < most:
        length = len(found)
    return length, most, found


def items_of(values: Values, value: object, raw: Any, depth: int) -> tuple[int, list[Ref]]:
    """The true length of a container, and the refs of its first elements, within the bounds."""
    length, most, found = _elements(values, value, raw.__len__, raw.__iter__)
    items = values.refs(found, depth)
    values.bytes += ELEMENT * len(items)
    if length > len(items):
        values.cut_elements(most, length - len(items))
    return length, items


def pairs_of(
    values: Values, value: Any, depth: int, read: Callable[[Any], Any] = dict.items
) -> tuple[int, list[Ref]]:
    """The true length of a dict, and the refs of its first pairs, keys and values in turn."""
    length, most, found = _elements(values, value, dict.__len__, read)
    size = 0
    keys: list[Ref] = []
    items: list[Any] = []
    for key, item in found:
        if type(key) is str and len(key) <= SHARED_TEXT:
            size += len(key)
        elif type(key) is tuple:  # a key must be whole: a tuple at the edge has no elements
            key = values.ref(key, max(depth, 2))
        else:
            key = values.ref(key, depth)
        keys.append(key)
        items.append(item)
    flat: list[Ref] = [None] * (2 * len(keys))
    flat[::2] = keys
    flat[1::2] = values.refs(items, depth)
    if length > len(items):
        values.cut_elements(most, length - len(items))
    values.bytes += size + ELEMENT * len(flat)
    return length, flat


def names_in(namespace: Iterable[object], mro: tuple[type, ...]) -> list[str]:
    """The result of dir() for a namespace and the classes of an mro."""
    names = {name for name in list(namespace) if type(name) is str}
    for cls in mro:
        names.update(name for name in list(namespace_of(cls)) if type(name) is str)
    return sorted(names)


def node_with_repr(
    values: Values,
    value: object,
    info: TypeInfo,
    attributes: Attributes | None,
    extra: dict[str, Any],
) -> Node:
    """The node of an object. If the repr needs the user's code, the code runs later, under guard.

    In place of a default repr the node has the address: the repr says nothing else.
    """
    node = instance(values.type_index(info.cls), None, attributes, extra)
    if info.kind is Kind.DEFAULT:
        extra["address"] = id(value)
        return node
    try:
        put_repr(node, values.renderer(value))
    except NeedsUserCode:
        put_repr(node, f"<{info.qualname}: its repr has not ended>")

        def use(result: str | Failed) -> None:
            if isinstance(result, Failed):
                values.cut("failed reprs")
                result = f"<{info.qualname} object at {id(value):#x}, whose repr {result.why}>"
            put_repr(node, result)

        values.later(lambda: values.renderer.with_user_code(value), use)
    return node
