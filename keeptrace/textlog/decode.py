"""Recovers a program's lines from a collector's records: the lines of a log, decoded.

    file ─▶ pieces ─▶ lines ─▶ decoded ─▶ log.py
                               JSON records, containers' lines put together, escapes undone

A decoded line has the key of its writer (a stream, a pod, a process), to untangle the lines of two
writers. A whole text in a record (a JSON string with newlines) stays whole.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from .escaped import escaped_text
from .grammar import COLOUR, HEAD, MOST_ESCAPED

# Members of a JSON record for the program's line, the likeliest first.
LINE_MEMBERS: Final = (
    *("log", "message", "MESSAGE", "textPayload", "msg", "event", "text", "body"),
    "@message",
)
# Members with the name of the writer.
WRITER_MEMBERS: Final = (
    *("stream", "pod", "pod_name", "container", "container_name", "container_id", "instance"),
    *("_PID", "pid", "process", "rank", "task", "logStreamName", "SYSLOG_IDENTIFIER", "hostname"),
)
# Members for the time.
TIME_MEMBERS: Final = (
    *("time", "timestamp", "@timestamp", "ts", "asctime", "__REALTIME_TIMESTAMP"),
    "eventTime",
)
# Every record with a traceback, as text or as data, has a mark somewhere. "tack" is of stackTrace
# and stack_trace.
_MARKS: Final = ("most recent call", "tack", "exc_type", "error_detail", '"frames"')
# A line of containerd, CRI-O and Kubernetes: time, stream, P for a part or F for the last part,
# text.
_CRI: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)) (stdout|stderr) ([FP])(?: (.*))?$", re.DOTALL
)
# Colours that lost their escape character in a tool.
_EATEN: Final = re.compile(r"\[(?:\d{1,3}(?:;\d{1,3})*)?m")
# Stands for the end of a list: no traceback goes on with the beginning of a record.
RECORD: Final = '{"'
_ELEMENT: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*+"),?\s*$')
_TAGS: Final = re.compile(r"</?(?:pre|code|div|span|p|br)\b[^<>]{0,200}>")
# A time is not as long. (characters)
_MOST_TIME: Final = 64
# Further parts of one line are not joined. (characters)
_MOST_PARTS: Final = 1 << 20
# Searched values of a record.
_MOST_MEMBERS: Final = 10_000


class Decoded(NamedTuple):
    """A line, a whole text, or the data of one record."""

    number: int  # of the line in the file, from 1
    writer: str
    time: str
    text: str
    is_whole: bool = False
    data: Any = None


def lines_of(text: Any) -> Iterator[str]:
    """The lines of a str, or of an iterator of lines in str or bytes, without their ends."""
    if isinstance(text, str):
        for piece in io.StringIO(text):
            if piece[-1:] == "\n":
                yield piece[:-1]
            else:
                yield piece
        return
    for piece in _decoded(text):
        yield from piece.removesuffix("\n").split("\n")


def _decoded(pieces: Iterable[Any]) -> Iterator[str]:
    """Bytes as text: UTF-8, or UTF-16 if the file begins with its mark."""
    encoding = "utf-8"
    rest = b""
    for piece in pieces:
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            if not isinstance(piece, str):
                piece = str(piece)
            yield piece
            continue
        data = rest + bytes(piece)
        rest = b""
        if encoding == "utf-8" and data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            encoding = "utf-16-be"
            if data[:1] == b"\xff":
                encoding = "utf-16-le"
            data = data[2:]
        if encoding != "utf-8" and len(data) % 2:  # the file was split at newline bytes
            data, rest = data[:-1], data[-1:]
        yield data.decode(encoding, "replace").lstrip("\0")


def has_mark(line: str) -> bool:
    """Whether a record may hold a traceback as a whole."""
    return any([mark in line for mark in _MARKS])


class _Layout(NamedTuple):
    """The meaning of members in a kind of records; empty for an unknown meaning."""

    writers: tuple[str, ...]
    time: str
    line: str


# Kinds of records whose layout is remembered; a program has a few.
_MOST_LAYOUTS: Final = 1_000


class Decoder:
    """Decodes the lines of one log."""

    def __init__(self) -> None:
        self._parts: dict[str, str] = {}  # the beginnings of lines that a container runtime cut
        self._layouts: dict[tuple[str, ...], _Layout] = {}  # by the names of a record's members
        self._is_in_field = False  # the lines are within a quoted field of a CSV file
        self._is_in_list = False  # the lines are elements of a list in JSON, as in a notebook

    def _layout(self, record: dict[str, Any]) -> _Layout:
        names = tuple(record)
        found = self._layouts.get(names)
        if found is None:
            writers = tuple(name for name in WRITER_MEMBERS if name in record)
            time = next((name for name in TIME_MEMBERS if name in record), "")
            member = next((name for name in LINE_MEMBERS if name in record), "")
            found = _Layout(writers, time, member)
            if len(self._layouts) < _MOST_LAYOUTS:
                self._layouts[names] = found
        return found

    def _writer(self, record: dict[str, Any], layout: _Layout) -> str:
        inner = record.get("kubernetes")
        own = [str(record[name]) for name in layout.writers]
        if type(inner) is dict:
            own += [str(inner[name]) for name in WRITER_MEMBERS if name in inner]
        return " ".join(own)

    def decode(self, number: int, line: str) -> Iterator[Decoded]:
        """The decoded lines in a line. Most lines stay unchanged."""
        line = line.removeprefix("\ufeff")
        if line[:1] == "{" and len(line) <= MOST_ESCAPED:
            record = _json(line)
            if record is not None:
                yield from self._record(number, line, record)
                return
        if line[:1].isdigit() and " std" in line[:64]:
            found = _CRI.match(line)
            if found is not None:
                yield from self._container_line(number, found)
                return
        for part in self._unwrapped(line).split("\n"):
            yield from _plain(number, "", "", part)

    def _unwrapped(self, line: str) -> str:
        """A line without the marks of CSV, or of JSON printed over several lines."""
        if self._is_in_field or 'File ""' in line:
            return self._of_field(line)
        if not self._is_in_list and not ('"' in line and "most recent call" in line):
            return line
        was_in_list = self._is_in_list
        text = self._of_list(line)
        if was_in_list and not self._is_in_list:
            return RECORD
        return text

    def _of_field(self, line: str) -> str:
        """A line within a quoted field, with a single quotation mark at its end."""
        self._is_in_field = line.count('"') % 2 == 0
        if not self._is_in_field:
            line = line.removesuffix('"')
        return line.replace('""', '"')

    def _of_list(self, line: str) -> str:
        """The text of a string element; other lines unchanged."""
        found = _ELEMENT.match(line)
        self._is_in_list = found is not None
        if found is None:
            return line
        try:
            return str(json.loads(found[1]))
        except ValueError:
            return line

    def _container_line(self, number: int, found: re.Match[str]) -> Iterator[Decoded]:
        time, stream, kind, text = found.groups()
        whole = self._parts.pop(stream, "") + (text or "")
        if kind == "P" and len(whole) <= _MOST_PARTS:
            self._parts[stream] = whole
            return
        if whole.startswith("{"):
            record = _json(whole)
            if record is not None:
                yield from self._record(number, whole, record)
                return
        yield from _plain(number, stream, time, whole)

    def _record(self, number: int, line: str, record: dict[str, Any]) -> Iterator[Decoded]:
        layout = self._layout(record)
        writer, time = self._writer(record, layout), str(record.get(layout.time, ""))[:_MOST_TIME]
        if has_mark(line):
            is_found = False
            for text, data in _found_in(record):
                is_found = True
                yield Decoded(number, writer, time, text, True, data)
            if is_found:
                return
        said = record.get(layout.line)
        if type(said) is str:
            yield from _plain(number, writer, time, said.rstrip("\r\n"))
        else:
            yield Decoded(number, writer, time, line)


def _json(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if type(record) is dict:
        return record
    return None


def _found_in(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every text of a record with a traceback in it, and every member with a traceback as data."""
    from .structured import is_structured

    waiting: list[Any] = [record]
    count = 0
    while waiting and count < _MOST_MEMBERS:
        value = waiting.pop()
        count += 1
        if type(value) is str:
            text = _traceback_in(value)
            if text is not None:
                yield text, None
        elif _is_text(value):
            yield "\n".join([line.rstrip("\n") for line in value]), None
        elif is_structured(value):
            yield "", value
        elif type(value) is dict:
            waiting += reversed(value.values())
        elif type(value) is list:
            waiting += reversed(value)


