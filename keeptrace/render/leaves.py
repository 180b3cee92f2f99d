"""Values as a table of paths, to compare frames: "order['quantity']" → "'two'"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ..core.report import Ref
from .data import access
from .nodes import ShownValue
from .values import ShownValues

# People read fewer. (paths of one frame)
MOST_PATHS: Final = 1_000
# Containers inside one another; a deeper container stays a one-line text. (levels)
LEVELS: Final = 4
# (characters of one value)
_TEXT: Final = 120
# Types of values that differ from run to run and explain nothing.
_NOISE: Final = frozenset({"module", "function", "type"})


def leaves(values: ShownValues, variables: Iterable[tuple[str, Ref]]) -> dict[str, str]:
    """The path and the text of each value without parts. An empty container has none either."""
    found: dict[str, str] = {}
    for name, ref in variables:
        for path, text in _below(values, name, ref, LEVELS, ()):
            if len(found) >= MOST_PATHS:
                return found
            found[path] = text
    return found


def _below(
    values: ShownValues, path: str, ref: Ref, levels: int, above: tuple[int, ...]
) -> Iterator[tuple[str, str]]:
    value = values.value(ref)
    if value.type in _NOISE:
        return
    key = values.key(ref)
    if key is not None and key in above:
        return
    if not value.children or not levels or not _tells_nothing_itself(value):
        yield path, values.text(ref, _TEXT)
        return
    inside = above
    if key is not None:
        inside = (*above, key)
    for child in value.children:
        below = path + access(values, child)
        yield from _below(values, below, child.ref, levels - 1, inside)
    if value.missing:
        yield f"len({path})", str(value.length)


def _tells_nothing_itself(value: ShownValue) -> bool:
    """Whether the parts say more than the text: containers, and objects with the default repr."""
    return value.text is None or value.is_default


def differing(tables: Iterable[Mapping[str, str]]) -> list[str]:
    """The paths whose texts are not the same in all tables, in the order of their first table."""
    first_texts: dict[str, str] = {}
    counts: dict[str, int] = {}
    changed: set[str] = set()
    total = 0
    for table in tables:
        total += 1
        for path, text in table.items():
            counts[path] = counts.get(path, 0) + 1
            if first_texts.setdefault(path, text) != text:
                changed.add(path)
    return [path for path in first_texts if path in changed or counts[path] < total]
