"""Whether a report holds a value exactly. The writer asks as well as the restorer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

# Kinds of nodes that do not hold the value itself.
_INEXACT: Final = frozenset({"object", "redacted", "function", "module", "type"})
_SEQUENCES: Final = frozenset({"list", "tuple", "set", "frozenset", "dict"})
_TEXTS: Final = frozenset({"str", "bytes", "bytearray"})


def refs_an_element(kind: str) -> int:
    """A dict's element has two refs: key and value."""
    if kind == "dict":
        return 2
    return 1


def is_whole(node: list[Any]) -> bool:
    kind, length, parts = node
    return bool(len(parts) == length * refs_an_element(kind))


def is_exact(nodes: list[Any], refs: Iterable[Any]) -> bool:
    """Whether the report holds all of the values exactly."""
    waiting = [ref[0] for ref in refs if type(ref) is list]
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        node = nodes[index]
        if not _is_exact_node(node):
            return False
        if node[0] in _SEQUENCES or node[0] == "exact":
            waiting.extend(ref[0] for ref in node[2] if type(ref) is list)
    return True


def _is_exact_node(node: list[Any]) -> bool:
    if node[0] in _SEQUENCES or node[0] in _TEXTS:
        return is_whole(node)
    return node[0] not in _INEXACT
