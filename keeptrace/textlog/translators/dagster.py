"""Errors of Dagster's steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..grammar import (
    FILE_LINE,
    HEAD,
    LAST_LINE,
    LINKS,
    MOST_LINES,
    RECORD,
    STACK,
    is_error_like,
    is_record,
)

START_OF_STACK: Final = re.compile(rf"(?<!\S){STACK}\s*$")
_CAUSE, _CONTEXT = LINKS
# Dagster's links, in front of the cause → Python's, behind the cause
_LINKS: Final = {
    "The above exception was caused by the following exception:": _CAUSE,
    "The above exception occurred during handling of the following exception:": _CONTEXT,
}


class _Part:
    """One exception: its message and frames, and Python's link to the exception before."""

    def __init__(self, message: list[str], link: str = "") -> None:
        self.message = message
        self.link = link
        self.frames: list[str] = []


class Dagster:
    """A message, "Stack Trace:" and frames, then the cause in the same way."""

    def __init__(self, message: str) -> None:
        self._parts = [_Part([message])]
        self._is_message = False  # of the next exception, behind a link

    def feed(self, line: str) -> list[str] | None:
        part = self._parts[-1]
        link = _LINKS.get(line.strip())
        if self._is_message:
            return self._take_message(line, part.message)
        if link is not None:
            self._parts.append(_Part([], link))
            self._is_message = True
        elif line.startswith("  ") and (part.frames or FILE_LINE.match(line) is not None):
            part.frames.append(line)
        elif line.strip():
            return None
        return []

    def _take_message(self, line: str, message: list[str]) -> list[str] | None:
        if line.strip() == STACK:
            self._is_message = False
            return []
        # Other text stands behind an exception without frames.
        if HEAD in line or is_record(line) or len(message) >= MOST_LINES:
            return None
        if line.strip() and message and not message[-1].strip():
            return None
        message.append(line)
        return []

    def finish(self) -> list[str]:
        """The chain in Python's order: the innermost cause first."""
        lines: list[str] = []
        for part in reversed(self._parts):
            message = "\n".join(part.message).strip().split("\n")
            if LAST_LINE.match(message[0]) is None:
                continue
            if part.frames:
                lines += [HEAD, *part.frames]
            lines += message
            if part.link:
                lines += ["", part.link, ""]
        if lines:
            lines.append(RECORD)
        return lines


def of_stack(line: str, before: Sequence[str]) -> Dagster | None:
    """The translator, if the lines before a stack end with a message."""
    said = [text.strip() for text in before if text.strip()]
    if not said:
        return None
    found = LAST_LINE.match(said[-1])
    if found is None or not (found["colon"] or is_error_like(found)):
        return None
    return Dagster(said[-1])
