"""A view within a budget of characters: the most telling parts come first, the rest is counted.

message · the first frame to look at, with the values on its failing line · the frames outwards, the
user's own first · the other variables · the other exceptions
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.errors import OptionError
from ..core.report import Ref
from ..core.texts import counted, printable, shorten
from .data import JSON_FORMAT
from .frames import ShownFrame, Variables
from .view import ShownException, View
from .wording import relation_text

# A smaller budget cannot hold a message and a place. (characters)
LEAST: Final = 200
# The length of a value, and of a message. (characters)
_VALUE: Final = 200
_MESSAGE: Final = 1_000
# Room for the line with the counts of the omitted parts. (characters)
_REST: Final = 80
_WORD: Final = re.compile(r"[^\W\d]\w*")


@dataclass(slots=True)
class _Row:
    """A frame, the source of its failing line, and its variables."""

    frame: ShownFrame
    source: str
    near: Variables = field(default_factory=list)  # on the failing line
    far: Variables = field(default_factory=list)


def _rows(view: View) -> Iterator[_Row]:
    """The frames, the most telling first."""
    cause = view.root_cause
    others = [exception for exception in view.in_order() if exception is not cause]
    for exception in [cause, *reversed(others)]:
        for frame in _users_first(exception.frames):
            yield _row(view, frame)


def _users_first(frames: list[ShownFrame]) -> list[ShownFrame]:
    """The kept frames: the user's own before the frames of libraries, each from the innermost."""
    kept = [frame for frame in reversed(frames) if not frame.left_out]
    return sorted(kept, key=lambda frame: frame.is_library)


def _row(view: View, frame: ShownFrame) -> _Row:
    source = view.sources.failing_line(frame).strip()
    words = set(_WORD.findall(source))
    row = _Row(frame, source)
    for name, ref in frame.locals:
        if frame.is_module and view.is_noise(name, ref):
            continue
        if name in words:
            row.near.append((name, ref))
        else:
            row.far.append((name, ref))
    return row


def brief_text(view: View, most: int) -> str:
    """The view as text of at most `most` characters. Raises OptionError for too small a budget."""
    _check(most)
    paper = _Paper(most)
    for exception in _heads(view):
        title = _title(view, exception, most)
        paper.add(f"[{exception.number}] {title}")
        if exception.context is not None:
            paper.add(f"    context: {_text(view, exception.context)}")
    rows = list(_rows(view))
    shown = 0
    for row in rows:
        piece = "\n".join(_lines(view, row))
        if not paper.add(piece):
            break
        shown += 1
    for row in rows[:shown]:
        place = _place(row.frame)
        for name, ref in row.far:
            paper.add_below(place, _variable_line(view, name, ref))
    paper.left_out(len(rows) - shown)
    return paper.text()


def _check(most: int) -> None:
    if most < LEAST:
        raise OptionError(f"the budget must be at least {LEAST} characters, not {most}")


def _heads(view: View) -> list[ShownException]:
    """Each exception once: the captured exception, the root cause, then the rest of the tree."""
    heads = {}
    for exception in (view.root, view.root_cause, *view.tree()):
        heads[exception.index] = exception
    return list(heads.values())


def _title(view: View, exception: ShownException, most: int) -> str:
    one_line = exception.title.replace("\n", " ")
    title = shorten(one_line, _most_message(most))
    relation = relation_text(view, exception)
    if relation:
        title += f" ({relation})"
    return title


