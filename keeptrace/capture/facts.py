"""What a capture needs to know of a code object and of an exception class.

Nothing of the user's runs for it: classes are asked through the raw descriptors of `type` and
`BaseException`, never through a metaclass, a property or a `__getattribute__`.
"""

from __future__ import annotations

import types
import weakref
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from ..core.bounds import MAX_FILE_NAME, short_name
from ..core.raw import layout_of, mro_of
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

# Names in a module's namespace that belong to the import system. They would mislead whoever reads
# the restored frame.
IMPORT_SYSTEM: Final = frozenset({"__builtins__", "__loader__", "__spec__", "__cached__"})

_OPTIMIZED: Final = 0x1
_VARARGS: Final = 0x4
_VARKEYWORDS: Final = 0x8
# code.replace() takes any C int; what no Python uses has no meaning. (bits)
_KNOWN_FLAGS: Final = 0x7FFF_FFFF
# Names by which a function's code gets the dict of its own variables.
_GIVES_LOCALS: Final = frozenset({"f_locals", "locals", "vars"})


# What cloudpickle names the file of code that crossed by value.
_DYNAMIC_CODE: Final = "<dynamic-code>"


def is_dynamic(code: types.CodeType) -> bool:
    """Whether the code crossed by value, and so lost the name of its file."""
    return code.co_filename == _DYNAMIC_CODE


def checksum(code: types.CodeType) -> int:
    """Tells code objects apart that differ in name, first line, bytecode or positions."""
    named = f"{code.co_firstlineno} {code.co_qualname}".encode("utf-8", "replace")
    return zlib.crc32(code.co_linetable, zlib.crc32(code.co_code, zlib.crc32(named)))


