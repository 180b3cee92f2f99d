"""What restoring a report would cost, told without doing it.

What is shared in a report unfolds when it is hashed, compared or shown: a few lines of data can
stand for any amount of work. Each function raises ValueError for a report above a bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from . import _bounds as bounds
from ._restore import _in_order

CONTAINERS: Final = frozenset({"list", "tuple", "set", "frozenset", "dict"})
TEXTS: Final = frozenset({"str", "bytes", "bytearray"})
# What is made of parts that must be there first, and so cannot hold itself.
_MADE_OF_PARTS: Final = frozenset({"tuple", "frozenset", "exact", "live"})
# Exact values whose parts, if forged, cost any time: how many there are, and the atoms and the
# nodes that they may be.
PARTS: Final[dict[str, tuple[int, type, frozenset[str]]]] = {
    "Fraction": (2, int, frozenset({"int", "object", "redacted"})),
    "Decimal": (1, str, frozenset({"str", "object", "redacted"})),
    "UUID": (1, str, frozenset({"str", "object", "redacted"})),
}


def need(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(f"its {what} is not laid out as in a report")


def bound(number: int, most: int, what: str) -> None:
    if number > most:
        raise ValueError(f"it has more than {most} {what}")


def _indexes(refs: Iterable[Any]) -> list[int]:
    return [ref[0] for ref in refs if type(ref) is list]


# -- keys


def measure_keys(nodes: list[Any]) -> None:
    """Bounds what hashing the keys of dicts and the elements of sets takes."""
    needs = {at: _parts_of(node) for at, node in enumerate(nodes) if node[0] in _MADE_OF_PARTS}
    cost: dict[int, int] = {}
    depth: dict[int, int] = {}
    for index in _in_order(needs, lambda at: needs.get(at, ())):
        node = nodes[index]
        if index not in needs:
            cost[index] = _hash_cost(node)
            depth[index] = 0
            continue
        parts = needs[index]
        need(all(part in cost for part in parts), f"{node[0]} that holds itself")
        elements = 0 if node[0] == "live" else len(node[2])
        cost[index] = 1 + elements + sum([cost[part] for part in parts])
        depth[index] = 1 + max([depth[part] for part in parts], default=0)
        if node[0] == "exact" and node[1] in PARTS:
            _measure_exact(node[1], [nodes[part] for part in parts])
    total = 0
    for node in nodes:
        for index in _keys_of(node):
            bound(depth.get(index, 0), bounds.MAX_KEY_DEPTH, "levels in a key")
            total += cost.get(index) or _hash_cost(nodes[index])
    bound(total, bounds.MAX_KEYS, "values in keys")


def _parts_of(node: list[Any]) -> list[int]:
    return _indexes(node[2:] if node[0] == "live" else node[2])


def _hash_cost(node: list[Any]) -> int:
    """Of what has no parts; long numbers and texts count more."""
    if node[0] == "int":
        return 1 + len(node[1]) // 16
    if node[0] in TEXTS:
        return 1 + len(node[2]) // 64
    return 1


def _measure_exact(kind: str, parts: list[list[Any]]) -> None:
    _, _, allowed = PARTS[kind]
    need(all(part[0] in allowed for part in parts), kind)
    if kind == "Fraction":
        for part in parts:
            if part[0] == "int":
                bound(len(part[1]), bounds.MAX_FRACTION, "digits in a fraction")


def _keys_of(node: list[Any]) -> list[int]:
    kind = node[0]
    if kind == "dict":
        return _indexes(node[2][::2])
    if kind in ("set", "frozenset"):
        return _indexes(node[2])
    if kind == "object" and node[4] and "pairs" in node[4]:
        return _indexes(node[4]["pairs"][::2])
    return []


# -- exceptions


def measure_messages(report: dict[str, Any]) -> None:
    """Bounds what str() of an exception takes: it shows the arguments with all that they hold."""
    nodes = report["values"]

    def needs(at: int) -> list[int]:
        unfolds = nodes[at][0] in CONTAINERS or nodes[at][0] == "exact"
        return _indexes(nodes[at][2]) if unfolds else []

    roots = {record["args"][0]: None for record in report["exceptions"]}
    for record in report["exceptions"]:
        shown = [record.get("notes"), *record["fields"].values()]
        roots.update(dict.fromkeys(_indexes(shown)))
    sizes: dict[int, int] = {}
    for index in _in_order(roots, needs):
        sizes[index] = 1 + sum([sizes.get(part, 1) for part in needs(index)])
        bound(sizes[index], bounds.MAX_UNFOLDED, "values in a message")


def measure_groups(exceptions: list[Any]) -> None:
    """Bounds how many exceptions a group has when those that it shares are counted each time."""

    def children(at: int) -> list[int]:
        return exceptions[at].get("children", [])  # type: ignore[no-any-return]  # checked before

    sizes: dict[int, int] = {}
    for index in _in_order(range(len(exceptions)), children):
        sizes[index] = 1 + sum([sizes.get(child, 1) for child in children(index)])
        bound(sizes[index], bounds.MAX_CHILDREN, "exceptions in a group")


# -- frames


def measure_frames(report: dict[str, Any]) -> None:
    """Bounds how many frames are made, of how many variables, by how many templates."""
    variables = _measure_variables(report["frames"], report["codes"])
    exceptions = report["exceptions"]
    used = [index for record in exceptions for index in record.get("outer", ())]
    used += [index for record in exceptions for index, _ in record["traceback"]]
    bound(len(used), bounds.MAX_ENTRIES, "frames")
    stores = sum([variables[index] for index in used if index >= 0])
    bound(stores, bounds.MAX_STORES, "variables in frames")
    for record in exceptions:
        for index, entries in groupby(record["traceback"], lambda entry: entry[0]):
            if index >= 0:
                places = {tuple(place) for _, place in entries}
                bound(len(places), bounds.MAX_PLACES, "places in one frame")


def _measure_variables(frames: list[Any], codes: list[Any]) -> list[int]:
    """How many variables each frame has."""
    variables: list[int] = []
    shapes: dict[Any, int] = {}
    total = 0
    for frame in frames:
        local, names = frame["locals"] or {}, codes[frame["code"]]["names"]
        count = 1 + len(local) + len(names)
        variables.append(count)
        total += count
        bound(total, bounds.MAX_STORES, "variables")
        if count > 1:
            missing = tuple([at for at, name in enumerate(names) if name not in local])
            shapes[len(local), missing] = count
            bound(len(shapes), bounds.MAX_SHAPES // 10, "kinds of frames")
    bound(sum(shapes.values()), bounds.MAX_SHAPES, "variables in frames of different kinds")
    return variables
