"""The cost of restoring a report, computed without restoring it.

Hashing, comparing and showing unfold shared values: a few lines of data can cause any amount of
work. The writer uses these functions to cut a report down to the bounds (format/fitting.py), the
reader to refuse a report beyond the bounds (measure()).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..core import bounds
from ..core.nodes import (
    TEXTS,
    WITH_REFS,
    digits_of,
    indexes,
    items_of,
    kept_text,
    keys_of,
    kind_of,
    name_of,
    refs_of,
)
from ..core.report import Node, Ref
from ..restore.order import in_order

if TYPE_CHECKING:
    from ..core.report import ExceptionRecord

# Kinds of values made after their parts: such a value cannot hold itself.
_MADE_OF_PARTS: Final = frozenset({"tuple", "frozenset", "exact", "live"})


class Parts(NamedTuple):
    """The allowed parts of an exact value."""

    number: int
    atom: type  # of the parts that are atoms
    kinds: frozenset[str]  # of the parts that are nodes


# Exact values with parts that could cost any time if forged
PARTS: Final[dict[str, Parts]] = {
    "Fraction": Parts(2, int, frozenset({"int", "object", "redacted"})),
    "Decimal": Parts(1, str, frozenset({"str", "object", "redacted"})),
    "UUID": Parts(1, str, frozenset({"str", "object", "redacted"})),
}
# A text of so many characters, or a number of so many digits, costs as much as a value.
_CHARACTERS_A_VALUE: Final = 64
_DIGITS_A_VALUE: Final = 16


def need(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(f"its {what} is not laid out as in a report")


def need_at_most(number: int, most: int, what: str) -> None:
    if number > most:
        raise ValueError(f"it has more than {most} {what}")


def measure(report: dict[str, Any]) -> None:
    """Raises ValueError for a report that costs more than a bound allows."""
    _measure_keys(report["values"])
    _measure_messages(report)
    _measure_groups(report["exceptions"])
    _measure_frames(report)


# -- types


# The time of making a class for each ancestor, and the time of a step of merging the ancestors of
# the bases.
_NANOSECONDS_AN_ANCESTOR: Final = 1_500
_NANOSECONDS_A_COMPARISON: Final = 4


class Lineage:
    """The cost of making the exception types. above: the types beyond a bound."""

    __slots__ = ("above", "total")

    def __init__(self, above: list[int], total: int) -> None:
        self.above: list[int] = above
        self.total: int = total


def lineage(types: list[Any]) -> Lineage:
    """The cost of types. Python merges the ancestors of all bases, in more than linear time."""
    derived = [index for index, entry in enumerate(types) if entry[2]]
    ancestors: dict[int, int] = {}  # as bits
    above: list[int] = []
    total = 0
    for index in in_order(derived, lambda at: types[at][2]):
        _, _, bases = types[index]
        own = 1 << index
        for base in bases:
            own |= ancestors.get(base, 0)
        count = own.bit_count()
        cost = _NANOSECONDS_AN_ANCESTOR * count
        if len(bases) > 1:
            comparisons = count * count * len(bases)
            cost += _NANOSECONDS_A_COMPARISON * comparisons
        is_above = len(bases) > bounds.MAX_BASES or count > bounds.MAX_ANCESTORS
        if is_above or total + cost > bounds.MAX_LINEAGE:
            above.append(index)
            builtin_class = 1 << len(types)  # the writer puts the type below a builtin class
            own = 1 << index | builtin_class
        else:
            total += cost
        ancestors[index] = own
    return Lineage(above, total)


# -- keys


class KeyCosts:
    """The cost of hashing and comparing each value. A shared part counts each time."""

    def __init__(self, nodes: list[Node]) -> None:
        self.depth: dict[int, int] = {}  # of tuples in tuples
        self.hold_themselves: list[int] = []
        self._nodes = nodes
        self._cost: dict[int, int] = {}
        needs: dict[int, list[int]] = {}
        for at, node in enumerate(nodes):
            if kind_of(node) in _MADE_OF_PARTS:
                needs[at] = indexes(refs_of(node))
        self.made_of_parts: list[int] = list(needs)
        for index in in_order(needs, lambda at: needs.get(at, ())):
            if index in needs:
                self._add(index, needs)

    def _add(self, index: int, needs: dict[int, list[int]]) -> None:
        parts = needs[index]
        known = [part for part in parts if part in self._cost or part not in needs]
        if len(known) < len(parts):
            self.hold_themselves.append(index)
        cost = 1 + len(items_of(self._nodes[index]))
        depth = 0
        for part in known:
            cost += self.of(part)
            depth = max(depth, self.depth.get(part, 0))
        self._cost[index] = cost
        self.depth[index] = 1 + depth

    def of(self, index: int) -> int:
        found = self._cost.get(index)
        if found is None:
            return _own_cost(self._nodes[index])
        return found


def key_costs(nodes: list[Node]) -> KeyCosts:
    return KeyCosts(nodes)


def _own_cost(node: Node) -> int:
    """The cost of a value without its parts. Long numbers and texts cost more."""
    kind = kind_of(node)
    if kind == "int":
        return 1 + len(digits_of(node)) // _DIGITS_A_VALUE
    if kind in TEXTS:
        return 1 + len(kept_text(node)) // _CHARACTERS_A_VALUE
    return 1


def _measure_keys(nodes: list[Node]) -> None:
    costs = key_costs(nodes)
    for index in costs.hold_themselves:
        need(False, f"{kind_of(nodes[index])} that holds itself")
    for index in costs.made_of_parts:
        if kind_of(nodes[index]) == "exact":
            _check_parts(nodes[index], nodes)
    total = 0
    for node in nodes:
        for index in keys_of(node):
            depth = costs.depth.get(index, 0)
            need_at_most(depth, bounds.MAX_KEY_DEPTH, "levels in a key")
            total += costs.of(index)
    need_at_most(total, bounds.MAX_KEYS, "values in keys")


def _check_parts(node: Node, nodes: list[Node]) -> None:
    """Raises ValueError for an exact value that could take any time to make."""
    name = name_of(node)
    if name in PARTS:
        allowed = PARTS[name].kinds
        for part in indexes(items_of(node)):
            need(kind_of(nodes[part]) in allowed, name)


# -- exceptions


def shown_in_message(record: ExceptionRecord) -> list[int]:
    """The values shown by the message, the notes and the fields of an exception."""
    fields = record["fields"]
    return indexes([record["args"], record.get("notes"), *fields.values()])


def refs_in(node: Node) -> list[Ref]:
    """The values shown by the repr of a value."""
    if kind_of(node) in WITH_REFS:
        return refs_of(node)
    return []


def unfolded(nodes: list[Node], roots: Iterable[int]) -> dict[int, int]:
    """The number of values shown by each root. A shared value counts each time."""
    sizes: dict[int, int] = {}

    def size_of(ref: object) -> int:
        if type(ref) is list:
            return sizes.get(ref[0], 1)
        if type(ref) is str:
            return 1 + len(ref) // _CHARACTERS_A_VALUE
        return 1

    for index in in_order(roots, lambda at: indexes(refs_in(nodes[at]))):
        node = nodes[index]
        parts = [size_of(ref) for ref in refs_in(node)]
        sizes[index] = _own_cost(node) + sum(parts)
    return sizes


def _measure_messages(report: dict[str, Any]) -> None:
    roots: list[int] = []
    for record in report["exceptions"]:
        roots += shown_in_message(record)
    sizes = unfolded(report["values"], roots)
    total = sum([sizes[root] for root in roots])
    need_at_most(total, bounds.MAX_UNFOLDED, "values in messages")


def children_of(exceptions: list[Any], index: int) -> list[int]:
    return exceptions[index].get("children", [])  # type: ignore[no-any-return]  # of a record


def _measure_groups(exceptions: list[Any]) -> None:
    sizes: dict[int, int] = {}
    every = range(len(exceptions))
    for index in in_order(every, lambda at: children_of(exceptions, at)):
        size = 1
        for child in children_of(exceptions, index):
            size += sizes.get(child, 1)
        need_at_most(size, bounds.MAX_CHILDREN, "exceptions in a group")
        sizes[index] = size


# -- frames


class Stores:
    """The cost of making the frames of all tracebacks.

    of_frame: variables of each frame. shapes_above: frames of kinds beyond the bound on kinds.
    entries: frames of all tracebacks. total: variables of these frames.
    """

    __slots__ = ("entries", "of_frame", "shapes_above", "total")

    def __init__(
        self, of_frame: list[int], shapes_above: list[int], entries: int, total: int
    ) -> None:
        self.of_frame: list[int] = of_frame
        self.shapes_above: list[int] = shapes_above
        self.entries: int = entries
        self.total: int = total

    @property
    def is_above(self) -> bool:
        return self.entries > bounds.MAX_ENTRIES or self.total > bounds.MAX_STORES


def stores_of(report: Any) -> Stores:
    """The cost of frames. Each kind is compiled once, each frame made again for each traceback."""
    codes = report["codes"]
    shapes = _Shapes()
    of_frame: list[int] = []
    above: list[int] = []
    for at, frame in enumerate(report["frames"]):
        local = frame["locals"] or {}
        code = codes[frame["code"]]
        names = code["names"]
        of_frame.append(1 + len(local) + len(names))
        if not shapes.add(local, names):
            above.append(at)
    used: list[int] = []
    for record in report["exceptions"]:
        used += record.get("outer", ())
        used += [index for index, _ in record["traceback"]]
    total = sum([of_frame[index] for index in used if index >= 0])
    return Stores(of_frame, above, len(used), total)


class _Shapes:
    """The kinds of frames of a report, and the number of their variables."""

    def __init__(self) -> None:
        self._known: set[Any] = set()
        self._in_shapes = 0
        self._variables = 0

    def add(self, local: dict[str, Any], names: list[str]) -> bool:
        """Adds a frame with these variables and arguments. False if the frame exceeds a bound."""
        count = 1 + len(local) + len(names)
        self._variables += count
        if count == 1:
            return True
        if self._variables > bounds.MAX_STORES:
            return False
        without_value = [at for at, name in enumerate(names) if name not in local]
        shape = (len(local), tuple(without_value))
        if shape in self._known:
            return True
        has_room = self._in_shapes + count <= bounds.MAX_SHAPES
        if not has_room or len(self._known) >= bounds.MAX_KINDS:
            return False
        self._known.add(shape)
        self._in_shapes += count
        return True


def _measure_frames(report: dict[str, Any]) -> None:
    stores = stores_of(report)
    need_at_most(stores.entries, bounds.MAX_ENTRIES, "frames")
    need_at_most(stores.total, bounds.MAX_STORES, "variables in frames")
    if stores.shapes_above:
        raise ValueError("it has too many variables, or frames of too many kinds")
