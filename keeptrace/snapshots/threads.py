"""The stacks of threads, read while the threads run.

A thread runs on meanwhile: inner frames may have returned before the outer frames are read. Each
frame is read whole.
"""

from __future__ import annotations

import sys
import threading
from types import FrameType, TracebackType
from typing import Final, NamedTuple

from .groups import ThreadStack, put_stack

_name_of: Final = threading.Thread.name.fget  # type: ignore[attr-defined]  # a property
_native_id_of: Final = threading.Thread.native_id.fget  # type: ignore[attr-defined]  # a property


class Stack(NamedTuple):
    """A thread and its frames, the innermost first."""

    ident: int
    frames: list[FrameType]


def stacks_of_threads(here: FrameType | None, ident: int, helper: int) -> list[Stack]:
    """The stacks of all threads, the caller's first.

    here: the innermost frame of the caller's stack. ident: the caller's thread. helper: a thread
        of keeptrace's at work for the caller, which is left out.
    """
    tops: dict[int, FrameType | None] = {ident: here}
    for other, top in sys._current_frames().items():
        if other not in (ident, helper):
            tops[other] = top
    return [Stack(other, _outwards(top)) for other, top in tops.items()]


def _outwards(frame: FrameType | None) -> list[FrameType]:
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def traceback_of(frames: list[FrameType]) -> TracebackType | None:
    """A traceback over frames, the innermost first."""
    traceback: TracebackType | None = None
    for frame in frames:
        traceback = TracebackType(traceback, frame, frame.f_lasti, frame.f_lineno or 1)
    return traceback


def members_of(stacks: list[Stack]) -> list[ThreadStack]:
    """Each thread as a member of a snapshot."""
    known = {thread.ident: thread for thread in threading.enumerate()}
    members = []
    for at, (ident, frames) in enumerate(stacks):
        thread = known.get(ident)
        name, native_id = f"thread {ident:#x}", None
        if thread is not None:
            name, native_id = str(_name_of(thread)), _native_id_of(thread)
        text = name
        if at == 0:
            text = f"{name} (took the snapshot)"
        member = ThreadStack(text, name, ident, native_id)
        put_stack(member, traceback_of(frames))
        members.append(member)
    return members
