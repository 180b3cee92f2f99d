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
    no_columns = [frame.line, frame.line, None, None]
    if not rows or frame.flat:
        return no_columns
    if len(rows) == 1 and not rows[0].carets:
        return no_columns
    first, last = rows[0], rows[-1]
    marks = first.text
    if any(row.carets for row in rows):
        marks = first.carets
    start = len(marks) - len(marks.lstrip())
    end = len(last.carets) or len(last.text.rstrip())
    column = _bytes_before(first.text, start) + shift
    end_column = _bytes_before(last.text, end) + shift
    return [frame.line, last.line, column, end_column]


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
            first = rows[0]
            true_indent = _indent(_line_here(frame.file, first.line) or "")
            shift = max(true_indent - _indent(first.text), 0)
            return _position(frame, rows, shift)
        for row in rows:
            lines = self._lines.setdefault(frame.file, {})
            lines.setdefault(row.line, row.text)
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
        return {file: _packed(_all_lines(lines)) for file, lines in self._lines.items()}


def _all_lines(lines: dict[int, str]) -> list[str]:
    """The lines of a file from the first to the last known line."""
    last = max(lines, default=1)
    return [lines.get(number, "") for number in range(1, last + 1)]


def _packed(lines: list[str]) -> bytes:
    text = "\n".join(lines) + "\n"
    return zlib.compress(text.encode("utf-8", "replace"), 1)


def _unpacked(packed: bytes) -> list[str]:
    text = zlib.decompress(packed).decode("utf-8")
    return text.removesuffix("\n").split("\n")


def _snapshot_of(file: str) -> list[str] | None:
    """The lines in linecache of a file that is not on disk."""
    cached = linecache.cache.get(file)
    if cached is None or len(cached) != 4:
        return None
    _size, modified, lines, _path = cached
    if modified is not None:
        return None
    return [line.rstrip("\n") for line in lines]


def _merged(old: list[str], new: list[str]) -> list[str] | None:
    """Both tables of lines together; None for contradicting lines."""
    merged = []
    for ours, theirs in itertools.zip_longest(old, new, fillvalue=""):
        if ours and theirs and ours != theirs:
            return None
        merged.append(ours or theirs)
    return merged


def merge_sources(report: Report) -> None:
    """Merges the lines of an absent file from two tracebacks, unless the lines contradict.

    linecache gets the text of a file that must not be opened, so no tool looks for the file on
    disk.
    """
    for file, packed in report["sources"].items():
        lines = _unpacked(packed)
        old = _snapshot_of(file)
        if old is not None:
            merged = _merged(old, lines)
            if merged is None:
                continue
            lines = merged
            if lines != old:
                del linecache.cache[file]  # restore puts the merged text there
            report["sources"][file] = _packed(lines)
        if not may_be_opened(file):
            _put_into_linecache(file, lines)


def _put_into_linecache(file: str, lines: list[str]) -> None:
    entry = (1, None, [line + "\n" for line in lines], file)
    linecache.cache[file] = entry
    plain = without_detours(file)
    if not is_absent_or_ordinary(plain):
        linecache.cache.setdefault(plain, entry)
