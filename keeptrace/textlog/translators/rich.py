"""Tracebacks of rich, and so of structlog and typer: frames in a box."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

from ..grammar import MOST_LEVELS, is_record
from .lines import place_line, source_lines

# A longer text is no path. (characters)
_MOST_PATH: Final = 1_000
_NOTE: Final = "[NOTE] "
_SIDES: Final = "│|"


class Rich:
    """│ /srv/boom.py:7 in price │ and, of the listed lines, the line marked with ❱.

    The message stands behind the box; of a SyntaxError, a box with the place is in between.
    """

    START: Final = re.compile(
        r"(?:[╭┌+][─-]+|─{3,}) Traceback \(most recent call last\) (?:[─-]+[╮┐+]|─{3,})\s*$"
    )
    _UNTITLED: Final = re.compile(r"[╭┌+][─-]{8,}[╮┐+]\s*$")
    END: Final = re.compile(r"\s*(?:[╰└+][─-]{8,}[╯┘+]|─{8,})\s*$")
    _FRAME: Final = re.compile(r"(?P<file>\S.*):(?P<line>\d{1,9}) in (?P<name>.+)$")
    _BARE_FRAME: Final = re.compile(r"in (?P<name>.+):(?P<line>\d{1,9})$")
    _PLACE: Final = re.compile(r"(?P<file>\S.*):(?P<line>\d{1,9})$")
    _MARKED: Final = re.compile(r"[❱>] *\d+ (?P<text>.*)$")

    def __init__(self, line: str) -> None:
        self._sides = _SIDES
        if line[0] == "─":  # Streamlit's box has no sides
            self._sides = " "
        self._path = ""  # the beginning of a place broken into two lines
        self._within: Callable[[str], list[str]] | None = self._of_frames  # None: behind the box

    def feed(self, line: str) -> list[str] | None:
        if self._within is None:
            return self._behind(line)
        if line[:1] in self._sides:
            return self._within(line[1:].rstrip().rstrip(_SIDES).rstrip())
        if self.END.match(line) is None:
            return None
        self._within = None
        return []

    def _behind(self, line: str) -> list[str] | None:
        """A line of the message, or of the box of a SyntaxError."""
        if self._UNTITLED.match(line):
            self._within = self._of_syntax
            return []
        if line.startswith(_NOTE):
            return [line.removeprefix(_NOTE)]
        if line.strip() and line[0] not in "╭┌+" and not is_record(line):
            return [line]
        return None

    def _of_syntax(self, text: str) -> list[str]:
        place = self._PLACE.match(text.strip())
        if place is not None:
            return [f'  File "{place["file"]}", line {place["line"]}']
        return [f"   {text.replace('▲', '^')}"]

    def _of_frames(self, text: str) -> list[str]:
        text = text.strip()
        marked = self._MARKED.match(text)
        if marked is not None:
            return source_lines(re.sub(r"^(?:[│|]   ?)+", "", marked["text"]))
        bare = self._BARE_FRAME.match(text)
        if bare is not None and not self._path:
            return [place_line("?", bare["line"], bare["name"])]  # rich hides names like <stdin>
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


class _Translation(Protocol):
    def feed(self, line: str, is_reading: bool) -> list[str]: ...

    def finish(self) -> list[str]: ...


class RichGroup:
    """A box for each exception of a group, with boxes of tracebacks in it; translated to bars."""

    START: Final = re.compile(r"[╭┌+][─-]+ Sub-exception #(?P<number>\d{1,9}) [─-]+[╮┐+]\s*$")
    _TOO_DEEP: Final = re.compile(rf"(?:[{_SIDES}].){{{MOST_LEVELS}}}")
    _BARS: Final = re.compile(r"\+-|  [|+]")
    _RULE: Final = "-" * 16

    def __init__(self, translation: Callable[[], _Translation]) -> None:
        self._new = translation
        self._now = translation()  # of the exception in the box
        self._is_first = True

    def feed(self, line: str) -> list[str] | None:
        begins = self.START.match(line)
        if begins is not None:
            return self._begin(begins["number"])
        if self._TOO_DEEP.match(line):
            return None
        if line[:1] in _SIDES and line:
            text = line[2:].rstrip().rstrip(_SIDES).rstrip()
            return self._nested(self._now.feed(text, True))
        if not line.strip() or Rich.END.match(line):
            return []
        return None

    def _begin(self, number: str) -> list[str]:
        lines = self._nested(self._now.finish())
        self._now = self._new()
        opening = "  +"
        if self._is_first:
            opening = "+-+"
        self._is_first = False
        return [*lines, f"{opening}{self._RULE} {number} {self._RULE}"]

    def _nested(self, lines: list[str]) -> list[str]:
        """Lines of a child, behind the bar of its group."""
        nested = []
        for line in lines:
            bar = "  | "
            if self._BARS.match(line):  # of a group in the group
                bar = "  "
            nested.append(bar + line)
        return nested

    def finish(self) -> list[str]:
        return [*self._nested(self._now.finish()), f"  +{self._RULE}{self._RULE}"]
