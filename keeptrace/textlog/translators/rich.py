"""Tracebacks of rich, and so of structlog and typer: frames in a box."""

from __future__ import annotations

import re
from typing import Final

from .lines import place_line, source_lines

# A longer text is no path. (characters)
_MOST_PATH: Final = 1_000


class Rich:
    """│ /srv/boom.py:7 in price │ and, of the listed lines, the line marked with ❱."""

    START: Final = re.compile(r"[╭┌+][─-]+ Traceback \(most recent call last\) [─-]+[╮┐+]\s*$")
    _END: Final = re.compile(r"\s*[╰└+][─-]{8,}[╯┘+]\s*$")
    _FRAME: Final = re.compile(r"(?P<file>\S.*):(?P<line>\d{1,9}) in (?P<name>.+)$")
    _MARKED: Final = re.compile(r"[❱>] *\d+ (?P<text>.*)$")

    def __init__(self) -> None:
        self._path = ""  # the beginning of a place broken into two lines
        self._is_over = False

    def feed(self, line: str) -> list[str] | None:
        if self._is_over:
            return None
        if line[:1] in ("│", "|"):
            return self._within(line[1:].rstrip().rstrip("│|").strip())
        self._is_over = self._END.match(line) is not None
        if self._is_over:
            return []
        return None

    def _within(self, text: str) -> list[str]:
        """A line within the box."""
        marked = self._MARKED.match(text)
        if marked is not None:
            return source_lines(re.sub(r"^(?:[│|]   ?)+", "", marked["text"]))
        whole = self._path + text
        frame = self._FRAME.match(whole)
        if frame is not None and (whole[:1] in "/.<~" or whole[1:3] in (":\\", ":/")):
            self._path = ""
            return [place_line(frame["file"], frame["line"], frame["name"])]
        is_path = text[:1] == "/" or self._path != ""
        self._path = ""
        if is_path and len(whole) < _MOST_PATH:
            self._path = whole
        return []

    def finish(self) -> list[str]:
        return []
