r"""Tracebacks as text, in any log → tracebacks that a debugger takes.

What is read, as a grammar. A line is what is left of a log's line when colours, line ends and margins are taken away:

    log        = (ordinary line | traceback)*
    traceback  = exception (blank link blank exception)*            the last one is what is yielded, the others are its chain
    link       = "The above exception was the direct cause ..." | "During handling of the above exception ..."
    exception  = [header frame*] [place] last-line more-lines* [children]
    header     = "Traceback (most recent call last):" | "Exception Group Traceback (most recent call last):"
    frame      = '  File "F", line N, in NAME' source* | "  [Previous line repeated N more times]"
    source     = "    " text | "    " carets | "    ...<N lines>..."
    place      = '  File "F", line N' [text [carets]]                of a SyntaxError
    last-line  = TYPE [": " message]
    more-lines = the rest of the message, then the notes
    children   = "+-+---- 1 ----" traceback ("+---- N ----" traceback)* ["+---- ... ----" "and N more exceptions"] "+--------"

The margins, from outside in: the log's own prefix (a timestamp, a level, a quotation mark), on each line or on the first alone;
indentation; and the bars of exception groups, whose column says which group a line belongs to. Text that lost all its
indentation is read too: then the place of a line in the grammar, and not its column, says what it is.
A traceback that stands escaped in one line, as in JSON, is unescaped and read as a log of its own.

The text is ambiguous where a traceback ends: nothing tells the second line of a message, or a note, from the next ordinary
line. The rules, for the text outside of groups and JSON, where the margin or the quote says it:
 1. A line that follows the last line at once belongs to the message, unless it looks like a log's record (RECORDS) or like the
    header of another traceback. It is a note where the type's message is known to be complete, or empty.
 2. After a blank line, only indented lines and links belong to it. Blank lines at the end are dropped.
 3. A header belongs to the message if the line before it ends in a colon, as in "the worker said:".

So the text of a restored exception equals what was read, but for messages with blank lines, and but for these: what
_restore.py documents on sources that changed; and the text of a worker's traceback that `concurrent.futures` and
`multiprocessing` put between triple quotes, which takes the place of its _RemoteTraceback as the real cause.

Everything is bounded (the constants below), a traceback is given as soon as the line after it is seen, and no text raises.
"""

from __future__ import annotations

import ast
import builtins
import collections
import enum
import functools
import io
import itertools
import json
import linecache
import os
import re
import sys
import types
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

from ._report import FORMAT, CodeRecord, ExceptionRecord, FrameRecord, Report
from ._restore import LOADED, fields_of, may_be_opened, restore

Parsed: TypeAlias = tuple[type[BaseException], BaseException, types.TracebackType | None]

MOST_FRAMES: Final = 5_000  # of one traceback, half of them at either end; deeper ones need a raised recursion limit
MOST_EXCEPTIONS: Final = 1_000  # of one chain with its groups
MOST_LINES: Final = 1_000  # of one message: more than any validation error has
MOST_FENCED_LINES: Final = 20_000  # of a worker's traceback between triple quotes
MOST_SOURCE_LINES: Final = 50  # under one frame
MOST_LEVELS: Final = 64  # of groups in groups; Python itself prints 10
MOST_BLANKS: Final = 20  # one after the other
MOST_OPEN: Final = 16  # tracebacks whose prefixed lines come in between each other
MOST_FOREIGN: Final = 100  # lines of others in the middle of a prefixed traceback
MOST_CHARACTERS: Final = 64 << 10  # of one line of a traceback
MOST_ESCAPED: Final = 4 << 20  # of one line that holds an escaped traceback
MOST_PREFIX: Final = 300  # characters before a header
MOST_LINE_NUMBER: Final = 100_000  # source lines below that are left out: the text above them has to be made up


class NotInLog(Exception):
    """Stands for an exception that a log does not show: its line was cut off, or its group was printed in part."""


# --------------------------------------------------------------------------------------------------------------------
# The words.

HEAD: Final = "Traceback (most recent call last):"
GROUP: Final = "Exception Group "
LINKS: Final = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}
_LINK_PART: Final = "the above exception"  # what is looked for, in lower case, before the links are compared
_FILE: Final = re.compile(r'\s*File "(?P<file>.*)", line (?P<line>\d{1,9})(?:, in (?P<name>.*))?$', re.DOTALL)
_REPEATED: Final = re.compile(r"\s*\[Previous line repeated (\d{1,9}) more times?\]\s*$")
_GAP: Final = re.compile(r"\.\.\.<(\d{1,9}) lines?>\.\.\.$")
_LAST_LINE: Final = re.compile(r"(?P<name>[^\W\d]\w*(?:\.(?:[^\W\d]\w*|<locals>))*)(?P<colon>:(?: (?P<message>.*))?)?$", re.DOTALL)
_BAR: Final = re.compile(r"(?P<indent>\s*)(?P<mark>[|+])(?: (?P<text>.*)|(?P<rule>-.*))?$", re.DOTALL)
_RULE: Final = re.compile(r"(?P<opens>-\+)?-{8,}(?: (?P<number>\d{1,9}|\.\.\.) -{8,})?\s*$")
_MORE: Final = re.compile(r"and (\d{1,9}) more exceptions?\s*$")
_DEEPER: Final = re.compile(r"\.\.\. \(max_group_depth is \d+\)\s*$")
_SIZE: Final = re.compile(r"(?P<message>.*) \((?P<count>\d{1,9}) sub-exceptions?\)$", re.DOTALL)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")
_ERRNO: Final = re.compile(r"\[Errno (?P<errno>-?\d{1,9})\] (?P<rest>.*)$", re.DOTALL)
_FENCES: Final = ('"""', "'''")

