"""Threads, stack frames and sources for an editor."""

from __future__ import annotations

import os
from typing import Final

from ...core.texts import shorten
from ...render.frames import ShownFrame
from ...render.sources import characters
from ...render.view import ShownException, View
from ...render.wording import relation_text
from ...restore.sources import reads_the_same
from .protocol import Body, RequestError

# A thread's name. (characters)
_MAX_TITLE: Final = 100


class Stack:
    """Answers about the places in a dump, with lines and columns as the client counts them."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._first_line = self._first_column = 1
        self._sources: list[str] = []  # the file of each sourceReference, from 1
        self._same: dict[str, bool] = {}  # file → whether the local text equals the dump's

    def count_from(self, arguments: Body) -> None:
        """Takes the client's first line and first column from the request `initialize`."""
        self._first_line = int(bool(arguments.get("linesStartAt1", True)))
        self._first_column = int(bool(arguments.get("columnsStartAt1", True)))

    def threads(self, arguments: Body) -> Body:
        threads = []
        for exception in self._view.tree(suppressed=True):
            if exception.is_of_snapshot:
                if not exception.frames:
                    continue
                name = self._name_of_thread(exception)
            else:
                name = self._name_of_exception(exception)
            threads.append({"id": thread_id(exception), "name": name})
        return {"threads": threads}

    def _name_of_exception(self, exception: ShownException) -> str:
        first_line, _, _ = exception.title.partition("\n")
        title = shorten(first_line, _MAX_TITLE)
        name = f"[{exception.number}] {title}"
        relation = relation_text(self._view, exception)
        if relation:
            name += f" ({relation})"
        return name

    def _name_of_thread(self, exception: ShownException) -> str:
        """The name of a thread or task, as in the process itself."""
        _, _, cls = exception.type.rpartition(".")
        kind = cls.removesuffix("Stack")
        return shorten(f"{kind} {exception.message}", _MAX_TITLE)

    def exception(self, arguments: Body) -> ShownException:
        """The exception of a request's threadId."""
        number = arguments["threadId"]
        exceptions = self._view.exceptions
        if type(number) is not int or not 1 <= number <= len(exceptions):
            raise RequestError(f"there is no thread {number}")
        return exceptions[number - 1]

    def trace(self, arguments: Body) -> Body:
        """The answer to the request `stackTrace`."""
        frames = self.exception(arguments).frames[::-1]
        start = arguments.get("startFrame") or 0
        count = arguments.get("levels") or len(frames)
        asked = frames[start : start + count]
        return {
            "stackFrames": [self._frame(frame) for frame in asked],
            "totalFrames": len(frames),
        }

    def _frame(self, frame: ShownFrame) -> Body:
        if frame.left_out:
            return {
                "id": frame.number,
                "name": f"{frame.left_out} frames were not kept",
                "line": 0,
                "column": 0,
                "presentationHint": "label",
            }
        line, end_line, column, end_column = frame.position
        lines = self._view.sources.of(frame)
        answer = {
            "id": frame.number,
            "name": frame.function,
            "line": self._line(line or 1),
            "column": self._column(lines, line, column),
            "source": self._source_of(frame, lines),
        }
        if end_line and end_column is not None:
            answer["endLine"] = self._line(end_line)
            answer["endColumn"] = self._column(lines, end_line, end_column)
        if frame.is_library:
            answer["presentationHint"] = "subtle"
        return answer

    def _line(self, line: int) -> int:
        """A line, from 1, as the client counts lines."""
        return line - 1 + self._first_line

    def _column(self, lines: list[str] | None, line: int | None, column: int | None) -> int:
        """A column of UTF-8 bytes as the protocol counts columns: in units of UTF-16."""
        if column is None:
            return self._first_column
        if lines is None or line is None or not 1 <= line <= len(lines):
            return column + self._first_column
        text = lines[line - 1]
        before = text[: characters(text, column)]
        units = len(before.encode("utf-16-le", "replace")) // 2
        return units + self._first_column

    # -- sources

    def _source_of(self, frame: ShownFrame, lines: list[str] | None) -> Body:
        """The editor's own file if its text equals the dump's; else the text in the dump."""
        name = os.path.basename(frame.file.replace("\\", "/")) or frame.file
        source: Body = {"name": name, "path": frame.file}
        if self._view.sources.has_snapshot(frame.file):
            if not self._is_same(frame.file, lines):
                source["sourceReference"] = self._reference(frame.file)
                source["origin"] = "from the dump"
        elif lines is None:
            source["presentationHint"] = "deemphasize"
            source["origin"] = "its text is not in the dump"
        return source

    def _is_same(self, file: str, lines: list[str] | None) -> bool:
        """Whether the local file has these lines. The answer is kept: frames share files."""
        if file not in self._same:
            here = self._view.sources.here(file)
            self._same[file] = here is not None and reads_the_same(here, lines or [])
        return self._same[file]

    def _reference(self, file: str) -> int:
        if file not in self._sources:
            self._sources.append(file)
        return self._sources.index(file) + 1

    def source(self, arguments: Body) -> Body:
        named = arguments.get("source") or {}
        reference = named.get("sourceReference") or arguments.get("sourceReference")
        if type(reference) is not int or not 1 <= reference <= len(self._sources):
            raise RequestError("there is no such source in the dump")
        file = self._sources[reference - 1]
        lines = self._view.sources.snapshot(file) or ()
        return {"content": "\n".join(lines), "mimeType": "text/x-python"}


def thread_id(exception: ShownException) -> int:
    """The threadId of an exception. The name of the thread has the number in `keeptrace show`."""
    return exception.index + 1