class CodeFacts:
    """A code object's record in the report, its variables, the globals it names, its positions."""

    __slots__ = (
        "code", "is_function", "names", "names_locals", "positions", "record", "variable_set",
        "variables",
    )  # fmt: skip

    def __init__(self, code: types.CodeType) -> None:
        self.code: weakref.ref[types.CodeType] = weakref.ref(
            code
        )  # an id may be given to another later
        text = str.__str__  # names may be of a subclass
        count = code.co_argcount + code.co_kwonlyargcount
        count += bool(code.co_flags & _VARARGS) + bool(code.co_flags & _VARKEYWORDS)
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
        self.names: tuple[str, ...] = tuple(name for name in names if name not in IMPORT_SYSTEM)
        self.is_function: bool = bool(code.co_flags & _OPTIMIZED)
        self.variables: tuple[str, ...] = (*code.co_varnames, *code.co_cellvars, *code.co_freevars)
        self.variable_set: frozenset[str] = frozenset(self.variables)
        self.names_locals: bool = not _GIVES_LOCALS.isdisjoint(code.co_names)
        self.positions: dict[int, Position] = {}

    def position(self, code: types.CodeType, lasti: int) -> Position:
        """Where the instruction at this offset of the code object stands in the source."""
        found = self.positions.get(lasti)
        if found is None:
            if len(self.positions) == _MOST_LOOKED_FOR:  # each walks along the code up to there
                for at, each in enumerate(code.co_positions()):
                    self.positions.setdefault(2 * at, list(each))
                return self.position(code, lasti)
            place = None
            if lasti >= 0:
                place = next(islice(code.co_positions(), lasti // 2, None), None)
            found = self.positions[lasti] = list(place or _NOWHERE)
        return found


def _file_name(name: str) -> str:
    """The name as a file can have it: systems refuse a NUL, and so do readers of tracebacks."""
    return short_name(name.replace("\0", "\\0"), MAX_FILE_NAME)


def _global_names(code: types.CodeType) -> list[str]:
    """The names that the code, and the functions defined in it, may take from the globals."""
    names: list[str] = []
    waiting = [code]
    while waiting:
        code = waiting.pop()
        names += code.co_names
        waiting += [const for const in code.co_consts if type(const) is types.CodeType]
    return names


_NOWHERE: Final = (None, None, None, None)
# Then all positions of the code are kept: it fails at many places. (positions of one code object)
_MOST_LOOKED_FOR: Final = 32
_facts: dict[int, CodeFacts] = {}  # by the id of the code object, which is not kept alive
# More code objects than a large program runs into failures with. Then the cache starts afresh, for
# programs that make code all the time. (code objects)
_MOST_FACTS: Final = 4096


def facts_of_code(code: types.CodeType) -> CodeFacts:
    """The facts of a code object, from the cache if they are there."""
    found = _facts.get(id(code))
    if found is None or found.code() is not code:
        if len(_facts) >= _MOST_FACTS:
            _facts.clear()
        found = _facts[id(code)] = CodeFacts(code)
    return found


class ExceptionFacts:
    """What the instances of an exception class have beside args and __dict__."""

    __slots__ = ("has_fields", "has_str", "is_group", "mro", "slots", "state")

    def __init__(self, cls: type) -> None:
        self.mro: Any = mro_of(cls)
        self.state: tuple[type, tuple[str, ...]] | None = fields_of(self.mro)  # what C code holds
        self.is_group: bool = issubclass(cls, BaseExceptionGroup)
        self.has_fields: bool = self.state is not None or self.is_group
        self.has_str: bool = has_hook(self.mro, "__str__")
        self.slots: list[tuple[str, Callable[[Any], Any]]] = [
            slot
            for parent in self.mro
            if id(parent) not in BUILTIN_TYPES
            for slot in layout_of(parent)[0]
        ]


# Builtin classes cannot change, so their facts are kept; the user's are looked at each time.
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
    """An exception and all that it leads to, in the order in which a report numbers them."""
    waiting, seen = [exc], {id(exc)}
    for found in waiting:  # the list grows meanwhile
        yield found
        for other in linked_to(found):
            if id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)


def in_printed_order(exc: BaseException) -> list[BaseException]:
    """All of chain_of(), as Python prints them: causes and contexts first, a group before its
    children.
    """
    ordered: list[BaseException] = []
    seen = {id(exc)}
    waiting = [(exc, False)]
    while waiting:
        found, is_reached = waiting.pop()
        if is_reached:
            ordered.append(found)
            continue
        linked = {id(other): other for other in linked_to(found) if id(other) not in seen}
        seen.update(linked)
        inside = children_of(found) if issubclass(type(found), BaseExceptionGroup) else ()
        children = [linked.pop(id(child)) for child in inside if id(child) in linked]
        waiting += [(child, False) for child in reversed(children)]
        waiting.append((found, True))
        waiting += [(other, False) for other in linked.values()]
    return ordered


def linked_to(exc: BaseException) -> list[BaseException]:
    """The exceptions that one leads to: its cause, its context, its children."""
    linked: list[BaseException] = []
    for other in (cause_of(exc), context_of(exc)):
        if other is not None:
            linked.append(other)
    if issubclass(type(exc), BaseExceptionGroup):
        linked += children_of(exc)
    return linked


def state_of(exc: BaseException, cls: type, names: tuple[str, ...]) -> dict[str, Any]:
    """What the C type holds outside of __dict__ (see _restore.FIELDS), as far as it is set."""
    found = {}
    for name in names:
        descriptor = cls.__dict__.get(name)
        if descriptor is None:  # a field of a newer Python
            continue
        try:
            value = descriptor.__get__(exc)
        except (AttributeError, TypeError):  # not set
            continue
        if value is not None:
            found[name] = _exact(value) if cls in _READ_BY_TYPE else value
    if cls is OSError and ("errno" in found or "strerror" in found):
        # str() tells a field that was set to None from one that was never set
        found = {"errno": None, "strerror": None, **found}
    return found


# Their fields are read by C code, and by `traceback`, which take a subclass of str for a str.
_READ_BY_TYPE: Final = (SyntaxError, UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError)


def _exact(value: Any) -> Any:
    """A text or a number of the user's own subclass, as the builtin type."""
    cls = type(value)
    if issubclass(cls, str):
        return str.__str__(value)
    if issubclass(cls, bytes):
        return bytes.__getitem__(value, slice(None))
    if issubclass(cls, int) and cls is not bool:
        return int.__pos__(value)
    return value


def notes_of(exc: BaseException) -> Any:
    """The exception's notes: those of a list's or tuple's subclass as a plain list or tuple."""
    notes: Any = dict.get(dict_of(exc), "__notes__")
    if notes is None:
        return None
    cls = type(notes)
    if issubclass(cls, list):
        return list(list.__iter__(notes))
    if issubclass(cls, tuple):
        return tuple(tuple.__iter__(notes))
    return notes
