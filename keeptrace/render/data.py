"""A view as data for other programs: `keeptrace show --json`.

The layout, stable within `"format": 1`:

    {format, header, python, cuts, redacted,
     exceptions: [{number, type, message, notes, relation, of, links: [{relation, number}], text, details: [variable],
                   frames: [{number, file, line, end_line, column, end_column, function, library, source, locals: [variable]}
                            or {number, left_out}]}]}
    variable = {name, type, value, length?, missing?, why?, id?, parts?: [variable], same_as?: id}

The first exception is the one that was captured. `value` is one line of text. Columns count UTF-8 bytes. A value that
has parts has an id; where it comes up again, `same_as` names it.
"""

from __future__ import annotations

from typing import Any, Final

from .._report import Ref
from .model import Child, Frame, Values, View

FORMAT: Final = 1
# Levels of parts, without --all and with it: deeper ones are in `value` alone.
_LEVELS: Final = 2
_ALL_LEVELS: Final = 50
_CHARACTERS: Final = 1_000


def to_data(view: View, header: dict[str, Any], *, everything: bool = False, frame: int | None = None) -> dict[str, Any]:
    """The view as dicts and lists that JSON can say. frame: only that one (its number)."""
    levels = _ALL_LEVELS if everything else _LEVELS
    return {
        "format": FORMAT,
        "header": header,
        "python": view.python,
        "cuts": view.cuts,
        "redacted": view.redacted,
        "exceptions": [
            {
                "number": exception.number,
                "type": exception.type,
                "message": exception.message,
                "notes": exception.notes,
                "relation": exception.relation or None,
                "of": exception.of + 1 if exception.of >= 0 else None,
                "links": [{"relation": relation, "number": other + 1} for relation, other in exception.links],
                "text": exception.text,
                "details": _variables(view.values, exception.details, levels, set()),
                "frames": [_frame(view, one, levels) for one in exception.frames if frame in (None, one.number)],
            }
            for exception in view.exceptions
        ],
    }


def _frame(view: View, frame: Frame, levels: int) -> dict[str, Any]:
    if frame.left_out:
        return {"number": frame.number, "left_out": frame.left_out}
    line, end_line, column, end_column = frame.position
    snippet = view.sources.snippet(frame, 0, 0)
    return {
        "number": frame.number,
        "file": frame.file,
        "line": line,
        "end_line": end_line,
        "column": column,
        "end_column": end_column,
        "function": frame.function,
        "library": frame.is_library,
        "source": snippet.lines[0] if snippet else None,
        "locals": _variables(view.values, frame.locals, levels, set()),
    }


def _variables(values: Values, named: list[tuple[str, Ref]], levels: int, seen: set[int]) -> list[dict[str, Any]]:
    return [_variable(values, name, ref, levels, seen) for name, ref in named]


def _variable(values: Values, name: str, ref: Ref, levels: int, seen: set[int]) -> dict[str, Any]:
    value = values.value(ref)
    found: dict[str, Any] = {"name": name, "type": value.type, "value": values.text(ref, _CHARACTERS)}
    for key, part in (("length", value.length), ("missing", value.missing or None), ("why", value.why or None)):
        if part is not None:
            found[key] = part
    index = values.key(ref)
    if index is None or not value.children:
        return found
    if index in seen:
        return {**found, "same_as": index}
    if levels:
        seen.add(index)
        found["id"] = index
        found["parts"] = [_variable(values, label(values, child), child.ref, levels - 1, seen) for child in value.children]
    return found


def label(values: Values, child: Child) -> str:
    """What a part is called: an attribute by its name, an element by its index, a pair by its key."""
    return values.text(child.key, 80) if child.kind == "pair" else child.label
