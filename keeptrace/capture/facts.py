"""Facts of code objects and of exception classes.

None of the user's code runs: the raw descriptors of `type` and `BaseException` read the classes,
never a metaclass, a property or a `__getattribute__`.
"""

from __future__ import annotations

import _weakref
import types
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from ..core.bounds import MAX_FILE_NAME, short_name
from ..core.raw import Slots, layout_of, mro_of
from ..core.report import Position
from ..restore.classes import has_hook
from ..restore.fields import BUILTIN_TYPES, fields_of

cause_of: Final = BaseException.__dict__["__cause__"].__get__
context_of: Final = BaseException.__dict__["__context__"].__get__
suppress_of: Final = BaseException.__dict__["__suppress_context__"].__get__
traceback_of: Final = BaseException.__dict__["__traceback__"].__get__
args_of: Final = BaseException.__dict__["args"].__get__
dict_of: Final = BaseException.__dict__["__dict__"].__get__
children_of: Final = BaseExceptionGroup.__dict__["exceptions"].__get__
group_message_of: Final = BaseExceptionGroup.__dict__["message"].__get__
bases_of: Final = type.__dict__["__bases__"].__get__

# The import system's names in a module's namespace. In a restored frame these names would mislead
# the reader.
IMPORT_SYSTEM: Final = frozenset({"__builtins__", "__loader__", "__spec__", "__cached__"})

_OPTIMIZED: Final = 0x1
_VARARGS: Final = 0x4
_VARKEYWORDS: Final = 0x8
# code.replace() takes any C int; no Python uses the higher bits. (bits)
_KNOWN_FLAGS: Final = 0x7FFF_FFFF
# Code must use one of these names to get the dict of its function's variables.
_GIVES_LOCALS: Final = frozenset({"f_locals", "locals", "vars"})
# cloudpickle's file name for code that crossed by value.
_DYNAMIC_CODE: Final = "<dynamic-code>"


def is_dynamic(code: types.CodeType) -> bool:
    """Whether the code crossed by value, and so lost the name of its file."""
    return code.co_filename == _DYNAMIC_CODE


def checksum(code: types.CodeType) -> int:
    """A checksum of name, first line, bytecode and positions of the code."""
    named = f"{code.co_firstlineno} {code.co_qualname}"
    found = zlib.crc32(named.encode("utf-8", "replace"))
    found = zlib.crc32(code.co_code, found)
    return zlib.crc32(code.co_linetable, found)


def argument_count(code: types.CodeType) -> int:
    """How many of a code object's variables are arguments. *args and **kwargs are the last."""
    count = code.co_argcount + code.co_kwonlyargcount
    return count + bool(code.co_flags & _VARARGS) + bool(code.co_flags & _VARKEYWORDS)


