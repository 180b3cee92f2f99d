"""The states of a reader in a traceback, and its verdicts about a line."""

from __future__ import annotations

import enum


class State(enum.Enum):
    START = "an exception is to begin"
    FRAMES = "after a header or a frame"
    MESSAGE = "after the last line"
    AFTER = "after a group's children: only a link can follow"


class Verdict(enum.Enum):
    TAKEN = "the line belongs to the traceback"
    FOREIGN = "it does not, and says nothing about it"
    OVER = "the traceback ended before this line"
