"""Tracebacks of IPython, Jupyter and Databricks."""

from __future__ import annotations

import re
from typing import Final

from .lines import place_line, source_lines


class IPython:
    """File /srv/boom.py:7, in price(order), or Cell In[3], line 2, in price(order), and an arrow
    at the line.
    """

    START: Final = re.compile(
        r"(?<![\w.])(?P<name>[^\W\d][\w.]*) {2,}Traceback \(most recent call last\)\s*$"
    )
    _FRAME: Final = re.compile(
        r"\s*(?:File )?(?P<file>[^\s:]\S*?|[A-Za-z]:\\.*?):(?P<line>\d{1,9})"
        r", in (?P<name>[^()\s]+|<\w+>)(?:\(.*\))?\s*$"
    )
    _MODULE: Final = re.compile(r"\s*File (?P<file>\S.*?):(?P<line>\d{1,9})(?P<name>)\s*$")
    _CELL: Final = re.compile(
        r"\s*(?:Cell|Input) In ?\[(?P<number>\d+)\], line (?P<line>\d{1,9})"
        r"(?:, in (?P<name>[^()\s]+)(?:\(.*\))?)?\s*$"
    )
    _COMMAND: Final = re.compile(  # of Databricks
        r"\s*File (?P<file><command-[\w-]+>), line (?P<line>\d{1,9})"
        r"(?:, in (?P<name>[^()\s]+)(?:\(.*\))?)?\s*$"
    )
    _OLD: Final = re.compile(
        r"\s*(?P<file><ipython-input-[\w-]+>|[/~]\S+|[A-Za-z]:\\\S+)"
        r" in (?P<name>[^()\s]+)(?:\(.*\))?\s*$"
    )
    _ARROW: Final = re.compile(r"\s*-+> ?(?P<line>\d{1,9})(?P<text> .*)?$")
    _AROUND: Final = re.compile(r"\s+\d{1,9}(?: .*)?$")

    def __init__(self) -> None:
        # File and name of a frame whose line an arrow will say.
        self._pending: tuple[str, str] | None = None

    def feed(self, line: str) -> list[str] | None:
        arrow = self._ARROW.match(line)
        if arrow is not None:
            place = []
            if self._pending is not None:
                place = [place_line(self._pending[0], arrow["line"], self._pending[1])]
                self._pending = None
            return place + source_lines(arrow["text"] or "")
        for pattern in (self._FRAME, self._MODULE, self._CELL, self._COMMAND, self._OLD):
            found = pattern.match(line)
            if found is not None:
                return self._take(found)
        is_value = line[:4].isspace()  # of a variable, in the mode Verbose
        if not line.strip() or is_value or self._AROUND.match(line):
            return []
        return None

    def _take(self, found: re.Match[str]) -> list[str]:
        parts = found.groupdict()
        name = parts["name"] or "<module>"
        if "number" in parts:
            return [place_line(f"<ipython-input-{parts['number']}>", parts["line"], name)]
        if "line" in parts:
            return [place_line(parts["file"], parts["line"], name)]
        self._pending = (parts["file"], name)
        return []

    def finish(self) -> list[str]:
        return []
