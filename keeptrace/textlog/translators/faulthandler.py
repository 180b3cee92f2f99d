"""Tracebacks of faulthandler, of a process killed by a signal."""

from __future__ import annotations

import re
from typing import Final

from ..grammar import HEAD
from .lines import place_line


class Faulthandler:
    """Fatal Python error: Segmentation fault, and the thread's frames, the innermost first."""

    START: Final = re.compile(
        r"(?<!\w)(?:Fatal Python error|Windows fatal exception): (?P<what>.*)$"
        r"|(?P<timeout>Timeout \(\d{1,9}:\d\d:\d\d(?:\.\d{1,6})?\)!)\s*$"
    )
    _THREAD: Final = re.compile(
        r"(?P<current>Current thread|Thread) 0x[0-9a-fA-F]+.*\(most recent call first\):\s*$"
    )
    _FRAME: Final = re.compile(
        r'  File "(?P<file>.*)", line (?P<line>\d{1,9}|\?\?\?) in (?P<name>.+)$'
    )

    def __init__(self, line: str) -> None:
        found = self.START.match(line)
        self._last = "FatalPythonError: "
        self._is_of_all = False  # the last thread counts, which is the main thread
        if found is not None and found["timeout"]:
            self._last = f"TimeoutError: {found['timeout']}"
            self._is_of_all = True
        elif found is not None:
            self._last += found["what"]
        self._frames: list[str] = []
        self._is_current = False
        self._count = 0

    def feed(self, line: str) -> list[str] | None:
        self._count += 1
        thread = self._THREAD.match(line)
        if thread is not None:
            self._is_current = self._is_of_all or thread["current"] == "Current thread"
            if self._is_of_all:
                self._frames.clear()
            return []
        frame = self._FRAME.match(line)
        if frame is not None:
            if self._is_current:
                self._add(frame)
            return []
        if self._is_between(line):
            return []
        return None

    def _is_between(self, line: str) -> bool:
        """Whether the log goes on after this line, which is neither a thread's nor a frame's."""
        if line.strip():
            return line.startswith(("Python runtime state", "  ...", "<"))
        return self._is_of_all or not self._frames

    def _add(self, frame: re.Match[str]) -> None:
        number = frame["line"]
        if not number.isdigit():
            number = "0"
        self._frames.append(place_line(frame["file"], number, frame["name"]))

    def finish(self) -> list[str]:
        if not self._frames:
            return []
        return [HEAD, *reversed(self._frames), self._last]
