"""The check of a foreign report: every table has its form, every index points into its table.

    check() ─▶ records    _CODE, _FRAME, _EXCEPTION, _EXTRA    name of a field → its form
               nodes      _PARTS                               kind → the form of each part

A *form* is a function that says whether a value is laid out as core/report.py says.
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
_COUNTS: Final = range(sys.maxsize)
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


_Form: TypeAlias = Callable[[Any, _Indexes], bool]
_Fields: TypeAlias = dict[str, _Form]


def check(report: Any) -> None:
    """Raises ValueError unless the report has the form of a report, and a bounded cost."""
    _check_tables(report)
    tables = [report[name] for name in _Indexes._fields]
    indexes = _Indexes(*[range(len(table)) for table in tables])
    _check_values(report["values"], indexes)
    _check_types(report["types"], indexes)
    for code in report["codes"]:
        _check_record(code, _CODE, indexes, "code")
    for namespace in report["globals"]:
        need(_is_namespace(namespace, indexes), "globals")
    facts = report.get("process", {})
    need(_is_namespace(facts, indexes), "process")
    need_at_most(len(facts), bounds.MAX_LOCALS, "facts of its process")
    for frame in report["frames"]:
        _check_record(frame, _FRAME, indexes, "frame")
        variables = frame["locals"] or ()
        need_at_most(len(variables), bounds.MAX_LOCALS, "variables in a frame")
    for record in report["exceptions"]:
        _check_record(record, _EXCEPTION, indexes, "exception")
    measure(report)


def _check_tables(report: Any) -> None:
    need(isinstance(report, dict), "report")
    for name in _Indexes._fields:
        need(isinstance(report.get(name), list), name)
    need(report["exceptions"], "report")
    need(isinstance(report.get("cuts"), dict), "report")
    need(isinstance(report.get("python"), str), "report")
    for file, packed in report["sources"].items():
        need(isinstance(file, str), "sources")
        need(isinstance(packed, bytes), "sources")
    need_at_most(len(report["values"]), bounds.MAX_VALUES, "values")
    need_at_most(len(report["exceptions"]), bounds.MAX_EXCEPTIONS, "exceptions")


def _check_types(types: list[Any], indexes: _Indexes) -> None:
    need_at_most(len(types), bounds.MAX_TYPES, "types")
    for entry in types:
        need(_is_list(entry, 3), "types")
        module, qualname, bases = entry
        need(_are_texts([module, qualname], indexes), "types")
        need(type(bases) is list, "types")
        need(_are_in(bases, indexes.types), "types")
        for name in (module, qualname):
            need_at_most(len(name), bounds.MAX_NAME, "characters in a type's name")
    if lineage(types).above:
        raise ValueError("it has types of too many bases or ancestors")


def _check_record(record: Any, fields: _Fields, indexes: _Indexes, what: str) -> None:
    """Checks the fields of a record. Raises KeyError if a field is absent that none may lack."""
    need(type(record) is dict, what)
    for name, has_form in fields.items():
        if name in record or name not in _OPTIONAL:
            need(has_form(record[name], indexes), what)


# -- forms of plain values


def _is_in(value: object, allowed: range) -> bool:
    return type(value) is int and value in allowed


def _are_in(values: Iterable[object], allowed: range) -> bool:
    return all(_is_in(value, allowed) for value in values)


def _is_list(value: object, length: int) -> bool:
    return type(value) is list and len(value) == length


def _is_index(value: object, indexes: _Indexes) -> bool:
    """Whether a value is an index or another number that is not negative."""
    return type(value) is int and value >= 0


def _is_length(value: object, indexes: _Indexes) -> bool:
    return type(value) is int and 0 <= value <= sys.maxsize


def _is_bool(value: object, indexes: _Indexes) -> bool:
    return type(value) is bool


def _is_text(value: object, indexes: _Indexes) -> bool:
    return type(value) is str


def _is_text_or_none(value: object, indexes: _Indexes) -> bool:
    return value is None or type(value) is str


def _are_texts(value: object, indexes: _Indexes) -> bool:
    return type(value) is list and all(type(text) is str for text in value)


# -- forms of indexes and refs


def _is_type_index(value: object, indexes: _Indexes) -> bool:
    return _is_in(value, indexes.types)


def _is_exception(value: object, indexes: _Indexes) -> bool:
    return _is_in(value, indexes.exceptions)


def _is_exception_or_none(value: object, indexes: _Indexes) -> bool:
    return value is None or _is_in(value, indexes.exceptions)


def _are_exceptions(value: object, indexes: _Indexes) -> bool:
    return type(value) is list and _are_in(value, indexes.exceptions)


def _is_ref(ref: object, indexes: _Indexes) -> bool:
    return _are_refs([ref], indexes)


def _are_refs(refs: object, indexes: _Indexes) -> bool:
    if type(refs) is not list:
        return False
    values = indexes.values
    for ref in refs:  # _is_in() would double the time, and a report may have a million refs
        if type(ref) is list:
            if len(ref) != 1 or type(ref[0]) is not int or ref[0] not in values:
                return False
        elif type(ref) is dict:
            return False
    return True


def _is_arguments(ref: object, indexes: _Indexes) -> bool:
    """Whether a value is the ref of exc.args: a tuple has an entry among the values."""
    return type(ref) is list and _is_ref(ref, indexes)


def _is_namespace(value: object, indexes: _Indexes) -> bool:
    """Whether a value is a dict of names and refs."""
    return type(value) is dict and _are_refs(list(value.values()), indexes)


def _is_namespace_or_none(value: object, indexes: _Indexes) -> bool:
    return value is None or _is_namespace(value, indexes)


# -- forms of codes and frames


def _is_file(value: object, indexes: _Indexes) -> bool:
    return type(value) is str and len(value) <= bounds.MAX_FILE_NAME and "\0" not in value


def _is_name(value: object, indexes: _Indexes) -> bool:
    return type(value) is str and len(value) <= bounds.MAX_NAME


def _is_line(value: object, indexes: _Indexes) -> bool:
    return _is_in(value, _LINES)


def _is_flags(value: object, indexes: _Indexes) -> bool:
    return _is_in(value, _SMALL)


def _are_counts(value: object, indexes: _Indexes) -> bool:
    """Whether a value is the three numbers of a function's arguments."""
    return type(value) is list and len(value) == 3 and _are_in(value, _COUNTS)


