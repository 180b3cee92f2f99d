"""The current exception of a reader, and the exception groups around it."""

from __future__ import annotations

from typing import Final

from .read import ReadException

LINK_ENDS: Final = (
    "the log ends, or goes on with something else, before the exception that followed it"
)
LOG_ENDS: Final = "the log ends, or goes on with something else, before its last line"


class _Level:
    """A child of a group. The first level is the traceback itself."""

    __slots__ = ("count", "exception")

    def __init__(self, exception: ReadException) -> None:
        self.exception = exception
        self.count = 1  # the child's number in the text


class Levels:
    """The traceback, the newest child of its group, the newest child of the child's group, …"""

    def __init__(self) -> None:
        self._levels = [_Level(ReadException())]

    @property
    def depth(self) -> int:
        return len(self._levels)

    @property
    def root(self) -> ReadException:
        return self._levels[0].exception

    @property
    def now(self) -> ReadException:
        return self._levels[-1].exception

    @property
    def group(self) -> ReadException:
        """The group of the newest child."""
        return self._levels[-2].exception

    def open_group(self) -> None:
        """Begins the first child of the current exception."""
        self._levels.append(_Level(ReadException()))
        self._note_child()

    def next_child(self, number: str) -> None:
        """Begins the next child of the innermost group. number: from the text."""
        self._levels[-1] = _Level(ReadException())
        count = 0
        if number != "...":
            count = int(number)
        self._levels[-1].count = count
        self._note_child()

    def _note_child(self) -> None:
        self.group.group = True
        self.group.children.append(self.now)

    def succeed(self, after: ReadException) -> None:
        """Replaces the current exception by the next one of its chain."""
        self._levels[-1].exception = after
        if self.depth > 1:
            self.group.children[-1] = after

    def leave(self, keep: int) -> bool:
        """Ends all but the first `keep` levels. Returns whether any level ended."""
        keep = max(keep, 1)
        is_deeper = self.depth > keep
        del self._levels[keep:]
        return is_deeper

    def level_of(self, number: str) -> int:
        """The number of levels to keep when a child with this number begins, in a text without
        columns.
        """
        for at in range(self.depth - 1, 0, -1):
            if number == "..." or self._levels[at].count + 1 == int(number):
                return at + 1
        return self.depth

    def end_before_exception(self) -> ReadException:
        """The text ended behind a link, or behind a group's rule."""
        before = self.now.cause or self.now.context
        if before is not None and self.depth == 1:
            before.cut = LINK_ENDS
            return before
        self.now.cut = self.now.cut or LOG_ENDS
        return self.root