class CodeFacts:
    """A code object's record in the report, its variables, its global names, its positions."""

    __slots__ = (
        "code", "is_function", "names", "names_locals", "positions", "record", "variable_set",
        "variables",
    )  # fmt: skip

    def __init__(self, code: types.CodeType) -> None:
        # Shows whether the id still belongs to this code object.
        self.code: _weakref.ref[types.CodeType] = _weakref.ref(code)
        text = str.__str__  # a name's class may be a subclass
        count = argument_count(code)
        self.record: Any = {
            "file": _file_name(text(code.co_filename)),
            "name": short_name(text(code.co_name)),
            "qualname": short_name(text(code.co_qualname)),
            "line": code.co_firstlineno,
            "args": [code.co_posonlyargcount, code.co_argcount, code.co_kwonlyargcount],
            "flags": code.co_flags & _KNOWN_FLAGS,
            "names": [text(name) for name in code.co_varnames[:count]],
        }
        if is_dynamic(code):
            self.record["sum"] = checksum(code)
        names = dict.fromkeys(_global_names(code))
        own_names = [name for name in names if name not in IMPORT_SYSTEM]
        self.names: tuple[str, ...] = tuple(own_names)
        self.is_function: bool = bool(code.co_flags & _OPTIMIZED)
        self.variables: tuple[str, ...] = (
            *code.co_varnames,
            *code.co_cellvars,
            *code.co_freevars,
        )
        self.variable_set: frozenset[str] = frozenset(self.variables)
        self.names_locals: bool = not _GIVES_LOCALS.isdisjoint(code.co_names)
        self.positions: dict[int, Position] = {}

    def position(self, code: types.CodeType, lasti: int) -> Position:
        """The position in the source of the instruction at this offset."""
        found = self.positions.get(lasti)
        if found is None:
            if len(self.positions) >= _MOST_LOOKED_FOR:  # each look-up walks through the code
                for at, each in enumerate(code.co_positions()):
                    self.positions.setdefault(2 * at, _as_told(each))
            place = None
            if lasti >= 0:
                from_here = islice(code.co_positions(), lasti // 2, None)
                place = next(from_here, None)
            found = _as_told(place or _NOWHERE)
            self.positions[lasti] = found
        return found


def _as_told(place: tuple[int | None, ...]) -> Position:
    """A position. A line below 1, which generated code has, becomes None: the caller then asks the
    traceback, which gives no such line from Python 3.15 on.
    """
    line, *rest = place
    if line is None or line < 1:
        return [None, *rest]
    return [line, *rest]


def _file_name(name: str) -> str:
    """A valid name for a file: systems and readers of tracebacks refuse a NUL."""
    return short_name(name.replace("\0", "\\0"), MAX_FILE_NAME)


def _global_names(code: types.CodeType) -> list[str]:
    """The names in the code and in its inner functions: all globals of the code are among them."""
    names: list[str] = []
    waiting = [code]
    while waiting:
        code = waiting.pop()
        names += code.co_names
        waiting += [const for const in code.co_consts if type(const) is types.CodeType]
    return names


_NOWHERE: Final = (None, None, None, None)
# If code fails at more places, one walk reads all positions. (positions of one code object)
_MOST_LOOKED_FOR: Final = 32
_facts: dict[int, CodeFacts] = {}  # by the id of the code object, which stays mortal
# More code objects than a large program's failures meet. If a program makes code all the time, the
# cache reaches the bound and starts afresh. (code objects)
_MOST_FACTS: Final = 4096


def facts_of_code(code: types.CodeType) -> CodeFacts:
    """The facts of a code object, from the cache if possible."""
    found = _facts.get(id(code))
    if found is None or found.code() is not code:
        if len(_facts) >= _MOST_FACTS:
            _facts.clear()
        found = _facts[id(code)] = CodeFacts(code)
    return found


class ExceptionFacts:
    """What the instances of an exception class hold beside args and __dict__."""

    __slots__ = ("has_fields", "has_str", "is_group", "mro", "slots", "state")

    def __init__(self, cls: type) -> None:
        self.mro: Any = mro_of(cls)
        self.state: tuple[type, tuple[str, ...]] | None = fields_of(self.mro)  # held by C code
        self.is_group: bool = issubclass(cls, BaseExceptionGroup)
        self.has_fields: bool = self.state is not None or self.is_group
        self.has_str: bool = has_hook(self.mro, "__str__")
        self.slots: Slots = []
        for parent in self.mro:
            if id(parent) not in BUILTIN_TYPES:
                slots, _ = layout_of(parent)
                self.slots += slots


# Facts of builtin classes, which cannot change. The cache has no class of the user's.
_builtin_facts: Final[dict[int, ExceptionFacts]] = {}


def facts_of_exception(cls: type) -> ExceptionFacts:
    """The facts of an exception class."""
    found = _builtin_facts.get(id(cls))
    if found is None:
        found = ExceptionFacts(cls)
        if id(cls) in BUILTIN_TYPES:
            _builtin_facts[id(cls)] = found
    return found


def chain_of(exc: BaseException) -> Iterator[BaseException]:
    """An exception and its whole chain, in the order of a report's numbers."""
    waiting = [exc]
    seen = {id(exc)}
    for found in waiting:  # the list grows meanwhile
        yield found
        for other in linked_to(found):
            if id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)


def in_printed_order(exc: BaseException) -> list[BaseException]:
    """The exceptions of chain_of(), in Python's order of printing: causes and contexts first, a
    group before the children.
    """
    ordered: list[BaseException] = []
    seen = {id(exc)}
    waiting = [(exc, False)]
    while waiting:
        found, is_reached = waiting.pop()
        if is_reached:
            ordered.append(found)
            continue
        before, children = _new_around(found, seen)
        for child in reversed(children):
            waiting.append((child, False))
        waiting.append((found, True))
        for other in before:
            waiting.append((other, False))
    return ordered


