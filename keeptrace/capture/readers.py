"""The table of readers: for each builtin class the function that makes a node of an instance.

capture/objects.py reads the instances of all other classes. A reader takes the value table, the
value, and the depth: the number of levels to keep, the value's own level included.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection
from typing import Any, Final

from ..core.bounds import MAX_DIGITS
from ..core.nodes import (
    Attributes,
    complex_number,
    container,
    exact,
    function,
    integer,
    module,
    stand_in,
    with_names,
)
from ..core.raw import module_dict
from ..core.report import Node
from .contents import items_of, names_in, node_with_repr, pairs_of, read_text
from .kinds import module_name
from .objects import read_object, read_type
from .values import Values

# id of a builtin container → the class, and the kind of its nodes
_CONTAINERS: Final = {id(cls): (cls, cls.__name__) for cls in (list, tuple, set, frozenset)}


def read_int(values: Values, value: int, depth: int) -> Node:
    bits = value.bit_length()
    most = min(8 * values.max_text, 4 * MAX_DIGITS - 16)
    if bits > most:
        values.cut("max_text")
        return stand_in(values.type_index(int), f"<int of {bits} bits>", "max_text")
    values.bytes += bits // 4
    return integer(value)


def read_container(values: Values, value: Collection[Any], depth: int) -> Node:
    if depth < 2 and value:
        return read_edge(values, value, len(value))
    cls, kind = _CONTAINERS[id(type(value))]
    return container(kind, *items_of(values, value, cls, depth - 1))


def read_dict(values: Values, value: dict[Any, Any], depth: int) -> Node:
    if depth < 2 and value:
        return read_edge(values, value, len(value))
    return container("dict", *pairs_of(values, value, depth - 1))


def read_edge(values: Values, value: object, length: int | None = None) -> Node:
    """The stand-in of a value at the edge: the contents lie deeper than the report goes."""
    return _node_at_edge(values, value, None, length)


def _node_at_edge(
    values: Values, value: object, attributes: Attributes | None, length: int | None
) -> Node:
    values.cut("depth")
    extra: dict[str, Any] = {}
    if length is not None:
        extra["len"] = length
    extra["why"] = "depth"
    return node_with_repr(values, value, values.info(type(value)), attributes, extra)


def read_module(values: Values, value: types.ModuleType, depth: int) -> Node:
    node = module(module_name(value))
    if id(value) in values.wants_dir:
        node = with_names(node, names_in(module_dict(value), ()))
    return node


def read_function(
    values: Values, value: types.FunctionType | types.BuiltinFunctionType, depth: int
) -> Node:
    home = value.__module__
    if type(home) is not str:
        home = ""
    name = str.__str__(value.__name__)
    qualname = str.__str__(value.__qualname__)
    address = 0
    if type(value) is types.FunctionType:
        address = id(value)
    return function(home, qualname, name, address)


def read_builtin(values: Values, value: types.BuiltinFunctionType, depth: int) -> Node:
    owner = value.__self__
    if owner is None or type(owner) is types.ModuleType:
        return read_function(values, value, depth)
    return read_object(values, value, depth)


def read_method(values: Values, value: types.MethodType, depth: int) -> Node:
    attributes: Attributes | None = None
    if depth > 1:
        parts = {"__self__": value.__self__, "__func__": value.__func__}
        attributes = values.named(parts, depth - 1)
    return _node_at_edge(values, value, attributes, None)


def read_bytes(values: Values, value: bytes, depth: int) -> Node:
    return read_text(values, value, depth, bytes, "bytes")


def read_bytearray(values: Values, value: bytearray, depth: int) -> Node:
    return read_text(values, value, depth, bytearray, "bytearray")


def read_complex(values: Values, value: complex, depth: int) -> Node:
    return complex_number(value)


def read_ellipsis(values: Values, value: object, depth: int) -> Node:
    return exact("Ellipsis", [])


def read_not_implemented(values: Values, value: object, depth: int) -> Node:
    return exact("NotImplemented", [])


READERS: Final[dict[int, Callable[[Values, Any, int], Node]]] = {
    id(str): read_text,
    id(bytes): read_bytes,
    id(bytearray): read_bytearray,
    id(int): read_int,
    id(complex): read_complex,
    **dict.fromkeys(_CONTAINERS, read_container),
    id(dict): read_dict,
    id(type): read_type,
    id(types.ModuleType): read_module,
    id(types.FunctionType): read_function,
    id(types.BuiltinFunctionType): read_builtin,
    id(types.MethodType): read_method,
    id(type(Ellipsis)): read_ellipsis,
    id(type(NotImplemented)): read_not_implemented,
}
