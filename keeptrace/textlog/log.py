"""The tracebacks of a log, even if their lines alternate.

Each writer (a stream, a pod, a process, by decode.py) has a reading of its own, and so has each
prefix of a logger within a writer.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from .decode import Decoded, Decoder, has_mark
from .formats import FORMATS, Translation
from .grammar import (
    GROUP,
    HEAD,
    LAST_LINE,
    LINK_PART,
    LINKS,
    MOST_OPEN,
    MOST_PREFIX,
    RECORD,
    STACK,
    is_error_like,
)
from .pieces import lines_of
from .read import ReadException
from .reader import TracebackReader
from .records import shape_of_record
from .steps import Verdict
from .structured import read_structured

# Writers with open readings. One more writer ends the reading that was opened first.
_MOST_WRITERS: Final = 256
# Hints of tools' tracebacks. Most lines have none.
_HINTS: Final = re.compile(
    "|".join(re.escape(form.hint) for form in FORMATS if "most recent" not in form.hint)
    + "|most recent call|above exception"
)
# Lambda and others print type and message in front of the header.
_SAID_BEFORE: Final = re.compile(r".{0,200}?\[ERROR\]\s+(?P<last>[^\W\d][\w.]*: .*)$")
_DATE: Final = re.compile(
    r"\d{4}[-/]\d\d[-/]\d\d[T ,]{1,2}\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d| UTC)?"
    r"|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d\d:\d\d:\d\d"
)


class Found(NamedTuple):
    """A traceback and its place in the log."""

    exception: ReadException
    number: int  # of the first line in the log, from 1
    time: str  # as in the log; empty without a time
    before: str  # the line in front: the record of the traceback


def begin(line: str, before: collections.deque[str]) -> TracebackReader | None:
    """A reader for the traceback that begins with the line; None for other lines."""
    at = line.find(HEAD)
    if at < 0:
        return _begin_with_link(line, before)
    if line[at + len(HEAD) :].strip() or at > MOST_PREFIX:
        return None
    if line.endswith(GROUP, 0, at):
        at -= len(GROUP)
        for mark in ("  + ", "+ "):
            if line.endswith(mark, 0, at):
                at -= len(mark)
                break
    reader = TracebackReader(line[:at])
    reader.begin(line[at:])
    _look_before(reader, line[:at], before)
    return reader


def _look_before(reader: TracebackReader, prefix: str, before: Sequence[str]) -> None:
    """Tells the reader what stands before the header."""
    record = prefix
    if before:
        record = record.strip() or before[-1]
        said = _SAID_BEFORE.match(before[-1])
        if said is not None:
            reader.said_before = said["last"]
    reader.record = shape_of_record(record)


def _begin_with_link(line: str, before: collections.deque[str]) -> TracebackReader | None:
    """A reader that begins at a link. The first exception of a chain may never have been raised:
    then a line without a traceback stands before the link.
    """
    for text, kind in LINKS.items():
        at = line.find(text)
        if at < 0 or len(before) < 2 or at > MOST_PREFIX:
            continue
        match = LAST_LINE.match(before[-2][at:])
        if before[-1][at:].strip() or match is None or not is_error_like(match):
            continue
        reader = TracebackReader(line[:at])
        reader.begin_with_link(before[-2][at:], kind)
        return reader
    return None


def read_closed(text: Iterable[str]) -> Iterator[ReadException]:
    """The tracebacks of a text without other lines."""
    reading = _Closed()
    for line in text:
        yield from reading.feed(line)
    yield from reading.finish()


class _Closed:
    """One reading of a text of tracebacks alone."""

    def __init__(self) -> None:
        self._reader: TracebackReader | None = None
        self._before: collections.deque[str] = collections.deque(maxlen=2)
        self._translation = Translation(self._before)

    def feed(self, line: str) -> Iterator[ReadException]:
        for translated in self._translation.feed(line, self._reader is not None):
            yield from self._take(translated)

    def _take(self, line: str) -> Iterator[ReadException]:
        if self._reader is not None and self._reader.feed(line) is not Verdict.TAKEN:
            yield from results_of(self._reader)
            self._reader = None
        if self._reader is None:
            self._reader = begin(line, self._before)
            if self._reader is not None:
                self._reader.is_closed = True
        self._before.append(line)

    def finish(self) -> Iterator[ReadException]:
        for line in self._translation.finish():
            yield from self._take(line)
        if self._reader is not None:
            yield from results_of(self._reader)


def results_of(reader: TracebackReader) -> Iterator[ReadException]:
    result = reader.result()
    if result is not None:
        yield result


class _Open(NamedTuple):
    """A traceback while it is read."""

    reader: TracebackReader
    number: int
    time: str
    before: str

    def found(self) -> Iterator[Found]:
        for exception in results_of(self.reader):
            yield Found(exception, self.number, self.time, self.before)


class _Writer:
    """The lines of one writer."""

    def __init__(self) -> None:
        self.open: list[_Open] = []
        self._before: collections.deque[str] = collections.deque(maxlen=2)
        self._translation = Translation(self._before)
        self.skip: Final = self._before.append  # handles a line without a beginning of a traceback

    @property
    def is_quiet(self) -> bool:
        """Whether no traceback is being read."""
        return not self.open and self._translation.is_idle

    def feed(self, line: Decoded) -> Iterator[Found]:
        text = line.text
        if self.open or not self._translation.is_idle or _HINTS.search(text) is not None:
            for translated in self._translation.feed(text, bool(self.open)):
                yield from self._take(line, translated)
        else:
            self._before.append(text)

    def _take(self, line: Decoded, text: str) -> Iterator[Found]:
        for each in self._owners(text) or tuple(self.open):
            verdict = each.reader.feed(text)
            if verdict is Verdict.TAKEN:
                self._before.append(text)
                return
            if verdict is Verdict.OVER:
                self.open.remove(each)
                yield from each.found()
        if (HEAD in text or LINK_PART in text.lower()) and len(self.open) < MOST_OPEN:
            self._begin(line, text)
        self._before.append(text)

    def _owners(self, text: str) -> list[_Open]:
        """The open tracebacks with the line's prefix."""
        if len(self.open) < 2:
            return []
        return [each for each in self.open if each.reader.owns(text)]

    def _begin(self, line: Decoded, text: str) -> None:
        reader = begin(text, self._before)
        if reader is None:
            return
        before = ""
        if self._before:
            before = self._before[-1]
        time = line.time or time_in(text, before)
        self.open.append(_Open(reader, line.number, time, before))

    def finish(self) -> Iterator[Found]:
        end = Decoded(0, "", "", "")
        for text in self._translation.finish():
            yield from self._take(end, text)
        for each in self.open:
            yield from each.found()


