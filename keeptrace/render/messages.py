"""The messages of exceptions, from the report alone.

The nearest builtin base class makes a missing message. Its C code gets only texts and numbers.
"""

from __future__ import annotations

import builtins
import traceback
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from ..core.report import Ref, Report
from ..core.texts import counted
from ..restore.fields import put_field
from .values import ShownValues

# Fields of a SyntaxError with the place of the error, and their types.
_PLACE: Final = {"filename": str, "lineno": int, "offset": int, "text": str}
# Required fields of a SyntaxError in a report; `offset` may be missing.
_REQUIRED: Final = frozenset({"filename", "lineno", "text"})
# The name of the file, and the line with the error. (characters)
_MAX_PLACE: Final = 1_000


def message_of(report: Report, values: ShownValues, record: Mapping[str, Any]) -> str:
    """str() of an exception whose message the report does not hold."""
    base = _builtin_base(report, record["type"])
    args = [values.built(child.ref) for child in values.children(record["args"])]
    if issubclass(base, BaseExceptionGroup):
        return _group_message(values, record)
    try:
        exc = base.__new__(base)
        exc.args = tuple(args)
        # A SyntaxError's _metadata is for suggestions, not for the message.
        names = [name for name in record["fields"] if name != "_metadata"]
        fields = [(name, values.built(record["fields"][name])) for name in names]
        are_put = [put_field(exc, name, value) for name, value in fields]
        if all(are_put):
            return str(exc)
        return _joined(args)
    except Exception:  # the class refuses the arguments: show the arguments alone
        return _joined(args)


def _joined(args: list[Any]) -> str:
    return ", ".join(str(arg) for arg in args)


def _group_message(values: ShownValues, record: Mapping[str, Any]) -> str:
    message = str(values.built(record["fields"].get("message", "")))
    count = len(record.get("children", ()))
    return f"{message} ({counted(count, 'sub-exception')})"


def _builtin_base(report: Report, index: int) -> type[BaseException]:
    """The most particular builtin class above a type of the report."""
    seen, waiting = set(), deque([index])
    while waiting:
        at = waiting.popleft()
        if at in seen:
            continue
        seen.add(at)
        module, qualname, bases = report["types"][at]
        if module == "builtins" and type(qualname) is str:
            found = getattr(builtins, qualname, None)
            if isinstance(found, type) and issubclass(found, BaseException):
                return found
        waiting += bases
    return BaseException


def syntax_error_line(values: ShownValues, fields: Mapping[str, Ref]) -> str:
    """The line with the syntax error, as Python shows it; empty for other exceptions."""
    if not fields.keys() >= _REQUIRED:
        return ""
    found = {name: values.built(fields.get(name)) for name in _PLACE}
    if any(type(found[name]) is not kind for name, kind in _PLACE.items()):
        return ""
    end_line, end = (values.built(fields.get(name)) for name in ("end_lineno", "end_offset"))
    if type(end_line) is not int or type(end) is not int:
        end_line, end = found["lineno"], found["offset"]
    return _printed(**found, end_line=end_line, end=end)


def _printed(filename: str, lineno: int, offset: int, text: str, end_line: int, end: int) -> str:
    """Python's lines for a SyntaxError, without the message. A forged place may be anywhere."""
    text = text[:_MAX_PLACE]
    marks = range(len(text) + 2)
    if lineno < 0 or end_line < 0 or offset not in marks or end not in marks:
        offset = end = 0
    exc = SyntaxError("", (filename[:_MAX_PLACE], lineno, offset, text, end_line, end))
    return "".join(traceback.format_exception_only(exc)[:-1])
