"""What a source text has where: tells whether a file of this machine holds the code that failed."""

from __future__ import annotations

import ast
from typing import Any


class Places:
    """The functions of a text by their first line, and the positions of its expressions."""

    __slots__ = ("_functions", "_positions")

    def __init__(self, tree: ast.AST) -> None:
        self._functions: set[tuple[str, int]] = set()
        self._positions: set[tuple[Any, ...]] = set()
        for node in ast.walk(tree):
            line = getattr(node, "lineno", None)
            if line is None:
                continue
            column, end_line, end_column = node.col_offset, node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]  # what has a line has all four
            self._positions.add((line, end_line, column, end_column))
            name = getattr(node, "name", None)
            if type(name) is str:
                decorators = [each.lineno for each in getattr(node, "decorator_list", ())]
                self._functions.add((name, min([line, *decorators])))

    def hold(self, name: str, first_line: int, position: list[Any]) -> bool:
        """Whether a function of that name is where it was, with an expression where it failed."""
        if name.isidentifier() and (name, first_line) not in self._functions:
            return False
        return None in position or tuple(position) in self._positions


def places_of(text: str) -> Places | None:
    """The places of a text; None for what is no Python of this version."""
    try:
        return Places(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
