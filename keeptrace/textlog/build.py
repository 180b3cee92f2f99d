"""Makes a report of an exception of reader.py."""

from __future__ import annotations

import builtins
import collections
import sys
from typing import Any, Final

from ..core.nodes import exception, sequence, stand_in
from ..core.report import FORMAT, CodeRecord, ExceptionRecord, FrameRecord, Report
from ..core.texts import counted
from ..restore.fields import fields_of
from .grammar import FENCES, FILE_LINE, HEAD, MOST_EXCEPTIONS, ORIGINAL, SIZE, UNNAMED
from .log import read_closed
from .messages import base_of, find_type, probe_of, split_notes
from .read import ReadException, ReadFrame
from .sources import LoggedSources, is_carets

# co_flags of a function: optimized, new locals.
_OF_FUNCTION: Final = 0x03


class ReportBuilder:
    """Makes a report. Uses a queue, because chains and groups can be deep."""

    def __init__(self) -> None:
        self._exceptions: list[ExceptionRecord] = []
        self._frames: list[FrameRecord] = []
        self._codes: list[CodeRecord] = []
        self._values: list[Any] = []
        self._types: list[list[Any]] = []
        self._code_of: dict[tuple[str, str], int] = {}
        self._type_of: dict[tuple[str, str], int] = {}
        self._frame_of: dict[int, tuple[int, list[Any]]] = {}
        self._sources = LoggedSources()
        self._queue: collections.deque[ReadException] = collections.deque()
        self._count = 0
        self._cut = 0

    def build(self, root: ReadException) -> Report:
        self._add(root)
        while self._queue:
            self._exceptions.append(self._record(self._queue.popleft()))
        cuts = {}
        if self._cut:
            cuts["frames"] = self._cut
        return {
            "format": FORMAT,
            "python": ".".join(map(str, sys.version_info[:3])),
            "exceptions": self._exceptions,
            "frames": self._frames,
            "codes": self._codes,
            "globals": [{}],
            "types": self._types,
            "values": self._values,
            "sources": self._sources.packed(),
            "live": None,
            "cuts": cuts,
        }

    def _add(self, read: ReadException) -> int:
        """The future index of the exception."""
        self._queue.append(read)
        self._count += 1
        return self._count - 1

    def _value(self, node: list[Any]) -> list[int]:
        self._values.append(node)
        return [len(self._values) - 1]

    def _tuple(self, items: list[Any]) -> list[int]:
        return self._value(sequence("tuple", items))

    def _type(self, module: str, qualname: str, base: str | None) -> int:
        key = (module, qualname)
        if key not in self._type_of:
            bases = []
            if base is not None:
                bases.append(self._type("builtins", base, None))
            self._type_of[key] = len(self._types)
            self._types.append([module, qualname, bases])
        return self._type_of[key]

    def _record(self, read: ReadException) -> ExceptionRecord:
        group = _is_group(read)
        nearest, type_index = self._class(read, group)
        message, notes = split_notes(nearest, read, group)
        cause, context = self._links(read)
        record: ExceptionRecord = {
            "type": type_index,
            "args": None,
            "fields": {},
            "attributes": {},
            "cause": cause,
            "context": context,
            "suppress": cause is not None,
            "traceback": self._traceback(read),
        }
        if group:
            self._fill_group(record, read, message)
        elif read.syntax is not None:
            self._fill_syntax(record, read.syntax, message)
        else:
            self._fill_plain(record, nearest, message)
        self._fill_notes(record, read, notes)
        return record

    def _class(self, read: ReadException, group: bool) -> tuple[type[BaseException], int]:
        """The nearest class known here, and the index of the type."""
        name = read.name or _UNNAMED[group]
        module, qualname, cls = find_type(name)
        if cls is not None and not _suits(cls, read, group):
            cls = None
            if module == "builtins":
                module = "__main__"
        base = base_of(name, group, read.syntax is not None)
        nearest: type[BaseException] = cls or getattr(builtins, base)
        if cls is not None and module == "builtins":
            return nearest, self._type(module, qualname, None)
        builtin = next(above for above in nearest.__mro__ if above.__module__ == "builtins")
        return nearest, self._type(module, qualname, builtin.__name__)

    def _links(self, read: ReadException) -> tuple[int | None, int | None]:
        """Cause and context. The exception of a worker's traceback replaces the exception with the
        text, or becomes its cause.
        """
        cause, context = _inner_or_self(read.cause), _inner_or_self(read.context)
        if cause is None and context is None:
            cause = inner_of(read)
        return self._add_link(cause), self._add_link(context)

    def _add_link(self, read: ReadException | None) -> int | None:
        if read is None:
            return None
        return self._add(read)

    def _fill_plain(self, record: ExceptionRecord, cls: type[BaseException], message: str) -> None:
        probe = probe_of(cls, message)
        if probe is not None:
            record["args"] = self._tuple(list(probe.args))
            state = fields_of(type(probe).__mro__)
            names: tuple[str, ...] = ()
            if state is not None:
                names = state[1]
            for name in names:
                value = getattr(probe, name, None)
                if type(value) in (str, int, float, bool):
                    record["fields"][name] = value
            return
        kind = self._type("builtins", "object", None)
        text = f"<the log says: {message[:200]!r}>"
        unknown = stand_in(kind, text, "a log holds the message, not the arguments")
        record["args"] = self._tuple([self._value(unknown)])
        record["str"] = message

    def _fill_syntax(
        self, record: ExceptionRecord, syntax: tuple[ReadFrame, list[str]], message: str
    ) -> None:
        place, source = syntax
        text = start = end = None
        if source:
            text = source[0] + "\n"
        if len(source) > 1 and is_carets(source[1]) and not place.flat:
            carets = source[1]
            start = len(carets) - len(carets.lstrip()) + 1
            end = len(carets.rstrip()) + 1
        details = {
            "filename": place.file,
            "lineno": place.line,
            "offset": start,
            "text": text,
            "end_lineno": place.line,
            "end_offset": end,
        }
        record["fields"].update(details, msg=message)
        record["args"] = self._tuple([message, self._tuple(list(details.values()))])

    def _fill_group(self, record: ExceptionRecord, read: ReadException, message: str) -> None:
        text, count = message, 0
        match = SIZE.match(message)
        if match is not None:
            text, count = match["message"], int(match["count"])
        least = 1
        if read.children:
            least = 0
        missing = max(min(count, MOST_EXCEPTIONS) - len(read.children), read.more, least)
        if self._count + missing > 2 * MOST_EXCEPTIONS:
            missing = least
        children = [self._add(child) for child in read.children]
        children += [self._add(_not_in_log()) for _ in range(missing)]
        inner = [self._value(exception(child)) for child in children]
        record["args"] = self._tuple([text, self._value(sequence("list", inner))])
        record["fields"]["message"] = text
        record["children"] = children
        if message != f"{text} ({counted(len(children), 'sub-exception')})":
            record["str"] = message

    def _fill_notes(self, record: ExceptionRecord, read: ReadException, notes: list[str]) -> None:
        if read.cut:
            notes = [*notes, f"keeptrace: truncated: {read.cut}"]
        if notes:
            record["notes"] = self._value(sequence("list", notes))

    # Frames.

    def _traceback(self, read: ReadException) -> list[list[Any]]:
        frames = read.frames
        entries = [self._entry(frame) for frame in frames.first]
        if frames.left_out:
            entries.append([-1, frames.left_out])
            self._cut += frames.left_out
        return entries + [self._entry(frame) for frame in frames.last]

    def _entry(self, frame: ReadFrame) -> list[Any]:
        if id(frame) not in self._frame_of:  # a repeated line stands for many frames
            position = self._sources.place(frame)
            self._frame_of[id(frame)] = (self._code(frame), position)
        code, position = self._frame_of[id(frame)]
        variables: dict[str, Any] | None = None  # None: the globals are the locals of a module
        if self._codes[code]["flags"]:
            variables = {}
        self._frames.append({"code": code, "globals": 0, "locals": variables, "at": position})
        return [len(self._frames) - 1, position]

    def _code(self, frame: ReadFrame) -> int:
        key = (frame.file, frame.name)
        found = self._code_of.get(key)
        if found is not None:
            self._codes[found]["line"] = min(self._codes[found]["line"], frame.line)
            return found
        self._code_of[key] = len(self._codes)
        line, flags = frame.line, _OF_FUNCTION
        if frame.name == "<module>":
            line, flags = 1, 0
        name = frame.name.rpartition(".")[2] or frame.name
        self._codes.append(
            {
                "file": frame.file,
                "name": frame.name,
                "qualname": name,
                "line": line,
                "args": [0, 0, 0],
                "flags": flags,
                "names": [],
            }
        )
        return self._code_of[key]


