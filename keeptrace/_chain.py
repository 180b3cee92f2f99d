"""Exceptions → records: the chain that one leads to, with arguments, fields, attributes, notes.

Numbered with a queue, never by recursion, so that chains of any length and cycles end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ._bounds import MAX_EXCEPTIONS, MAX_TYPES
from ._facts import (
    args_of,
    bases_of,
    cause_of,
    children_of,
    context_of,
    dict_of,
    facts_of_exception,
    group_message_of,
    linked_to,
    notes_of,
    state_of,
    suppress_of,
)
from ._messages import Messages
from ._options import Options
from ._report import ExceptionRecord, Ref
from ._restore import BUILTIN_TYPES
from ._values import Values, mro_of, names_of

# Attributes of exceptions that are ours: concurrent/_foreign.py gives a traced function's
# exceptions a __reduce_ex__ of their own.
_OF_KEEPTRACE: Final = ("__keeptrace", "__reduce_ex__")
# Builtin exceptions that the oldest Python we support lacks: a reader there needs their bases.
_NEWER_THAN_3_11: Final = frozenset({"PythonFinalizationError", "_IncompleteInputError"})


class Chain:
    """The exceptions of one capture, numbered in the order in which they are met."""

    def __init__(
        self,
        options: Options,
        values: Values,
        messages: Messages,
        index: dict[int, int],
        roots: list[int],
    ) -> None:
        self.order: list[BaseException] = []
        self.records: list[ExceptionRecord] = []
        self._options = options
        self._values = values
        self._messages = messages
        self._index = index  # id of an exception → its number; shared with `values`
        self._roots = roots  # indexes of the values that may be made live
        self._types: dict[int, int] = {}

    def collect(self, exc: BaseException) -> None:
        """Numbers every exception that can be reached."""
        most = min(self._options.max_exceptions, MAX_EXCEPTIONS)
        self._number(exc)
        for found in self.order:  # the list grows meanwhile
            for other in linked_to(found):
                if id(other) in self._index:
                    continue
                if len(self.order) >= most:
                    self._values.cut("max_exceptions")
                    continue
                self._number(other)

    def _number(self, exc: BaseException) -> None:
        self._index[id(exc)] = len(self.order)
        self.order.append(exc)

    def read(self, depth: int) -> None:
        """Makes the record of each exception, without its frames."""
        for exc in self.order:
            self.records.append(self._record(exc, depth))

    def _record(self, exc: BaseException, depth: int) -> ExceptionRecord:
        values = self._values
        facts = facts_of_exception(type(exc))
        arguments = args_of(exc)
        refs = self._message_refs(arguments, depth)
        self._may_live(refs)
        fields: dict[str, Ref] = {}
        if facts.state is not None:
            for name, value in state_of(exc, *facts.state).items():
                if name == "obj":
                    values.wants_dir.add(id(value))
                fields[name] = self._message_refs((value,), depth)[0]
            self._may_live(fields.values())
        namespace = dict(dict_of(exc))
        namespace.pop("__notes__", None)
        notes = notes_of(exc)
        for name, slot in facts.slots:
            try:
                namespace.setdefault(name, slot.__get__(exc))
            except AttributeError:  # a slot without a value
                continue
        attributes: dict[str, Ref] = {}
        if namespace:
            kept = {
                name: value
                for name, value in namespace.items()
                if type(name) is str and not name.startswith(_OF_KEEPTRACE)
            }
            attributes = values.named(kept, depth)
            self._may_live(attributes.values())
        record: ExceptionRecord = {
            "type": self._type(type(exc)),
            "args": [values.add(["tuple", len(refs), refs])],
            "fields": fields,
            "attributes": attributes,
            "cause": self._index_of(cause_of(exc)),
            "context": self._index_of(context_of(exc)),
            "suppress": suppress_of(exc),
            "traceback": [],
        }
        if notes is not None:
            if type(notes) in (list, tuple):
                note_refs = self._message_refs(notes, depth)
                kind = type(notes).__name__
                record["notes"] = [values.add([kind, len(notes), note_refs])]
            else:
                record["notes"] = values.ref(notes, depth)
        if facts.has_str or notes is not None or list in map(type, (*refs, *fields.values())):
            self._messages.want(exc, record, facts)
        if issubclass(type(exc), BaseExceptionGroup):
            (fields["message"],) = self._message_refs((group_message_of(exc),), depth)
            numbers = [self._index.get(id(child)) for child in children_of(exc)]
            record["children"] = [number for number in numbers if number is not None]
        return record

    def _message_refs(self, texts: Iterable[Any], depth: int) -> list[Ref]:
        """Messages may be longer than other texts."""
        values = self._values
        refs: list[Ref] = []
        for text in texts:
            if type(text) is str and len(text) <= self._options.max_message:
                values.bytes += len(text)
                refs.append(text)
            else:
                refs.append(values.ref(text, depth))
        return refs

    def _index_of(self, exc: BaseException | None) -> int | None:
        return None if exc is None else self._index.get(id(exc))

    def _may_live(self, refs: Iterable[Ref]) -> None:
        self._roots += [ref[0] for ref in refs if type(ref) is list]

    def _type(self, cls: type) -> int:
        """The index of a type, with its bases down to builtin ones that every Python has."""
        found = self._types.get(id(cls))
        if found is not None:
            return found
        types_ = self._values.types
        start = len(types_)
        if start > MAX_TYPES // 2:  # the nearest builtin class catches it as well
            cls = next(parent for parent in mro_of(cls) if id(parent) in BUILTIN_TYPES)
            self._values.cut("types")
        if id(cls) in BUILTIN_TYPES and cls.__name__ not in _NEWER_THAN_3_11:
            self._types[id(cls)] = start
            types_.append(["builtins", cls.__name__, []])
            return start
        waiting = [cls]
        while waiting:
            parent = waiting.pop()
            if id(parent) in self._types:
                continue
            self._types[id(parent)] = len(types_)
            module, qualname = names_of(parent)
            types_.append([module, qualname, []])
            if _needs_bases(parent, qualname):
                waiting.extend(bases_of(parent))
        for parent in mro_of(cls):
            index = self._types.get(id(parent), -1)
            if index >= start and _needs_bases(parent, types_[index][1]):
                types_[index][2] = [self._types[id(base)] for base in bases_of(parent)]
        return self._types[id(cls)]


def _needs_bases(cls: type, qualname: str) -> bool:
    return id(cls) not in BUILTIN_TYPES or qualname in _NEWER_THAN_3_11