def _traceback_in(value: str) -> str | None:
    """The text of a member with a traceback in it."""
    text = _without_colours(value.rstrip("\r\n"))
    if "\n" in text and "most recent call" in text:
        return text
    if HEAD + "\\" in text:
        return escaped_text(text)
    return None


def _is_text(value: object) -> bool:
    """Whether a value is a list of the lines of a traceback."""
    if type(value) is not list or any(type(item) is not str for item in value):
        return False
    return any("most recent call" in item for item in value)


def _plain(number: int, writer: str, time: str, line: str) -> Iterator[Decoded]:
    """A program's line, without colours and escapes."""
    if "\r" in line:
        line = line.rstrip("\r")
    if "\r" in line and "most recent call" in line:
        yield Decoded(number, writer, time, "\n".join(_without_colours(line).split("\r")), True)
        return
    line = _without_markup(_without_colours(line))
    whole = None
    if HEAD in line:
        whole = _whole_in(line)
    if whole is not None:
        yield Decoded(number, writer, time, whole, True)
    else:
        yield Decoded(number, writer, time, line)


def _whole_in(line: str) -> str | None:
    """A whole traceback within one line, its newlines escaped."""
    if "#012" in line:  # rsyslog
        return line.replace("#012", "\n")
    if HEAD + "\\" in line and len(line) <= MOST_ESCAPED:
        return escaped_text(line)
    return None


def _without_markup(line: str) -> str:
    if "&" in line and ("&quot;" in line or "&#" in line or "&lt;" in line):
        line = html.unescape(line)
    if "<" in line and ("pre>" in line or "code>" in line):
        line = _TAGS.sub("", line)
    return line


def _without_colours(line: str) -> str:
    if "\x1b" in line:
        return COLOUR.sub("", line)
    if "[0m" in line:
        return _EATEN.sub("", line)
    return line
