"""Tracebacks of other tools, translated line by line into Python's format.

A translator takes the lines of a tool's traceback and returns lines of the grammar in __init__.py,
for the common reader. To add a tool, write a module in translators/ and add a line to FORMATS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from .grammar import HEAD, MOST_FOREIGN, MOST_PREFIX, STACK, is_end
from .margin import ToolMargin
from .translators.dagster import START_OF_STACK, of_stack
from .translators.faulthandler import Faulthandler
from .translators.ipython import IPython
from .translators.labelled import START_IN_AZURE, START_IN_DASK, of_azure, of_dask
from .translators.lines import Translator, place_line
from .translators.pytest import Pytest
from .translators.rich import Rich, RichGroup
from .translators.stackprinter import Stackprinter

# A header that rich's log handler broke between words, and the rest in the next line.
_HALF_HEAD, _, _REST_OF_HEAD = HEAD.rpartition(" ")
# A tool's traceback ends within so many lines; longer texts are none.
_MOST_LINES: Final = 20_000
# The first line of a tool's traceback, and the lines before it → the translator, or None.
_Begin: TypeAlias = Callable[[str, Sequence[str]], Translator | None]


class Format:
    """A tool: a hint in the first line of its tracebacks, the first line, and the translator."""

    __slots__ = (
        "_behind_margin",
        "begin",
        "ends",
        "goes_on",
        "has_head",
        "hint",
        "start",
        "takes_first",
    )

    def __init__(
        self,
        hint: str,
        start: re.Pattern[str],
        begin: _Begin,
        has_head: bool = False,
        takes_first: bool = False,
        goes_on: bool = False,
        ends: bool = False,
    ) -> None:
        self.hint: str = hint
        self.start: re.Pattern[str] = start
        # A search would try each place of a long line.
        self._behind_margin: re.Pattern[str] = re.compile(
            rf"(?P<margin>.{{0,{MOST_PREFIX}}}?)(?:{start.pattern})"
        )
        self.begin: _Begin = begin
        self.has_head: bool = has_head  # the first line stands for a header
        self.takes_first: bool = takes_first  # the first line says more
        self.goes_on: bool = goes_on  # the lines are parts of a traceback that has begun
        self.ends: bool = ends  # the first line is a title, and may end a traceback of Python's

    def column(self, line: str) -> int:
        """Where the tool's traceback begins in its first line; -1 for any other line."""
        if self.hint not in line:
            return -1
        found = self._behind_margin.match(line)
        if found is None:
            return -1
        return found.end("margin")


# Hint in a line -> the tool. The hints are searched in this order.
FORMATS: Final = (
    Format(
        "Traceback (most recent call last) ", Rich.START, lambda line, _: Rich(line), has_head=True
    ),
    Format(
        "Sub-exception #",
        RichGroup.START,
        lambda *_: RichGroup(_nested_translation),
        takes_first=True,
        goes_on=True,
    ),
    Format(
        " Traceback (most recent call last)", IPython.START, lambda *_: IPython(), has_head=True
    ),
    Format("Traceback: '  File", START_IN_DASK, of_dask),
    Format('Stack:   File "', START_IN_AZURE, of_azure),
    Format('File "', Stackprinter.START, lambda line, _: Stackprinter(line)),
    Format(".py:", Pytest.START, lambda *_: Pytest(), takes_first=True),
    Format("___ ", Pytest.START_OF_TEST, lambda *_: Pytest(), ends=True),
    Format("Fatal Python error: ", Faulthandler.START, lambda line, _: Faulthandler(line)),
    Format("Windows fatal exception: ", Faulthandler.START, lambda line, _: Faulthandler(line)),
    Format("Timeout (", Faulthandler.START, lambda line, _: Faulthandler(line)),
    Format(STACK, START_OF_STACK, of_stack),
)


# The frames of IPython's mode Plain, which has Python's own header.
_PLAIN_FRAME: Final = re.compile(
    r"  File (?P<file>[^\s\"].*):(?P<line>\d{1,9})(?: in (?P<name>\S+))?\s*$"
)
_PLAIN_CELL: Final = re.compile(r"  Cell In ?\[(?P<number>\d+)\], line (?P<line>\d{1,9})\s*$")


