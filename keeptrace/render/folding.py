"""A recursion in few rows: of the frames at one place, the first and the last are shown."""

from __future__ import annotations

from typing import Final

from .view import ShownFrame

# Of the frames at one place, so many of the first and of the last stand alone. (frames)
_EQUAL: Final = 3


def folded(frames: list[ShownFrame]) -> list[list[ShownFrame]]:
    """Rows of frames: one alone, or the middle of a recursion, also of several functions."""
    places: dict[tuple[object, ...], list[int]] = {}
    for index, frame in enumerate(frames):
        places.setdefault((frame.file, frame.function, frame.line), []).append(index)
    middle: set[int] = set()
    for indexes in places.values():
        middle.update(indexes[_EQUAL:-_EQUAL])
    rows: list[list[ShownFrame]] = []
    for index, frame in enumerate(frames):
        if index in middle and index - 1 in middle:
            rows[-1].append(frame)
        else:
            rows.append([frame])
    return rows
