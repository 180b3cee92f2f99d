"""The steps of a reader: what each line does, by the reader's state."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .grammar import (
    CAUGHT,
    DEEPER,
    DRAWN,
    FENCES,
    GROUP,
    HEAD,
    LAST_LINE,
    LINKS,
    MORE,
    MOST_BLANKS,
    MOST_EXCEPTIONS,
    MOST_FENCED_LINES,
    MOST_LINES,
    MOST_SOURCE_LINES,
    ORIGINAL,
    REPEATED,
    TOLD_LINK,
    TOLD_TYPE,
    TOLD_VALUE,
    UNNAMED,
    is_end,
    is_error_like,
    is_header,
    is_place,
    is_record,
)
from .levels import Levels
from .line_kinds import ends_message, frame_at, last_line_in, opens_fence, place_in
from .margin import Margin
from .read import ReadException
from .steps import State, Verdict
from .wrapped import Unwrapper

_MOST_BLANKS_BETWEEN: Final = 2  # frames, or exceptions of a chain
_MOST_STRAYS: Final = 3  # lines of other programs between two frames


def _ends_source(match: re.Match[str] | None) -> bool:
    """Whether a line that a narrow screen broke may be the rest of a source, by its match of
    LAST_LINE.
    """
    return match is None or not (match["colon"] or is_error_like(match))


class Stepper:
    """Takes the lines of one traceback, without margins and bars."""

    def __init__(self, prefix: str, closed: bool) -> None:
        self._margin = Margin(prefix)
        self.is_closed = closed
        self._levels = Levels()
        self._unwrapper = Unwrapper()
        self._state = State.START
        self._blanks = 0
        self._fences = 0
        self._count = 1
        self._strays = 0
        self.record: re.Pattern[str] | None = None  # what the log's next record looks like
        self._has_frames = False
        self._is_spaced = False  # blank lines between frames, as from loguru

    @property
    def _now(self) -> ReadException:
        return self._levels.now

    def _step(self, text: str) -> Verdict:
        return _STEPS[self._state](self, text)

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
        exception = self._now
        match = last_line_in(text, exception, self._margin.flat)
        if self._unwrapper.is_by_words and _ends_source(match) and exception.latest_source:
            exception.latest_source[-1] += f" {text}"
            return Verdict.TAKEN
        if match is not None and (not self._strays or is_error_like(match)):
            self._take_last_line(match)
            return Verdict.TAKEN
        if self._take_told(text):
            return Verdict.TAKEN
        return self._step_between(text)

    def _take_told(self, text: str) -> bool:
        """Takes a link or the last line as Django's report has them."""
        exception = self._now
        kind = TOLD_TYPE.match(text)
        if kind is not None:
            exception.name = kind["name"]
            return True
        if exception.name and text.startswith(TOLD_VALUE):
            match = LAST_LINE.match(f"{exception.name}: {text.removeprefix(TOLD_VALUE)}")
            if match is not None:
                self._take_last_line(match)
            return True
        link = TOLD_LINK.match(text)
        if link is None or link["begin"] + link["end"] not in LINKS:
            return False
        exception.name, exception.lines = UNNAMED, [link["message"]]
        self._link(LINKS[link["begin"] + link["end"]])
        self._open("")
        return True

    def _step_between(self, text: str) -> Verdict:
        """A line of another thread, or a last line without an exception's name, or the end."""
        exception = self._now
        if is_record(text):
            if exception.lines:
                return Verdict.OVER
            return Verdict.FOREIGN
        is_text = not text[:1].isspace() and not is_end(text)
        if exception.frames.count and is_text and not self._margin.flat:
            return self._note_stray(text)
        return Verdict.OVER

    def _note_stray(self, text: str) -> Verdict:
        """The next lines say whether the line is the last line, or of another thread."""
        self._strays += 1
        if HEAD in text or self._strays > _MOST_STRAYS:
            return Verdict.OVER
        if not self._now.lines:
            self._now.lines = [text.rstrip()]
            self._now.cut = "its last line names no exception"
        return Verdict.FOREIGN

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
        if not self._is_inside() and self._ends_message(text):
            return Verdict.OVER
        if bare in FENCES and not opens_fence(exception.lines):
            self._state = State.AFTER  # the fence was opened before the header
            return Verdict.TAKEN
        return self._add_to_message(text, bare)

    def _add_to_message(self, text: str, bare: str) -> Verdict:
        lines = self._now.lines
        if self._unwrapper.is_rest and lines and not self._blanks:
            lines[-1] += f" {bare}"
            return Verdict.TAKEN
        self._note_fence(bare)
        self._add_blanks()
        return self._add_line(text, MOST_LINES)

    def _ends_message(self, text: str) -> bool:
        if self.record is not None and self.record.match(text):
            return True
        return ends_message(text, self._now.lines, bool(self._blanks))

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
        self._forget_strays()
        if match["name"] is None:
            self._now.syntax = (frame, [])
        else:
            self._now.syntax = None
            self._now.frames.add(frame)
            self._has_frames = True

    def _is_source(self, text: str) -> bool:
        if not self._margin.flat:
            return text[:3].isspace() and bool(text[:3])
        if self._now.latest_source is None:
            return False
        match = LAST_LINE.match(text)
        return match is None or is_record(text) or not is_error_like(match)

    def _take_source(self, text: str) -> Verdict:
        lines = self._now.latest_source
        if lines and DRAWN.match(text):
            return Verdict.TAKEN
        if lines is not None and len(lines) < MOST_SOURCE_LINES:
            lines.append(text if self._margin.flat else text[4:])
        return Verdict.TAKEN

    def _forget_strays(self) -> None:
        """The traceback goes on, so the lines in between were of another program."""
        if self._strays:
            self._strays = 0
            self._now.lines, self._now.cut = [], ""

    def _take_last_line(self, match: re.Match[str]) -> None:
        self._forget_strays()
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


_STEPS: Final[dict[State, Callable[[Stepper, str], Verdict]]] = {
    State.START: Stepper._step_start,
    State.FRAMES: Stepper._step_frames,
    State.MESSAGE: Stepper._step_message,
    State.AFTER: Stepper._step_after,
}
