"""Tracebacks of pytest, short and long."""

from __future__ import annotations

import re
from typing import Final

from ..grammar import HEAD, LINKS
from .lines import place_line, source_lines


class Pytest:
    """boom.py:9: in price, the code, and E   ValueError: bad order;

    or def price(order):, > code, E, boom.py:9: ValueError.
    """

    START: Final = re.compile(
        r"(?<![^\s:])(?P<file>[^\s:]+\.py):(?P<line>\d{1,9}): in (?P<name>\S.*)$"
    )
    START_OF_TEST: Final = re.compile(r"(?<!\w)_{3,} \S.* _{3,}$")
    _MARKED: Final = re.compile(r"> {3,}(?P<text>\S.*)$")
    _LONG_PLACE: Final = re.compile(r"(?P<file>[^\s:]+\.py):(?P<line>\d{1,9}): *(?P<name>\S*)$")
    _ERROR: Final = re.compile(r"E   (?P<text>.*)$")
    _DEFINED: Final = re.compile(r"\s*(?:async )?def (?P<name>\w+)\(")
    # arguments and variables, rules, and the worker of pytest-xdist under the test's name
    _AROUND: Final = re.compile(r"\w+ += |(?:_ )+_?\s*$|\[gw\d+\] \S+ -- Python ")

    def __init__(self) -> None:
        self._error: list[str] = []
        self._text = ""  # the marked line in the listing of a function
        self._defined = "?"  # the function of the listing
        self._is_begun = False

    def feed(self, line: str) -> list[str] | None:
        error = self._ERROR.match(line)
        if error is not None:
            self._error.append(error["text"])
            return []
        short = self.START.match(line)
        if short is not None:
            return [*self._head(), place_line(short["file"], short["line"], short["name"])]
        long = self._LONG_PLACE.match(line)
        if long is not None:
            text, self._text = self._text, ""
            place = place_line(long["file"], long["line"], self._defined)
            self._defined = "?"
            return [*self._head(), place, *source_lines(text)]
        if line in LINKS:
            ended = [*self.finish(), "", line, ""]
            self._error, self._is_begun = [], False
            return ended
        return self._listing(line)

    def _listing(self, line: str) -> list[str] | None:
        """A line of a function's listing, or of its surroundings."""
        if self._is_of_function(line):
            return []
        if line[:4] == "    ":
            is_source = self._is_begun and self._defined == "?" and not self._error
            if is_source:
                return [line]
            return []
        if not line.strip() or self._AROUND.match(line):
            return []
        return None

    def _is_of_function(self, line: str) -> bool:
        """Whether the line is marked, or has the function's name; some lines have both."""
        marked = self._MARKED.match(line)
        if marked is not None:
            self._text = line = marked["text"]
        defined = self._DEFINED.match(line)
        if defined is not None:
            self._defined = defined["name"]
        return marked is not None or defined is not None

    def _head(self) -> list[str]:
        if self._is_begun:
            return []
        self._is_begun = True
        return [HEAD]

    def finish(self) -> list[str]:
        lines = [line for line in self._error if line.strip()]
        if not self._is_begun or not lines:
            return []
        indent = len(lines[0]) - len(lines[0].lstrip())
        lines = [line[min(indent, len(line) - len(line.lstrip())) :] for line in lines]
        first = lines[0]
        if re.match(r"[^\W\d][\w.]*(?::|$)", first) is None:
            first = f"AssertionError: {first}"  # pytest's own explanation of an assert
        return [first, *lines[1:]]