def _of_plain_ipython(line: str) -> str:
    frame = _PLAIN_FRAME.match(line)
    if frame is not None:
        return place_line(frame["file"], frame["line"], frame["name"] or "<module>")
    cell = _PLAIN_CELL.match(line)
    if cell is None:
        return line
    return place_line(f"<ipython-input-{cell['number']}>", cell["line"], "<module>")


class Translation:
    """One writer's lines; lines of other tools are translated."""

    def __init__(self, before: Sequence[str]) -> None:
        self._before = before
        self._translator: Translator | None = None
        self._margin = ToolMargin("")  # of the tool's traceback
        self._half = ""  # a header whose rest is in the next line
        self._left = 0
        self._foreign = 0  # lines without the margin
        self._form: Format | None = None  # of the translator
        self._last: Format | None = None  # of the latest translated line

    def feed(self, line: str, is_reading: bool) -> list[str]:
        """The translation of a line, mostly the line itself.

        is_reading: the line may belong to a traceback of Python's own.
        """
        if self._half:
            half, self._half = self._half, ""
            if line.rstrip().endswith(_REST_OF_HEAD):
                return self.feed(f"{half} {_REST_OF_HEAD}", is_reading)
            return [half, *self.feed(line, is_reading)]
        if line.rstrip().endswith(_HALF_HEAD):
            self._half = line.rstrip()
            return []
        if is_reading or self._translator is not None:
            line = self._margin.equalize(line)
        rest = []
        if self._translator is not None:
            found = self._translated(self._translator, line)
            if found is not None:
                return found
            rest = self.finish()
            self._translator = None
        return [*rest, *self._begin(line, is_reading)]

    def _translated(self, translator: Translator, line: str) -> list[str] | None:
        """The translation; None if the tool's traceback has ended before the line."""
        self._left -= 1
        bare = self._margin.take_off(line)
        if bare is None and self._foreign < MOST_FOREIGN and self._margin.has_text:
            self._foreign += 1
            return [line]  # of another program
        if self._left <= 0 or bare is None:
            return None
        found = translator.feed(bare)
        if found is None:
            return None
        if found:
            self._last = self._form
        return self._margin.put_back(found)

    def finish(self) -> list[str]:
        """Remaining lines at the end of the log."""
        if self._half:
            return [self._half]
        if self._translator is None:
            return []
        return self._margin.put_back(self._translator.finish())

    @property
    def is_idle(self) -> bool:
        return self._translator is None and not self._half

    def _begin(self, line: str, is_reading: bool) -> list[str]:
        if HEAD not in line:
            for form in FORMATS:
                found = self._first_lines(form, line, is_reading)
                if found is not None:
                    return found
        if is_reading:
            line = _of_plain_ipython(line)
        return [line]

    def _first_lines(self, form: Format, line: str, is_reading: bool) -> list[str] | None:
        """Begins the tool's traceback with the line; None if none begins."""
        column = form.column(line)
        if column < 0 or not self._may_begin(form, line, is_reading):
            return None
        bare, margin = line[column:], self._margin_of(line[:column], is_reading)
        before = [margin.without(text) for text in self._before]
        translator = form.begin(bare, before)
        if translator is None:
            return None
        self._translator, self._left, self._form = translator, _MOST_LINES, form
        self._margin, self._foreign = margin, 0
        if form.has_head:
            self._last = form
            return margin.put_back([HEAD])
        if form.takes_first:
            return margin.put_back(translator.feed(bare) or [])
        if form.ends and is_reading:
            return [line]
        return []

    def _margin_of(self, prefix: str, is_reading: bool) -> ToolMargin:
        if is_reading and self._margin.is_like(prefix):  # the next traceback of a chain
            return self._margin
        return ToolMargin(prefix)

    def _may_begin(self, form: Format, line: str, is_reading: bool) -> bool:
        """Whether the tool's lines may stand here. Within a traceback, lines without a header of
        their own may as well be lines of Python's.
        """
        if form.goes_on:
            return is_reading
        if not is_reading:
            return True
        if form.has_head or (form.ends and is_end(line)):
            return True
        return form is self._last and form.start.match(self._margin.without(line)) is not None


def _nested_translation() -> Translation:
    """The translation of a box within a box."""
    return Translation(())
