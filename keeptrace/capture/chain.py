"""Exceptions → records: a chain of exceptions, with arguments, fields, attributes, notes.

A queue numbers the exceptions, without recursion: long chains and cycles end.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from ..core.bounds import MAX_EXCEPTIONS, MAX_TYPES
from ..core.context import NAME as _SAID
from ..core.context import put_said, said
from ..core.nodes import items_of, sequence
from ..core.options import Options
from ..core.raw import mro_of, names_of
from ..core.report import ExceptionRecord, Ref, empty_record
from ..restore.fields import BUILTIN_TYPES
from .facts import (
    ExceptionFacts,
    args_of,
    bases_of,
    cause_of,
    children_of,
    context_of,
    dict_of,
    exceptions_in,
    facts_of_exception,
    group_message_of,
    linked_to,
    notes_of,
    own_entries,
    state_of,
    suppress_of,
)
from .losses import Losses
from .messages import Messages
from .values import Values

# Builtin exceptions of newer Pythons: a reader on Python 3.11 needs their bases.
_NEWER_THAN_3_11: Final = frozenset({"PythonFinalizationError", "_IncompleteInputError"})

# The approximate size of an empty record of an exception in a dump. (bytes)
_RECORD: Final = 150
# The room for a report's messages, which people search for. (times max_bytes)
_MESSAGES: Final = 4


# Names of the builtin exceptions of every supported Python, by the id of the class.
_PLAIN_NAMES: Final[dict[int, str]] = {
    id(cls): cls.__name__
    for cls in (object, *vars(builtins).values())
    if id(cls) in BUILTIN_TYPES and cls.__name__ not in _NEWER_THAN_3_11
}
_module_of: Final = type.__dict__["__module__"].__get__
# Tracebacks show this text for a class whose __module__ is no str.
_NO_MODULE: Final = "<unknown>"


class Chain:
    """The exceptions of one capture, numbered in the order of their discovery."""

    def __init__(
        self,
        options: Options,
        values: Values,
        messages: Messages,
        index: dict[int, int],
        losses: Losses,
        roots: list[int],
    ) -> None:
        self.order: list[BaseException] = []
        self.records: list[ExceptionRecord] = []
        self._options = options
        self._values = values
        self._messages = messages
        self._losses = losses
        self._room = max(options.max_message, _MESSAGES * options.max_bytes)  # bytes, for messages
        self._index = index  # id of an exception → its number; shared with `values`
        self._roots = roots  # indexes of the values that may become live
        self._types: dict[int, int] = {}
        self._facts: dict[int, ExceptionFacts] = {}  # by the id of an exception
        self._left_out: set[int] = set()  # ids of exceptions beyond the bound

    def collect(self, exc: BaseException) -> None:
        """Numbers the exception, every exception linked to an exception with a number, and then the
        exceptions in their arguments and attributes, with all that these lead to.
        """
        self._number(exc)
        for found in self.order:  # the list grows meanwhile
            self._follow(found, linked_to, "what it leads to")
        chain = len(self.order)
        for number, found in enumerate(self.order):
            self._follow(found, self._held_by, "what it holds")
            if number >= chain:
                self._follow(found, linked_to, "what it leads to")

    def _follow(
        self,
        exc: BaseException,
        others_of: Callable[[BaseException], list[BaseException]],
        what: str,
    ) -> None:
        try:
            others = others_of(exc)
        except BaseException as problem:  # costs the exceptions that this one leads to
            self._losses.note(self.records[self._index[id(exc)]], what, problem)
            return
        for other in others:
            if id(other) not in self._index:
                self._number_within(other)

    def _number_within(self, exc: BaseException) -> None:
        if len(self.order) < min(self._options.max_exceptions, MAX_EXCEPTIONS):
            self._number(exc)
            return
        # The cut is counted once: a child of a group is among the arguments of the group, too.
        if id(exc) not in self._left_out:
            self._left_out.add(id(exc))
            self._values.cut("max_exceptions")

    def _held_by(self, exc: BaseException) -> list[BaseException]:
        """The exceptions in an exception's arguments and attributes."""
        values: Iterable[object] = args_of(exc)
        namespace = dict_of(exc)
        if dict.__len__(namespace):  # the class of the dict may be the program's
            values = (*values, *dict.values(namespace))
        if id(type(exc)) not in BUILTIN_TYPES:
            facts = self._facts_of(exc, self.records[self._index[id(exc)]])
            if facts.slots:
                values = (*values, *_in_slots(exc, facts.slots).values())
        return exceptions_in(values, self._values.max_items)

    def _number(self, exc: BaseException) -> None:
        self._index[id(exc)] = len(self.order)
        self.order.append(exc)
        self.records.append(empty_record())

    def read(self, depth: int) -> None:
        """Makes the record of each exception, without its frames."""
        for exc, record in zip(self.order, self.records):
            self._values.bytes += _RECORD
            facts = self._facts_of(exc, record)
            parts = _PARTS_WITHOUT_FIELDS
            if facts.has_fields:
                parts = _PARTS
            for what, read in parts:
                try:
                    read(self, exc, record, facts, depth)
                except BaseException as problem:  # costs this part alone
                    self._lost(exc, record, what, problem)

    def _facts_of(self, exc: BaseException, record: ExceptionRecord) -> ExceptionFacts:
        found = self._facts.get(id(exc))
        if found is not None:
            return found
        try:
            facts = facts_of_exception(type(exc))
        except BaseException as problem:  # an odd class: costs the facts of the user's class
            self._losses.note(record, "its class", problem)
            facts = ExceptionFacts(_plain_base(type(exc)))
            facts.has_str = True  # the class may have a __str__, so str() makes the message
        self._facts[id(exc)] = facts
        return facts

    def _lost(
        self, exc: BaseException, record: ExceptionRecord, what: str, problem: BaseException
    ) -> None:
        """Marks an unreadable part."""
        if what == "type":
            record["type"] = self._builtin_type(_plain_base(type(exc)))
            self._losses.note(record, "its class", problem)
        elif what == "arguments":
            lost = self._losses.ref(what, problem)
            record["args"] = [self._values.add(sequence("tuple", [lost]))]
        elif what == "attributes":
            record["attributes"]["<attributes>"] = self._losses.ref(what, problem)
        else:
            self._losses.note(record, f"its {what}", problem)

    # -- the parts of an exception

    def _read_type(
        self, exc: BaseException, record: ExceptionRecord, facts: ExceptionFacts, depth: int
    ) -> None:
        record["type"] = self._type(type(exc))

    def _read_links(
        self, exc: BaseException, record: ExceptionRecord, facts: ExceptionFacts, depth: int
    ) -> None:
        record["cause"] = self._index_of(cause_of(exc))
        record["context"] = self._index_of(context_of(exc))
        record["suppress"] = suppress_of(exc)
        if facts.is_group:
            numbers = [self._index.get(id(child)) for child in children_of(exc)]
            record["children"] = [number for number in numbers if number is not None]

    def _read_arguments(
        self, exc: BaseException, record: ExceptionRecord, facts: ExceptionFacts, depth: int
    ) -> None:
        refs = self._message_refs(args_of(exc), depth)
        self._may_live(refs)
        record["args"] = [self._values.add(sequence("tuple", refs))]

    def _read_fields(
        self, exc: BaseException, record: ExceptionRecord, facts: ExceptionFacts, depth: int
    ) -> None:
        fields = record["fields"]
        if facts.state is not None:
            for name, value in state_of(exc, *facts.state).items():
                if name == "obj":
                    self._values.wants_dir.add(id(value))
                fields[name] = self._message_refs((value,), depth)[0]
            self._may_live(fields.values())
        if facts.is_group:
            (fields["message"],) = self._message_refs((group_message_of(exc),), depth)

    def _read_attributes(
        self, exc: BaseException, record: ExceptionRecord, facts: ExceptionFacts, depth: int
    ) -> None:
        namespace = dict_of(exc)
        now = None
        if record is self.records[0]:
            now = said()
        if not dict.__len__(namespace) and not facts.slots and now is None:  # as most
            return
        kept = _own_attributes(exc, namespace, facts)
        if now is not None or _SAID in kept:
            put_said(kept, now)
        if kept:
            record["attributes"] = self._values.named(kept, depth)
            self._may_live(record["attributes"].values())

    def _read_notes(
        self, exc: BaseException, record: ExceptionRecord, facts: ExceptionFacts, depth: int
    ) -> None:
        notes = notes_of(exc)
        if type(notes) in (list, tuple):
            refs = self._message_refs(notes, depth)
            kind = type(notes).__name__
            record["notes"] = [self._values.add(sequence(kind, refs))]
        elif notes is not None:
            record["notes"] = self._values.ref(notes, depth)

    def _want_message(
        self, exc: BaseException, record: ExceptionRecord, facts: ExceptionFacts, depth: int
    ) -> None:
        arguments = items_of(self._values.nodes[record["args"][0]])
        refs = (*arguments, *record["fields"].values())
        if facts.has_str or "notes" in record or list in map(type, refs):
            self._messages.want(exc, record, facts)

    def _message_refs(self, texts: Iterable[Any], depth: int) -> list[Ref]:
        """The refs of values. A text in a message may be longer than other texts."""
        values = self._values
        most = self._options.max_message
        refs: list[Ref] = []
        for text in texts:
            if type(text) is str and len(text) <= most and len(text) <= self._room:
                values.bytes += len(text)
                self._room -= len(text)
                refs.append(text)
            else:
                refs.append(values.ref(text, depth))
        return refs

    def _index_of(self, exc: BaseException | None) -> int | None:
        if exc is None:
            return None
        return self._index.get(id(exc))

    def _may_live(self, refs: Iterable[Ref]) -> None:
        self._roots += [ref[0] for ref in refs if type(ref) is list]

    def _builtin_type(self, cls: type) -> int:
        """The index of a builtin class of every supported Python."""
        found = self._types.get(id(cls))
        if found is None:
            found = self._types[id(cls)] = len(self._values.types)
            self._values.types.append(["builtins", _PLAIN_NAMES[id(cls)], []])
        return found

    def _type(self, cls: type) -> int:
        """The index of a type. Adds the type's bases down to builtins of every supported Python."""
        found = self._types.get(id(cls))
        if found is not None:
            return found
        if id(cls) not in _PLAIN_NAMES and len(self._values.types) > MAX_TYPES // 2:
            # An `except` for the nearest builtin class catches the exception as well.
            cls = next(parent for parent in mro_of(cls) if id(parent) in BUILTIN_TYPES)
            self._values.cut("types")
        if id(cls) in _PLAIN_NAMES:
            return self._builtin_type(cls)
        return self._type_with_bases(cls)

    def _type_with_bases(self, cls: type) -> int:
        types_ = self._values.types
        start = len(types_)
        waiting = [cls]
        while waiting:
            parent = waiting.pop()
            if id(parent) in self._types:
                continue
            self._types[id(parent)] = len(types_)
            module, qualname = names_of(parent)
            if module == "builtins" and _has_odd_module(parent):
                module = _NO_MODULE
            types_.append([module, qualname, []])
            if _needs_bases(parent, qualname):
                waiting.extend(bases_of(parent))
        for parent in mro_of(cls):
            index = self._types.get(id(parent), -1)
            if index < start:
                continue
            entry = types_[index]
            if _needs_bases(parent, entry[1]):
                entry[2] = [self._types[id(base)] for base in bases_of(parent)]
        return self._types[id(cls)]


