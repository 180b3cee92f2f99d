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
from ..core.texts import counted, shorten
from ..restore.fields import put_field
from .budgets import MAX_MESSAGE, MAX_MESSAGES, MAX_SHORT, Budget
from .values import PrintsAs, ShownValues

# Fields of a SyntaxError with the place of the error, and their types.
_PLACE: Final = {"filename": str, "lineno": int, "offset": int, "text": str}
# Required fields of a SyntaxError in a report; `offset` may be missing.
_REQUIRED: Final = frozenset({"filename", "lineno", "text"})
# The name of the file, and the line with the error. (characters)
_MAX_PLACE: Final = 1_000
# The repr of an exception among the arguments of another one. (characters)
_MAX_ARGUMENT: Final = 200
# Exceptions as arguments of one another, from the last of a report on. (levels)
_LEVELS: Final = 20


class MessageTexts:
    """The messages of a report's exceptions."""

    def __init__(self, report: Report, values: ShownValues) -> None:
        self._report = report
        self._values = values
        self._room = Budget(MAX_MESSAGES)  # for the messages of exceptions among arguments
        self._printed: dict[int, _Printed] = {}  # by the index of such an exception
        # Such an exception mostly has a higher number than the exception with the arguments.
        for index in sorted(self._among_arguments(), reverse=True):
            self._as_argument(index, _LEVELS)

    def of(self, index: int) -> str:
        """str() of an exception."""
        return self._make(self._report["exceptions"][index], _LEVELS)

    def _among_arguments(self) -> set[int]:
        """The indexes of the exceptions that are arguments of an exception without a message."""
        found = set()
        for record in self._report["exceptions"]:
            if "str" not in record:
                for child in self._values.children(record["args"]):
                    index = self._values.exception_at(child.ref)
                    if index is not None:
                        found.add(index)
        return found

    def _make(self, record: Mapping[str, Any], levels: int) -> str:
        told = record.get("str")
        if told is not None:
            return str(told)
        values = self._values
        base = _builtin_base(self._report, record["type"])
        children = values.children(record["args"])
        args = [self._argument(child.ref, levels) for child in children]
        if issubclass(base, BaseExceptionGroup):
            return _group_message(values, record)
        try:
            message = _message_by_class(base, args, record["fields"], values)
        except Exception:  # the class refuses the arguments
            message = None
        if message is None:
            return ", ".join(map(str, args))
        return message

    def _argument(self, ref: Ref, levels: int) -> Any:
        """An argument of an exception, or an object that prints as the argument."""
        index = self._values.exception_at(ref)
        if index is None:
            return self._values.built(ref)
        return self._as_argument(index, levels)

    def _as_argument(self, index: int, levels: int) -> PrintsAs:
        """What prints as an exception among arguments, made once."""
        found = self._printed.get(index)
        if found is not None:
            return found
        if not levels:
            return PrintsAs("...")
        record = self._report["exceptions"][index]
        found = _Printed(self._repr_of(record), "...")  # "..." if it is its own argument
        self._printed[index] = found
        message = self._make(record, levels - 1)
        most = MAX_SHORT
        if self._room.take(len(message)):
            most = MAX_MESSAGE
        found.message = shorten(message, most)
        return found

    def _repr_of(self, record: Mapping[str, Any]) -> str:
        """The repr of an exception, within the bound."""
        _, qualname, _ = self._report["types"][record["type"]]
        _, _, name = qualname.rpartition(".")
        args: list[str] = []
        size = 0
        for child in self._values.children(record["args"]):
            if size > _MAX_ARGUMENT:
                break
            args.append(self._values.text(child.ref, _MAX_ARGUMENT))
            size += len(args[-1])
        text = ", ".join(args)
        return shorten(f"{name}({text})", _MAX_ARGUMENT)


class _Printed(PrintsAs):
    """Replaces an exception among the arguments of another one."""

    def __init__(self, text: str, message: str) -> None:
        super().__init__(text)
        self.message = message

    def __str__(self) -> str:
        return self.message


def _message_by_class(
    base: type[BaseException], args: list[Any], fields: Mapping[str, Ref], values: ShownValues
) -> str | None:
    """The message that a builtin class makes; None if the class refuses a field."""
    exc = base.__new__(base)
    exc.args = tuple(args)
    for name, ref in fields.items():
        if name == "_metadata":  # of a SyntaxError, for suggestions
            continue
        if not put_field(exc, name, values.built(ref)):
            return None
    return str(exc)


def _group_message(values: ShownValues, record: Mapping[str, Any]) -> str:
    ref = record["fields"].get("message", "")
    message = str(values.built(ref))
    count = len(record.get("children", ()))
    return f"{message} ({counted(count, 'sub-exception')})"


def _builtin_base(report: Report, index: int) -> type[BaseException]:
    """The most particular builtin class above a type of the report."""
    seen = set()
    waiting = deque([index])
    while waiting:
        at = waiting.popleft()
        if at in seen:
            continue
        seen.add(at)
        module, qualname, bases = report["types"][at]
        found = _builtin_exception(module, qualname)
        if found is not None:
            return found
        waiting += bases
    return BaseException


def _builtin_exception(module: object, qualname: object) -> type[BaseException] | None:
    if module != "builtins" or type(qualname) is not str:
        return None
    found = getattr(builtins, qualname, None)
    if isinstance(found, type) and issubclass(found, BaseException):
        return found
    return None


def syntax_error_line(values: ShownValues, fields: Mapping[str, Ref]) -> str:
    """The line with the syntax error, as Python shows it; empty for other exceptions."""
    if not fields.keys() >= _REQUIRED:
        return ""
    place = {name: values.built(fields.get(name)) for name in _PLACE}
    for name, kind in _PLACE.items():
        if type(place[name]) is not kind:
            return ""
    end_line = values.built(fields.get("end_lineno"))
    end = values.built(fields.get("end_offset"))
    if type(end_line) is not int or type(end) is not int:
        end_line = place["lineno"]
        end = place["offset"]
    return _printed(**place, end_line=end_line, end=end)


def _printed(filename: str, lineno: int, offset: int, text: str, end_line: int, end: int) -> str:
    """Python's lines for a SyntaxError, without the message. A forged place may be anywhere."""
    text = text[:_MAX_PLACE]
    marks = range(len(text) + 2)
    if lineno < 0 or end_line < 0 or offset not in marks or end not in marks:
        offset = end = 0
    place_of_error = (filename[:_MAX_PLACE], lineno, offset, text, end_line, end)
    exc = SyntaxError("", place_of_error)
    *place, _message = traceback.format_exception_only(exc)
    return "".join(place)
