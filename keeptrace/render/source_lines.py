"""Source lines in the terminal, by rich: colours, the failing line, carets under the expression."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rich.cells import cell_len
from rich.syntax import Syntax

from .sources import Snippet


class SourceLines:
    """Prints snippets. line: prints one line, made of texts with their styles."""

    def __init__(self, line: Callable[..., None], coloured: bool) -> None:
        self._line = line
        self._syntax: Syntax | None = None
        if coloured:
            self._syntax = Syntax("", "python", theme="ansi_dark")

    def show(self, snippet: Snippet | None) -> None:
        """Prints the lines; nothing without a source."""
        if snippet is None:
            return
        end = snippet.first + len(snippet.lines)
        width = len(str(end))
        rows = zip(snippet.lines, self._coloured(snippet))
        for number, (line, coloured) in enumerate(rows, snippet.first):
            arrow = ("    ", "")
            if number == snippet.line:
                arrow = ("  > ", "bold red")
            margin = (f"{number:>{width}} | ", "dim")
            self._line(arrow, margin, coloured)
            mark = snippet.marks.get(number)
            if mark is not None and _is_part(line, mark):
                self._carets(line, mark, width)

    def _carets(self, line: str, mark: tuple[int, int], width: int) -> None:
        """The line below a source line, with carets under the marked part."""
        start, end = mark
        before = cell_len(line[:start])
        size = cell_len(line[:end]) - before
        margin = (" " * width + " | ", "dim")
        carets = ("^" * size, "bold red")
        self._line("    ", margin, " " * before, carets)

    def _coloured(self, snippet: Snippet) -> Iterable[Any]:
        if self._syntax is None:
            return snippet.lines
        source = "\n".join([*snippet.above, *snippet.lines])
        text = self._syntax.highlight(source)
        lines = list(text.split("\n", allow_blank=True))
        start = len(snippet.above)
        end = start + len(snippet.lines)
        return lines[start:end]


def _is_part(line: str, mark: tuple[int, int]) -> bool:
    """Whether the marked part is less than the whole line."""
    start, end = mark
    outside = line[:start] + line[end:]
    return outside.strip() != ""
