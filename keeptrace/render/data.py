"""A view as data for other programs: `keeptrace show --json`.

The layout, stable within `"format": 1`:

    {format, header, python, process: {name: text or number}, cuts, redacted,
     exceptions: [{number, type, message, notes, relation, of, links: [{relation, number}], text,
     details: [variable],
                   frames: [{number, file, line, end_line, column, end_column, function, library,
                   source, locals: [variable]}
                            or {number, left_out} or {left_out}, the last: so many more]}]}
    variable = {name, type, value, length?, missing?, why?, id?, parts?: [variable], same_as?: id}
               or {left_out}, the last of a list: so many more are not told

The first exception is the captured exception; `number` and the frames' numbers are those of
`keeptrace show`. `value` is a line of text. Columns count UTF-8 bytes.
A value with parts has an id; later places name it by `same_as`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ..core.report import Ref
from .budgets import JSON_CHARACTERS, JSON_FRAMES, JSON_VALUES, Budget
from .frames import ShownFrame, Variables
from .nodes import Child
from .values import ShownValues
from .view import ShownException, View

# Of the layout above alone: dumps have core.report.FORMAT.
JSON_FORMAT: Final = 1
# Levels of parts, without and with --all. Deeper parts are in the text of `value` alone.
_LEVELS: Final = 2
_ALL_LEVELS: Final = 50
_CHARACTERS: Final = 1_000
# The keys of a variable in the JSON, about. (characters)
_KEYS: Final = 60


def to_data(
    view: View, header: dict[str, Any], *, everything: bool = False, frame: int | None = None
) -> dict[str, Any]:
    """The view as dicts and lists for JSON. frame: the number of the only frame to show."""
    levels = _LEVELS
    if everything:
        levels = _ALL_LEVELS
    writer = _DataWriter(view, levels, frame)
    return {
        "format": JSON_FORMAT,
        "header": header,
        "python": view.python,
        "process": {name: _fact(view.values, ref) for name, ref in view.process},
        "cuts": view.cuts,
        "redacted": view.redacted,
        "exceptions": list(writer.exceptions()),
    }


class _DataWriter:
    """Frames and values of a view as data, within the budgets; nearest to the failure first."""

    def __init__(self, view: View, levels: int, frame: int | None) -> None:
        self._view = view
        self._values = view.values
        self._levels = levels
        self._only = frame
        self._frames = Budget(JSON_FRAMES)
        self._left = Budget(JSON_VALUES)
        self._characters = Budget(JSON_CHARACTERS)
        self._seen: set[int] = set()

    def exceptions(self) -> Iterator[dict[str, Any]]:
        for exception in self._view.exceptions:
            yield self._exception(exception)

    def _exception(self, exception: ShownException) -> dict[str, Any]:
        exceptions = self._view.exceptions
        return {
            "number": exception.number,
            "type": exception.type,
            "message": exception.message,
            "notes": exception.notes,
            "relation": exception.relation or None,
            "of": self._view.parent_number(exception),
            "links": [
                {"relation": relation, "number": exceptions[other].number}
                for relation, other in exception.links
            ],
            "text": exception.text,
            "details": self._variables(exception.details, self._levels),
            "frames": self._frames_of(exception),
        }

    def _frames_of(self, exception: ShownException) -> list[dict[str, Any]]:
        wanted = [frame for frame in exception.frames if self._only in (None, frame.number)]
        told: list[dict[str, Any]] = []
        for frame in wanted:
            if not self._frames.take():
                told.append({"left_out": len(wanted) - len(told)})
                break
            told.append(self._frame(frame))
        return told

    def _frame(self, frame: ShownFrame) -> dict[str, Any]:
        if frame.left_out:
            return {"number": frame.number, "left_out": frame.left_out}
        line, end_line, column, end_column = frame.position
        caller = {}
        if frame.is_caller:
            caller["caller"] = True
        snippet = self._view.sources.snippet(frame, 0, 0)
        source = None
        if snippet is not None:
            source = snippet.lines[0]
        return {
            "number": frame.number,
            "file": frame.file,
            "line": line,
            "end_line": end_line,
            "column": column,
            "end_column": end_column,
            "function": frame.function,
            "library": frame.is_library,
            **caller,
            "source": source,
            "locals": self._variables(frame.locals, self._levels),
        }

    def _variables(self, named: Variables, levels: int) -> list[dict[str, Any]]:
        return self._list(named, len(named), levels)

    def _list(
        self, named: Iterable[tuple[str, Ref]], count: int, levels: int
    ) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        for name, ref in named:
            if self._characters.left <= 0 or not self._left.take():
                told.append({"left_out": count - len(told)})
                break
            told.append(self._variable(name, ref, levels))
        return told

    def _variable(self, name: str, ref: Ref, levels: int) -> dict[str, Any]:
        values = self._values
        value = values.value(ref)
        text = values.text(ref, _CHARACTERS)
        self._characters.take(len(name) + len(text) + _KEYS)
        found: dict[str, Any] = {
            "name": name,
            "type": value.type,
            "value": text,
        }
        if value.length is not None:
            found["length"] = value.length
        if value.missing:
            found["missing"] = value.missing
        if value.why:
            found["why"] = value.why
        index = values.key(ref)
        if index is None or not value.children:
            return found
        if index in self._seen:
            return {**found, "same_as": index}
        if levels:
            self._seen.add(index)
            found["id"] = index
            children = value.children
            parts = ((label(values, child), child.ref) for child in children)
            found["parts"] = self._list(parts, len(children), levels - 1)
        return found


def _fact(values: ShownValues, ref: Ref) -> object:
    if type(ref) is list:  # hidden
        return values.text(ref)
    return ref


def label(values: ShownValues, child: Child) -> str:
    """The name of a part: an attribute's name, an element's index, a pair's key."""
    if child.kind == "pair":
        return values.text(child.key, 80)
    return child.label


def access(values: ShownValues, child: Child) -> str:
    """The Python code that leads to a part of a value: ".name" or "[key]"."""
    name = label(values, child)
    if child.kind == "attribute":
        return f".{name}"
    return f"[{name}]"
