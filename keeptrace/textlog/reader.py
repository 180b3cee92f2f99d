"""Reads one traceback, with its chain and groups, line by line.

The steps of the states are in stepper.py.
"""

from __future__ import annotations

import re
from typing import Final

from .grammar import (
    BAR,
    LAST_LINE,
    MOST_CHARACTERS,
    MOST_EXCEPTIONS,
    MOST_FOREIGN,
    MOST_LEVELS,
    RULE,
)
from .levels import LOG_ENDS
from .read import ReadException
from .stepper import Stepper
from .steps import State, Verdict

_PADDING: Final = " " * 8


class TracebackReader(Stepper):
    """Reads one traceback, with its chain and groups, line by line.

    closed: the text ends with the traceback, so every line after the last line belongs to the
        message.
    """

    def __init__(self, prefix: str, closed: bool = False) -> None:
        super().__init__(prefix, closed)
        self._foreign = 0
        self._is_padded = False  # a tool pads all lines, or the lines to the width of the screen
        self.said_before = ""  # type and message, if the log has them in front of the header

    def begin(self, header: str) -> None:
        """Takes the header, without the prefix."""
        self._is_padded = header != header.rstrip()
        self._open(header.strip().removeprefix("+ "))

    def begin_with_link(self, last_line: str, link: str) -> None:
        """Reads an exception without a traceback, and the link behind it."""
        match = LAST_LINE.match(last_line)
        if match is not None:
            self._take_last_line(match)
        self._link(link)

    def owns(self, line: str) -> bool:
        """Whether a line belongs to this traceback alone, by its prefix."""
        return self._margin.owns(line)

    def feed(self, line: str) -> Verdict:
        ending = self._state in (State.MESSAGE, State.AFTER) and not self._fences
        if self._is_padded or line.endswith(_PADDING):
            line = line.rstrip()
        text = self._margin.take_off(line[:MOST_CHARACTERS], ending)
        if isinstance(text, Verdict):
            self._foreign += 1
            if self._foreign > MOST_FOREIGN:
                return Verdict.OVER
            return text
        return self._take(self._unwrapper.feed(text, len(line.rstrip())))

    def _take(self, texts: list[str]) -> Verdict:
        verdict = Verdict.TAKEN
        for text in texts:
            if self._levels.root.group or self._opens_group(text):
                verdict = self._feed_group(text)
            else:
                verdict = self._step(text)
            if verdict is Verdict.OVER:
                break
        return verdict

    # Groups.

    def _opens_group(self, text: str) -> bool:
        """Whether a traceback with a plain header is a group's: its first child begins."""
        if self._state is not State.MESSAGE or not text.startswith("+-+"):
            return False
        self._blanks = 0
        return RULE.match(text, 1) is not None

    def _feed_group(self, text: str) -> Verdict:
        match = BAR.match(text)
        if match is not None and self._margin.is_bar(match):
            return self._take_bar(match)
        if self._state is State.FRAMES and self._unwrapper.is_by_words:
            return self._step(text)
        if self._levels.depth > 1 or self._state in (State.MESSAGE, State.AFTER):
            self._leave_groups()
        elif self._state is State.FRAMES:
            return Verdict.OVER
        return self._step(text)

    def _take_bar(self, match: re.Match[str]) -> Verdict:
        column = len(match["indent"])
        if self._margin.bar is None:
            self._margin.bar = column
        at = (column - self._margin.bar) // 2
        rule = RULE.match(match["rule"] or "")
        if rule is None:
            if not self._margin.flat and at < self._levels.depth - 1:
                self._leave_levels(at + 1)
            return self._step(match["text"] or "")
        if rule["number"] is None:
            self._settle_message()
            self._state = State.AFTER
            return Verdict.TAKEN
        return self._open_child(rule, at)

    def _open_child(self, rule: re.Match[str], at: int) -> Verdict:
        self._settle_message()
        if self._count >= MOST_EXCEPTIONS:
            return self._cut("more exceptions than are read of one traceback")
        if rule["opens"]:
            if not self._margin.flat:
                self._leave_levels(at + 1)
            if self._levels.depth >= MOST_LEVELS:
                return self._cut("more groups in groups than are read")
            self._levels.open_group()
        else:
            keep = at + 1
            if self._margin.flat:
                keep = self._levels.level_of(rule["number"])
            self._leave_levels(keep)
            if self._levels.depth < 2:
                return Verdict.OVER
            self._levels.next_child(rule["number"])
        self._count += 1
        self._state = State.START
        return Verdict.TAKEN

    def _leave_levels(self, keep: int) -> None:
        if self._levels.leave(keep):
            self._state = State.AFTER

    def _leave_groups(self) -> None:
        self._settle_message()
        if self._levels.depth > 1 and self._state in (State.START, State.FRAMES):
            self._now.cut = self._now.cut or "the group's text ends within it"
        self._levels.leave(1)
        self._state = State.AFTER

    # The end.

    def result(self) -> ReadException | None:
        """The traceback; None without frames."""
        self._take(self._unwrapper.finish())
        if not self._has_frames:
            return None
        now = self._now
        if self._state is State.MESSAGE and self.is_closed and self._levels.depth == 1:
            self._add_blanks()
        elif self._state is State.START and not now.name and not now.frames.count:
            return self._levels.end_before_exception()
        elif self._state is State.FRAMES:
            self._end_in_frames()
        return self._levels.root

    def _end_in_frames(self) -> None:
        """The text ended before the last line; some logs have that line in front of the header."""
        now = self._now
        said = LAST_LINE.match(self.said_before)
        if said is not None and now is self._levels.root and not now.lines:
            self._take_last_line(said)
        else:
            now.cut = now.cut or LOG_ENDS
