"""The check of a foreign report: every table has its form, every index points into its table.

format/costs.py measures the cost of restoring the report.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final

from ..core import bounds
from ..core.nodes import CONTAINERS, KINDS, TEXTS, has_names, kind_of
from ..restore.exact import EXACT
from .costs import PARTS, bound, lineage, measure, need

_TABLES: Final = ("exceptions", "frames", "codes", "globals", "types", "values")
_SMALL: Final = range(1 << 31)
_HEXADECIMAL: Final = re.compile(r"-?0x[0-9a-f]++")
# A C int, as in CPython; generated code may have lines below zero.
_LINES: Final = range(-(1 << 31), 1 << 31)
# Line, last line, column, last column
_POSITION: Final = (_LINES, _LINES, _SMALL, _SMALL)
# The allowed lengths of the nodes of each kind
_LENGTHS: Final = {name: kind.lengths for name, kind in KINDS.items()}


def check(report: Any) -> None:
    """Raises ValueError unless the report has the form of a report, and a bounded cost."""
    _check_tables(report)
    sizes = {name: range(len(report[name])) for name in _TABLES}
    _check_values(report["values"], sizes)
    _check_types(report["types"], sizes)
    for code in report["codes"]:
        _check_code(code)
    for names in report["globals"]:
        _check_refs_by_name(names, sizes, "globals")
    _check_refs_by_name(report.get("process", {}), sizes, "process")
    bound(len(report.get("process", ())), bounds.MAX_LOCALS, "facts of its process")
    for frame in report["frames"]:
        _check_frame(frame, sizes)
    for record in report["exceptions"]:
        _check_exception(record, sizes)
    measure(report)


def _check_tables(report: Any) -> None:
    need(isinstance(report, dict), "report")
    for name in _TABLES:
        need(isinstance(report.get(name), list), name)
    need(report["exceptions"], "report")
    need(isinstance(report.get("cuts"), dict), "report")
    need(_is_text(report.get("python")), "report")
    for file, packed in report["sources"].items():
        need(isinstance(file, str) and isinstance(packed, bytes), "sources")
    bound(len(report["values"]), bounds.MAX_VALUES, "values")
    bound(len(report["exceptions"]), bounds.MAX_EXCEPTIONS, "exceptions")


def _check_values(nodes: list[Any], sizes: dict[str, range]) -> None:
    for node in nodes:
        _check_node(node, sizes)
    classes = [node for node in nodes if kind_of(node) == "type" and has_names(node)]
    bound(len(classes), bounds.MAX_CLASSES, "classes")


def _is_index(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_small(value: object) -> bool:
    return type(value) is int and value in _SMALL


def _is_line(value: object) -> bool:
    return type(value) is int and value in _LINES


def _is_length(value: object) -> bool:
    return type(value) is int and 0 <= value <= sys.maxsize


def _is_in(value: object, table: range) -> bool:
    return type(value) is int and value in table


def _is_text(value: object) -> bool:
    return type(value) is str


def _are_texts(value: object) -> bool:
    return type(value) is list and all(type(text) is str for text in value)


def _check_ref(ref: object, sizes: dict[str, range], what: str) -> None:
    if type(ref) is list:
        need(len(ref) == 1 and _is_in(ref[0], sizes["values"]), what)
    else:
        need(type(ref) is not dict, what)


def _check_refs(refs: Any, sizes: dict[str, range], what: str) -> None:
    need(type(refs) is list, what)
    values = sizes["values"]
    for ref in refs:  # like _check_ref(), but in half the time
        if type(ref) is list:
            need(len(ref) == 1 and type(ref[0]) is int and ref[0] in values, what)
        elif type(ref) is dict:
            need(False, what)


def _check_refs_by_name(names: Any, sizes: dict[str, range], what: str) -> None:
    need(type(names) is dict, what)
    _check_refs(list(names.values()), sizes, what)


def _check_position(position: Any) -> None:
    need(type(position) is list and len(position) == 4, "position")
    for part, allowed in zip(position, _POSITION):
        if part is not None:
            need(type(part) is int and part in allowed, "position")


def _check_types(types: list[Any], sizes: dict[str, range]) -> None:
    bound(len(types), bounds.MAX_TYPES, "types")
    for entry in types:
        need(type(entry) is list and len(entry) == 3, "types")
        need(_are_texts(entry[:2]) and type(entry[2]) is list, "types")
        need(all(_is_in(base, sizes["types"]) for base in entry[2]), "types")
        bound(max(map(len, entry[:2])), bounds.MAX_NAME, "characters in a type's name")
    if lineage(types).above:
        raise ValueError("it has types of too many bases or ancestors")


def _check_code(code: Any) -> None:
    need(type(code) is dict, "code")
    need(_are_texts([code[name] for name in ("file", "name", "qualname")]), "code")
    need(len(code["file"]) <= bounds.MAX_FILE_NAME, "code")
    need(len(code["name"]) <= bounds.MAX_NAME and len(code["qualname"]) <= bounds.MAX_NAME, "code")
    need(_is_line(code["line"]) and _is_small(code["flags"]), "code")
    need(_is_index(code.get("sum", 0)), "code")
    need(type(code["args"]) is list and len(code["args"]) == 3, "code")
    need(all(_is_index(count) for count in code["args"]), "code")
    need(_are_texts(code["names"]) and len(code["names"]) <= bounds.MAX_LOCALS, "code")
    need("\0" not in code["file"], "code")


def _check_frame(frame: Any, sizes: dict[str, range]) -> None:
    need(type(frame) is dict, "frame")
    need(_is_in(frame["code"], sizes["codes"]), "frame")
    need(_is_in(frame["globals"], sizes["globals"]), "frame")
    _check_position(frame["at"])
    if frame["locals"] is not None:
        _check_refs_by_name(frame["locals"], sizes, "locals")
        bound(len(frame["locals"]), bounds.MAX_LOCALS, "variables in a frame")


def _check_exception(record: Any, sizes: dict[str, range]) -> None:
    need(type(record) is dict and _is_in(record["type"], sizes["types"]), "exception")
    need(type(record["args"]) is list, "exception")
    _check_ref(record["args"], sizes, "exception")
    _check_ref(record.get("notes"), sizes, "exception")
    _check_refs_by_name(record["fields"], sizes, "exception")
    _check_refs_by_name(record["attributes"], sizes, "exception")
    need(_are_texts([record.get("str", ""), record.get("text", "")]), "exception")
    need(_is_index(record.get("own", 0)), "exception")
    children, outer = record.get("children", []), record.get("outer", [])
    need(type(children) is list and type(outer) is list, "exception")
    linked = [record[name] for name in ("cause", "context") if record[name] is not None]
    need(all(_is_in(other, sizes["exceptions"]) for other in (*linked, *children)), "exception")
    need(all(_is_in(index, sizes["frames"]) for index in outer), "exception")
    need(type(record["suppress"]) is bool and type(record["traceback"]) is list, "exception")
    for entry in record["traceback"]:
        _check_entry(entry, sizes)


def _check_entry(entry: Any, sizes: dict[str, range]) -> None:
    """An entry of a traceback: a frame and a position, or -1 and a number of frames."""
    need(type(entry) is list and len(entry) == 2, "traceback")
    index, place = entry
    if type(index) is int and index == -1:
        need(_is_index(place), "traceback")
    else:
        need(_is_in(index, sizes["frames"]), "traceback")
        _check_position(place)


# -- nodes: a function for each kind


def _check_node(node: Any, sizes: dict[str, range]) -> None:
    need(type(node) is list and node and type(node[0]) is str, "value")
    kind = node[0]
    need(len(node) in _LENGTHS.get(kind, ()), f"value of kind {kind[:20]!r}")
    _CHECKS[kind](node, sizes)


def _check_container(node: list[Any], sizes: dict[str, range]) -> None:
    kind, length, refs = node
    _check_refs(refs, sizes, kind)
    each = 1
    if kind == "dict":
        each = 2
    need(_is_length(length) and len(refs) <= length * each, kind)


def _check_text(node: list[Any], sizes: dict[str, range]) -> None:
    kind, length, text = node
    need(_is_length(length) and _is_text(text) and len(text) <= length, kind)
    if kind != "str" and not text.isascii():
        need(max(text) <= "\xff", kind)


def _check_int(node: list[Any], sizes: dict[str, range]) -> None:
    need(_is_text(node[1]) and len(node[1]) <= bounds.MAX_DIGITS, "int")
    need(_HEXADECIMAL.fullmatch(node[1]), "int")


def _check_complex(node: list[Any], sizes: dict[str, range]) -> None:
    need(all(type(part) is float or _is_small(part) for part in node[1:]), "complex")


def _check_exact(node: list[Any], sizes: dict[str, range]) -> None:
    _, kind, refs = node
    need(_is_text(kind) and kind in EXACT, "exact value")
    _check_refs(refs, sizes, kind)
    if kind in PARTS:
        count, atom, _ = PARTS[kind]
        need(len(refs) == count and all(type(ref) in (atom, list) for ref in refs), kind)


def _check_type(node: list[Any], sizes: dict[str, range]) -> None:
    need(_is_in(node[1], sizes["types"]) and all(map(_are_texts, node[2:])), "type")


def _check_module(node: list[Any], sizes: dict[str, range]) -> None:
    need(_is_text(node[1]) and all(map(_are_texts, node[2:])), "module")


def _check_function(node: list[Any], sizes: dict[str, range]) -> None:
    need(_are_texts(node[1:4]) and _is_index(node[4]), "function")


def _check_redacted(node: list[Any], sizes: dict[str, range]) -> None:
    need(_is_text(node[1]), "redacted")


def _check_link(node: list[Any], sizes: dict[str, range]) -> None:
    need(_is_in(node[1], sizes["exceptions"]), "exception")


def _check_live(node: list[Any], sizes: dict[str, range]) -> None:
    need(_is_index(node[1]), "live")
    _check_ref(node[2], sizes, "live")


def _check_stand_in(node: list[Any], sizes: dict[str, range]) -> None:
    _, type_index, text, attributes, extra = node
    need(_is_in(type_index, sizes["types"]), "object")
    need(text is None or _is_text(text), "object")
    if attributes is not None:
        _check_refs_by_name(attributes, sizes, "object")
    if extra is not None:
        need(type(extra) is dict, "object")
        need(_is_length(extra.get("len", 0)) and _is_index(extra.get("address", 0)), "object")
        need(_are_texts(extra.get("dir", [])), "object")
        need(_are_texts([extra.get("why", ""), extra.get("str", "")]), "object")
        for name in ("items", "pairs"):
            _check_refs(extra.get(name, []), sizes, "object")


_CHECKS: Final[dict[str, Any]] = {
    **dict.fromkeys(CONTAINERS, _check_container),
    **dict.fromkeys(TEXTS, _check_text),
    "int": _check_int,
    "complex": _check_complex,
    "exact": _check_exact,
    "type": _check_type,
    "module": _check_module,
    "function": _check_function,
    "redacted": _check_redacted,
    "exception": _check_link,
    "live": _check_live,
    "object": _check_stand_in,
}
