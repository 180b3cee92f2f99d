"""Fields: state of the C types of exceptions outside of __dict__."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any, Final

from .descriptors import (
    raw_base_of,
    raw_mro_of,
    raw_namespace_of,
    raw_size_of,
    raw_weakref_offset_of,
)
from .files import may_be_opened, unopened_name
from .policy import BUILTIN_CLASSES, is_plainly_loaded
from .standins import make_stand_in, stand_in_class

# C type → the names of the fields, in the order of the search among bases
FIELDS: Final[dict[type[BaseException], tuple[str, ...]]] = {
    OSError: ("errno", "strerror", "filename", "filename2", "characters_written"),
    SyntaxError: (
        *("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset"),
        *("print_file_and_line", "_metadata"),
    ),
    UnicodeDecodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeEncodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeTranslateError: ("object", "start", "end", "reason"),
    ImportError: ("msg", "name", "path", "name_from"),
    StopIteration: ("value",),
    SystemExit: ("code",),
    AttributeError: ("name", "obj"),
    NameError: ("name",),
}
# By id: the attributes and the hash of a class may run a metaclass's code.
BUILTIN_TYPES: Final = frozenset(map(id, BUILTIN_CLASSES.values()))
_FIELDS_BY_ID: Final = {id(cls): (cls, names) for cls, names in FIELDS.items()}
put_args: Final[Any] = BaseException.__dict__["args"].__set__
put_traceback: Final[Any] = BaseException.__dict__["__traceback__"].__set__
put_context: Final[Any] = BaseException.__dict__["__context__"].__set__
put_cause: Final[Any] = BaseException.__dict__["__cause__"].__set__
put_suppress: Final[Any] = BaseException.__dict__["__suppress_context__"].__set__


def fields_of(mro: tuple[type, ...]) -> tuple[type, tuple[str, ...]] | None:
    """The first C type with fields among the bases, and the names of the fields."""
    return next((_FIELDS_BY_ID[id(cls)] for cls in mro if id(cls) in _FIELDS_BY_ID), None)


_POINTER: Final = tuple.__itemsize__  # the size of a slot in an instance (bytes)


def has_own_state(cls: type) -> bool:
    """Whether C code of the class's library holds state of the instances.

    `__dict__`, slots and FIELDS do not have such state, so no `__new__` of a builtin base may make
    an instance. This function reads only the class: no code of the library runs.
    """
    while id(cls) not in BUILTIN_TYPES:
        namespace = raw_namespace_of(cls)
        if type(namespace.get("__new__")) is types.BuiltinFunctionType:
            return True
        known = 0  # bytes added by the class statement to an instance of the base
        if "__slots__" in namespace:
            known = _POINTER * sum(
                type(slot) is types.MemberDescriptorType for slot in namespace.values()
            )
        if "__weakref__" in namespace and raw_weakref_offset_of(cls) > 0:
            known += _POINTER
        above = raw_base_of(cls)
        if raw_size_of(cls) - raw_size_of(above) > known:
            return True
        cls = above
    return False


# A larger number is no column: printing a SyntaxError repeats a character so many times.
_MOST_COLUMNS: Final = 1 << 20
_C_INT: Final = range(-(1 << 31), 1 << 31)


def _is_text(value: object) -> bool:
    return value is None or type(value) is str


def _is_str(value: object) -> bool:
    return type(value) is str


def _is_line(value: object) -> bool:
    return value is None or (type(value) is int and value in _C_INT)


def _is_column(value: Any) -> bool:
    return _is_line(value) and abs(value or 0) <= _MOST_COLUMNS


def _is_start(value: object) -> bool:
    return type(value) is int and 0 <= value < sys.maxsize


def _is_end(value: object) -> bool:
    return type(value) is int and -sys.maxsize < value < sys.maxsize


def _is_metadata(value: object) -> bool:
    """(line, column, source) of a SyntaxError, where traceback looks for misspelt keywords."""
    if value is None:
        return True
    if type(value) is not tuple or len(value) != 3:
        return False
    line, column, source = value
    return _is_line(line) and _is_line(column) and _is_text(source)


_UNICODE_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    "encoding": _is_str,
    "object": _is_str,
    "start": _is_start,  # before Python 3.14 str() reads memory at this offset without a check
    "end": _is_end,
    "reason": _is_str,
}
# The fields used without a check by C code or traceback. Other fields may hold any object.
_CHECKS: Final[dict[type[BaseException], dict[str, Callable[[Any], bool]]]] = {
    SyntaxError: {
        "filename": _is_text,  # traceback would open a file by its number
        "lineno": _is_line,
        "offset": _is_column,
        "text": _is_text,
        "end_lineno": _is_line,
        "end_offset": _is_column,
        "_metadata": _is_metadata,
    },
    UnicodeDecodeError: {**_UNICODE_CHECKS, "object": lambda value: type(value) is bytes},
    UnicodeEncodeError: _UNICODE_CHECKS,
    UnicodeTranslateError: _UNICODE_CHECKS,
    ImportError: {"name": _is_text},
    AttributeError: {"name": _is_text},
    NameError: {"name": _is_text},
}


def put_field(
    exc: BaseException, name: str, value: object, state: tuple[type, tuple[str, ...]] | None = None
) -> bool:
    """Sets a field of an exception. All fields from data go through this function.

    Returns whether the C code and Python's own printing can bear the value. Ignores a name without
    a field in this Python. state: the result of fields_of(), if the caller has it.
    """
    state = state or fields_of(raw_mro_of(type(exc)))
    if state is None or name not in state[1] or name not in state[0].__dict__:
        return True
    check = _CHECKS.get(state[0], {}).get(name)
    if check is not None and not check(value):
        return False
    try:
        state[0].__dict__[name].__set__(exc, value)
    except (TypeError, ValueError, AttributeError, OverflowError):  # refused by the C code
        return False
    return True


def unsearched(exc: BaseException, name: str, value: object, module: object) -> object:
    """The value of a field, changed if showing it would import a module or open a device.

    To suggest similar names, traceback imports the module named by an ImportError (module: this
    name). Python 3.14 and newer, and IPython, open a SyntaxError's file.
    """
    if type(value) is not str:
        return value
    if name == "filename" and isinstance(exc, SyntaxError):
        if may_be_opened(value):
            return value
        return unopened_name(value)
    if name == "name_from" and not is_plainly_loaded(module):
        return _not_looked_up(value)
    return value


def forbid_search(exc: BaseException) -> None:
    """Prevents the listing of directories when traceback shows a ModuleNotFoundError.

    From Python 3.15 on traceback searches sys.path for names similar to the missing module's,
    unless the error has a `name_from`. So a stand-in becomes the `name_from`.
    """
    if sys.version_info < (3, 15) or not isinstance(exc, ModuleNotFoundError):
        return
    fields = ImportError.__dict__
    if fields["name"].__get__(exc) is not None and fields["name_from"].__get__(exc) is None:
        put_field(exc, "name_from", _not_looked_up(None))


def _not_looked_up(value: str | None) -> object:
    kind = type(value).__name__
    node: list[Any] = []
    if value:
        node = [kind, len(value), value]
    return make_stand_in(
        stand_in_class(kind, "builtins", False), repr(value), node, "not looked up"
    )