def _own_attributes(
    exc: BaseException, namespace: dict[Any, Any], facts: ExceptionFacts
) -> dict[str, Any]:
    """The attributes in an exception's __dict__ and slots, without notes and keeptrace's own."""
    kept = own_entries(namespace)
    kept.pop("__notes__", None)  # the record has a place for notes
    return {**_in_slots(exc, facts.slots), **kept}


def _in_slots(exc: BaseException, slots: list[tuple[str, Callable[[Any], Any]]]) -> dict[str, Any]:
    """The values in an exception's slots. The slot of the most derived class counts."""
    found: dict[str, Any] = {}
    for name, read in slots:
        try:
            found.setdefault(name, read(exc))
        except AttributeError:  # a slot without a value
            continue
    return found


def _has_odd_module(cls: type) -> bool:
    try:
        return type(_module_of(cls)) is not str
    except AttributeError:  # deleted from the class
        return False


def _needs_bases(cls: type, qualname: str) -> bool:
    return id(cls) not in BUILTIN_TYPES or qualname in _NEWER_THAN_3_11


def _plain_base(cls: type) -> type:
    """The nearest builtin class of every supported Python."""
    found: type = next(base for base in mro_of(cls) if not _needs_bases(base, base.__name__))
    return found


_Reader: TypeAlias = Callable[[Chain, BaseException, ExceptionRecord, ExceptionFacts, int], None]
# The parts of an exception, in the order of reading.
_PARTS: Final[tuple[tuple[str, _Reader], ...]] = (
    ("type", Chain._read_type),
    ("cause, context and children", Chain._read_links),
    ("arguments", Chain._read_arguments),
    ("fields", Chain._read_fields),
    ("attributes", Chain._read_attributes),
    ("notes", Chain._read_notes),
    ("message", Chain._want_message),
)
_PARTS_WITHOUT_FIELDS: Final = tuple(part for part in _PARTS if part[0] != "fields")
