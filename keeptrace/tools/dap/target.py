"""The served dump."""

from __future__ import annotations

import types
from typing import Any

from ...render.frames import ShownFrame
from ...render.view import View
from .protocol import RequestError


class Target:
    """A view of the dump and, if evaluate may run code, its restored exceptions.

    restored: the exceptions in the order of the report; empty for an untrusted dump.
    """

    def __init__(
        self, view: View, header: dict[str, Any], restored: list[BaseException] | None = None
    ) -> None:
        self.view = view
        self.header = header
        self.is_live: bool = bool(restored)
        self.live: dict[int, types.FrameType] = {}
        self._frames = {frame.number: frame for frame in view.frames()}
        for exception, exc in zip(view.exceptions, restored or ()):
            entry = exc.__traceback__
            for frame in exception.frames:
                if frame.is_caller:  # no entry of the traceback's
                    continue
                if entry is None:
                    break
                self.live[frame.number] = entry.tb_frame
                entry = entry.tb_next

    def frame(self, number: int) -> ShownFrame:
        """The frame of a frameId. Raises RequestError."""
        frame = self._frames.get(number)
        if frame is None:
            raise RequestError(f"there is no frame {number}")
        return frame
