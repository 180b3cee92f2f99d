"""Tracebacks as data, from loggers: structlog, Airflow, Lambda, powertools, OpenTelemetry, Sentry.

Each shape is a line of SHAPES: a test for the shape, and a reader.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .grammar import MOST_EXCEPTIONS, MOST_FRAMES, file_name
from .read import ReadException, ReadFrame

_LINES: Final = re.compile(
    r'^[ \t]*File "([^"\n]*)", line (\d{1,9}), in ([^\n]*)(?:\n[ \t]*(?!File ")([^\n]*))?',
    re.MULTILINE,
)
# 'File "x.py", line 5, in f' of Lambda's stackTrace, with the source behind it.
_PLACE: Final = re.compile(r'\s*File "(.*?)", line (\d{1,9}), in ([^\n]*)(?:\n\s*(.*))?', re.DOTALL)


def is_structured(value: object) -> bool:
    """Whether a value of a JSON record is a traceback as data."""
    return any(matches(value) for matches, _ in SHAPES)


def read_structured(value: object) -> ReadException | None:
    """Reads the data; None if the layout is not as expected."""
    for matches, read in SHAPES:
        if matches(value):
            try:
                return read(value)
            except (TypeError, ValueError, KeyError, AttributeError, IndexError):
                return None  # the data is damaged, or of another logger
    return None


def _exception(
    kind: object, module: object, message: object, frames: list[ReadFrame]
) -> ReadException:
    read = ReadException()
    name = str(kind or "Exception")
    if module and module not in ("builtins", "__main__") and "." not in name:
        name = f"{module}.{name}"
    read.name = name
    text = ""
    if message is not None:
        text = str(message)
    read.silent = not text
    if text:
        read.lines = text.split("\n")
    for frame in frames[:MOST_FRAMES]:
        read.frames.add(frame)
    return read


def _frame(file: object, line: int | str | None, name: object, source: object = None) -> ReadFrame:
    path = file_name(str(file or "?"))
    frame = ReadFrame(path, int(line or 1), str(name or "?"), False)
    text = str(source or "").strip()
    if text:
        frame.source.append(text)
    return frame


# -- structlog's dict tracebacks, and Airflow 3's error_detail


def _is_stacks(value: object) -> bool:
    return type(value) is list and bool(value) and type(value[0]) is dict and "exc_type" in value[0]


def _read_stacks(value: list[Any]) -> ReadException:
    """Reads the outermost exception first, then its cause or context, and so on."""
    root: ReadException | None = None
    last: ReadException | None = None
    is_cause = False
    for stack in value[:MOST_EXCEPTIONS]:
        read = _read_stack(stack)
        if last is None:
            root = read
        elif stack.get("is_cause", is_cause):
            last.cause = read
        else:
            last.context = read
        last = read
    assert root is not None
    return root


def _read_stack(stack: dict[str, Any]) -> ReadException:
    frames = [
        _frame(f.get("filename"), f.get("lineno"), f.get("name"), f.get("line"))
        for f in stack.get("frames") or ()
    ]
    read = _exception(stack["exc_type"], stack.get("module"), stack.get("exc_value"), frames)
    read.lines += [str(note) for note in stack.get("exc_notes") or ()]
    children = [_read_stacks(inner) for inner in stack.get("exceptions") or () if _is_stacks(inner)]
    read.children += children
    read.group = bool(children)
    return read


# -- Lambda's and Google's error records


def _is_lambda(value: object) -> bool:
    return type(value) is dict and type(value.get("stackTrace")) is list and "errorType" in value


def _read_lambda(value: dict[str, Any]) -> ReadException:
    frames = []
    for entry in value["stackTrace"]:
        if isinstance(entry, list):  # Python 2.7: [file, line, name, source]
            frames.append(_frame(*entry[:4]))
        elif (found := _PLACE.match(entry)) is not None:
            frames.append(_frame(*found.groups()))
    return _exception(value["errorType"], None, value.get("errorMessage"), frames)


# -- powertools for Lambda


def _is_powertools(value: object) -> bool:
    return (
        type(value) is dict
        and type(value.get("stack_trace")) is dict
        and "frames" in value["stack_trace"]
    )


def _read_powertools(value: dict[str, Any]) -> ReadException:
    stack = value["stack_trace"]
    frames = [
        _frame(f.get("file"), f.get("line"), f.get("function"), f.get("statement"))
        for f in stack["frames"]
    ]
    return _exception(stack.get("type"), stack.get("module"), stack.get("value"), frames)


# -- Sentry's events


def _is_sentry(value: object) -> bool:
    if type(value) is not dict:
        return False
    values = value.get("values")
    return (
        type(values) is list
        and bool(values)
        and type(values[0]) is dict
        and "stacktrace" in values[-1]
    )


def _read_sentry(value: dict[str, Any]) -> ReadException:
    """The first cause comes first."""
    last: ReadException | None = None
    for entry in value["values"][-MOST_EXCEPTIONS:]:
        frames = [
            _frame(
                f.get("abs_path") or f.get("filename"),
                f.get("lineno"),
                f.get("function"),
                f.get("context_line"),
            )
            for f in (entry.get("stacktrace") or {}).get("frames") or ()
        ]
        read = _exception(entry.get("type"), entry.get("module"), entry.get("value"), frames)
        kind = (entry.get("mechanism") or {}).get("source")
        if last is not None and kind == "__context__":
            read.context = last
        else:
            read.cause = last
        last = read
    assert last is not None
    return last


# -- ecs-logging: the frames as text without a header


def _is_ecs(value: object) -> bool:
    if type(value) is not dict or "type" not in value:
        return False
    text = value.get("stack_trace")
    return type(text) is str and _PLACE.match(text) is not None


def _read_ecs(value: dict[str, Any]) -> ReadException:
    frames = [_frame(*found.groups()) for found in _LINES.finditer(value["stack_trace"])]
    return _exception(value["type"], None, value.get("message"), frames)


# -- services that collect errors, whose frames differ in their names alone


class _Service(NamedTuple):
    """The members of a service's error."""

    frames: str
    kind: str
    file: str
    line: str
    name: str
    owner: str = ""  # the member with the kind and the message, if they are not beside the frames
    is_innermost_first: bool = False


