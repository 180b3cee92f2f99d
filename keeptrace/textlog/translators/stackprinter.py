"""Tracebacks of stackprinter."""

from __future__ import annotations

import re
from typing import Final

from ..grammar import HEAD
from .lines import place_line, source_lines


class Stackprinter:
    """File "/srv/boom.py", line 7, in price at the margin, an arrow at the line, and the variables
    between dots.
    """

    START: Final = re.compile(
        r'(?<!\w)File "(?P<file>.+)", line (?P<line>\d{1,9}), in (?P<name>.+)$'
    )
    _ARROW: Final = re.compile(r"-+> ?\d{1,9}(?P<text> .*)?$")

    def __init__(self, line: str) -> None:
        self._is_one = False  # an arrow was seen
        self._place = self._of(line)
        self._waiting: list[str] = []

    def _of(self, line: str) -> list[str]:
        found = self.START.match(line)
        if found is not None:
            return [place_line(found["file"], found["line"], found["name"])]
        return []

    def feed(self, line: str) -> list[str] | None:
        arrow = self._ARROW.match(line)
        if arrow is not None:
            lines = []
            if not self._is_one:
                lines.append(HEAD)
            self._is_one = True
            lines += self._place
            self._place = []
            return lines + source_lines(arrow["text"] or "")
        place = self._of(line)
        if place:
            self._place = place
            return []
        is_within = not line.strip() or line[:1].isspace()
        if is_within and HEAD not in line:  # a header is of Python's own traceback
            return []
        return None

    def finish(self) -> list[str]:
        return []
