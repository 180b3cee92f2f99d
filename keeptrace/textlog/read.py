"""An exception from the reader: plain objects, for build.py to make a report."""

from __future__ import annotations

import collections

from .grammar import MOST_FRAMES


class NotInLog(Exception):
    """Replaces an exception outside of the log: the line was cut off, or the group was printed only
    in part.
    """

    __module__ = "keeptrace.textlog"  # where users find it


class ReadFrame:
    __slots__ = ("file", "flat", "line", "name", "source")

    def __init__(self, file: str, line: int, name: str, flat: bool) -> None:
        self.file: str = file
        self.line: int = line
        self.name: str = name
        self.source: list[str] = []  # without the usual indentation
        self.flat: bool = flat  # the text has no indentation, so carets mean nothing


class ReadFrames:
    """The frames of a traceback. Of too many frames, the middle is left out."""

    __slots__ = ("count", "first", "last", "latest")

    def __init__(self) -> None:
        self.first: list[ReadFrame] = []
        self.last: collections.deque[ReadFrame] = collections.deque(
            maxlen=MOST_FRAMES - MOST_FRAMES // 2
        )
        self.count: int = 0
        self.latest: ReadFrame | None = None

    def add(self, frame: ReadFrame, times: int = 1) -> None:
        self.latest = frame
        self.count += times
        room = min(times, MOST_FRAMES // 2 - len(self.first))
        self.first.extend([frame] * room)
        self.last.extend([frame] * min(times - room, MOST_FRAMES))

    def clear(self) -> None:
        self.first.clear()
        self.last.clear()
        self.count = 0
        self.latest = None

    @property
    def left_out(self) -> int:
        return self.count - len(self.first) - len(self.last)


class ReadException:
    """One exception as read."""

    __slots__ = (
        "cause",
        "children",
        "context",
        "cut",
        "deeper",
        "frames",
        "group",
        "lines",
        "more",
        "name",
        "silent",
        "syntax",
    )

    def __init__(self) -> None:
        self.frames: ReadFrames = ReadFrames()
        self.group: bool = False
        self.name: str = ""
        self.lines: list[str] = []  # of the message and the notes
        self.silent: bool = False  # no message, not even a colon: the lines are notes
        self.syntax: tuple[ReadFrame, list[str]] | None = None
        self.cause: ReadException | None = None
        self.context: ReadException | None = None
        self.children: list[ReadException] = []
        self.more: int = 0  # children outside of the text
        self.deeper: bool = False  # a group too deep to be printed
        self.cut: str = ""  # the missing part

    @property
    def latest_source(self) -> list[str] | None:
        """The source under the innermost place."""
        if self.syntax is not None:
            return self.syntax[1]
        if self.frames.latest is not None:
            return self.frames.latest.source
        return None
