"""Tracebacks of other tools, translated line by line into Python's format.

A translator takes the lines of a tool's traceback and returns lines of the grammar in __init__.py,
for the common reader. To add a tool, write a module in translators/ and add a line to FORMATS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from .grammar import HEAD, LINKS, STACK
from .translators.dagster import of_stack
from .translators.faulthandler import Faulthandler
from .translators.ipython import IPython
from .translators.lines import Translator, place_line
from .translators.pytest import Pytest
from .translators.rich import Rich
from .translators.stackprinter import Stackprinter

# A tool's traceback ends within so many lines; longer texts are none.
_MOST_LINES: Final = 20_000
# A line and the lines before it → the translator, if a tool's traceback begins with the line.
_Begin: TypeAlias = Callable[[str, Sequence[str]], Translator | None]


def _of_pytest(line: str, before: Sequence[str]) -> Translator | None:
    if Pytest.START.match(line) is not None:
        return Pytest()
    return None


def _of_test(line: str, before: Sequence[str]) -> Translator | None:
    if Pytest.START_OF_TEST.match(line) is not None:
        return Pytest()
    return None


def _of_rich(line: str, before: Sequence[str]) -> Translator | None:
    if Rich.START.match(line) is not None:
        return Rich(line)
    return None


def _of_ipython(line: str, before: Sequence[str]) -> Translator | None:
    if IPython.START.match(line) is not None:
        return IPython(line)
    return None


def _of_stackprinter(line: str, before: Sequence[str]) -> Translator | None:
    if Stackprinter.START.match(line) is not None:
        return Stackprinter(line)
    return None


def _of_faulthandler(line: str, before: Sequence[str]) -> Translator | None:
    if Faulthandler.START.match(line) is not None:
        return Faulthandler(line)
    return None


class Format:
    """A tool: a hint in the first line of its tracebacks, and the translator."""

    __slots__ = ("begin", "has_head", "hint", "takes_first")

    def __init__(
        self,
        hint: str,
        begin: _Begin,
        has_head: bool,
        takes_first: bool,
    ) -> None:
        self.hint: str = hint
        self.begin: _Begin = begin
        self.has_head: bool = has_head  # the first line stands for a header
        self.takes_first: bool = takes_first  # the first line says more


# Hint in a line -> the tool. The hints are searched in this order.
FORMATS: Final = (
    Format("Traceback (most recent call last) ", _of_rich, True, False),
    Format(" Traceback (most recent call last)", _of_ipython, True, False),
    Format('File "', _of_stackprinter, False, False),
    Format(".py:", _of_pytest, False, True),
    Format("___ ", _of_test, False, False),
    Format("Fatal Python error: ", _of_faulthandler, False, False),
    Format("Windows fatal exception: ", _of_faulthandler, False, False),
    Format("Timeout (", _of_faulthandler, False, False),
    Format(STACK, of_stack, False, False),
)


# The frames of IPython's mode Plain, which has Python's own header.
_PLAIN_FRAME: Final = re.compile(
    r"  File (?P<file>[^\s\"].*):(?P<line>\d{1,9}) in (?P<name>\S+)\s*$"
)
_PLAIN_CELL: Final = re.compile(r"  Cell In ?\[(?P<number>\d+)\], line (?P<line>\d{1,9})\s*$")
# No other sentence begins with so much of a link. (characters)
_HALF_LINK: Final = 30


def _of_plain_ipython(line: str) -> str:
    frame = _PLAIN_FRAME.match(line)
    if frame is not None:
        return place_line(frame["file"], frame["line"], frame["name"])
    cell = _PLAIN_CELL.match(line)
    if cell is None:
        return line
    return place_line(f"<ipython-input-{cell['number']}>", cell["line"], "<module>")


def _is_half_a_link(text: str) -> bool:
    """Whether the text is the first half of a link, broken by a narrow screen."""
    return len(text) >= _HALF_LINK and any(link.startswith(text) and link != text for link in LINKS)


class Translation:
    """One writer's lines; lines of other tools are translated."""

    def __init__(self, before: Sequence[str]) -> None:
        self._before = before
        self._translator: Translator | None = None
        self._left = 0
        self._last: Format | None = None  # of the traceback before
        self._half = ""  # the beginning of a link; the next line continues the link

    def feed(self, line: str, is_reading: bool) -> list[str]:
        """The translation of a line, mostly the line itself.

        is_reading: the line may belong to a traceback of Python's own.
        """
        if self._half:
            half, self._half = self._half, ""
            whole = f"{half} {line.strip()}"
            if whole in LINKS:
                return [whole]
            return [half, *self.feed(line, is_reading)]
        if _is_half_a_link(line.strip()):
            self._half = line.strip()
            return []
        if self._translator is None:
            return self._begin(line, is_reading)
        self._left -= 1
        if self._left > 0:
            found = self._translator.feed(line)
            if found is not None:
                return found
        rest = self._translator.finish()
        self._translator = None
        return [*rest, *self._begin(line, is_reading)]

    def finish(self) -> list[str]:
        """Remaining lines at the end of the log."""
        rest = []
        if self._half:
            rest.append(self._half)
        if self._translator is not None:
            rest += self._translator.finish()
        return rest

    @property
    def is_idle(self) -> bool:
        return self._translator is None and not self._half

    def _begin(self, line: str, is_reading: bool) -> list[str]:
        if HEAD not in line:
            for form in FORMATS:
                if form.hint not in line or not self._may_begin(form, is_reading):
                    continue
                translator = form.begin(line, self._before)
                if translator is None:
                    continue
                self._translator, self._left, self._last = translator, _MOST_LINES, form
                return _first_lines(form, translator, line)
        if is_reading:
            line = _of_plain_ipython(line)
        return [line]

    def _may_begin(self, form: Format, is_reading: bool) -> bool:
        """Whether the tool's tracebacks may begin within another traceback."""
        return not is_reading or form.has_head or form is self._last


def _first_lines(form: Format, translator: Translator, line: str) -> list[str]:
    first = None
    if form.takes_first:
        first = translator.feed(line)
    if form.has_head:
        return [HEAD]
    return first or []