def _most_message(most: int) -> int:
    """The characters of a message within a budget: a third at most."""
    return min(_MESSAGE, most // 3)


def _place(frame: ShownFrame) -> str:
    return printable(f"#{frame.number} {frame.title}  {frame.file}:{frame.line_text}")


def _text(view: View, ref: Ref) -> str:
    text = view.values.text(ref, _VALUE)
    held = view.values.attributes(ref, _VALUE - len(text))
    if held:
        text += f"  ({held})"
    return text


def _lines(view: View, row: _Row) -> Iterator[str]:
    """A frame, its failing line, and the variables of the failing line."""
    yield _place(row.frame)
    if row.source:
        yield f"  > {shorten(row.source, _VALUE)}"
    for name, ref in row.near:
        yield _variable_line(view, name, ref)


def _variable_line(view: View, name: str, ref: Ref) -> str:
    return f"    {name} = {_text(view, ref)}"


class _Paper:
    """Pieces of text, in order, within a budget. Lines can be added below an earlier piece."""

    def __init__(self, most: int) -> None:
        self._left = most - _REST
        self._pieces: list[list[str]] = []
        self._at: dict[str, int] = {}
        self._unshown = 0
        self._frames = 0

    def add(self, piece: str) -> bool:
        """Adds a piece. False if the budget has no room."""
        if not self._take_room(piece):
            return False
        head, _, _ = piece.partition("\n")
        self._at[head] = len(self._pieces)
        self._pieces.append([piece])
        return True

    def add_below(self, head: str, line: str) -> None:
        """Adds a line below the piece with this first line, if the budget has room."""
        if self._take_room(line):
            at = self._at[head]
            self._pieces[at].append(line)

    def _take_room(self, text: str) -> bool:
        """Takes the room of a line from the budget. False if there is none: the line is counted."""
        size = len(text) + 1
        if size > self._left:
            self._unshown += 1
            return False
        self._left -= size
        return True

    def left_out(self, frames: int) -> None:
        self._frames = frames

    def text(self) -> str:
        lines = [line for piece in self._pieces for line in piece]
        if self._frames or self._unshown:
            frames = counted(self._frames, "frame")
            values = counted(self._unshown, "value")
            lines.append(f"... left out: {frames}, {values}")
        return "\n".join(lines)


def brief_data(view: View, header: dict[str, Any], most: int) -> dict[str, Any]:
    """The view in the layout of to_data(), in at most `most` characters of compact JSON.

    Values are lines without parts. Raises OptionError for too small a budget.
    """
    _check(most)
    data: dict[str, Any] = {
        "format": JSON_FORMAT,
        "header": {},
        "python": view.python,
        "exceptions": [],
    }
    size = len(compact(data))
    room = _Room(most - size - _REST)
    kept: dict[int, dict[str, Any]] = {}  # by the exception's index
    for exception in _heads(view):
        part = _exception_data(view, exception, most)
        if room.take(part):
            kept[exception.index] = part
    rows = list(_rows(view))
    left_out = len(view.exceptions) - len(kept)
    left_out += _put_frames(view, rows[:1], kept, room)
    if room.take(header):
        data["header"] = header
    left_out += _put_frames(view, rows[1:], kept, room)
    for part in kept.values():
        part["frames"].sort(key=lambda frame: frame["number"])
    data["exceptions"] = [kept[index] for index in sorted(kept)]
    data["left_out"] = left_out
    return data


def _put_frames(
    view: View, rows: list[_Row], exceptions: dict[int, dict[str, Any]], room: _Room
) -> int:
    """Adds frames to the data of the exceptions. Returns the number of omitted parts."""
    left_out = 0
    for row in rows:
        exception = exceptions.get(row.frame.exception)
        left_out += _put_frame(view, row, exception, room)
    return left_out


def _put_frame(view: View, row: _Row, exception: dict[str, Any] | None, room: _Room) -> int:
    """Adds a frame and its variables to the data of its exception, within the room.

    Returns the number of omitted parts.
    """
    frame = _frame_data(row)
    if exception is None or not room.take(frame):
        return 1
    exception["frames"].append(frame)
    left_out = 0
    for name, ref in row.near + row.far:
        variable = _variable_data(view, name, ref)
        if room.take(variable):
            frame["locals"].append(variable)
        else:
            left_out += 1
    return left_out


class _Room:
    """A budget of characters of JSON."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, part: object) -> bool:
        size = len(compact(part)) + 1
        if size > self._left:
            return False
        self._left -= size
        return True


def compact(data: object) -> str:
    return json.dumps(data, separators=(",", ":"))


def _exception_data(view: View, exception: ShownException, most: int) -> dict[str, Any]:
    context = {}
    if exception.context is not None:
        context["context"] = _text(view, exception.context)
    return {
        **context,
        "number": exception.number,
        "type": exception.type,
        "message": shorten(exception.message, _most_message(most)),
        "relation": exception.relation or None,
        "of": view.parent_number(exception),
        "frames": [],
    }


def _variable_data(view: View, name: str, ref: Ref) -> dict[str, Any]:
    return {
        "name": name,
        "type": view.values.value(ref).type,
        "value": _text(view, ref),
    }


def _frame_data(row: _Row) -> dict[str, Any]:
    return {
        "number": row.frame.number,
        "file": row.frame.file,
        "line": row.frame.line,
        "function": row.frame.function,
        "source": shorten(row.source, _VALUE),
        "locals": [],
    }
