"""The schema of a report's values: the kinds of nodes, their parts, and where their refs are.

A node is a list: the kind, then the parts that KINDS names (core/report.py has their meaning).
Modules that walk values ask this module for parts by name, so a new kind is one line here. The
restorer travels alone and carries a schema of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from .report import Node, Ref

Attributes: TypeAlias = dict[str, Ref]
# A dict or list of refs of the report itself, not a copy.
Holder: TypeAlias = "dict[str, Ref] | list[Ref]"


class NodeKind:
    """One kind of node: the parts of every node, and the parts that only some nodes have."""

    __slots__ = ("optional", "parts")

    def __init__(self, parts: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        self.parts: tuple[str, ...] = parts
        self.optional: tuple[str, ...] = optional

    @property
    def lengths(self) -> tuple[int, ...]:
        """How long a node of this kind may be."""
        least = 1 + len(self.parts)
        return tuple(range(least, least + len(self.optional) + 1))


SEQUENCES: Final = frozenset({"list", "tuple", "set", "frozenset"})
CONTAINERS: Final = SEQUENCES | {"dict"}
TEXTS: Final = frozenset({"str", "bytes", "bytearray"})
# Kinds whose third element is a list of refs.
WITH_REFS: Final = CONTAINERS | {"exact"}
# The element of a live node that holds the ref to the stand-in.
STAND_IN: Final = 2
# The text of redacted nodes without any reference to them.
UNUSED: Final = "unused"

KINDS: Final[dict[str, NodeKind]] = {
    **dict.fromkeys(CONTAINERS, NodeKind(("length", "refs"))),
    **dict.fromkeys(TEXTS, NodeKind(("length", "text"))),
    "int": NodeKind(("hexadecimal",)),
    "complex": NodeKind(("real", "imaginary")),
    "exact": NodeKind(("name", "refs")),
    "type": NodeKind(("type",), ("names",)),
    "module": NodeKind(("name",), ("names",)),
    "function": NodeKind(("module", "qualname", "name", "address")),
    "exception": NodeKind(("exception",)),
    "object": NodeKind(("type", "text", "attributes", "extra")),
    "redacted": NodeKind(("what",)),
    "live": NodeKind(("number", "stand_in")),
}


# -- readers of refs


def indexes(refs: Iterable[Ref]) -> list[int]:
    """The indexes of values among these refs."""
    return [ref[0] for ref in refs if type(ref) is list]


def items_of(node: Node) -> list[Ref]:
    """The elements of a container, the parts of an exact value, the elements of an object."""
    items: list[Ref] = []
    if node[0] in WITH_REFS:
        items = node[2]
    elif node[0] == "object":
        items = extra_of(node).get("items", items)
    return items


def pairs_of(node: Node) -> list[Ref]:
    """The keys and values of a mapping, alternating."""
    pairs: list[Ref] = []
    if node[0] == "dict":
        pairs = node[2]
    elif node[0] == "object":
        pairs = extra_of(node).get("pairs", pairs)
    return pairs


def values_of(node: Node) -> list[Ref]:
    """The values of a mapping."""
    return pairs_of(node)[1::2]


def keys_of(node: Node) -> list[int]:
    """The indexes of values that are hashed when the restorer makes this value."""
    if node[0] in ("set", "frozenset"):
        return indexes(node[2])
    return indexes(pairs_of(node)[::2])


def refs_of(node: Node) -> list[Ref]:
    """All refs of a node: what its value holds."""
    refs: list[Ref] = []
    if node[0] in WITH_REFS:
        refs = node[2]
    elif node[0] == "object":
        refs = [*attributes_of(node).values(), *items_of(node), *pairs_of(node)]
    elif node[0] == "live":
        refs = [stand_in_of(node)]
    return refs


def holders_of(node: Node) -> Iterator[Holder]:
    """The dicts and lists of refs in a node. A live node has none, but holds a ref itself."""
    if node[0] in WITH_REFS:
        yield node[2]
    elif node[0] == "object":
        if node[3]:
            yield node[3]
        extra = extra_of(node)
        yield from (extra[name] for name in ("items", "pairs") if name in extra)


# -- readers of other parts


def kind_of(node: Node) -> str:
    """The name of the node's kind, a key of KINDS."""
    kind: str = node[0]
    return kind


def length_of(node: Node) -> int:
    """The true length of a container or a text, whatever was cut."""
    length: int = node[1]
    return length


def kept_text(node: Node) -> str:
    """The kept part of a text; bytes as Latin-1."""
    text: str = node[2]
    return text


def is_whole(node: Node) -> bool:
    """Whether nothing was cut from a text."""
    return len(node[2]) == length_of(node)


def number_of(node: Node) -> int:
    """The int of an "int" node, which has more than 64 bits."""
    return int(node[1], 16)


def digits_of(node: Node) -> str:
    """The hexadecimal text of an "int" node."""
    digits: str = node[1]
    return digits


def complex_of(node: Node) -> complex:
    """The number of a "complex" node."""
    return complex(node[1], node[2])


