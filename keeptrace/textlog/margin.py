"""Removes the margin from each line of a traceback: a logger's prefix, indentation, the bars of
groups.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from .grammar import BAR, FILE_LINE, NUMBERED, RULE, VARYING
from .steps import Verdict


class LineNumber:
    """The number of the line in a prefix: [step:12], or 12: of grep -n.

    The number of a worker looks the same, [worker:4121], but is the same in all its lines. The line
    behind the header decides.
    """

    __slots__ = ("_begins", "_first", "_is_sure", "_number", "_shape")

    def __init__(self, prefix: str, begins: re.Pattern[str] = FILE_LINE) -> None:
        """begins: what the line behind the header looks like."""
        self._first = prefix.rstrip()
        self._begins = begins
        self._shape: re.Pattern[str] | None = None  # None: the prefix does not number the lines
        self._number = 0  # of the line before
        self._is_sure = False
        match = NUMBERED.match(prefix)
        if match is not None and not _TIME_END.search(match["name"]):
            name = shape_of(match["name"].rstrip()).pattern
            after = _EITHER.sub("[:-]", re.escape(match["after"].rstrip()))
            self._shape = re.compile(rf"{name}\s*(?P<number>\d{{1,8}}){after}")
            self._number = int(match["number"])

    def equalize(self, line: str) -> str:
        """The line with the header's number, if the line has the next number."""
        if self._shape is None:
            return line
        match = self._shape.match(line)
        if match is None:
            return line
        rest = line[match.end() :]
        is_next = int(match["number"]) == self._number + 1
        is_begun = self._is_sure or self._begins.match(rest.lstrip(" |\t")) is not None
        if is_next and (is_begun or not rest.strip()):
            self._is_sure = is_begun
            self._number += 1
            return self._first + rest
        if not self._is_sure:
            self._shape = None  # the next number is another worker's
        return line


class ToolMargin:
    """The margin of a tool's traceback: its lines lose the margin before their translation, which
    gets the margin back for the common reader.
    """

    __slots__ = ("_is_sure", "_number", "_own", "_prefix", "_shape", "_spaces")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._own = prefix  # of the latest line
        self._spaces = prefix[len(prefix.rstrip()) :]
        self._number = LineNumber(prefix, _ANY)
        self._shape = shape_of(prefix)
        self._is_sure = not prefix.strip()

    def equalize(self, line: str) -> str:
        """The line with the number of the first line, if the margin numbers the lines."""
        return self._number.equalize(line)

    def is_like(self, prefix: str) -> bool:
        """Whether a line with this prefix has the margin."""
        return self._shape.fullmatch(prefix) is not None

    @property
    def has_text(self) -> bool:
        """Whether each line has the margin, which is more than spaces."""
        return bool(self._own.strip())

    def take_off(self, line: str) -> str | None:
        """The line without its margin; None for a line without this margin."""
        match = self._shape.match(line)
        if match is None and not self._is_sure:  # only the first line has the prefix
            width = len(self._prefix)
            self._spaces = ""
            if not line[:width].strip():
                self._spaces = " " * width
            self._shape = shape_of(self._spaces)
            match = self._shape.match(line)
        self._is_sure = True
        if match is None:
            return None
        self._own = match.group().rstrip() + self._spaces
        return line[match.end() :]

    def without(self, line: str) -> str:
        """A line before the tool's traceback without the margin, if the line has the margin."""
        match = self._shape.match(line)
        if match is None:
            return line
        return line[match.end() :]

    def put_back(self, lines: list[str]) -> list[str]:
        return [self._own + line for line in lines]


_TIME_END: Final = re.compile(r"\d[-:.,/]$")
_ANY: Final = re.compile("")
# grep writes a colon behind the name and number of a line that matches, else a dash.
_EITHER: Final = re.compile(r"\\?[:-]$")


