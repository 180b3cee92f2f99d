"""The check of a foreign report: every table has its form, every index points into its table.

format/costs.py measures the cost of restoring the report.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeAlias

from ..core import bounds
from ..core.nodes import CONTAINERS, KINDS, TEXTS, has_names, kind_of
from ..restore.exact import EXACT
from .costs import PARTS, lineage, measure, need, need_at_most

_SMALL: Final = range(1 << 31)
_HEXADECIMAL: Final = re.compile(r"-?0x[0-9a-f]++")
# A C int, as in CPython; generated code may have lines below zero.
_LINES: Final = range(-(1 << 31), 1 << 31)
# Line, last line, column, last column
_POSITION: Final = (_LINES, _LINES, _SMALL, _SMALL)
# The allowed lengths of the nodes of each kind
_LENGTHS: Final = {name: kind.lengths for name, kind in KINDS.items()}


class _Indexes(NamedTuple):
    """The valid indexes into each table of a report."""

    exceptions: range
    frames: range
    codes: range
    globals: range
    types: range
    values: range


def check(report: Any) -> None:
    """Raises ValueError unless the report has the form of a report, and a bounded cost."""
    _check_tables(report)
    tables = [report[name] for name in _Indexes._fields]
    indexes = _Indexes(*[range(len(table)) for table in tables])
    _check_values(report["values"], indexes)
    _check_types(report["types"], indexes)
    for code in report["codes"]:
        _check_code(code)
    for namespace in report["globals"]:
        _check_namespace(namespace, indexes, "globals")
    facts = report.get("process", {})
    _check_namespace(facts, indexes, "process")
    need_at_most(len(facts), bounds.MAX_LOCALS, "facts of its process")
    for frame in report["frames"]:
        _check_frame(frame, indexes)
    for record in report["exceptions"]:
        _check_exception(record, indexes)
    measure(report)


def _check_tables(report: Any) -> None:
    need(isinstance(report, dict), "report")
    for name in _Indexes._fields:
        need(isinstance(report.get(name), list), name)
    need(report["exceptions"], "report")
    need(isinstance(report.get("cuts"), dict), "report")
    need(_is_text(report.get("python")), "report")
    for file, packed in report["sources"].items():
        need(isinstance(file, str), "sources")
        need(isinstance(packed, bytes), "sources")
    need_at_most(len(report["values"]), bounds.MAX_VALUES, "values")
    need_at_most(len(report["exceptions"]), bounds.MAX_EXCEPTIONS, "exceptions")


def _check_values(nodes: list[Any], indexes: _Indexes) -> None:
    for node in nodes:
        _check_node(node, indexes)
    classes = [node for node in nodes if kind_of(node) == "type" and has_names(node)]
    need_at_most(len(classes), bounds.MAX_CLASSES, "classes")


def _is_index(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_length(value: object) -> bool:
    return type(value) is int and 0 <= value <= sys.maxsize


def _is_in(value: object, allowed: range) -> bool:
    return type(value) is int and value in allowed


def _are_in(values: Iterable[object], allowed: range) -> bool:
    return all(_is_in(value, allowed) for value in values)


def _is_text(value: object) -> bool:
    return type(value) is str


def _are_texts(value: object) -> bool:
    return type(value) is list and all(type(text) is str for text in value)


def _is_list(value: object, length: int) -> bool:
    return type(value) is list and len(value) == length


def _check_ref(ref: object, indexes: _Indexes, what: str) -> None:
    _check_refs([ref], indexes, what)


def _check_refs(refs: Any, indexes: _Indexes, what: str) -> None:
    need(type(refs) is list, what)
    values = indexes.values
    for ref in refs:  # _is_in() would double the time, and a report may have a million refs
        if type(ref) is list:
            need(len(ref) == 1 and type(ref[0]) is int and ref[0] in values, what)
        elif type(ref) is dict:
            need(False, what)


def _check_namespace(namespace: Any, indexes: _Indexes, what: str) -> None:
    """Checks the refs of named values."""
    need(type(namespace) is dict, what)
    _check_refs(list(namespace.values()), indexes, what)


def _check_position(position: Any) -> None:
    need(_is_list(position, 4), "position")
    for part, allowed in zip(position, _POSITION):
        if part is not None:
            need(type(part) is int and part in allowed, "position")


def _check_types(types: list[Any], indexes: _Indexes) -> None:
    need_at_most(len(types), bounds.MAX_TYPES, "types")
    for entry in types:
        need(_is_list(entry, 3), "types")
        module, qualname, bases = entry
        need(_are_texts([module, qualname]), "types")
        need(type(bases) is list, "types")
        need(_are_in(bases, indexes.types), "types")
        for name in (module, qualname):
            need_at_most(len(name), bounds.MAX_NAME, "characters in a type's name")
    if lineage(types).above:
        raise ValueError("it has types of too many bases or ancestors")


def _check_code(code: Any) -> None:
    need(type(code) is dict, "code")
    file, name, qualname = code["file"], code["name"], code["qualname"]
    need(_are_texts([file, name, qualname]), "code")
    need(len(file) <= bounds.MAX_FILE_NAME, "code")
    need(len(name) <= bounds.MAX_NAME, "code")
    need(len(qualname) <= bounds.MAX_NAME, "code")
    need(_is_in(code["line"], _LINES), "code")
    need(_is_in(code["flags"], _SMALL), "code")
    need(_is_index(code.get("sum", 0)), "code")
    need(_is_list(code["args"], 3), "code")
    need(all(_is_index(count) for count in code["args"]), "code")
    need(_are_texts(code["names"]), "code")
    need(len(code["names"]) <= bounds.MAX_LOCALS, "code")
    need("\0" not in file, "code")


def _check_frame(frame: Any, indexes: _Indexes) -> None:
    need(type(frame) is dict, "frame")
    need(_is_in(frame["code"], indexes.codes), "frame")
    need(_is_in(frame["globals"], indexes.globals), "frame")
    _check_position(frame["at"])
    variables = frame["locals"]
    if variables is not None:
        _check_namespace(variables, indexes, "locals")
        need_at_most(len(variables), bounds.MAX_LOCALS, "variables in a frame")


def _check_exception(record: Any, indexes: _Indexes) -> None:
    need(type(record) is dict, "exception")
    need(_is_in(record["type"], indexes.types), "exception")
    need(type(record["args"]) is list, "exception")
    _check_ref(record["args"], indexes, "exception")
    _check_ref(record.get("notes"), indexes, "exception")
    _check_namespace(record["fields"], indexes, "exception")
    _check_namespace(record["attributes"], indexes, "exception")
    need(_is_text(record.get("str", "")), "exception")
    need(_is_text(record.get("text", "")), "exception")
    need(_is_index(record.get("own", 0)), "exception")
    _check_links(record, indexes)
    need(type(record["suppress"]) is bool, "exception")
    need(type(record["traceback"]) is list, "exception")
    for entry in record["traceback"]:
        _check_entry(entry, indexes)


def _check_links(record: dict[str, Any], indexes: _Indexes) -> None:
    """Checks the other exceptions of an exception, and its frames outside the traceback."""
    children = record.get("children", [])
    outer = record.get("outer", [])
    need(type(children) is list, "exception")
    need(type(outer) is list, "exception")
    for linked in (record["cause"], record["context"]):
        need(linked is None or _is_in(linked, indexes.exceptions), "exception")
    need(_are_in(children, indexes.exceptions), "exception")
    need(_are_in(outer, indexes.frames), "exception")


def _check_entry(entry: Any, indexes: _Indexes) -> None:
    """An entry of a traceback: a frame and a position, or -1 and a number of frames."""
    need(_is_list(entry, 2), "traceback")
    index, place = entry
    if type(index) is int and index == -1:
        need(_is_index(place), "traceback")
    else:
        need(_is_in(index, indexes.frames), "traceback")
        _check_position(place)


# -- nodes: a function for each kind


def _check_node(node: Any, indexes: _Indexes) -> None:
    need(type(node) is list and node, "value")
    kind = node[0]
    need(_is_text(kind), "value")
    need(len(node) in _LENGTHS.get(kind, ()), f"value of kind {kind[:20]!r}")
    _CHECKS[kind](node, indexes)


def _check_container(node: list[Any], indexes: _Indexes) -> None:
    kind, length, refs = node
    _check_refs(refs, indexes, kind)
    need(_is_length(length), kind)
    most = length
    if kind == "dict":  # a key and a value each
        most = 2 * length
    need(len(refs) <= most, kind)


def _check_text(node: list[Any], indexes: _Indexes) -> None:
    kind, length, text = node
    need(_is_length(length), kind)
    need(_is_text(text), kind)
    need(len(text) <= length, kind)
    if kind != "str" and not text.isascii():
        need(max(text) <= "\xff", kind)


def _check_int(node: list[Any], indexes: _Indexes) -> None:
    _, digits = node
    need(_is_text(digits), "int")
    need(len(digits) <= bounds.MAX_DIGITS, "int")
    need(_HEXADECIMAL.fullmatch(digits), "int")


def _check_complex(node: list[Any], indexes: _Indexes) -> None:
    _, real, imaginary = node
    for part in (real, imaginary):
        need(type(part) is float or _is_in(part, _SMALL), "complex")


def _check_exact(node: list[Any], indexes: _Indexes) -> None:
    _, kind, refs = node
    need(_is_text(kind), "exact value")
    need(kind in EXACT, "exact value")
    _check_refs(refs, indexes, kind)
    if kind in PARTS:
        parts = PARTS[kind]
        need(len(refs) == parts.number, kind)
        for ref in refs:
            need(type(ref) in (parts.atom, list), kind)


def _check_type(node: list[Any], indexes: _Indexes) -> None:
    _, type_index, *names = node
    need(_is_in(type_index, indexes.types), "type")
    need(all(map(_are_texts, names)), "type")


def _check_module(node: list[Any], indexes: _Indexes) -> None:
    _, name, *names = node
    need(_is_text(name), "module")
    need(all(map(_are_texts, names)), "module")


def _check_function(node: list[Any], indexes: _Indexes) -> None:
    _, module, qualname, name, address = node
    need(_are_texts([module, qualname, name]), "function")
    need(_is_index(address), "function")


def _check_redacted(node: list[Any], indexes: _Indexes) -> None:
    _, what = node
    need(_is_text(what), "redacted")


def _check_link(node: list[Any], indexes: _Indexes) -> None:
    _, exception = node
    need(_is_in(exception, indexes.exceptions), "exception")


def _check_live(node: list[Any], indexes: _Indexes) -> None:
    _, number, stand_in = node
    need(_is_index(number), "live")
    _check_ref(stand_in, indexes, "live")


def _check_stand_in(node: list[Any], indexes: _Indexes) -> None:
    _, type_index, text, attributes, extra = node
    need(_is_in(type_index, indexes.types), "object")
    need(text is None or _is_text(text), "object")
    if attributes is not None:
        _check_namespace(attributes, indexes, "object")
    if extra is not None:
        _check_extra(extra, indexes)


def _check_extra(extra: Any, indexes: _Indexes) -> None:
    """Checks the further facts of an object (core/report.py)."""
    need(type(extra) is dict, "object")
    need(_is_length(extra.get("len", 0)), "object")
    need(_is_index(extra.get("address", 0)), "object")
    need(_are_texts(extra.get("dir", [])), "object")
    need(_is_text(extra.get("why", "")), "object")
    need(_is_text(extra.get("str", "")), "object")
    _check_refs(extra.get("items", []), indexes, "object")
    _check_refs(extra.get("pairs", []), indexes, "object")


_Check: TypeAlias = Callable[[list[Any], _Indexes], None]
_CHECKS: Final[dict[str, _Check]] = {
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
