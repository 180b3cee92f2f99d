"""The table of readers: for each builtin class what makes a node of its instances.

All other classes are capture/objects.py's. A reader takes the value table, the value, and how many
levels from here on are kept.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..core.bounds import MAX_DIGITS
from ..core.nodes import stand_in
from ..core.raw import module_dict
from ..core.report import Node
from .contents import items_of, names_in, pairs_of, read_text, show
from .objects import read_object, read_type

if TYPE_CHECKING:
    from .values import Values

# id of a builtin container → itself, and the kind of its nodes
_CONTAINERS: Final = {id(cls): (cls, cls.__name__) for cls in (list, tuple, set, frozenset)}


def read_int(values: Values, value: int, depth: int) -> Node:
    bits = value.bit_length()
    if bits > min(8 * values.max_text, 4 * MAX_DIGITS - 16):
        values.cut("max_text")
        return stand_in(values.type_index(int), f"<int of {bits} bits>", "max_text")
    values.bytes += bits // 4
    return ["int", hex(value)]


def read_container(values: Values, value: Any, depth: int) -> Node:
    if depth < 2 and value:
        return read_edge(values, value, len(value))
    cls, kind = _CONTAINERS[id(type(value))]
    return [kind, *items_of(values, value, cls, depth - 1)]


def read_dict(values: Values, value: dict[Any, Any], depth: int) -> Node:
    if depth < 2 and value:
        return read_edge(values, value, len(value))
    return ["dict", *pairs_of(values, value, depth - 1)]


def read_edge(values: Values, value: Any, length: int | None = None) -> Node:
    """The stand-in of a value whose contents lie beyond the depth that is kept."""
    values.cut("depth")
    info = values.info(type(value))
    extra: dict[str, Any] = {} if length is None else {"len": length}
    extra["why"] = "depth"
    node: Node = ["object", values.type_index(info.cls), None, None, extra]
    show(values, node, value, info)
    return node


def read_module(values: Values, value: types.ModuleType, depth: int) -> Node:
    namespace = module_dict(value)
    name = namespace.get("__name__")
    node = ["module", name if type(name) is str else "?"]
    return [*node, names_in(namespace, ())] if id(value) in values.wants_dir else node


def read_function(values: Values, value: Any, depth: int) -> Node:
    module = value.__module__
    name, qualname = str.__str__(value.__name__), str.__str__(value.__qualname__)
    address = id(value) if type(value) is types.FunctionType else 0
    return ["function", module if type(module) is str else "", qualname, name, address]


def read_builtin(values: Values, value: Any, depth: int) -> Node:
    owner = value.__self__
    if owner is None or type(owner) is types.ModuleType:
        return read_function(values, value, depth)
    return read_object(values, value, depth)


def read_method(values: Values, value: Any, depth: int) -> Node:
    node = read_edge(values, value)
    if depth > 1:
        parts = {"__self__": value.__self__, "__func__": value.__func__}
        node[3] = values.named(parts, depth - 1)
    return node


READERS: Final[dict[int, Callable[[Values, Any, int], Node]]] = {
    id(str): read_text,
    id(bytes): lambda values, value, depth: read_text(values, value, depth, bytes, "bytes"),
    id(bytearray): lambda values, value, depth: read_text(
        values, value, depth, bytearray, "bytearray"
    ),
    id(int): read_int,
    id(complex): lambda values, value, depth: ["complex", value.real, value.imag],
    **dict.fromkeys(_CONTAINERS, read_container),
    id(dict): read_dict,
    id(type): read_type,
    id(types.ModuleType): read_module,
    id(types.FunctionType): read_function,
    id(types.BuiltinFunctionType): read_builtin,
    id(types.MethodType): read_method,
    id(type(Ellipsis)): lambda values, value, depth: ["exact", "Ellipsis", []],
    id(type(NotImplemented)): lambda values, value, depth: ["exact", "NotImplemented", []],
}