def _are_names(value: object, indexes: _Indexes) -> bool:
    if type(value) is not list or len(value) > bounds.MAX_LOCALS:
        return False
    return _are_texts(value, indexes)


def _is_code(value: object, indexes: _Indexes) -> bool:
    return _is_in(value, indexes.codes)


def _is_globals(value: object, indexes: _Indexes) -> bool:
    return _is_in(value, indexes.globals)


def _is_position(position: object, indexes: _Indexes) -> bool:
    if type(position) is not list or len(position) != len(_POSITION):
        return False
    parts = zip(position, _POSITION)
    return all(part is None or _is_in(part, allowed) for part, allowed in parts)


def _are_frames(value: object, indexes: _Indexes) -> bool:
    return type(value) is list and _are_in(value, indexes.frames)


def _is_traceback(value: object, indexes: _Indexes) -> bool:
    return type(value) is list and all(_is_entry(entry, indexes) for entry in value)


def _is_entry(entry: Any, indexes: _Indexes) -> bool:
    """Whether a value is a frame and a position, or -1 and a number of frames."""
    if not _is_list(entry, 2):
        return False
    index, place = entry
    if type(index) is int and index == -1:
        return _is_index(place, indexes)
    return _is_in(index, indexes.frames) and _is_position(place, indexes)


# -- records

