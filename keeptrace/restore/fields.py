"""State that the C types of exceptions hold outside of __dict__, and how it is put back."""

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

# C type -> the state that it holds outside of __dict__, in the order in which bases are looked for.
FIELDS: Final[dict[type[BaseException], tuple[str, ...]]] = {
    OSError: ("errno", "strerror", "filename", "filename2", "characters_written"),
    SyntaxError: (
        "msg",
        "filename",
        "lineno",
        "offset",
        "text",
        "end_lineno",
        "end_offset",
        "print_file_and_line",
        "_metadata",
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
# By id, because what a class says of itself may be a lie, or its metaclass's code.
BUILTIN_TYPES: Final = frozenset(map(id, BUILTIN_CLASSES.values()))
# by id, because the hash of a class may be its metaclass's
_FIELDS_BY_ID: Final = {id(cls): (cls, names) for cls, names in FIELDS.items()}
put_args, put_traceback, put_context, put_cause, put_suppress = (
    BaseException.__dict__[name].__set__
    for name in ("args", "__traceback__", "__context__", "__cause__", "__suppress_context__")
)


def fields_of(mro: tuple[type, ...]) -> tuple[type, tuple[str, ...]] | None:
    """The C type among the bases that holds state of its own, and the names of that state."""
    return next((_FIELDS_BY_ID[id(cls)] for cls in mro if id(cls) in _FIELDS_BY_ID), None)


_POINTER: Final = tuple.__itemsize__  # what a slot adds to an instance (bytes)


def has_own_state(cls: type) -> bool:
    """Whether C code holds state of the class's instances that neither `__dict__`, slots nor FIELDS
    have.

    Then no `__new__` of a builtin base may make an instance. Told by the class alone: no code of
    its library runs."""
    while id(cls) not in BUILTIN_TYPES:
        namespace = raw_namespace_of(cls)
        if type(namespace.get("__new__")) is types.BuiltinFunctionType:
            return True
        known = (
            0  # bytes that the class adds to the instances of its base, as Python's own classes do
        )
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


# Larger ones are no columns of a line: what prints a SyntaxError repeats a character so many times.
_MOST_COLUMNS: Final = 1 << 20
_C_INT: Final = range(-(1 << 31), 1 << 31)


def _is_text(value: Any) -> bool:
    return value is None or type(value) is str


def _is_str(value: Any) -> bool:
    return type(value) is str


def _is_line(value: Any) -> bool:
    return value is None or (type(value) is int and value in _C_INT)


def _is_column(value: Any) -> bool:
    return _is_line(value) and abs(value or 0) <= _MOST_COLUMNS


def _is_start(value: Any) -> bool:
    return type(value) is int and 0 <= value < sys.maxsize


def _is_end(value: Any) -> bool:
    return type(value) is int and -sys.maxsize < value < sys.maxsize


def _is_metadata(value: Any) -> bool:
    """(line, column, source) of a SyntaxError, by which traceback looks for misspelt keywords."""
    if value is None:
        return True
    return (
        type(value) is tuple
        and len(value) == 3
        and all(map(_is_line, value[:2]))
        and _is_text(value[2])
    )


_UNICODE_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    "encoding": _is_str,
    "object": _is_str,
    "start": _is_start,  # before Python 3.14 str() reads memory there without a look
    "end": _is_end,
    "reason": _is_str,
}
# The fields that C code, or traceback, takes without a look. The others may be anything.
_CHECKS: Final[dict[type[BaseException], dict[str, Callable[[Any], bool]]]] = {
    SyntaxError: {
        "filename": _is_text,  # traceback opens a number, too
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
    exc: BaseException, name: str, value: Any, state: tuple[type, tuple[str, ...]] | None = None
) -> bool:
    """Sets what an exception's C type holds outside of __dict__; whatever comes from data goes
    through here.

    Returns whether the value was one that the C code, and Python's own printing, can bear. A name
    that no field of this Python has is nothing. state: what fields_of() gives, where that is known.
    """
    state = state or fields_of(raw_mro_of(type(exc)))
    if state is None or name not in state[1] or name not in state[0].__dict__:
        return True
    check = _CHECKS.get(state[0], {}).get(name)
    if check is not None and not check(value):
        return False
    try:
        state[0].__dict__[name].__set__(exc, value)
    except (TypeError, ValueError, AttributeError, OverflowError):  # C code looks at these itself
        return False
    return True


def unsearched(exc: BaseException, name: str, value: Any, module: Any) -> Any:
    """The value of a field, such that showing the exception imports nothing, and opens no device.

    traceback imports the module that an ImportError names, to tell of similar names in it (module:
    that name). From Python 3.14 on, and in IPython, a SyntaxError's file is opened.
    """
    if type(value) is not str:
        return value
    if name == "filename" and isinstance(exc, SyntaxError):
        return value if may_be_opened(value) else unopened_name(value)
    if name == "name_from" and not is_plainly_loaded(module):
        return _not_looked_up(value)
    return value


def forbid_search(exc: BaseException) -> None:
    """Lets showing a ModuleNotFoundError list no directory.

    From Python 3.15 on traceback looks through sys.path for names like that of the missing module,
    but not where the error has a name that was to come from a module: a stand-in takes its place.
    """
    if sys.version_info < (3, 15) or not isinstance(exc, ModuleNotFoundError):
        return
    fields = ImportError.__dict__
    if fields["name"].__get__(exc) is not None and fields["name_from"].__get__(exc) is None:
        put_field(exc, "name_from", _not_looked_up(None))


def _not_looked_up(value: str | None) -> Any:
    kind = type(value).__name__
    node = [kind, len(value), value] if value else []
    return make_stand_in(
        stand_in_class(kind, "builtins", False), repr(value), node, "not looked up"
    )