class Margin:
    """Removes the margin from each line of a traceback: a prefix, or indentation."""

    __slots__ = ("_flat", "_indent", "_number", "_prefix", "_prefixed", "_shape", "_varied", "bar")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._number = LineNumber(prefix)
        self._shape: re.Pattern[str] | None = None
        self._prefixed: bool | None = False  # None: the next line decides
        if prefix.strip():
            self._shape = shape_of(prefix)
            self._prefixed = None
        self._indent: int | None = None  # None: the first frame decides
        # the prefix changes within the traceback, so a change does not mean the end
        self._varied = False
        self._flat = False
        self.bar: int | None = None  # the column of the outermost group's bar

    @property
    def flat(self) -> bool:
        return self._flat

    def owns(self, line: str) -> bool:
        """Whether a line has the traceback's prefix, and so belongs to the traceback."""
        if self._prefixed is False or self._shape is None:
            return False
        return self._shape.match(line) is not None

    def is_bar(self, match: re.Match[str]) -> bool:
        """Whether a match of BAR is a bar of the groups, and no bar in a message."""
        if match["mark"] == "+":
            return match["rule"] is not None and RULE.match(match["rule"]) is not None
        return len(match["indent"]) >= (self.bar or 0)

    def take_off(self, line: str, ending: bool) -> str | Verdict:
        """The line without its margin. ending: the traceback may end here."""
        line = self._number.equalize(line)
        match = None
        if self._shape is not None:
            match = self._shape.match(line)
        if self._prefixed is False:
            # A match is the next record of the header's logger.
            if match is not None:
                return Verdict.OVER
            return self._without_indent(line, ending)
        if match is not None:
            return self._without_prefix(line, match, ending)
        if self._prefixed:
            if ending:
                return Verdict.OVER
            return Verdict.FOREIGN
        bar = BAR.match(line)
        if not _begins_frame(line) and (bar is None or not self.is_bar(bar)):
            return Verdict.FOREIGN
        self._prefixed = False
        return self._without_indent(line, ending)

    def _without_prefix(self, line: str, match: re.Match[str], ending: bool) -> str | Verdict:
        self._prefixed = True
        if not match.group().startswith(self._prefix.rstrip()):
            if ending and not self._varied:
                return Verdict.OVER
            self._varied = True
        return self._without_indent(line[match.end() :], ending)

    def _without_indent(self, line: str, ending: bool) -> str | Verdict:
        if self._indent is None:
            self._measure(line)
        if not self._indent:
            return line
        if not line[: self._indent].strip():
            return line[self._indent :]
        if ending:
            return Verdict.OVER  # text further left
        bare = line.lstrip()
        self._indent = len(line) - len(bare)  # the frames alone were indented
        return bare

    def _measure(self, line: str) -> None:
        """The first frame stands two columns in, and so does the bar of the outermost group."""
        match = BAR.match(line)
        if match is None and not _begins_frame(line):
            return
        indent = len(line) - len(line.lstrip())
        header = 0
        if self._shape is None:
            header = len(self._prefix)
        self._flat = indent < 2 or (0 < indent <= header and match is None)
        self._indent = indent
        if not self._flat:
            self._indent -= 2
        if match is not None:
            self.bar = indent - self._indent


def _begins_frame(line: str) -> bool:
    """Whether a line is a frame's first line, or its beginning on a narrow screen."""
    bare = line.lstrip()
    return bare.startswith('File "') or bare.rstrip() == "File"


@functools.lru_cache(256)
def shape_of(prefix: str) -> re.Pattern[str]:
    """A pattern for the prefix with other times, with or without its last space."""
    parts = []
    at = 0
    bare = prefix.rstrip()
    for match in VARYING.finditer(bare):
        varying = re.sub(r" +", " +", match.group().replace(".", "\\."))
        parts += [re.escape(bare[at : match.start()]), re.sub(r"\d+", r"\\d+", varying)]
        at = match.end()
    parts.append(re.escape(bare[at:]))
    spaces = len(prefix) - len(bare)
    if not spaces:
        parts[-1] = _EITHER.sub("[:-]", parts[-1])
    else:
        parts.append(rf"(?:\s{{{spaces}}}|\s*$)")
    return re.compile("".join(parts))
