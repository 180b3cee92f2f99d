"""The schema of a report's values: the kinds of nodes, their parts, and where their refs are.

A node is a list: its kind, then the parts that KINDS names (core/report.py says what each means).
Whoever walks values asks this module for parts by name, so a new kind is one line here.
The restorer travels alone and carries its own part of the schema.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from .report import Node, Ref

Attributes: TypeAlias = dict[str, Ref]


class Kind:
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

KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(CONTAINERS, Kind(("length", "refs"))),
    **dict.fromkeys(TEXTS, Kind(("length", "text"))),
    "int": Kind(("hexadecimal",)),
    "complex": Kind(("real", "imaginary")),
    "exact": Kind(("name", "refs")),
    "type": Kind(("type",), ("names",)),
    "module": Kind(("name",), ("names",)),
    "function": Kind(("module", "qualname", "name", "address")),
    "exception": Kind(("exception",)),
    "object": Kind(("type", "text", "attributes", "extra")),
    "redacted": Kind(("what",)),
    "live": Kind(("number", "stand_in")),
}


# -- readers


def indexes(refs: Any) -> list[int]:
    """The indexes of values among these refs."""
    return [ref[0] for ref in refs if type(ref) is list]


def attributes_of(node: Node) -> Attributes:
    """The attributes of an object's node; it may have none."""
    return node[3] or {}


def extra_of(node: Node) -> dict[str, Any]:
    """What else an object's node says: its length, items, pairs, address, and why it was cut."""
    return node[4] or {}


def items_of(node: Node) -> list[Ref]:
    """The elements of a container, the parts of an exact value, the elements of an object."""
    if node[0] in WITH_REFS:
        return node[2]  # type: ignore[no-any-return]  # of a report
    return extra_of(node).get("items", []) if node[0] == "object" else []


def pairs_of(node: Node) -> list[Ref]:
    """The keys and values of a mapping, one after the other."""
    if node[0] == "dict":
        return node[2]  # type: ignore[no-any-return]  # of a report
    return extra_of(node).get("pairs", []) if node[0] == "object" else []


def keys_of(node: Node) -> list[int]:
    """The values that are hashed when the value of this node is made again."""
    if node[0] in ("set", "frozenset"):
        return indexes(node[2])
    return indexes(pairs_of(node)[::2])


def refs_of(node: Node) -> list[Ref]:
    """All refs of a node: what its value holds."""
    if node[0] in WITH_REFS:
        return node[2]  # type: ignore[no-any-return]  # of a report
    if node[0] == "object":
        return [*attributes_of(node).values(), *items_of(node), *pairs_of(node)]
    return [node[2]] if node[0] == "live" else []


def has_names(node: Node) -> bool:
    """Whether the node of a class or module says what dir() gives."""
    return len(node) > 1 + len(KINDS[node[0]].parts)


# -- makers


def stand_in(type_index: int, text: str | None, why: str) -> Node:
    """An object of which the text alone is kept, and why."""
    return ["object", type_index, text, None, {"why": why}]


def sequence(kind: str, refs: list[Ref]) -> Node:
    """A container of which nothing was cut."""
    return [kind, len(refs), refs]


def live(number: int, view: int) -> Node:
    """A live object; `view` is the index of the stand-in."""
    return ["live", number, [view]]
