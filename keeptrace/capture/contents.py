"""Reads what a value holds: its text, its elements, its pairs, its names, its repr.

Each function reads with the builtin class's own methods, so a subclass's never run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..core.guard import Failed
from ..core.raw import first_of, namespace_of
from ..core.report import Node, Ref
from .kinds import Kind
from .reprs import NeedsUserCode
from .types import TypeInfo

if TYPE_CHECKING:
    from .values import Values

# Longer strings become nodes, so that a text passed through fifty frames is kept once. (characters)
SHARED_TEXT: Final = 200
# What an element costs beside its value. (bytes)
ELEMENT: Final = 8


def read_text(values: Values, value: Any, depth: int, raw: Any = str, kind: str = "str") -> Node:
    length = raw.__len__(value)
    kept = raw.__getitem__(value, slice(0, values.max_text))
    if length > values.max_text:
        values.cut("max_text")
    values.bytes += len(kept)
    return [kind, length, kept if raw is str else bytes(kept).decode("latin-1")]


def items_of(values: Values, value: Any, raw: Any, depth: int) -> tuple[int, list[Ref]]:
    length = raw.__len__(value)
    most = values.room_for(length)
    items = values.refs(first_of(raw.__iter__, value, most), depth)
    values.bytes += ELEMENT * len(items)
    if length > len(items):
        values.cut_elements(most, length - len(items))
    return length, items


def pairs_of(
    values: Values, value: Any, depth: int, read: Callable[[Any], Any] = dict.items
) -> tuple[int, list[Ref]]:
    length = dict.__len__(value)
    most = values.room_for(length)
    size = 0
    keys: list[Ref] = []
    items: list[Any] = []
    for key, item in first_of(read, value, most):
        if type(key) is str and len(key) <= SHARED_TEXT:
            size += len(key)
        else:  # a tuple is a key only when it is whole
            key = values.ref(key, max(depth, 2) if type(key) is tuple else depth)
        keys.append(key)
        items.append(item)
    flat: list[Ref] = [None] * (2 * len(keys))
    flat[::2] = keys
    flat[1::2] = values.refs(items, depth)
    if length > len(items):
        values.cut_elements(most, length - len(items))
    values.bytes += size + ELEMENT * len(flat)
    return length, flat


def names_in(namespace: Any, mro: tuple[type, ...]) -> list[str]:
    names = {name for name in tuple(namespace) if type(name) is str}
    for cls in mro:
        names.update(name for name in namespace_of(cls) if type(name) is str)
    return sorted(names)


def show(values: Values, node: Node, value: Any, info: TypeInfo) -> None:
    """The repr: at once where that runs nobody's code, else later, under guard.

    The default one is only an address.
    """
    if info.kind is Kind.DEFAULT:
        node[4]["address"] = id(value)
        return
    try:
        node[2] = values.renderer(value)
    except NeedsUserCode:
        node[2] = f"<{info.qualname}: its repr has not ended>"

        def use(result: Any) -> None:
            if isinstance(result, Failed):
                values.cut("failed reprs")
                node[2] = f"<{info.qualname} object at {id(value):#x}, whose repr {result.why}>"
            else:
                node[2] = result

        values.later(lambda: values.renderer.with_user_code(value), use)
