"""Recovers a program's lines from a collector's records: the lines of a log, decoded.

    file ─▶ pieces.py ─▶ lines ─▶ decoded ─▶ log.py
                                  JSON records, containers' lines put together, escapes undone

A decoded line has the key of its writer (a stream, a pod, a process), to untangle the lines of two
writers. A whole text in a record (a JSON string with newlines) stays whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any, Final, NamedTuple

from .documents import Document, records_in
from .envelopes import GITHUB, RANK, TAGGED, Journal, Mail, Rows, without_count, without_markup
from .escaped import escaped_text, listed_text, teamcity_text
from .grammar import COLOUR, HEAD, MOST_ESCAPED, RECORD
from .lists import TimedLines, text_of_list, timed_lines

# Members of a JSON record for the program's line, the likeliest first.
LINE_MEMBERS: Final = (
    *("log", "message", "MESSAGE", "textPayload", "msg", "event", "text", "body"),
    *("@message", "full_message", "short_message", "Message", "@m", "content", "line", "raw"),
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
# The end of a quoted field of CSV, and the fields behind.
_FIELD_REST: Final = re.compile(r'(?<!")"(?:"")*(?!").*$', re.DOTALL)
_ELEMENT: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*+"),?\s*$')
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
        self._rows = Rows()
        self._document = Document()
        self._mail = Mail()
        self._journal = Journal()
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
        """Decodes a line. Most lines stay unchanged."""
        whole = self._mail.feed(line)
        if whole is not None:
            whole = self._journal.feed(whole)
        if whole is not None:
            yield from self._decode_whole(number, whole)

    def _decode_whole(self, number: int, line: str) -> Iterator[Decoded]:
        line = line.removeprefix("\ufeff")
        if self._document.is_open or (number == 1 and self._document.begins(line)):
            yield from self._of_document(number, line)
            return
        record = _record_in(line)
        if record is not None:
            yield from self._record(number, line, record)
            return
        found = _container_line_in(line)
        if found is not None:
            yield from self._container_line(number, found)
            return
        if line[:1] in _MAY_BE_TAGGED and (yield from self._tagged(number, line)):
            return
        for part in self._unwrapped(line).split("\n"):
            yield from _plain(number, "", "", part)

    def _of_document(self, number: int, line: str) -> Iterator[Decoded]:
        """The records of a document, once it is whole."""
        document = self._document.feed(line)
        if document is not None:
            self._document.lines()
            records = document if type(document) is list else [document]
            for record in records:
                if type(record) is dict:
                    yield from self._record(number, json.dumps(record), record)
        elif self._document.is_too_long:
            yield from self.finish()

    @property
    def is_open(self) -> bool:
        """Whether each line counts: the lines are of a document or a mail."""
        return self._document.is_open or self._mail.is_open

    def finish(self) -> Iterator[Decoded]:
        """What is left at the end of the log: the lines of a document that has no end."""
        for number, line in enumerate(self._document.lines(), 1):
            yield from self.decode(number, line)

    def _tagged(self, number: int, line: str) -> Generator[Decoded, None, bool]:
        """A line of fluentd, Open MPI or GitHub, if it is one."""
        rank = RANK.match(line)
        if rank is not None:
            yield from _plain(number, rank[1], "", line[rank.end() :])
            return True
        time = GITHUB.match(line)
        if time is not None:
            yield from _plain(number, "", time[1], line[time.end() :])
            return True
        tag = TAGGED.match(line)
        record = _json(line[tag.end() :].rstrip(" ]\n")) if tag is not None else None
        if record is None:
            return False
        yield from self._record(number, line, record)
        return True

    def _unwrapped(self, line: str) -> str:
        """A line without the marks of CSV, or of JSON printed over several lines."""
        row = self._rows.unquoted(line)
        if row is not None:
            return row
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
        was_in_field = self._is_in_field
        self._is_in_field = line.count('"') % 2 == 0
        if was_in_field and not self._is_in_field:
            line = _FIELD_REST.sub("", line)  # with the fields behind
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
            for found in self._marked(Decoded(number, writer, time, "", True), record):
                is_found = True
                yield found
            if is_found:
                return
        said = record.get(layout.line)
        if type(said) is list:  # journald's text that is not UTF-8, or coloured
            said = _text_of_bytes(said)
        if type(said) is str:
            yield from _plain(number, writer, time, said.rstrip("\r\n"))
        else:
            yield Decoded(number, writer, time, line)

    def _marked(self, whole: Decoded, record: dict[str, Any]) -> Iterator[Decoded]:
        """The tracebacks of a record, or the lines of the records in the record."""
        is_found = False
        for text, data in _found_in(record):
            is_found = True
            if type(data) is TimedLines:
                for each in data:
                    yield from _plain(whole.number, whole.writer, whole.time, each.rstrip("\r\n"))
            else:
                yield whole._replace(text=text, data=data)
        if is_found:
            return
        for inner in records_in(record):
            if any(name in inner for name in LINE_MEMBERS):
                yield from self._record(whole.number, "", inner)


def _text_of_bytes(numbers: list[Any]) -> str | None:
    try:
        return bytes(numbers).decode("utf-8", "replace")
    except (TypeError, ValueError):  # a list of something else
        return None


def _record_in(line: str) -> dict[str, Any] | None:
    if line[:1] != "{" or len(line) > MOST_ESCAPED:
        return None
    return _json(line)


def _container_line_in(line: str) -> re.Match[str] | None:
    if not line[:1].isdigit() or " std" not in line[:64]:
        return None
    return _CRI.match(line)


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
    waiting: list[Any] = [record]
    count = 0
    while waiting and count < _MOST_MEMBERS:
        value = waiting.pop()
        count += 1
        if type(value) is str:
            text, inner = _text_or_record_in(value)
            if inner is not None:
                waiting.append(inner)
            if text is not None:
                yield text, None
            continue
        found = _found_as(value)
        if found is not None:
            yield found
        elif type(value) is dict:
            waiting += reversed(value.values())
        elif type(value) is list:
            waiting += reversed(value)


def _found_as(value: object) -> tuple[str, Any] | None:
    """The text of a list of lines, or a traceback as data."""
    from .structured import is_structured

    listed = text_of_list(value)
    if listed is not None:
        return _without_colours(listed), None
    timed = timed_lines(value)
    if timed is not None:
        return "", timed
    if is_structured(value):
        return "", value
    return None


def _text_or_record_in(value: str) -> tuple[str | None, dict[str, Any] | None]:
    """The text with a traceback in a member, or the record in JSON in a member."""
    if value[:1] == "{" and has_mark(value):
        inner = _json(value)
        if inner is not None:
            return None, inner
    return _traceback_in(value), None


def _traceback_in(value: str) -> str | None:
    """The text of a member with a traceback in it."""
    text = _without_colours(value).rstrip("\r\n")
    if "\n" in text and "most recent call" in text:
        return text
    if HEAD + "\\" in text:
        found = escaped_text(text)
        return found and found.rstrip("\n")
    return None


def _plain(number: int, writer: str, time: str, line: str) -> Iterator[Decoded]:
    """A program's line, without colours and escapes."""
    if "\r" in line:
        line = line.rstrip("\r")
    if "\r" in line and "most recent call" in line:
        line = line.replace("\r", "\n")
    line = without_count(without_markup(_without_colours(line)))
    if "Stacktrace (most" in line:  # in Sentry's mails
        line = line.replace("Stacktrace (most", "Traceback (most")
    whole = None
    if HEAD in line:
        whole = _whole_in(line)
    if whole is not None:
        yield Decoded(number, writer, time, whole.rstrip("\n"), True)
        return
    for part in line.split("\n"):
        yield Decoded(number, writer, time, part)


def _whole_in(line: str) -> str | None:
    """A whole traceback within one line, its newlines escaped."""
    if "\n" in line and 'File "' in line:  # the lines were joined
        return line
    if "#012" in line:  # rsyslog
        return line.replace("#012", "\n").replace("#011", "\t")
    if HEAD + "|n" in line:
        return teamcity_text(line)
    if len(line) > MOST_ESCAPED:
        return None
    listed = listed_text(line)
    if listed is not None:
        return listed
    if HEAD + "\\" in line:
        return escaped_text(line)
    return None


def _without_colours(line: str) -> str:
    if "\x1b" in line:
        return COLOUR.sub("", line)
    if "[0m" in line or (line[:1] == "[" and _EATEN.match(line)):
        return _EATEN.sub("", line)
    return line


# First characters of lines with a tag of fluentd, fluent-bit or Open MPI.
_MAY_BE_TAGGED: Final = frozenset("[0123456789")
