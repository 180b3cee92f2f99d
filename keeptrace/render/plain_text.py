"""A view as the text of a traceback, in Python's own format: to copy into a mail or an issue."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from ..core.texts import counted, printable, shorten
from .frames import ShownFrame
from .view import ShownException, View

# Python folds further equal entries, too. (entries)
_EQUAL: Final = 3
# The whole text. (characters)
_MOST: Final = 200_000
_BETWEEN: Final = {
    "cause": "The above exception was the direct cause of the following exception:",
    "context": "During handling of the above exception, another exception occurred:",
}


def traceback_text(view: View) -> str:
    """The traceback of the whole chain. The members of a group follow the group."""
    parts = []
    for exception in view.in_order():
        if exception.relation == "held":  # Python does not print these
            continue
        if exception.relation == "child":
            parts.append("-" * 40 + "\n")
        parts += _lines(view, exception)
        between = _BETWEEN.get(exception.relation)
        if between:
            parts.append(f"\n{between}\n\n")
    return shorten("".join(parts), _MOST)


def _lines(view: View, exception: ShownException) -> Iterator[str]:
    if exception.text is not None:
        yield exception.text.rstrip("\n") + "\n"
        return
    frames = [frame for frame in exception.frames if not frame.is_caller]
    if frames:
        yield "Traceback (most recent call last):\n"
        yield from _entries(view, frames)
    if exception.place:
        yield exception.place
    yield f"{exception.title}\n"
    for note in exception.notes:
        yield f"{note}\n"


def _entries(view: View, frames: list[ShownFrame]) -> Iterator[str]:
    for _, group in groupby(frames, key=_place):
        equal = list(group)
        for frame in equal[:_EQUAL]:
            yield from _entry(view, frame)
        more = len(equal) - _EQUAL
        if more > 0:
            yield f"  [Previous line repeated {counted(more, 'more time')}]\n"


def _place(frame: ShownFrame) -> tuple[object, ...]:
    return frame.file, frame.line, frame.name, frame.left_out


def _entry(view: View, frame: ShownFrame) -> Iterator[str]:
    if frame.left_out:
        yield f"  [{frame.left_out} frames were not kept]\n"
        return
    file, name = printable(frame.file), printable(frame.name)
    yield f'  File "{file}", line {frame.line_text}, in {name}\n'
    snippet = view.sources.snippet(frame, 0, 0)
    if snippet is not None:
        yield f"    {snippet.lines[0].strip()}\n"
