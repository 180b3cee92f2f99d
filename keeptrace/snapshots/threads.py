"""The stacks of threads, read while the threads run.

A thread goes on meanwhile: its inner frames may have returned when its outer ones are read. Each
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
    """The stacks of all threads, that of the caller first.

    here: the caller's frame, from which on its stack counts. ident: the caller's thread. helper:
        a thread of ours that may do the work for the caller, and is left out.
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
        name = f"thread {ident:#x}" if thread is None else str(_name_of(thread))
        native_id = None if thread is None else _native_id_of(thread)
        text = f"{name} (took the snapshot)" if at == 0 else name
        members.append(ThreadStack(text, name, ident, native_id))
        put_stack(members[-1], traceback_of(frames))
    return members
