"""Source lines in a log, and the positions of their carets."""

from __future__ import annotations

import itertools
import linecache
import unicodedata
import zlib
from typing import Any

from ..core.report import Report
from ..restore.files import is_absent_or_ordinary, may_be_opened, without_detours
from .grammar import GAP, MOST_LINE_NUMBER
from .read import ReadFrame


class _Row:
    """A source line of a frame, with the carets below."""

    __slots__ = ("carets", "line", "text")

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        self.text = text
        self.carets = ""


def _rows(frame: ReadFrame) -> list[_Row]:
    rows: list[_Row] = []
    line = frame.line
    for text in frame.source:
        gap = GAP.match(text.strip())
        if gap is not None and rows:
            line += int(gap[1])
        elif rows and not rows[-1].carets and is_carets(text):
            rows[-1].carets = text.rstrip()
        else:
            rows.append(_Row(line, text))
            line += 1
    return rows


def is_carets(text: str) -> bool:
    return not text.strip(" \t~^") and bool(text.strip())


def _bytes_before(text: str, width: int) -> int:
    """The UTF-8 bytes of the characters in the first columns of a screen."""
    if text.isascii():
        return min(width, len(text))
    count = columns = 0
    while columns < width and count < len(text):
        columns += _columns_of(text[count])
        count += 1
    return len(text[:count].encode("utf-8", "replace"))


def _columns_of(character: str) -> int:
    if unicodedata.east_asian_width(character) in "WF":  # wide, full width
        return 2
    return 1


def _position(frame: ReadFrame, rows: list[_Row], shift: int) -> list[Any]:
    """The position of a frame, by the carets under the rows.

    shift: the columns that the log has cut from the indentation of the source.
    """
    if not rows or frame.flat or (len(rows) == 1 and not rows[0].carets):
        return [frame.line, frame.line, None, None]
    first, last = rows[0], rows[-1]
    marks = first.text
    if any(row.carets for row in rows):
        marks = first.carets
    start = len(marks) - len(marks.lstrip())
    end = len(last.carets) or len(last.text.rstrip())
    return [
        frame.line,
        last.line,
        _bytes_before(first.text, start) + shift,
        _bytes_before(last.text, end) + shift,
    ]


def _line_here(file: str, line: int) -> str | None:
    """The line in a file of this machine, as a printed traceback would show the line."""
    try:
        linecache.checkcache(file)
        return linecache.getline(file, line).rstrip("\n") or None
    except Exception:  # a loader fails, or no file can have the name
        return None


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


class LoggedSources:
    """The lines in the log without a file here."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[int, str]] = {}

    def place(self, frame: ReadFrame) -> list[Any]:
        """The frame's position; keeps the source for restore."""
        rows = [row for row in _rows(frame) if row.line <= MOST_LINE_NUMBER]
        if not may_be_opened(frame.file):
            self._lines.setdefault(frame.file, {})
        elif rows and self._are_here(frame.file, rows):
            first = _line_here(frame.file, rows[0].line) or ""
            return _position(frame, rows, max(_indent(first) - _indent(rows[0].text), 0))
        for row in rows:
            self._lines.setdefault(frame.file, {}).setdefault(row.line, row.text)
        return _position(frame, rows, 0)

    def _are_here(self, file: str, rows: list[_Row]) -> bool:
        """Whether the file here has the log's lines."""
        known = self._lines.get(file, {})
        for row in rows:
            if row.line in known:
                return False
            line = _line_here(file, row.line)
            if line is None or line.strip() != row.text.strip():
                return False
        return True

    def packed(self) -> dict[str, bytes]:
        return {
            file: zlib.compress(_text_of(lines).encode("utf-8", "replace"), 1)
            for file, lines in self._lines.items()
        }


def _text_of(lines: dict[int, str]) -> str:
    return "\n".join([lines.get(line, "") for line in range(1, max(lines, default=0) + 1)]) + "\n"


def _snapshot_of(file: str) -> list[str] | None:
    """The lines in linecache of a file that is not on disk."""
    cached = linecache.cache.get(file)
    if cached is None or len(cached) != 4 or cached[1] is not None:
        return None
    return [line.rstrip("\n") for line in cached[2]]


def _merged(old: list[str], new: list[str]) -> list[str] | None:
    """Both tables of lines together; None for contradicting lines."""
    pairs = list(itertools.zip_longest(old, new, fillvalue=""))
    if any(a and b and a != b for a, b in pairs):
        return None
    return [a or b for a, b in pairs]


def merge_sources(report: Report) -> None:
    """Merges the lines of an absent file from two tracebacks, unless the lines contradict.

    linecache gets the text of a file that must not be opened, so no tool looks for the file on
    disk.
    """
    for file, packed in report["sources"].items():
        lines = zlib.decompress(packed).decode("utf-8").split("\n")[:-1]
        old = _snapshot_of(file)
        if old is not None:
            merged = _merged(old, lines)
            if merged is None:
                continue
            lines = merged
            if lines != old:
                del linecache.cache[file]  # restore puts the merged text there
            report["sources"][file] = zlib.compress(("\n".join(lines) + "\n").encode(), 1)
        if not may_be_opened(file):
            text = linecache.cache[file] = (1, None, [line + "\n" for line in lines], file)
            plain = without_detours(file)
            if not is_absent_or_ordinary(plain):
                linecache.cache.setdefault(plain, text)
