"""Reads one traceback, with its chain and groups, line by line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .grammar import (
    BAR,
    CAUGHT,
    DEEPER,
    DRAWN,
    FENCES,
    GROUP,
    LAST_LINE,
    LINKS,
    MORE,
    MOST_BLANKS,
    MOST_CHARACTERS,
    MOST_EXCEPTIONS,
    MOST_FENCED_LINES,
    MOST_FOREIGN,
    MOST_LEVELS,
    MOST_LINES,
    MOST_SOURCE_LINES,
    ORIGINAL,
    REPEATED,
    RULE,
    is_end,
    is_error_like,
    is_header,
    is_place,
    is_record,
)
from .levels import LOG_ENDS, Levels
from .line_kinds import ends_message, frame_at, last_line_in, opens_fence, place_in
from .margin import Margin
from .read import ReadException
from .steps import State, Verdict

_PADDING: Final = " " * 8
_MOST_BLANKS_BETWEEN: Final = 2  # frames, or exceptions of a chain


class TracebackReader:
    """Reads one traceback, with its chain and groups, line by line.

    closed: the text ends with the traceback, so every line after the last line belongs to the
        message.
    """

    def __init__(self, prefix: str, closed: bool = False) -> None:
        self._margin = Margin(prefix)
        self.is_closed = closed
        self._levels = Levels()
        self._state = State.START
        self._blanks = 0
        self._fences = 0
        self._count = 1
        self._foreign = 0
        self._has_frames = False
        self._is_spaced = False  # blank lines between frames, as from loguru
        self.said_before = ""  # type and message, if the log has them in front of the header

    @property
    def _now(self) -> ReadException:
        return self._levels.now

    def begin(self, header: str) -> None:
        """Takes the header, without the prefix."""
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
        if line.endswith(_PADDING):  # a tool pads its lines to the width of the screen
            line = line.rstrip()
        text = self._margin.take_off(line[:MOST_CHARACTERS], ending)
        if isinstance(text, Verdict):
            self._foreign += 1
            if self._foreign > MOST_FOREIGN:
                return Verdict.OVER
            return text
        if self._levels.root.group:
            return self._feed_group(text)
        return _STEPS[self._state](self, text)

    # Groups.

    def _feed_group(self, text: str) -> Verdict:
        match = BAR.match(text)
        if match is not None and self._margin.is_bar(match):
            return self._take_bar(match)
        if self._levels.depth > 1 or self._state in (State.MESSAGE, State.AFTER):
            self._leave_groups()
        elif self._state is State.FRAMES:
            return Verdict.OVER
        return _STEPS[self._state](self, text)

    def _take_bar(self, match: re.Match[str]) -> Verdict:
        column = len(match["indent"])
        if self._margin.bar is None:
            self._margin.bar = column
        at = (column - self._margin.bar) // 2
        rule = RULE.match(match["rule"] or "")
        if rule is None:
            if not self._margin.flat and at < self._levels.depth - 1:
                self._leave_levels(at + 1)
            return _STEPS[self._state](self, match["text"] or "")
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

    # The step of each state.

    def _step_start(self, text: str) -> Verdict:
        bare = text.strip()
        if not bare:
            return Verdict.TAKEN
        if is_header(bare):
            self._open(bare.removeprefix("+ "))
            return Verdict.TAKEN
        more = MORE.match(bare)
        if more is not None and self._levels.depth > 1:
            owner = self._levels.group
            owner.children.pop()
            owner.more = int(more[1])
            self._state = State.AFTER
            return Verdict.TAKEN
        if self._levels.depth > 1 and DEEPER.match(bare):
            self._now.deeper = True
            self._state = State.AFTER
            return Verdict.TAKEN
        if is_place(text):
            self._state = State.FRAMES
            return self._step_frames(text)
        match = last_line_in(text, self._now, self._margin.flat)
        if match is None:
            return Verdict.OVER
        self._take_last_line(match)
        return Verdict.TAKEN

    def _step_frames(self, text: str) -> Verdict:
        exception = self._now
        if not text.strip():
            return self._take_blank(_MOST_BLANKS_BETWEEN)
        self._is_spaced = self._is_spaced or bool(self._blanks)
        self._blanks = 0
        if CAUGHT.match(text):
            return Verdict.TAKEN
        if text.startswith("> File "):  # the catching frame: the frames before are its callers
            exception.frames.clear()
            text = "  " + text[2:]
        place = place_in(text, self._margin.flat)
        if place is not None:
            self._take_place(place)
            return Verdict.TAKEN
        repeated = REPEATED.match(text)
        if repeated is not None and exception.frames.latest is not None:
            exception.frames.add(exception.frames.latest, int(repeated[1]))
            return Verdict.TAKEN
        if self._is_source(text):
            return self._take_source(text)
        return self._step_after_frames(text)

    def _take_blank(self, most: int) -> Verdict:
        self._blanks += 1
        if self._blanks <= most:
            return Verdict.TAKEN
        return Verdict.OVER

    def _step_after_frames(self, text: str) -> Verdict:
        """Neither frame nor source: the last line, or the traceback ended."""
        match = last_line_in(text, self._now, self._margin.flat)
        if match is not None:
            self._take_last_line(match)
            return Verdict.TAKEN
        if is_record(text):
            return Verdict.FOREIGN  # of another thread
        is_text = not text[:1].isspace() and not is_end(text)
        if self._now.frames.count and is_text and not self._margin.flat:
            self._now.lines = [text.rstrip()]
            self._now.cut = "its last line names no exception"
        return Verdict.OVER

    def _step_message(self, text: str) -> Verdict:
        exception = self._now
        bare = text.strip()
        if self._fences:
            self._note_fence(bare)
            return self._add_line(text, MOST_FENCED_LINES)
        if ORIGINAL in exception.lines:
            return self._step_original(text, bare)
        if not bare:
            return self._take_blank(MOST_BLANKS)
        if bare in LINKS:
            self._blanks = 0 if self._is_spaced else max(self._blanks - 1, 0)
            self._add_blanks()
            return self._link(LINKS[bare])
        if not self._is_inside() and ends_message(text, exception.lines, bool(self._blanks)):
            return Verdict.OVER
        if bare in FENCES and not opens_fence(exception.lines):
            return Verdict.TAKEN  # the fence was opened before the header
        self._note_fence(bare)
        self._add_blanks()
        return self._add_line(text, MOST_LINES)

    def _is_inside(self) -> bool:
        """Whether the text or a group's bars say where the message ends."""
        return self.is_closed or self._levels.depth > 1 or self._levels.root.group

    def _step_original(self, text: str, bare: str) -> Verdict:
        """A line of a traceback within the message."""
        if not bare:
            return self._take_blank(_MOST_BLANKS_BETWEEN)
        is_next = bare in LINKS or is_header(bare) or text[0].isspace()
        if is_record(text) or is_end(text) or (self._blanks and not is_next):
            return Verdict.OVER
        self._add_blanks()
        return self._add_line(text, MOST_FENCED_LINES)

    def _step_after(self, text: str) -> Verdict:
        bare = text.strip()
        if not bare:
            return self._take_blank(_MOST_BLANKS_BETWEEN)
        if bare in LINKS:
            return self._link(LINKS[bare])
        return Verdict.OVER

    # What the steps do.

    def _open(self, header: str) -> None:
        self._now.group = header.startswith(GROUP)
        self._state = State.FRAMES
        self._blanks = 0

    def _link(self, kind: str) -> Verdict:
        if self._count >= MOST_EXCEPTIONS:
            return self._cut("a longer chain than is read")
        before = self._now
        after = ReadException()
        setattr(after, kind, before)
        self._levels.succeed(after)
        self._count += 1
        self._state = State.START
        self._blanks = 0
        return Verdict.TAKEN

    def _take_place(self, match: re.Match[str]) -> None:
        frame = frame_at(match, self._margin.flat)
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
        match = LAST_LINE.match(text)
        return match is None or is_record(text) or not is_error_like(match)

    def _source_of(self) -> list[str] | None:
        exception = self._now
        if exception.syntax is not None:
            return exception.syntax[1]
        if exception.frames.latest is not None:
            return exception.frames.latest.source
        return None

    def _take_source(self, text: str) -> Verdict:
        lines = self._source_of()
        if lines and DRAWN.match(text):
            return Verdict.TAKEN
        if lines is not None and len(lines) < MOST_SOURCE_LINES:
            lines.append(text if self._margin.flat else text[4:])
        return Verdict.TAKEN

    def _take_last_line(self, match: re.Match[str]) -> None:
        self._now.name = match["name"]
        self._now.silent = match["colon"] is None
        self._now.lines = []
        if not self._now.silent:
            self._now.lines.append(match["message"] or "")
        self._state = State.MESSAGE
        self._blanks = 0
        self._fences = 0

    def _note_fence(self, bare: str) -> None:
        """A fence opens after a line with an exception's name and no message; otherwise
        it closes.
        """
        if bare not in FENCES:
            return
        if opens_fence(self._now.lines):
            self._fences += 1
        else:
            self._fences = max(self._fences - 1, 0)

    def _add_line(self, text: str, most: int) -> Verdict:
        exception = self._now
        if len(exception.lines) >= most:
            return self._cut("its message is longer than is read")
        exception.lines.append(text)
        return Verdict.TAKEN

    def _add_blanks(self) -> None:
        self._now.lines.extend([""] * self._blanks)
        self._blanks = 0

    def _settle_message(self) -> None:
        """Before a bar: blank lines within the bars are the message's own."""
        if self._state is State.MESSAGE:
            self._add_blanks()

    def _cut(self, why: str) -> Verdict:
        self._now.cut = why
        return Verdict.OVER

    # The end.

    def result(self) -> ReadException | None:
        """The traceback; None without frames."""
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


_STEPS: Final[dict[State, Callable[[TracebackReader, str], Verdict]]] = {
    State.START: TracebackReader._step_start,
    State.FRAMES: TracebackReader._step_frames,
    State.MESSAGE: TracebackReader._step_message,
    State.AFTER: TracebackReader._step_after,
}