# Is a group -> the name of an exception without a name in the log.
_UNNAMED: Final = {True: "ExceptionGroup", False: UNNAMED}


def _is_group(read: ReadException) -> bool:
    return bool(read.children) or read.deeper or (read.group and not read.cut)


def _suits(cls: type[BaseException], read: ReadException, group: bool) -> bool:
    """Whether the class of this name fits the text."""
    if group:
        return issubclass(cls, BaseExceptionGroup)
    if issubclass(cls, BaseExceptionGroup):
        return False
    return read.syntax is None or issubclass(cls, SyntaxError)


def _not_in_log() -> ReadException:
    found = ReadException()
    found.cut = "its group was printed in part"
    return found


def _inner_or_self(read: ReadException | None) -> ReadException | None:
    if read is None:
        return None
    return inner_of(read) or read


def inner_of(read: ReadException) -> ReadException | None:
    """A worker's traceback, sent as text between triple quotes in a message."""
    lines = read.lines
    of_library = _inner_of_library(read)
    if of_library is not None:
        return of_library
    if not read.name.endswith("RemoteTraceback") or not any(
        line.strip() in FENCES for line in lines[:2]
    ):
        return None
    first = next(at for at, line in enumerate(lines) if line.strip() in FENCES)
    last = next(
        (at for at in range(len(lines) - 1, first, -1) if lines[at].strip() in FENCES), len(lines)
    )
    found = collections.deque(read_closed(lines[first + 1 : last]), 1)
    if found:
        return found[0]
    return None


def _inner_of_library(read: ReadException) -> ReadException | None:
    """A worker's traceback from PyTorch or Ray, behind the first line of a message."""
    for at, line in enumerate(read.lines[:3]):
        is_ray = (
            "RayTaskError(" in read.name
            and read.lines[at + 1 : at + 2][:1] != []
            and FILE_LINE.match(read.lines[at + 1])
        )
        if line.strip() == ORIGINAL or is_ray:
            found = collections.deque(read_closed([HEAD, *read.lines[at + 1 :]]), 1)
            if found:
                return found[0]
            return None
    return None
