"""A node of the report → the value in a view.

MAKERS has a function for each kind of node. A value has a text, or brackets around its parts. The
parts are refs; values.py follows the refs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ..core import nodes as schema
from ..core.report import Node, Ref
from ..core.texts import printable, shorten
from ..restore.exact import EXACT
from .budgets import MAX_FULL, MAX_VALUE
from .node_table import NodeTable

# The whole of a longer text appears below its line. (characters)
_ONE_LINE: Final = 200
# str() of a longer number takes seconds. (bits)
_MAX_DECIMAL: Final = 10_000
# Exact values inside one another: a datetime holds a timezone with a timedelta. (levels)
_EXACT_LEVELS: Final = 3
_BRACKETS: Final = {
    "list": ("[", "]"),
    "tuple": ("(", ")"),
    "set": ("{", "}"),
    "frozenset": ("frozenset({", "})"),
    "dict": ("{", "}"),
}
# Containers whose empty brackets do not show their type.
_SETS: Final = ("set", "frozenset")
# Raised for forged parts, and for values unknown to the system.
_NO_SUCH_VALUE: Final = (TypeError, ValueError, ArithmeticError, AttributeError, LookupError)


@dataclass(slots=True)
class Child:
    """A part of a value.

    kind: "attribute" (label: its name), "item" (label: its index) or "pair" (key: its key).
    """

    kind: str
    label: str
    ref: Ref
    key: Ref = None


@dataclass(slots=True)
class ShownValue:
    """The text of a node, or brackets and parts."""

    type: str
    text: str | None = None
    brackets: tuple[str, str] = ("", "")
    children: list[Child] = field(default_factory=list)
    length: int | None = None
    missing: int = 0  # parts that the capture cut
    why: str = ""  # the reason for a cut, in the words of the capture
    full: str | None = None  # a text in full, if longer than a line
    is_default: bool = False  # the text is only type and address: the attributes say more


def atom_text(value: object) -> str:
    """The repr of an atom. A long string is shortened."""
    if type(value) is str and len(value) > MAX_VALUE:
        return f"{printable(repr(value[:MAX_VALUE]))}... ({len(value)} characters)"
    return printable(repr(value))


def full_text(text: str) -> str | None:
    """The whole of a text of several lines or a long line; None for a short text."""
    if len(text) <= _ONE_LINE and "\n" not in text:
        return None
    return printable(shorten(text, MAX_FULL), "\n\t")


def raw_text(kind: str, text: str) -> str | bytes | bytearray:
    """The str, bytes or bytearray in a text node."""
    if kind == "str":
        return text
    raw = text.encode("latin-1")
    if kind == "bytes":
        return raw
    return bytearray(raw)


def exact_value(values: NodeTable, node: Node, levels: int = _EXACT_LEVELS) -> object:
    """A date, a path, a Decimal ... as itself; None if a part is missing or wrong."""
    parts = []
    for ref in schema.items_of(node):
        part = ref
        if type(ref) is list:
            part = _exact_part(values, ref, levels)
            if part is None:
                return None
        parts.append(part)
    try:
        return EXACT[schema.name_of(node)](*parts)
    except _NO_SUCH_VALUE:
        return None


def _exact_part(values: NodeTable, ref: list[int], levels: int) -> object:
    node = values.node(ref)
    kind = schema.kind_of(node)
    if kind == "str":
        return values.plain(ref)
    if kind == "int":
        return schema.number_of(node)
    if kind == "exact" and levels and schema.name_of(node) in EXACT:
        return exact_value(values, node, levels - 1)
    return None


# -- a function for each kind of node


def _container(values: NodeTable, node: Node) -> ShownValue:
    kind = schema.kind_of(node)
    length = schema.length_of(node)
    refs = schema.items_of(node)
    children = _items(refs)
    if kind == "dict":
        children = _pairs(refs)
    missing = length - len(children)
    value = ShownValue(kind, None, _BRACKETS[kind], children, length, missing)
    if kind in _SETS and not length:
        value.text = f"{kind}()"
    return value


def _pairs(refs: list[Ref]) -> list[Child]:
    """The pairs of keys and values that alternate. A key without a value is left out."""
    keys = refs[::2]
    values = refs[1::2]
    return [Child("pair", "", value, key) for key, value in zip(keys, values)]


def _items(refs: list[Ref]) -> list[Child]:
    return [Child("item", str(at), ref) for at, ref in enumerate(refs)]


def _text(values: NodeTable, node: Node) -> ShownValue:
    kind = schema.kind_of(node)
    length = schema.length_of(node)
    text = schema.kept_text(node)
    missing = length - len(text)
    shown = printable(repr(raw_text(kind, text[:MAX_VALUE])))
    unit = "bytes"
    if kind == "str":
        unit = "characters"
    if missing > 0:
        shown += f"... ({length} {unit}, {missing} not kept)"
    elif len(text) > MAX_VALUE and missing == 0:
        shown += f"... ({length} {unit})"
    value = ShownValue(kind, shown, length=length)
    if missing > 0:
        value.missing = missing
        value.why = "max_text"
    if kind == "str":
        value.full = full_text(text)
    return value


def _int(values: NodeTable, node: Node) -> ShownValue:
    number = schema.number_of(node)
    if number.bit_length() < _MAX_DECIMAL:
        return ShownValue("int", str(number))
    return ShownValue("int", shorten(schema.digits_of(node), _ONE_LINE))


def _complex(values: NodeTable, node: Node) -> ShownValue:
    return ShownValue("complex", repr(schema.complex_of(node)))


def _object(values: NodeTable, node: Node) -> ShownValue:
    text = schema.repr_of(node)
    extra = schema.extra_of(node)
    name = values.type_name(schema.type_of(node))
    length = extra.get("len")
    value = ShownValue(name, length=length, is_default=text is None)
    if text is None:
        text = _default_repr(name, extra)
    elif "\n" in text:
        value.full = full_text(text)
    value.text = printable(shorten(text, MAX_VALUE))
    why = extra.get("why", "")
    value.why = printable(str(why))
    contents = _contents(extra)
    if contents is not None:
        value.children = contents
        value.missing = _missing(length, len(contents))
    for label, ref in schema.attributes_of(node).items():
        child = Child("attribute", printable(str(label)), ref)
        value.children.append(child)
    return value


def _contents(extra: dict[str, Any]) -> list[Child] | None:
    """The pairs and elements of an object; None for an object that is no container."""
    if "pairs" not in extra and "items" not in extra:
        return None
    pairs = extra.get("pairs", [])
    items = extra.get("items", [])
    return _pairs(pairs) + _items(items)


def _missing(length: int | None, kept: int) -> int:
    if length is None:
        return 0
    return max(int(length) - kept, 0)


def _default_repr(name: str, extra: dict[str, Any]) -> str:
    if "address" in extra:
        return f"<{name} object at {int(extra['address']):#x}>"
    return f"<{name} object>"


class _Exact:
    """A value of the standard library, as text: repr() refuses numbers of many digits."""

    def __init__(self, value: object) -> None:
        try:
            self.text = repr(value)
        except ValueError:
            self.text = f"<{type(value).__name__} of thousands of digits>"


def _exact(values: NodeTable, node: Node) -> ShownValue:
    kind = schema.name_of(node)
    refs = schema.items_of(node)
    if kind not in EXACT:
        raise KeyError(kind)
    for ref in refs:
        values.check(ref)
    found = exact_value(values, node)
    if found is None:
        brackets = (f"{kind}(", ")")
        return ShownValue(kind, None, brackets, _items(refs), len(refs))
    text = shorten(_Exact(found).text, MAX_VALUE)
    return ShownValue(kind, printable(text))


def _type(values: NodeTable, node: Node) -> ShownValue:
    name = values.type_name(schema.type_of(node))
    return ShownValue("type", f"<class '{name}'>")


def _module(values: NodeTable, node: Node) -> ShownValue:
    name = printable(schema.name_of(node))
    return ShownValue("module", f"<module '{name}'>")


def _function(values: NodeTable, node: Node) -> ShownValue:
    _, module, qualname, name, address = node
    text = f"<built-in function {name}>"
    if address:
        text = f"<function {qualname} at {int(address):#x}>"
    value = ShownValue("function", printable(text))
    if module:
        value.why = printable(f"from {module}")
    return value


def _exception(values: NodeTable, node: Node) -> ShownValue:
    return ShownValue("exception", "<exception>")  # values.py adds number and title


def _redacted(values: NodeTable, node: Node) -> ShownValue:
    what = printable(schema.what_of(node))
    text = f"<redacted: {what}>"
    return ShownValue("redacted", text, why="it looked secret")


def _live(values: NodeTable, node: Node) -> ShownValue:
    """Shows a live object as its stand-in, the node inside."""
    ref = values.check(schema.stand_in_of(node))
    if type(ref) is list:
        inner = values.node(ref)
        kind = schema.kind_of(inner)
        if kind not in ("live", "exception"):
            value = MAKERS[kind](values, inner)
            value.why = value.why or "kept live"
            return value
    return ShownValue("object", "<a live object>", why="kept live")


MAKERS: Final[dict[str, Callable[[NodeTable, Node], ShownValue]]] = {
    **dict.fromkeys(_BRACKETS, _container),
    **dict.fromkeys(schema.TEXTS, _text),
    "int": _int,
    "complex": _complex,
    "exact": _exact,
    "type": _type,
    "module": _module,
    "function": _function,
    "exception": _exception,
    "object": _object,
    "redacted": _redacted,
    "live": _live,
}
