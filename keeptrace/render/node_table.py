"""The nodes and types of a report, for a view: looks up refs, and checks forged refs."""

from __future__ import annotations

from typing import Final

from ..core import nodes as schema
from ..core.report import Node, Ref, Report
from ..core.texts import printable, shorten
from .budgets import MAX_SHORT

_ATOMS: Final = (str, int, float, bool, type(None))


class NodeTable:
    """The value table of a report."""

    def __init__(self, report: Report) -> None:
        self._types = [_type_name(module, qualname) for module, qualname, _ in report["types"]]
        self._nodes = report["values"]

    def check(self, ref: Ref) -> Ref:
        """Returns the ref. Raises IndexError or TypeError for a ref without a value."""
        if type(ref) is list:
            if not self._is_index(ref):
                raise IndexError(f"there is no value {shorten(repr(ref), 40)}")
        elif type(ref) not in _ATOMS:
            raise TypeError(f"{type(ref).__name__} is no reference")
        return ref

    def _is_index(self, ref: list[object]) -> bool:
        if len(ref) != 1:
            return False
        (index,) = ref
        return type(index) is int and 0 <= index < len(self._nodes)

    def type_name(self, index: int) -> str:
        return self._types[index]

    def node(self, ref: list[int]) -> Node:
        return self._nodes[ref[0]]

    def key(self, ref: Ref) -> int | None:
        """Equal for two refs of the same object; None for atoms, which have no identity."""
        if type(ref) is not list:
            return None
        index: int = ref[0]
        return index

    def plain(self, ref: Ref) -> str | None:
        """The string behind a ref, if the whole string was kept."""
        if type(ref) is str:
            return ref
        if type(ref) is not list:
            return None
        node = self.node(ref)
        if schema.kind_of(node) == "str" and schema.is_whole(node):
            return schema.kept_text(node)
        return None


def _type_name(module: str, qualname: str) -> str:
    name = f"{module}.{qualname}"
    if module in ("builtins", "__main__"):
        name = qualname
    return printable(shorten(name, MAX_SHORT))