def name_of(node: Node) -> str:
    """The name of an exact value's kind, or of a module."""
    name: str = node[1]
    return name


def what_of(node: Node) -> str:
    """The name under which a redacted value stood."""
    what: str = node[1]
    return what


def is_hidden(node: Node) -> bool:
    """Whether a secret was in this place."""
    return bool(node[0] == "redacted" and node[1] != UNUSED)


def exception_of(node: Node) -> int:
    """The exception behind an "exception" node, by index."""
    index: int = node[1]
    return index


def type_of(node: Node) -> int:
    """The index of an object's type, or the index in a "type" node."""
    index: int = node[1]
    return index


def repr_of(node: Node) -> str | None:
    """The repr of an object; None stands for the default repr."""
    text: str | None = node[2]
    return text


def attributes_of(node: Node) -> Attributes:
    """The attributes of an object's node; it may have none."""
    return node[3] or {}


def extra_of(node: Node) -> dict[str, Any]:
    """Further facts of an object: length, items, pairs, address, reason of a cut."""
    return node[4] or {}


def stand_in_of(node: Node) -> Ref:
    """The ref of the stand-in, for readers that cannot load the live object."""
    return node[STAND_IN]


def has_names(node: Node) -> bool:
    """Whether the node of a class or module says what dir() gives."""
    return len(node) > 1 + len(KINDS[node[0]].parts)


# -- changes of a node in its place


def put_text(node: Node, text: str) -> None:
    """Replaces a kept text; a whole text stays whole."""
    node[1] += len(text) - len(node[2])
    node[2] = text


def cut_text(node: Node, characters: int) -> None:
    """Keeps so many characters of a text. The node still says the true length."""
    node[2] = node[2][:characters]


def put_refs(node: Node, refs: list[Ref]) -> None:
    """Replaces the elements of a container or the parts of an exact value. A container still says
    its true length.
    """
    node[2] = refs


def put_stand_in(node: Node, ref: Ref) -> None:
    """Replaces the ref of a live object's stand-in."""
    node[STAND_IN] = ref


def put_exception(node: Node, index: int) -> None:
    """Replaces the index of the exception."""
    node[1] = index


def cut_names(node: Node, most: int) -> None:
    """Keeps so many of the names that dir() gives, of a class or module that has them."""
    if has_names(node):
        node[2] = node[2][:most]


def drop_names(node: Node) -> None:
    """Takes the names that dir() gives from a class or module."""
    del node[2:]


def put_repr(node: Node, text: str) -> None:
    """Replaces the repr of an object."""
    node[2] = text


def put_attributes(node: Node, attributes: Attributes) -> None:
    """Replaces the attributes of an object."""
    node[3] = attributes


def put_extra(node: Node, name: str, value: object) -> None:
    """Adds an entry to the extra of an object."""
    node[4] = {**extra_of(node), name: value}


def replace(node: Node, other: Node) -> None:
    """Makes the node another one, wherever it is referred to."""
    node[:] = other


# -- makers


def stand_in(type_index: int, text: str | None, why: str) -> Node:
    """An object as text alone, and the reason."""
    return ["object", type_index, text, None, {"why": why}]


def sequence(kind: str, refs: list[Ref]) -> Node:
    """A container without a cut."""
    return [kind, len(refs), refs]


def container(kind: str, length: int, refs: list[Ref]) -> Node:
    """A container of `length` elements, of which some may be cut."""
    return [kind, length, refs]


def exception(index: int) -> Node:
    """A value that is an exception of the report."""
    return ["exception", index]


def text(kind: str, length: int, kept: str) -> Node:
    """A text of `length` characters or bytes, of which some may be cut; bytes as Latin-1."""
    return [kind, length, kept]


def integer(number: int) -> Node:
    """An int of more than 64 bits."""
    return ["int", hex(number)]


def complex_number(number: complex) -> Node:
    """A complex number."""
    return ["complex", number.real, number.imag]


def exact(name: str, parts: list[Ref]) -> Node:
    """A value of the standard library, which the kind of that name rebuilds from the parts."""
    return ["exact", name, parts]


def class_(type_index: int) -> Node:
    """A class."""
    return ["type", type_index]


def module(name: str) -> Node:
    """A module."""
    return ["module", name]


def with_names(node: Node, names: list[str]) -> Node:
    """The node of a class or module, with the names that dir() gives."""
    return [*node, names]


def function(module: str, qualname: str, name: str, address: int) -> Node:
    """A function; the address is 0 for functions of C code."""
    return ["function", module, qualname, name, address]


def instance(
    type_index: int, text: str | None, attributes: Attributes | None, extra: dict[str, Any]
) -> Node:
    """An object; the text is its repr, None if it has only the default one."""
    return ["object", type_index, text, attributes, extra]


def redacted(what: str) -> Node:
    """A secret was here; `what` is its name."""
    return ["redacted", what]


def live(number: int, view: int) -> Node:
    """A live object; `view` is the index of the stand-in."""
    return ["live", number, [view]]