def time_in(*texts: str) -> str:
    """The first date or time of day in some texts, unchanged."""
    for text in texts:
        found = _DATE.search(text[:MOST_PREFIX])
        if found is not None:
            return found[0]
    return ""


def _is_ordinary(line: str) -> bool:
    """Whether a line begins no traceback. Asked before decoding, because most lines begin none."""
    if "most recent call" in line or "above exception" in line or _has_hint(line):
        return False
    first = line[:1]
    if first == "{":
        return not has_mark(line)
    return first != _MARK and not (first.isdigit() and " std" in line[:64])


def _has_hint(line: str) -> bool:
    """Whether a line has a hint of a tool in formats.py, or a part of a hint."""
    if ".py:" in line or 'File "' in line or "___ " in line:
        return True
    if "ed-printable" in line:
        return True
    return STACK in line or "Timeout (" in line or "atal " in line


# The mark of a file's encoding.
_MARK: Final = "\ufeff"


def read_log(text: object) -> Iterator[Found]:
    """The tracebacks of a log, each as soon as its end is known."""
    log = _Log()
    is_quiet = False  # the first line may open a document
    for number, line in enumerate(lines_of(text), 1):
        if is_quiet and _is_ordinary(line):
            log.skip(line)
            continue
        yield from log.feed(number, line)
        is_quiet = log.is_quiet
    yield from log.finish()


class _Log:
    """All writers of one log."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._decode = self._decoder.decode
        self._one = _Writer()
        self._writers: collections.OrderedDict[str, _Writer] = collections.OrderedDict()
        self._skipped: collections.deque[str] = collections.deque(maxlen=2)
        # Takes an ordinary line while the log is quiet.
        self.skip: Final = self._skipped.append

    @property
    def is_quiet(self) -> bool:
        """Whether no traceback is being read."""
        if self._decoder.is_open or not self._one.is_quiet:
            return False
        return all(writer.is_quiet for writer in self._writers.values())

    def feed(self, number: int, line: str) -> Iterator[Found]:
        while self._skipped:
            for decoded in self._decode(0, self._skipped.popleft()):
                reader = self._writer(decoded.writer) or self._one
                reader.skip(decoded.text)
        yield from self._take(self._decode(number, line), line[:1] == "{")

    def _take(self, lines: Iterable[Decoded], is_record: bool) -> Iterator[Found]:
        for decoded in lines:
            if decoded.is_whole:
                yield from self._end_before(decoded)
                yield from _of_whole(decoded)
            elif decoded.writer:
                yield from self._of_writer(decoded)
            else:
                if self._writers and not is_record:  # the log goes on in another form
                    yield from self._end_writers()
                yield from self._one.feed(decoded)

    def _end_before(self, decoded: Decoded) -> Iterator[Found]:
        """Ends the writer's open tracebacks before a whole text, to keep their order."""
        writer = self._writers.get(decoded.writer, self._one)
        yield from writer.feed(decoded._replace(text=RECORD))
        if not decoded.writer:
            yield from self._end_writers()

    def _writer(self, name: str) -> _Writer | None:
        if name and name not in self._writers and len(self._writers) < _MOST_WRITERS:
            self._writers[name] = _Writer()
        return self._writers.get(name)

    def _of_writer(self, decoded: Decoded) -> Iterator[Found]:
        writer = self._writer(decoded.writer)
        if writer is None:
            _, oldest = self._writers.popitem(last=False)
            yield from oldest.finish()
            writer = self._writers[decoded.writer] = _Writer()
        yield from writer.feed(decoded)

    def _end_writers(self) -> Iterator[Found]:
        while self._writers:
            _, writer = self._writers.popitem(last=False)
            yield from writer.finish()

    def finish(self) -> Iterator[Found]:
        yield from self._take(self._decoder.finish(), True)
        yield from self._one.finish()
        yield from self._end_writers()


def _of_whole(decoded: Decoded) -> Iterator[Found]:
    if decoded.data is not None:
        found = []
        read = read_structured(decoded.data)
        if read is not None:
            found.append(read)
    else:
        found = list(read_closed(decoded.text.split("\n")))
    for exception in found:
        yield Found(exception, decoded.number, decoded.time, "")
