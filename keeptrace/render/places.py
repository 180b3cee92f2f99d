"""The places in a source text, to check whether a local file holds the code of a frame."""

from __future__ import annotations

import ast
from typing import Any


class Places:
    """The functions of a text by their first line, and the positions of its expressions."""

    __slots__ = ("_functions", "_positions")

    def __init__(self, tree: ast.AST) -> None:
        self._functions: set[tuple[str, int]] = set()
        self._positions: set[tuple[int | None, ...]] = set()
        for node in ast.walk(tree):
            line = getattr(node, "lineno", None)
            if line is None:
                continue
            place: Any = node  # a node with a line has all four numbers
            end = place.end_lineno, place.col_offset, place.end_col_offset
            self._positions.add((line, *end))
            name = getattr(node, "name", None)
            if type(name) is str:
                decorators = [each.lineno for each in getattr(node, "decorator_list", ())]
                self._functions.add((name, min([line, *decorators])))

    def hold(self, name: str, first_line: int, position: list[int | None]) -> bool:
        """Whether the text has the function at this line, and an expression at the position."""
        if name.isidentifier() and (name, first_line) not in self._functions:
            return False
        return None in position or tuple(position) in self._positions


def places_of(text: str) -> Places | None:
    """The places of a text; None if the running Python cannot parse the text."""
    try:
        return Places(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
