"""The source lines of frames: from the snapshot in the dump, else from a local file.

places.py checks whether the local file holds the code of the frame.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ..core.texts import printable, shorten
from ..restore.files import source_text
from .budgets import MAX_ABOVE, MAX_LINE, MAX_PARSED, Budget
from .frames import ShownFrame
from .places import Places, places_of

# A larger module was generated, and a forged snapshot may unpack to any size. (bytes)
_MAX_SOURCE: Final = 8 << 20
_WORD_OR_SIGN: Final = re.compile(r"\w+|[^\w\s]")
# Files of a dump's frames, and snippets, in memory.
_MAX_FILES: Final = 2_000
_MAX_SNIPPETS: Final = 1_000


@dataclass(slots=True)
class Snippet:
    """Lines around a failing line.

    marks: {line number: (first character, end)} of the failing expression.
    """

    first: int
    lines: list[str]
    line: int
    marks: dict[int, tuple[int, int]]
    start: int  # the function's first line: a lexer needs the lines above to colour the rest
    above: list[str]  # the lines from `start` up to `first`


class Sources:
    """The texts of the frames' files."""

    def __init__(self, packed: dict[str, bytes]) -> None:
        self._packed = packed
        self._snapshots: dict[str, list[str] | None] = {}
        self._here: dict[str, list[str] | None] = {}
        self._places: dict[str, Places | None] = {}
        self._parsed = Budget(MAX_PARSED)
        # by frame and lines: a deep recursion fails at few places
        self._snippets: dict[tuple[object, ...], Snippet | None] = {}

    def has_snapshot(self, file: str) -> bool:
        return file in self._packed and self.snapshot(file) is not None

    def snapshot(self, file: str) -> list[str] | None:
        """The lines in the report; None if they are missing or damaged."""
        if file not in self._snapshots:
            self._snapshots[file] = _unpacked(self._packed.get(file))
        return self._snapshots[file]

    def of(self, frame: ShownFrame) -> list[str] | None:
        """The lines of a frame's file."""
        if frame.file in self._packed:
            return self.snapshot(frame.file)
        return self._on_this_machine(frame)

    def _on_this_machine(self, frame: ShownFrame) -> list[str] | None:
        lines = self.here(frame.file)
        if lines is None:
            return None
        if frame.file not in self._places:
            self._places[frame.file] = self._places_in("\n".join(lines))
        places = self._places[frame.file]
        if places is None:
            return None
        if not places.hold(frame.name, frame.code_line, frame.position):
            return None
        return lines

    def _places_in(self, text: str) -> Places | None:
        counted = islice(_WORD_OR_SIGN.finditer(text), self._parsed.left + 1)
        size = sum(1 for _ in counted)
        if size > self._parsed.left or not self._parsed.take(size):
            return None
        return places_of(text)

    def here(self, file: str) -> list[str] | None:
        """The lines of a local file, read once; None beyond _MAX_FILES files."""
        if file not in self._here:
            has_room = len(self._here) < _MAX_FILES
            self._here[file] = None
            if has_room:
                self._here[file] = _lines_here(file)
        return self._here[file]

    def failing_line(self, frame: ShownFrame) -> str:
        """The text of the frame's line; empty without a source."""
        snippet = self.snippet(frame, 0, 0)
        if snippet is None:
            return ""
        return snippet.lines[0]

    def snippet(self, frame: ShownFrame, before: int, after: int) -> Snippet | None:
        """The lines around the frame's position; None without a source."""
        place = (frame.file, frame.name, frame.code_line, *frame.position)
        key = (place, before, after)
        if key not in self._snippets:
            if len(self._snippets) >= _MAX_SNIPPETS:
                self._snippets.clear()
            self._snippets[key] = self._snippet(frame, before, after)
        return self._snippets[key]

    def _snippet(self, frame: ShownFrame, before: int, after: int) -> Snippet | None:
        line, end, column, end_column = frame.position
        lines = self.of(frame)
        if lines is None or line is None or not 1 <= line <= len(lines):
            return None
        last = line
        if end is not None and line <= end <= len(lines):
            last = end
        first = _first_line(line - before, frame.code_line, line)
        stop = min(_last_line(line, last, after), len(lines))
        start = first
        highest = max(1, first - MAX_ABOVE)
        if highest <= frame.code_line <= first:
            start = frame.code_line
        if last > stop:  # the end of the expression is not shown
            last = stop
            end_column = None
        marks = _marks(lines, line, last, column, end_column)
        shown = [_as_shown(text) for text in lines[start - 1 : stop]]
        count_above = first - start
        above = shown[:count_above]
        around = shown[count_above:]
        return Snippet(first, around, line, marks, start, above)


def _first_line(wanted: int, code_line: int, line: int) -> int:
    """The first line of a snippet: none above the function's own first line."""
    first = max(wanted, 1)
    if first <= code_line <= line:
        return code_line
    return first


def _last_line(line: int, last: int, after: int) -> int:
    """The last line of a snippet: `after` lines, with room for an expression of several lines."""
    longest = line + 2 * after + 2
    return max(line + after, min(last, longest))


def _unpacked(packed: bytes | None) -> list[str] | None:
    if packed is None:
        return None
    engine = zlib.decompressobj()
    try:
        data = engine.decompress(packed, _MAX_SOURCE)
    except (zlib.error, TypeError):
        return None
    if engine.eof:
        return _split(data.decode("utf-8", "replace"))
    return None


def _split(text: str) -> list[str]:
    """Lines as Python counts lines: Unicode knows more line separators."""
    return [line.rstrip("\r") for line in text.split("\n")]


def _lines_here(file: str) -> list[str] | None:
    """The lines of a regular local file.

    Network paths are not opened: another machine would learn who reads.
    """
    if file.startswith("<"):
        return None
    text = source_text(file)
    if text is None:
        return None
    return _split(text)


def _marks(
    lines: list[str], line: int, last: int, column: int | None, end_column: int | None
) -> dict[int, tuple[int, int]]:
    """The failing expression: (first character, end) in each of its lines, as shown."""
    if column is None:
        return {}
    marks = {}
    for at in range(line, last + 1):
        text = shorten(lines[at - 1], MAX_LINE)
        start = len(text) - len(text.lstrip())
        end = len(text.rstrip())
        if at == line:
            start = characters(text, column)
        if at == last and end_column is not None:
            end = characters(text, end_column)
        if start < end:
            first_shown = len(_as_shown(text[:start]))
            end_shown = len(_as_shown(text[:end]))
            marks[at] = (first_shown, end_shown)
    return marks


def _as_shown(line: str) -> str:
    return printable(shorten(line, MAX_LINE), "\t").expandtabs(4)


def characters(text: str, column: int) -> int:
    """A column in UTF-8 bytes as a column in characters."""
    before = text.encode("utf-8", "replace")[: max(column, 0)]
    return len(before.decode("utf-8", "ignore"))