# What a log's record begins with; a traceback never goes on with such a line.
RECORDS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\W{0,3}\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d",  # 2026-01-01 12:00
        r"\[?\d\d:\d\d:\d\d\b",  # 12:00:00
        r"\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b[\]:|\s-]",  # ERROR:root:
        r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ",  # syslog: Jan  1 12:00:00
        r"<\d{1,3}>",  # syslog's priority
        r"[IWEF]\d{4} \d\d:\d\d",  # glog: E0101 12:00
        r"\d{10}(?:\.\d+)?\s",  # seconds since 1970
        r'\{"',  # JSON
        r"--- Logging error ---",
        r"Stack \(most recent call last\):",
    )
)
# What in a prefix may differ from line to line: dates, times, seconds since some start.
_VARYING: Final = re.compile(r"\d+(?:[-:.,/T ]+\d+)+|\d{9,}")

# The end of an unknown type's name -> the builtin type that is put below it.
BASES: Final = (
    ("ExceptionGroup", "ExceptionGroup"),
    ("Warning", "Warning"),
    ("Exit", "BaseException"),
    ("Interrupt", "BaseException"),
    ("", "Exception"),
)
_ERROR_LIKE: Final = re.compile(r"(?:Error|Exception|Warning|Exit|Interrupt|Group|Iteration|Timeout|Traceback)$")


class _State(enum.Enum):
    START = "an exception is to begin"
    FRAMES = "after a header or a frame"
    MESSAGE = "after the last line"
    AFTER = "after a group's children: only a link can follow"


class _Verdict(enum.Enum):
    TAKEN = "the line belongs to the traceback"
    FOREIGN = "it does not, and says nothing about it"
    OVER = "the traceback ended before this line"


# --------------------------------------------------------------------------------------------------------------------
# What is read of an exception.


class _Frame:
    __slots__ = ("file", "flat", "line", "name", "source")

    def __init__(self, file: str, line: int, name: str, flat: bool) -> None:
        self.file = file
        self.line = line
        self.name = name
        self.source: list[str] = []  # without the usual indentation
        self.flat = flat  # the text lost its indentation: carets say nothing