_CODE: Final[_Fields] = {
    "file": _is_file,
    "name": _is_name,
    "qualname": _is_name,
    "line": _is_line,
    "flags": _is_flags,
    "sum": _is_index,
    "args": _are_counts,
    "names": _are_names,
}
_FRAME: Final[_Fields] = {
    "code": _is_code,
    "globals": _is_globals,
    "at": _is_position,
    "locals": _is_namespace_or_none,
}
_EXCEPTION: Final[_Fields] = {
    "type": _is_type_index,
    "args": _is_arguments,
    "notes": _is_ref,
    "fields": _is_namespace,
    "attributes": _is_namespace,
    "str": _is_text,
    "text": _is_text,
    "own": _is_index,
    "children": _are_exceptions,
    "outer": _are_frames,
    "cause": _is_exception_or_none,
    "context": _is_exception_or_none,
    "suppress": _is_bool,
    "traceback": _is_traceback,
}
# The further facts of an object.
_EXTRA: Final[_Fields] = {
    "len": _is_length,
    "address": _is_index,
    "dir": _are_texts,
    "why": _is_text,
    "str": _is_text,
    "items": _are_refs,
    "pairs": _are_refs,
}
# Fields that only some records have.
_OPTIONAL: Final = frozenset({"sum", "notes", "str", "text", "own", "children", "outer", *_EXTRA})


# -- nodes


def _check_values(nodes: list[Any], indexes: _Indexes) -> None:
    for node in nodes:
        _check_node(node, indexes)
    classes = [node for node in nodes if kind_of(node) == "type" and has_names(node)]
    need_at_most(len(classes), bounds.MAX_CLASSES, "classes")


def _check_node(node: Any, indexes: _Indexes) -> None:
    need(type(node) is list and node, "value")
    kind = node[0]
    need(type(kind) is str, "value")
    need(len(node) in _LENGTHS.get(kind, ()), f"value of kind {kind[:20]!r}")
    if kind in _CHECKS:
        _CHECKS[kind](node, indexes)
        return
    for part, has_form in zip(node[1:], _PARTS[kind]):
        need(has_form(part, indexes), kind)


def _check_container(node: list[Any], indexes: _Indexes) -> None:
    kind, length, refs = node
    need(_are_refs(refs, indexes), kind)
    need(_is_length(length, indexes), kind)
    most = length
    if kind == "dict":  # a key and a value each
        most = 2 * length
    need(len(refs) <= most, kind)


def _check_text(node: list[Any], indexes: _Indexes) -> None:
    kind, length, text = node
    need(_is_length(length, indexes), kind)
    need(type(text) is str, kind)
    need(len(text) <= length, kind)
    if kind != "str" and not text.isascii():
        need(max(text) <= "\xff", kind)


def _check_exact(node: list[Any], indexes: _Indexes) -> None:
    _, kind, refs = node
    need(type(kind) is str, "exact value")
    need(kind in EXACT, "exact value")
    need(_are_refs(refs, indexes), kind)
    if kind not in PARTS:
        return
    parts = PARTS[kind]
    need(len(refs) == parts.number, kind)
    for ref in refs:
        need(type(ref) in (parts.atom, list), kind)


def _check_object(node: list[Any], indexes: _Indexes) -> None:
    _, type_index, text, attributes, extra = node
    need(_is_type_index(type_index, indexes), "object")
    need(_is_text_or_none(text, indexes), "object")
    need(_is_namespace_or_none(attributes, indexes), "object")
    if extra is not None:
        _check_record(extra, _EXTRA, indexes, "object")


def _is_digits(digits: object, indexes: _Indexes) -> bool:
    if type(digits) is not str or len(digits) > bounds.MAX_DIGITS:
        return False
    return _HEXADECIMAL.fullmatch(digits) is not None


def _is_part_of_complex(part: object, indexes: _Indexes) -> bool:
    return type(part) is float or _is_in(part, _SMALL)


# The kinds whose parts are checked together.
_CHECKS: Final[dict[str, Callable[[list[Any], _Indexes], None]]] = {
    **dict.fromkeys(CONTAINERS, _check_container),
    **dict.fromkeys(TEXTS, _check_text),
    "exact": _check_exact,
    "object": _check_object,
}
# kind → the form of each part behind the kind; a node may lack the last part (_LENGTHS).
_PARTS: Final[dict[str, tuple[_Form, ...]]] = {
    "int": (_is_digits,),
    "complex": (_is_part_of_complex, _is_part_of_complex),
    "type": (_is_type_index, _are_texts),
    "module": (_is_text, _are_texts),
    "function": (_is_text, _is_text, _is_text, _is_index),
    "redacted": (_is_text,),
    "exception": (_is_exception,),
    "live": (_is_index, _is_ref),
}
