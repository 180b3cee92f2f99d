"""A view within a number of characters: the most telling comes first, and the rest is counted.

message · the frame to look at first, with the values that its failing line names · the frames
outwards, the user's own first · their other variables · the other exceptions
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.errors import OptionError
from ..core.report import Ref
from ..core.texts import printable, shorten
from .data import FORMAT
from .view import ShownException, ShownFrame, View
from .wording import relation_text

# Less cannot hold a message and a place. (characters)
LEAST: Final = 200
# (characters of one value, and of a message)
_VALUE: Final = 200
_MESSAGE: Final = 1_000
# Room for the line that counts what is left out. (characters)
_REST: Final = 80
_WORD: Final = re.compile(r"[^\W\d]\w*")


@dataclass(slots=True)
class _Row:
    """A frame, with the variables that are shown of it so far."""

    frame: ShownFrame
    source: str
    near: list[tuple[str, Ref]] = field(default_factory=list)  # named on the failing line
    far: list[tuple[str, Ref]] = field(default_factory=list)


def _rows(view: View) -> Iterator[_Row]:
    """The frames, the most telling first."""
    first = view.root_cause
    others = [each for each in view.in_order() if each is not first]
    for exception in [first, *reversed(others)]:
        frames = [frame for frame in reversed(exception.frames) if not frame.left_out]
        users = [frame for frame in frames if not frame.is_library]
        for frame in users + [frame for frame in frames if frame.is_library]:
            yield _row(view, frame)


def _row(view: View, frame: ShownFrame) -> _Row:
    snippet = view.sources.snippet(frame, 0, 0)
    source = snippet.lines[0].strip() if snippet else ""
    words = set(_WORD.findall(source))
    row = _Row(frame, source)
    for name, ref in frame.locals:
        if not (frame.is_module and view.is_noise(name, ref)):
            (row.near if name in words else row.far).append((name, ref))
    return row


def brief_text(view: View, most: int) -> str:
    """The view as text of at most `most` characters. Raises OptionError if that is too few."""
    _check(most)
    paper = _Paper(most)
    for exception in _heads(view):
        paper.add(f"[{exception.number}] {_title(view, exception, most)}")
        if exception.context is not None:
            paper.add(f"    context: {_text(view, exception.context)}")
    rows = list(_rows(view))
    shown = 0
    for row in rows:
        if not paper.add("\n".join(_lines(view, row, row.near))):
            break
        shown += 1
    for row in rows[:shown]:
        for name, ref in row.far:
            paper.add_below(_place(row.frame), f"    {name} = {_text(view, ref)}")
    paper.left_out(len(rows) - shown)
    return paper.text()


def _check(most: int) -> None:
    if most < LEAST:
        raise OptionError(f"the budget must be at least {LEAST} characters, not {most}")


def _heads(view: View) -> list[ShownException]:
    """The captured exception, then its root cause, then the others."""
    heads = [view.root, view.root_cause, *view.tree()]
    return list({exception.index: exception for exception in heads}.values())


def _title(view: View, exception: ShownException, most: int) -> str:
    title = shorten(exception.title.replace("\n", " "), min(_MESSAGE, most // 3))
    relation = relation_text(view, exception)
    return f"{title} ({relation})" if relation else title


def _place(frame: ShownFrame) -> str:
    line = "?" if frame.line is None else frame.line
    return printable(f"#{frame.number} {frame.title}  {frame.file}:{line}")


def _text(view: View, ref: Ref) -> str:
    text = view.values.text(ref, _VALUE)
    held = view.values.attributes(ref, _VALUE - len(text))
    return f"{text}  ({held})" if held else text


def _lines(view: View, row: _Row, variables: list[tuple[str, Ref]]) -> Iterator[str]:
    yield _place(row.frame)
    if row.source:
        yield f"  > {shorten(row.source, _VALUE)}"
    for name, ref in variables:
        yield f"    {name} = {_text(view, ref)}"


class _Paper:
    """Pieces of text that fit, in their order; a piece may get lines below it later."""

    def __init__(self, most: int) -> None:
        self._left = most - _REST
        self._pieces: list[list[str]] = []
        self._at: dict[str, int] = {}
        self._unshown = 0
        self._frames = 0

    def add(self, piece: str) -> bool:
        if len(piece) + 1 > self._left:
            self._unshown += 1
            return False
        self._left -= len(piece) + 1
        self._at[piece.partition("\n")[0]] = len(self._pieces)
        self._pieces.append([piece])
        return True

    def add_below(self, head: str, line: str) -> None:
        if len(line) + 1 > self._left:
            self._unshown += 1
            return
        self._left -= len(line) + 1
        self._pieces[self._at[head]].append(line)

    def left_out(self, frames: int) -> None:
        self._frames = frames

    def text(self) -> str:
        lines = [line for piece in self._pieces for line in piece]
        if self._frames or self._unshown:
            frames, values = _counted(self._frames, "frame"), _counted(self._unshown, "value")
            lines.append(f"... left out: {frames}, {values}")
        return "\n".join(lines)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def brief_data(view: View, header: dict[str, Any], most: int) -> dict[str, Any]:
    """The view as to_data() lays it out, in at most `most` characters of compact JSON.

    Values are lines without parts. Raises OptionError if the budget is too small.
    """
    _check(most)
    told = {exception.index: _exception_data(view, exception, most) for exception in _heads(view)}
    data: dict[str, Any] = {"format": FORMAT, "header": {}, "python": view.python, "exceptions": []}
    room = _Room(most - len(compact(data)) - _REST)
    kept = {index: each for index, each in told.items() if room.take(each)}
    left_out = 0
    for at, row in enumerate(_rows(view)):
        if at == 1 and room.take(header):
            data["header"] = header
        left_out += _put_frame(view, row, kept.get(row.frame.exception), room)
    if not data["header"] and room.take(header):
        data["header"] = header
    for each in told.values():
        each["frames"].sort(key=lambda frame: frame["number"])
    data["exceptions"] = [told[each.index] for each in view.exceptions if each.index in kept]
    data["left_out"] = left_out + len(view.exceptions) - len(kept)
    return data


def _put_frame(view: View, row: _Row, exception: dict[str, Any] | None, room: _Room) -> int:
    """Adds a frame and its variables to the data of its exception, as far as there is room.

    Returns how many of these parts are left out.
    """
    frame = _frame_data(row)
    if exception is None or not room.take(frame):
        return 1
    exception["frames"].append(frame)
    variables = [_variable_data(view, name, ref) for name, ref in row.near + row.far]
    frame["locals"] = [variable for variable in variables if room.take(variable)]
    return len(variables) - len(frame["locals"])


class _Room:
    """The characters of JSON that are left."""

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
    of = view.exceptions[exception.of].number if exception.of >= 0 else None
    said = {} if exception.context is None else {"context": _text(view, exception.context)}
    return {
        **said,
        "number": exception.number,
        "type": exception.type,
        "message": shorten(exception.message, min(_MESSAGE, most // 3)),
        "relation": exception.relation or None,
        "of": of,
        "frames": [],
    }


def _variable_data(view: View, name: str, ref: Ref) -> dict[str, Any]:
    return {"name": name, "type": view.values.value(ref).type, "value": _text(view, ref)}


def _frame_data(row: _Row) -> dict[str, Any]:
    return {
        "number": row.frame.number,
        "file": row.frame.file,
        "line": row.frame.line,
        "function": row.frame.function,
        "source": shorten(row.source, _VALUE),
        "locals": [],
    }
