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
            position = (line, place.end_lineno, place.col_offset, place.end_col_offset)
            self._positions.add(position)
            name = getattr(node, "name", None)
            if type(name) is str:
                first_line = _first_line(node, line)
                self._functions.add((name, first_line))

    def hold(self, name: str, first_line: int, position: list[int | None]) -> bool:
        """Whether the text has the function at this line, and an expression at the position."""
        if name.isidentifier() and (name, first_line) not in self._functions:
            return False
        return None in position or tuple(position) in self._positions


def _first_line(function: ast.AST, line: int) -> int:
    """The line of the first decorator, or of the function itself."""
    for decorator in getattr(function, "decorator_list", ()):
        line = min(line, decorator.lineno)
    return line


def places_of(text: str) -> Places | None:
    """The places of a text; None if the running Python cannot parse the text."""
    try:
        return Places(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