class _Frames:
    """The frames of a traceback, those in the middle left out when there are too many."""

    __slots__ = ("count", "first", "last", "latest")

    def __init__(self) -> None:
        self.first: list[_Frame] = []
        self.last: collections.deque[_Frame] = collections.deque(maxlen=MOST_FRAMES - MOST_FRAMES // 2)
        self.count = 0
        self.latest: _Frame | None = None

    def add(self, frame: _Frame, times: int = 1) -> None:
        self.latest = frame
        self.count += times
        room = min(times, MOST_FRAMES // 2 - len(self.first))
        self.first.extend([frame] * room)
        self.last.extend([frame] * min(times - room, MOST_FRAMES))

    @property
    def left_out(self) -> int:
        return self.count - len(self.first) - len(self.last)


class _Exception:
    """What was read of one exception."""

    __slots__ = ("cause", "children", "context", "cut", "deeper", "frames", "group", "lines", "more", "name", "silent", "syntax")

    def __init__(self) -> None:
        self.frames = _Frames()
        self.group = False
        self.name = ""
        self.lines: list[str] = []  # of the message and the notes
        self.silent = False  # no message, not even a colon: the lines are notes
        self.syntax: tuple[_Frame, list[str]] | None = None
        self.cause: _Exception | None = None
        self.context: _Exception | None = None
        self.children: list[_Exception] = []
        self.more = 0  # children that were not printed
        self.deeper = False  # a group that was not printed, for its depth
        self.cut = ""  # what is missing of it


# --------------------------------------------------------------------------------------------------------------------
# Margins.


class _Margin:
    """Takes off what stands before each line of one traceback: a prefix, or indentation."""

    __slots__ = ("_flat", "_indent", "_prefix", "_prefixed", "_shape", "_varied", "bar")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._shape = _shape(prefix) if prefix.strip() else None
        self._prefixed: bool | None = None if self._shape else False  # None: the next line will say
        self._indent: int | None = None  # None: the first frame will say
        self._varied = False  # the prefix changes within the traceback, so a change does not say that it is over
        self._flat = False
        self.bar: int | None = None  # the column of the outermost group's bar

    @property
    def flat(self) -> bool:
        return self._flat

    def take_off(self, line: str, ending: bool) -> str | _Verdict:
        """The line without its margin. ending: the traceback could end here."""
        if self._prefixed is not False:
            assert self._shape is not None
            match = self._shape.match(line)
            if match is not None:
                self._prefixed = True
                if not match.group().startswith(self._prefix.rstrip()):
                    if ending and not self._varied:
                        return _Verdict.OVER
                    self._varied = True
                line = line[match.end() :]
            elif self._prefixed:
                return _Verdict.OVER if ending else _Verdict.FOREIGN
            elif not _FILE.match(line) and not _BAR.match(line):
                return _Verdict.FOREIGN
            else:
                self._prefixed = False
        elif self._shape is not None and self._shape.match(line):
            return _Verdict.OVER  # the next record of the logger that wrote the header's line
        return self._without_indent(line, ending)

    def _without_indent(self, line: str, ending: bool) -> str | _Verdict:
        if self._indent is None:
            self._measure(line)
        if not self._indent:
            return line
        if not line[: self._indent].strip():
            return line[self._indent :]
        if ending:
            return _Verdict.OVER  # text that stands further left
        bare = line.lstrip()
        self._indent = len(line) - len(bare)  # the frames alone were indented
        return bare

    def _measure(self, line: str) -> None:
        """The first frame stands two columns in, and so does the bar of the outermost group."""
        match = _BAR.match(line)
        if match is None and not _FILE.match(line):
            return
        indent = len(line) - len(line.lstrip())
        header = len(self._prefix) if self._shape is None else 0
        self._flat = indent < 2 or (0 < indent <= header and match is None)
        self._indent = indent if self._flat else indent - 2
        if match is not None:
            self.bar = indent - self._indent


@functools.lru_cache(256)
def _shape(prefix: str) -> re.Pattern[str]:
    """A pattern for the prefix, whatever its times are, and whether or not its last space was cut off."""
    parts = []
    at = 0
    bare = prefix.rstrip()
    for match in _VARYING.finditer(bare):
        varying = re.sub(r" +", " +", match.group().replace(".", "\\."))
        parts += [re.escape(bare[at : match.start()]), re.sub(r"\d+", r"\\d+", varying)]
        at = match.end()
    parts.append(re.escape(bare[at:]))
    spaces = len(prefix) - len(bare)
    return re.compile("".join(parts) + (rf"(?:\s{{{spaces}}}|\s*$)" if spaces else ""))


# --------------------------------------------------------------------------------------------------------------------
# The reader of one traceback.


class _Level:
    """One group's children; the first level is that of the traceback itself."""

    __slots__ = ("count", "exception")

    def __init__(self, exception: _Exception) -> None:
        self.exception = exception
        self.count = 1


class _Reader:
    """Reads one traceback, with its chain and groups, line by line.

    closed: the text ends with the traceback, so all that follows the last line belongs to it.
    """

    def __init__(self, prefix: str, closed: bool = False) -> None:
        self._margin = _Margin(prefix)
        self._closed = closed
        self._levels = [_Level(_Exception())]
        self._state = _State.START
        self._blanks = 0
        self._fences = 0
        self._count = 1
        self._foreign = 0
        self._has_frames = False

    @property
    def _now(self) -> _Exception:
        return self._levels[-1].exception

    def begin(self, header: str) -> None:
        """Takes the header, without the prefix."""
        self._open(header.strip().removeprefix("+ "))

    def begin_with_link(self, last_line: str, link: str) -> None:
        """Takes an exception without a traceback, and the link that follows it."""
        match = _LAST_LINE.match(last_line)
        if match is not None:
            self._take_last_line(match)
        self._link(link)

    def feed(self, line: str) -> _Verdict:
        ending = self._state in (_State.MESSAGE, _State.AFTER) and not self._fences
        text = self._margin.take_off(line[:MOST_CHARACTERS], ending)
        if isinstance(text, _Verdict):
            self._foreign += 1
            return _Verdict.OVER if self._foreign > MOST_FOREIGN else text
        bars = self._levels[0].exception.group
        match = _BAR.match(text) if bars else None
        if match is not None and self._is_bar(match):
            return self._take_bar(match)
        if bars and (len(self._levels) > 1 or self._state in (_State.MESSAGE, _State.AFTER)):
            self._leave_groups()
        elif bars and self._state is _State.FRAMES:
            return _Verdict.OVER
        return _STEPS[self._state](self, text)

    # Groups.

    def _is_bar(self, match: re.Match[str]) -> bool:
        if match["mark"] == "+":
            return match["rule"] is not None and _RULE.match(match["rule"]) is not None
        return len(match["indent"]) >= (self._margin.bar or 0)

    def _take_bar(self, match: re.Match[str]) -> _Verdict:
        column = len(match["indent"])
        if self._margin.bar is None:
            self._margin.bar = column
        at = (column - self._margin.bar) // 2
        rule = _RULE.match(match["rule"]) if match["rule"] else None
        if rule is None:
            if not self._margin.flat and at < len(self._levels) - 1:
                self._leave_levels(at + 1)
            return _STEPS[self._state](self, match["text"] or "")
        if rule["number"] is None:
            self._settle_message()
            self._state = _State.AFTER
            return _Verdict.TAKEN
        return self._open_child(rule, at)

    def _open_child(self, rule: re.Match[str], at: int) -> _Verdict:
        self._settle_message()
        if self._count >= MOST_EXCEPTIONS:
            return self._cut("more exceptions than are read of one traceback")
        if rule["opens"]:
            if not self._margin.flat:
                self._leave_levels(at + 1)
            if len(self._levels) >= MOST_LEVELS:
                return self._cut("more groups in groups than are read")
            self._levels.append(_Level(_Exception()))
        else:
            self._leave_levels(self._level_of(rule["number"]) if self._margin.flat else at + 1)
            if len(self._levels) < 2:
                return _Verdict.OVER
            self._levels[-1] = _Level(_Exception())
            self._levels[-1].count = int(rule["number"]) if rule["number"] != "..." else 0
        owner = self._levels[-2].exception
        owner.group = True
        owner.children.append(self._now)
        self._count += 1
        self._state = _State.START
        return _Verdict.TAKEN

    def _level_of(self, number: str) -> int:
        """Without columns, the number says whose child comes next."""
        for at in range(len(self._levels) - 1, 0, -1):
            if number == "..." or self._levels[at].count + 1 == int(number):
                return at + 1
        return len(self._levels)

    def _leave_levels(self, keep: int) -> None:
        if len(self._levels) > max(keep, 1):
            del self._levels[max(keep, 1) :]
            self._state = _State.AFTER

    def _leave_groups(self) -> None:
        self._settle_message()
        if len(self._levels) > 1 and self._state in (_State.START, _State.FRAMES):
            self._now.cut = self._now.cut or "the group's text ends within it"
        del self._levels[1:]
        self._state = _State.AFTER

    # One step for each state.

    def _step_start(self, text: str) -> _Verdict:
        bare = text.strip()
        if not bare:
            return _Verdict.TAKEN
        if _is_header(bare):
            self._open(bare.removeprefix("+ "))
            return _Verdict.TAKEN
        more = _MORE.match(bare)
        if more is not None and len(self._levels) > 1:
            owner = self._levels[-2].exception
            owner.children.pop()
            owner.more = int(more[1])
            self._state = _State.AFTER
            return _Verdict.TAKEN
        if len(self._levels) > 1 and _DEEPER.match(bare):
            self._now.deeper = True
            self._state = _State.AFTER
            return _Verdict.TAKEN
        if _is_place(text):
            self._state = _State.FRAMES
            return self._step_frames(text)
        match = self._last_line(text)
        if match is None:
            return _Verdict.OVER
        self._take_last_line(match)
        return _Verdict.TAKEN

    def _step_frames(self, text: str) -> _Verdict:
        exception = self._now
        if not text.strip():
            self._blanks += 1
            return _Verdict.TAKEN if self._blanks <= 2 else _Verdict.OVER
        self._blanks = 0
        place = _FILE.match(text) if 'File "' in text[:200] and (self._margin.flat or not text.startswith("    ")) else None
        if place is not None:
            self._take_place(place)
            return _Verdict.TAKEN
        repeated = _REPEATED.match(text)
        if repeated is not None and exception.frames.latest is not None:
            exception.frames.add(exception.frames.latest, int(repeated[1]))
            return _Verdict.TAKEN
        if self._is_source(text):
            return self._take_source(text)
        match = self._last_line(text)
        if match is None:
            return _Verdict.OVER
        self._take_last_line(match)
        return _Verdict.TAKEN

    def _step_message(self, text: str) -> _Verdict:
        exception = self._now
        bare = text.strip()
        inside = self._closed or len(self._levels) > 1 or self._levels[0].exception.group
        if self._fences:
            self._note_fence(bare)
            return self._add_line(text, MOST_FENCED_LINES)
        if not bare:
            self._blanks += 1
            return _Verdict.TAKEN if self._blanks <= MOST_BLANKS else _Verdict.OVER
        if bare in LINKS:
            self._blanks = max(self._blanks - 1, 0)
            self._add_blanks()
            return self._link(LINKS[bare])
        if not inside and self._ends(text, bare, exception.lines[-1] if exception.lines else ""):
            return _Verdict.OVER
        self._note_fence(bare)
        self._add_blanks()
        return self._add_line(text, MOST_LINES)

    def _ends(self, text: str, bare: str, before: str) -> bool:
        """Whether the line cannot belong to a message, by the rules at the head of this file."""
        if HEAD in bare and (HEAD + "\\" in bare or _is_header(bare) or (bare.endswith(HEAD) and not text[0].isspace())):
            return not before.rstrip().endswith(":")
        return (bool(self._blanks) and not text[0].isspace()) or _is_record(text)

    def _step_after(self, text: str) -> _Verdict:
        bare = text.strip()
        if not bare:
            self._blanks += 1
            return _Verdict.TAKEN if self._blanks <= 2 else _Verdict.OVER
        return self._link(LINKS[bare]) if bare in LINKS else _Verdict.OVER

    # What the steps do.

    def _open(self, header: str) -> None:
        self._now.group = header.startswith(GROUP)
        self._state = _State.FRAMES
        self._blanks = 0

    def _link(self, kind: str) -> _Verdict:
        if self._count >= MOST_EXCEPTIONS:
            return self._cut("a longer chain than is read")
        before = self._now
        after = _Exception()
        setattr(after, kind, before)
        self._levels[-1].exception = after
        if len(self._levels) > 1:
            self._levels[-2].exception.children[-1] = after
        self._count += 1
        self._state = _State.START
        self._blanks = 0
        return _Verdict.TAKEN

    def _take_place(self, match: re.Match[str]) -> None:
        frame = _Frame(_file_name(match["file"]), int(match["line"]), match["name"] or "", self._margin.flat)
        if match["name"] is None:
            self._now.syntax = (frame, [])
        else:
            self._now.syntax = None
            self._now.frames.add(frame)
            self._has_frames = True

    def _is_source(self, text: str) -> bool:
        if not self._margin.flat:
            return text[:3].isspace() and bool(text[:3])
        frame = self._source_of()
        if frame is None:
            return False
        match = _LAST_LINE.match(text)
        return match is None or _is_record(text) or not _is_error_like(match)

    def _source_of(self) -> list[str] | None:
        exception = self._now
        if exception.syntax is not None:
            return exception.syntax[1]
        return exception.frames.latest.source if exception.frames.latest is not None else None

    def _take_source(self, text: str) -> _Verdict:
        lines = self._source_of()
        if lines is not None and len(lines) < MOST_SOURCE_LINES:
            lines.append(text if self._margin.flat else text[4:])
        return _Verdict.TAKEN

    def _last_line(self, text: str) -> re.Match[str] | None:
        """The match of the line that names the exception, if the line can be that."""
        match = _LAST_LINE.match(text)
        if match is None or _is_record(text):
            return None
        name: str = match["name"]
        return match if "." in name or name[0].isupper() or _is_error_like(match) else None

    def _take_last_line(self, match: re.Match[str]) -> None:
        self._now.name = match["name"]
        self._now.silent = match["colon"] is None
        self._now.lines = [] if self._now.silent else [match["message"] or ""]
        self._state = _State.MESSAGE
        self._blanks = 0
        self._fences = 0

    def _note_fence(self, bare: str) -> None:
        """A fence opens after a line that names an exception and says nothing, and closes else."""
        if bare not in _FENCES:
            return
        lines = self._now.lines
        last = lines[-1].rstrip() if lines else ""
        opens = lines == [last] == [""] or last.endswith("Traceback:")
        self._fences = self._fences + 1 if opens else max(self._fences - 1, 0)

    def _add_line(self, text: str, most: int) -> _Verdict:
        exception = self._now
        if len(exception.lines) >= most:
            return self._cut("its message is longer than is read")
        exception.lines.append(text)
        return _Verdict.TAKEN

    def _add_blanks(self) -> None:
        self._now.lines.extend([""] * self._blanks)
        self._blanks = 0

    def _settle_message(self) -> None:
        """Before a bar: blank lines within the bars are the message's own."""
        if self._state is _State.MESSAGE:
            self._add_blanks()

    def _cut(self, why: str) -> _Verdict:
        self._now.cut = why
        return _Verdict.OVER

    # The end.

    def result(self) -> _Exception | None:
        """What was read, or None if there was no frame in it."""
        if not self._has_frames:
            return None
        if self._closed and self._state is _State.MESSAGE and len(self._levels) == 1:
            self._add_blanks()
        now = self._now
        root = self._levels[0].exception
        if self._state is _State.START and now.name == "" and not now.frames.count:
            before = now.cause or now.context
            if before is not None and len(self._levels) == 1:
                before.cut = "the log ends, or goes on with something else, before the exception that followed it"
                return before
            now.cut = now.cut or _ENDS
        elif self._state is _State.FRAMES:
            now.cut = now.cut or _ENDS
        return root


_ENDS: Final = "the log ends, or goes on with something else, before its last line"
_STEPS: Final[dict[_State, Callable[[_Reader, str], _Verdict]]] = {
    _State.START: _Reader._step_start,
    _State.FRAMES: _Reader._step_frames,
    _State.MESSAGE: _Reader._step_message,
    _State.AFTER: _Reader._step_after,
}


def _file_name(text: str) -> str:
    """The name, with what no file's name can have replaced: some Pythons fail to look for it."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\0", "\ufffd")


def _is_header(bare: str) -> bool:
    return bare.removeprefix("+ ").removeprefix(GROUP) == HEAD


def _is_place(text: str) -> bool:
    match = _FILE.match(text)
    return match is not None and match["name"] is None


def _is_record(text: str) -> bool:
    return any(pattern.match(text) for pattern in RECORDS)


def _is_error_like(match: re.Match[str]) -> bool:
    name = match["name"]
    known = getattr(builtins, name, None)
    return (isinstance(known, type) and issubclass(known, BaseException)) or _ERROR_LIKE.search(name) is not None


# --------------------------------------------------------------------------------------------------------------------
# The log.


def _lines(text: Any) -> Iterator[str]:
    """The lines of whatever text this is, without their ends and colours."""
    for piece in io.StringIO(text) if isinstance(text, str) else text:
        if isinstance(piece, (bytes, bytearray, memoryview)):
            piece = bytes(piece).decode("utf-8", "replace")
        elif not isinstance(piece, str):
            piece = str(piece)
        if piece.endswith("\n"):
            piece = piece[:-1]
        for line in piece.split("\n") if "\n" in piece else (piece,):
            if line.endswith("\r"):
                line = line.rstrip("\r")
            if "\x1b" in line:
                line = _COLOUR.sub("", line)
            yield _container_line(line) if line.startswith('{"log":"') else line


def _container_line(line: str) -> str:
    """What a program wrote, out of the JSON that a container's log driver puts around each line."""
    if len(line) > MOST_ESCAPED:
        return line
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return line
    log = record.get("log") if isinstance(record, dict) else None
    return log.rstrip("\r\n") if isinstance(log, str) and log.find("\n", 0, -1) < 0 else line


_STRING_REST: Final = re.compile(r'(?:[^"\\]|\\.)*', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _ESCAPES.get(match[3], match[3])


def _escaped(line: str) -> str | None:
    r"""The text of a traceback that stands in one line with its newlines as \n; None if there is none."""
    text = line
    for _ in range(3):  # JSON in JSON in JSON
        at = text.find(HEAD + "\\")
        if at < 0:
            break
        group = at - len(GROUP) - 4
        start = group if group >= 0 and text[group:at] == "  + " + GROUP else at
        rest = text[start:]
        quoted = re.search(r'File (\\*)"', rest[:MOST_CHARACTERS])
        if quoted is None or quoted[1]:
            whole = _STRING_REST.match(rest)
            rest = whole.group() if whole is not None else rest
        elif text[start - 1 : start] == "'":
            end = re.match(r"(?:[^'\\]|\\.)*", rest, re.DOTALL)
            rest = end.group() if end is not None else rest
        text = _ESCAPE.sub(_unescape, rest)
        if "\\u" in rest:  # a character beyond the first 65536 is escaped as two halves
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return None if text is line or "\n" not in text else text


def _begin(line: str, before: collections.deque[str]) -> _Reader | None:
    """A reader for the traceback that this line opens, if it does."""
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
    reader = _Reader(line[:at])
    reader.begin(line[at:])
    return reader


def _begin_with_link(line: str, before: collections.deque[str]) -> _Reader | None:
    """The first exception of a chain need not have been raised: then it is one line, that only the link behind it tells."""
    for text, kind in LINKS.items():
        at = line.find(text)
        if at < 0 or len(before) < 2 or at > MOST_PREFIX:
            continue
        match = _LAST_LINE.match(before[-2][at:])
        if before[-1][at:].strip() or match is None or not _is_error_like(match):
            continue
        reader = _Reader(line[:at])
        reader.begin_with_link(before[-2][at:], kind)
        return reader
    return None


def _read_closed(text: Iterable[str]) -> Iterator[_Exception]:
    """The tracebacks of a text that holds nothing else."""
    reader: _Reader | None = None
    before: collections.deque[str] = collections.deque(maxlen=2)
    for line in text:
        if reader is not None and reader.feed(line) is not _Verdict.TAKEN:
            yield from _results(reader)
            reader = None
        if reader is None and (found := _begin(line, before)) is not None:
            reader = found
            reader._closed = True
        before.append(line)
    if reader is not None:
        yield from _results(reader)


def _results(reader: _Reader) -> Iterator[_Exception]:
    result = reader.result()
    if result is not None:
        yield result


def _read(lines: Iterable[str]) -> Iterator[_Exception]:
    """The tracebacks of a log. Lines with different prefixes can come in between each other."""
    readers: list[_Reader] = []
    before: collections.deque[str] = collections.deque(maxlen=2)
    for line in lines:
        taken = False
        if readers:
            for reader in tuple(readers):
                verdict = reader.feed(line)
                if verdict is _Verdict.TAKEN:
                    taken = True
                    break
                if verdict is _Verdict.OVER:
                    readers.remove(reader)
                    yield from _results(reader)
        if not taken and (HEAD in line or _LINK_PART in line or "The above exception" in line):
            text = _escaped(line) if HEAD + "\\" in line and len(line) <= MOST_ESCAPED else None
            if text is not None:
                yield from _read_closed(text.split("\n"))
            elif len(readers) < MOST_OPEN and (reader_or_none := _begin(line, before)) is not None:
                readers.append(reader_or_none)
        before.append(line)
    for reader in readers:
        yield from _results(reader)


# --------------------------------------------------------------------------------------------------------------------
# Types and messages.


@functools.lru_cache(1024)
def _find_type(name: str) -> tuple[str, str, type[BaseException] | None]:
    """Module and qualified name of a type as text names it, and the type itself where it is known here."""
    parts = name.split(".")
    if len(parts) == 1:
        for module in ("builtins", "__main__"):
            found = LOADED.find(module, name)
            if isinstance(found, type) and issubclass(found, BaseException):
                return module, name, found
        return "__main__", name, None
    for at in range(len(parts) - 1, 0, -1) if len(parts) <= 20 else ():
        module, qualname = ".".join(parts[:at]), ".".join(parts[at:])
        found = LOADED.find(module, qualname)
        # The name must print as it was read: a type that only passes through that module has another one.
        if isinstance(found, type) and issubclass(found, BaseException) and f"{found.__module__}.{found.__qualname__}" == name:
            return found.__module__, found.__qualname__, found
    at = parts.index("<locals>") - 1 if "<locals>" in parts else len(parts) - 1
    capital = next((index for index, part in enumerate(parts) if part[:1].isupper()), at)
    at = max(min(at, capital), 1)
    return ".".join(parts[:at]), ".".join(parts[at:]), None


def _base(name: str, group: bool, syntax: bool) -> str:
    if group or syntax:
        return "ExceptionGroup" if group else "SyntaxError"
    base = next(base for end, base in BASES if name.endswith(end))
    return "Exception" if base == "ExceptionGroup" else base


_Arguments: TypeAlias = Callable[[str], tuple[Any, ...] | None]


def _literal(message: str) -> tuple[Any, ...] | None:
    """One plain literal, as repr() shows it."""
    try:
        value = ast.literal_eval(message) if len(message) < 10_000 else None
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return (value,) if type(value) in (str, int, float, bool) and repr(value) == message and _fits(value) else None


def _fits(value: Any) -> bool:
    return type(value) is not int or -(1 << 63) <= value < 1 << 63


def _errno(message: str) -> tuple[Any, ...] | None:
    """[Errno 2] No such file or directory: 'x' -> 'y'"""
    match = _ERRNO.match(message)
    if match is None:
        return None
    errno, rest = int(match["errno"]), match["rest"]
    text, colon, names = rest.partition(": ")
    if not colon:
        return errno, rest
    parts = [_literal(part) for part in names.split(" -> ")]
    if len(parts) == 1 and parts[0] is not None:
        return errno, text, parts[0][0]
    if len(parts) == 2 and parts[0] is not None and parts[1] is not None:
        return errno, text, parts[0][0], None, parts[1][0]
    return errno, rest


# For the types whose text says more than one string: what their arguments were. Each guess is tried, and kept only if it prints
# the same. True: one line is all that the type ever says, so what follows it are notes.
ARGUMENTS: Final[dict[type[BaseException], tuple[_Arguments, bool]]] = {
    KeyError: (_literal, True),
    StopIteration: (_literal, False),
    SystemExit: (_literal, False),
    OSError: (_errno, False),
}
# Their text is computed from what the log does not hold.
_COMPUTED: Final = (UnicodeError, BaseExceptionGroup)


def _probe(cls: type[BaseException], message: str) -> BaseException | None:
    """An instance that says the message; None if that cannot be had. Only constructors of builtin types run."""
    builtin = next(base for base in cls.__mro__ if base.__module__ == "builtins")
    if issubclass(cls, _COMPUTED) or not issubclass(builtin, BaseException):
        return None
    if any("__str__" in vars(base) for base in cls.__mro__ if base.__module__ != "builtins"):
        return None
    guess = next((guess for base, (guess, _) in ARGUMENTS.items() if issubclass(cls, base)), None)
    for arguments in ((guess(message) if guess is not None and message else None), (message,) if message else ()):
        if arguments is None:
            continue
        try:
            probe = builtin(*arguments)
            if str(probe) == message and (cls is not builtin or type(probe) is cls):
                return probe
        except Exception:  # a guess that the constructor refuses
            continue
    return None


def _split_notes(cls: type[BaseException], read: _Exception, group: bool) -> tuple[str, list[str]]:
    """The message, and the notes where it is sure that they are not the message's further lines."""
    lines = read.lines
    if read.silent:
        return "", lines
    if group:
        for at, line in enumerate(lines):
            if _SIZE.match(line):
                return "\n".join(lines[: at + 1]), lines[at + 1 :]
    for base, (guess, one_line) in ARGUMENTS.items():
        if len(lines) > 1 and issubclass(cls, base) and guess(lines[0]) is not None and (one_line or "]" in lines[0][:20]):
            return lines[0], lines[1:]
    return "\n".join(lines), []


# --------------------------------------------------------------------------------------------------------------------
# Source lines and positions.


class _Row:
    """A source line under a frame, with the carets under it."""

    __slots__ = ("carets", "line", "text")

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        self.text = text
        self.carets = ""


def _rows(frame: _Frame) -> list[_Row]:
    rows: list[_Row] = []
    line = frame.line
    for text in frame.source:
        gap = _GAP.match(text.strip())
        if gap is not None and rows:
            line += int(gap[1])
        elif rows and not rows[-1].carets and _is_carets(text):
            rows[-1].carets = text.rstrip()
        else:
            rows.append(_Row(line, text))
            line += 1
    return rows


def _is_carets(text: str) -> bool:
    return not text.strip(" \t~^") and bool(text.strip())


def _bytes_before(text: str, width: int) -> int:
    """The UTF-8 bytes of the first characters, which take up so many columns on a screen."""
    if text.isascii():
        return min(width, len(text))
    count = columns = 0
    while columns < width and count < len(text):
        columns += 2 if unicodedata.east_asian_width(text[count]) in "WF" else 1
        count += 1
    return len(text[:count].encode("utf-8", "replace"))


def _position(frame: _Frame, rows: list[_Row], shift: int) -> list[Any]:
    """The position that prints these carets. shift: by how many columns the source's line stands further right than the log's."""
    if not rows or frame.flat or (len(rows) == 1 and not rows[0].carets):
        return [frame.line, frame.line, None, None]
    first, last = rows[0], rows[-1]
    carets = any(row.carets for row in rows)
    marks = first.carets if carets else first.text
    start = len(marks) - len(marks.lstrip())
    end = len(last.carets) if carets else len(last.text.rstrip())
    if carets and not last.carets:
        end = len(last.text.rstrip())
    return [frame.line, last.line, _bytes_before(first.text, start) + shift, _bytes_before(last.text, end) + shift]


def _line_here(file: str, line: int) -> str | None:
    """What a traceback printed here would show."""
    try:
        linecache.checkcache(file)
        return linecache.getline(file, line).rstrip("\n") or None
    except Exception:  # a loader that fails, a name that no file can have
        return None


class _Sources:
    """The lines that the log shows and no file here holds."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[int, str]] = {}

    def place(self, frame: _Frame) -> list[Any]:
        """The frame's position, with its source put where it will be looked for."""
        rows = [row for row in _rows(frame) if row.line <= MOST_LINE_NUMBER]
        if not may_be_opened(frame.file):
            self._lines.setdefault(frame.file, {})
        elif rows:
            known = self._lines.get(frame.file)
            here = [None if known and row.line in known else _line_here(frame.file, row.line) for row in rows]
            if all(line is not None and line.strip() == row.text.strip() for line, row in zip(here, rows)):
                first = here[0] or ""
                depth = len(first) - len(first.lstrip()) - (len(rows[0].text) - len(rows[0].text.lstrip()))
                return _position(frame, rows, max(depth, 0))
        for row in rows:
            self._lines.setdefault(frame.file, {}).setdefault(row.line, row.text)
        return _position(frame, rows, 0)

    def packed(self) -> dict[str, bytes]:
        return {file: zlib.compress(_text_of(lines).encode("utf-8", "replace"), 1) for file, lines in self._lines.items()}


def _text_of(lines: dict[int, str]) -> str:
    return "\n".join([lines.get(line, "") for line in range(1, max(lines, default=0) + 1)]) + "\n"


def _merge_sources(report: Report) -> None:
    """Two tracebacks of one absent file show different lines of it: linecache gets them all, unless they contradict each other.

    A file that must not be opened gets its text here, so that nobody looks for it on disk.
    """
    for file, packed in report["sources"].items():
        lines = zlib.decompress(packed).decode("utf-8").split("\n")[:-1]
        cached = linecache.cache.get(file)
        if cached is not None and len(cached) == 4 and cached[1] is None:
            old = [line.rstrip("\n") for line in cached[2]]
            pairs = list(itertools.zip_longest(old, lines, fillvalue=""))
            if not all(not a or not b or a == b for a, b in pairs):
                continue
            lines = [a or b for a, b in pairs]
            if lines != old:
                del linecache.cache[file]  # restore puts the merged text there
            report["sources"][file] = zlib.compress(("\n".join(lines) + "\n").encode(), 1)
        if not may_be_opened(file):
            linecache.cache[file] = (1, None, [line + "\n" for line in lines], file)


# --------------------------------------------------------------------------------------------------------------------
# The report.


class _Builder:
    """What was read → a report. By a queue: chains and groups can be deep."""

    def __init__(self) -> None:
        self._exceptions: list[ExceptionRecord] = []
        self._frames: list[FrameRecord] = []
        self._codes: list[CodeRecord] = []
        self._values: list[Any] = []
        self._types: list[list[Any]] = []
        self._code_of: dict[tuple[str, str], int] = {}
        self._type_of: dict[tuple[str, str], int] = {}
        self._frame_of: dict[int, tuple[int, list[Any]]] = {}
        self._sources = _Sources()
        self._queue: collections.deque[_Exception] = collections.deque()
        self._count = 0
        self._cut = 0

    def build(self, root: _Exception) -> Report:
        self._add(root)
        while self._queue:
            self._exceptions.append(self._record(self._queue.popleft()))
        return {
            "format": FORMAT,
            "python": ".".join(map(str, sys.version_info[:3])),
            "exceptions": self._exceptions,
            "frames": self._frames,
            "codes": self._codes,
            "globals": [{}],
            "types": self._types,
            "values": self._values,
            "sources": self._sources.packed(),
            "live": None,
            "cuts": {"frames": self._cut} if self._cut else {},
        }

    def _add(self, read: _Exception) -> int:
        """The index that the exception will have."""
        self._queue.append(read)
        self._count += 1
        return self._count - 1

    def _value(self, node: list[Any]) -> list[int]:
        self._values.append(node)
        return [len(self._values) - 1]

    def _tuple(self, items: list[Any]) -> list[int]:
        return self._value(["tuple", len(items), items])

    def _type(self, module: str, qualname: str, base: str | None) -> int:
        key = (module, qualname)
        if key not in self._type_of:
            bases = [] if base is None else [self._type("builtins", base, None)]
            self._type_of[key] = len(self._types)
            self._types.append([module, qualname, bases])
        return self._type_of[key]

    def _record(self, read: _Exception) -> ExceptionRecord:
        group = bool(read.children) or read.deeper or (read.group and not read.cut)
        name = read.name or ("ExceptionGroup" if group else f"{__name__}.{NotInLog.__name__}")
        module, qualname, cls = _find_type(name)
        base = _base(name, group, read.syntax is not None)
        wanted = BaseExceptionGroup if group else SyntaxError if read.syntax is not None else BaseException
        if cls is not None and (not issubclass(cls, wanted) or (not group and issubclass(cls, BaseExceptionGroup))):
            module, cls = ("__main__", None) if module in ("builtins", "__main__") else (module, None)
        nearest: type[BaseException] = cls or getattr(builtins, base)
        base = next(above.__name__ for above in nearest.__mro__ if above.__module__ == "builtins")
        message, notes = _split_notes(nearest, read, group)
        cause, context = self._links(read)
        record: ExceptionRecord = {
            "type": self._type(module, qualname, None if cls is not None and module == "builtins" else base),
            "args": None,
            "fields": {},
            "attributes": {},
            "cause": cause,
            "context": context,
            "suppress": cause is not None,
            "traceback": self._traceback(read),
        }
        if group:
            self._fill_group(record, read, message)
        elif read.syntax is not None:
            self._fill_syntax(record, read.syntax, message)
        else:
            self._fill_plain(record, nearest, message)
        self._fill_notes(record, read, notes)
        return record

    def _links(self, read: _Exception) -> tuple[int | None, int | None]:
        """Cause and context. A worker's traceback, as text, gives way to what it tells of, or has that as its cause."""
        cause, context = (other and (_inner(other) or other) for other in (read.cause, read.context))
        if cause is None and context is None:
            cause = _inner(read)
        return (None if cause is None else self._add(cause)), (None if context is None else self._add(context))

    def _fill_plain(self, record: ExceptionRecord, cls: type[BaseException], message: str) -> None:
        probe = _probe(cls, message)
        if probe is not None:
            record["args"] = self._tuple(list(probe.args))
            state = fields_of(type(probe).__mro__)
            for name in state[1] if state is not None else ():
                value = getattr(probe, name, None)
                if type(value) in (str, int, float, bool):
                    record["fields"][name] = value
            return
        kind = self._type("builtins", "object", None)
        standin = ["object", kind, f"<the log says: {message[:200]!r}>", None, {"why": "a log holds the message, not the arguments"}]
        record["args"] = self._tuple([self._value(standin)])
        record["str"] = message

    def _fill_syntax(self, record: ExceptionRecord, syntax: tuple[_Frame, list[str]], message: str) -> None:
        place, source = syntax
        text = source[0] + "\n" if source else None
        carets = source[1] if len(source) > 1 and _is_carets(source[1]) and not place.flat else ""
        start = len(carets) - len(carets.lstrip()) + 1 if carets else None
        end = len(carets.rstrip()) + 1 if carets else None
        details = {"filename": place.file, "lineno": place.line, "offset": start, "text": text, "end_lineno": place.line, "end_offset": end}
        record["fields"].update(details, msg=message)
        record["args"] = self._tuple([message, self._tuple(list(details.values()))])

    def _fill_group(self, record: ExceptionRecord, read: _Exception, message: str) -> None:
        match = _SIZE.match(message)
        text = match["message"] if match is not None else message
        count = int(match["count"]) if match is not None else 0
        missing = max(min(count, MOST_EXCEPTIONS) - len(read.children), read.more, 0 if read.children else 1)
        if self._count + missing > 2 * MOST_EXCEPTIONS:
            missing = 0 if read.children else 1
        children = [self._add(child) for child in read.children]
        children += [self._add(_not_in_log()) for _ in range(missing)]
        inner = self._value(["list", len(children), [self._value(["exception", child]) for child in children]])
        record["args"] = self._tuple([text, inner])
        record["fields"]["message"] = text
        record["children"] = children
        if message != f"{text} ({len(children)} sub-exception{'s' if len(children) != 1 else ''})":
            record["str"] = message

    def _fill_notes(self, record: ExceptionRecord, read: _Exception, notes: list[str]) -> None:
        if read.cut:
            notes = [*notes, f"keeptrace: truncated: {read.cut}"]
        if notes:
            record["notes"] = self._value(["list", len(notes), notes])

    # Frames.

    def _traceback(self, read: _Exception) -> list[list[Any]]:
        frames = read.frames
        entries = [self._entry(frame) for frame in frames.first]
        if frames.left_out:
            entries.append([-1, frames.left_out])
            self._cut += frames.left_out
        return entries + [self._entry(frame) for frame in frames.last]

    def _entry(self, frame: _Frame) -> list[Any]:
        if id(frame) not in self._frame_of:  # a repeated line is read once and stands for many frames
            position = self._sources.place(frame)
            self._frame_of[id(frame)] = (self._code(frame), position)
        code, position = self._frame_of[id(frame)]
        self._frames.append({"code": code, "globals": 0, "locals": {} if self._codes[code]["flags"] else None, "at": position})
        return [len(self._frames) - 1, position]

    def _code(self, frame: _Frame) -> int:
        key = (frame.file, frame.name)
        found = self._code_of.get(key)
        if found is not None:
            self._codes[found]["line"] = min(self._codes[found]["line"], frame.line)
            return found
        self._code_of[key] = len(self._codes)
        module = frame.name == "<module>"
        name = frame.name.rpartition(".")[2] or frame.name
        self._codes.append(
            {
                "file": frame.file,
                "name": frame.name,
                "qualname": name,
                "line": 1 if module else frame.line,
                "args": [0, 0, 0],
                "flags": 0 if module else 3,
                "names": [],
            }
        )
        return self._code_of[key]


def _not_in_log() -> _Exception:
    found = _Exception()
    found.cut = "its group was printed in part"
    return found


def _inner(read: _Exception) -> _Exception | None:
    """The traceback that a worker process sent as text, between triple quotes in a message."""
    lines = read.lines
    if not read.name.endswith("RemoteTraceback") or not any(line.strip() in _FENCES for line in lines[:2]):
        return None
    first = next(at for at, line in enumerate(lines) if line.strip() in _FENCES)
    last = next((at for at in range(len(lines) - 1, first, -1) if lines[at].strip() in _FENCES), len(lines))
    found = collections.deque(_read_closed(lines[first + 1 : last]), 1)
    return found[0] if found else None


# --------------------------------------------------------------------------------------------------------------------
# The way in.


def parse_reports(lines: Iterable[Any]) -> Iterator[Report]:
    """The tracebacks of a text, as reports: plain data, see _report.py."""
    for found in _read(_lines(lines)):
        yield _Builder().build(found)


def parse_tracebacks(lines: Iterable[Any]) -> Iterator[Parsed]:
    """Finds the tracebacks in a text: a str, an open log file, or any iterator of lines, however long.

    Gives (type, value, traceback) for each, as soon as it is known to have ended. `traceback.print_exception(*found)` prints
    it again, `pdb.post_mortem(found[2])` walks through it. Source lines that the text shows are shown where no file has them.
    """
    for report in parse_reports(lines):
        _merge_sources(report)
        value = restore(report, LOADED)
        yield type(value), value, value.__traceback__
