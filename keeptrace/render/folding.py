"""A recursion in few rows: of many frames at a place, only the first and the last are shown."""

from __future__ import annotations

from typing import Final

from .frames import ShownFrame

# The first and the last frames at a place that keep a row each. (frames)
_EQUAL: Final = 3


def folded(frames: list[ShownFrame]) -> list[list[ShownFrame]]:
    """Rows of frames: a single frame, or the middle of a recursion, also of several functions."""
    places: dict[tuple[object, ...], list[int]] = {}
    for index, frame in enumerate(frames):
        place = (frame.file, frame.function, frame.line)
        places.setdefault(place, []).append(index)
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