def _new_around(
    exc: BaseException, seen: set[int]
) -> tuple[list[BaseException], list[BaseException]]:
    """The causes and contexts, and the children, that no other exception has led to before."""
    children: dict[int, BaseException] = {}
    if issubclass(type(exc), BaseExceptionGroup):
        for child in children_of(exc):
            if id(child) not in seen:
                children[id(child)] = child
    before = []
    for other in (cause_of(exc), context_of(exc)):
        if other is not None and id(other) not in seen and id(other) not in children:
            seen.add(id(other))
            before.append(other)
    seen.update(children)
    return before, list(children.values())


def linked_to(exc: BaseException) -> list[BaseException]:
    """An exception's cause, context and children."""
    linked: list[BaseException] = []
    for other in (cause_of(exc), context_of(exc)):
        if other is not None:
            linked.append(other)
    if issubclass(type(exc), BaseExceptionGroup):
        linked += children_of(exc)
    return linked


def exceptions_in(values: Iterable[object], most: int) -> list[BaseException]:
    """The exceptions among values, and among the first `most` elements of lists, tuples and dicts
    there.
    """
    found: list[BaseException] = []
    for value in values:
        cls = type(value)
        if cls is str or cls is int:  # as most
            continue
        if issubclass(cls, BaseException):
            found.append(value)  # type: ignore[arg-type]  # checked above
        elif cls is list or cls is tuple or cls is dict:
            found += [each for each in _first(value, most) if issubclass(type(each), BaseException)]
    return found


def _first(holder: Any, most: int) -> Iterable[Any]:
    if type(holder) is dict:
        return list(islice(holder.values(), most))
    first: Iterable[Any] = holder[:most]
    return first


def state_of(exc: BaseException, cls: type, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields with values of a C type (restore/fields.py)."""
    found = {}
    for name in names:
        descriptor = cls.__dict__.get(name)
        if descriptor is None:  # a field of a newer Python
            continue
        try:
            value = descriptor.__get__(exc)
        except (AttributeError, TypeError):  # not set
            continue
        if cls in _READ_BY_TYPE:
            value = _exact(value)
        if value is not None:
            found[name] = value
    if cls is OSError:
        # str() shows a field with None, but no field without a value.
        has_number = "errno" in found or "strerror" in found
        if has_number or _shows_no_number(exc):
            found = {"errno": None, "strerror": None, **found}
    return found


def _shows_no_number(exc: BaseException) -> bool:
    """Whether str() of an OSError shows number and text, although both are None.

    Only str() tells the fields of `OSError(None, None)` from fields without a value. The args must
    be texts or None, because str() runs the code of other values.
    """
    args = args_of(exc)
    if not 2 <= len(args) <= 5:
        return False
    number, text, *_ = args
    if number is not None or text is not None:
        return False
    if not all(type(arg) in (str, types.NoneType) for arg in args):
        return False
    return OSError.__str__(exc).startswith("[Errno None] None")


# C code and `traceback` read these types' fields, and treat a subclass of str like str.
_READ_BY_TYPE: Final = (SyntaxError, UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError)


def _exact(value: Any) -> object:
    """A text or a number of a user's subclass, as the builtin type."""
    cls = type(value)
    if issubclass(cls, str):
        return str.__str__(value)
    if issubclass(cls, bytes):
        return bytes.__getitem__(value, slice(None))
    if issubclass(cls, int) and cls is not bool:
        return int.__pos__(value)
    return value


# keeptrace's own attributes of exceptions: concurrent/reductions.py gives each exception of a
# traced function a __reduce_ex__.
_OF_KEEPTRACE: Final = ("__keeptrace", "__reduce_ex__")


def own_entries(namespace: dict[Any, Any]) -> dict[str, Any]:
    """The entries of an exception's __dict__, without keeptrace's own."""
    return {
        name: value
        for name, value in list(dict.items(namespace))
        if type(name) is str and not name.startswith(_OF_KEEPTRACE)
    }


def notes_of(exc: BaseException) -> Any:
    """The exception's notes; a subclass of list or tuple becomes a plain list or tuple."""
    notes: Any = dict.get(dict_of(exc), "__notes__")
    if notes is None:
        return None
    cls = type(notes)
    if issubclass(cls, list):
        return list(list.__iter__(notes))
    if issubclass(cls, tuple):
        return tuple(tuple.__iter__(notes))
    return notes