_SERVICES: Final = (
    _Service("frames", "class", "filename", "lineno", "method", owner="exception"),  # Rollbar
    _Service("stacktrace", "errorClass", "file", "lineNumber", "method", "", True),  # Bugsnag
    _Service("stacktrace", "type", "filename", "lineno", "function", "", True),  # Elastic APM
    # Application Insights
    _Service("parsedStack", "typeName", "fileName", "line", "method", "", True),
)


def _service_of(value: object) -> _Service | None:
    if type(value) is not dict:
        return None
    for service in _SERVICES:
        frames = value.get(service.frames)
        owner = value.get(service.owner) if service.owner else value
        if type(owner) is dict and service.kind in owner and _are_frames(frames, service):
            return service
    return None


def _are_frames(frames: object, service: _Service) -> bool:
    if type(frames) is not list or not frames or type(frames[0]) is not dict:
        return False
    return service.line in frames[0] and service.file in frames[0]


def _is_of_service(value: object) -> bool:
    return _service_of(value) is not None


def _read_service(value: dict[str, Any]) -> ReadException:
    service = _service_of(value)
    assert service is not None
    owner = value[service.owner] if service.owner else value
    frames = [
        _frame(f.get(service.file), f.get(service.line), f.get(service.name), f.get("code"))
        for f in value[service.frames]
    ]
    if service.is_innermost_first:
        frames.reverse()
    kind, message = owner[service.kind], owner.get("message")
    return _exception(kind, None, str(message or "").removeprefix(f"{kind}: "), frames)


SHAPES: Final[tuple[tuple[Callable[[Any], bool], Callable[[Any], ReadException]], ...]] = (
    (_is_stacks, _read_stacks),
    (_is_lambda, _read_lambda),
    (_is_powertools, _read_powertools),
    (_is_sentry, _read_sentry),
    (_is_ecs, _read_ecs),
    (_is_of_service, _read_service),
)
