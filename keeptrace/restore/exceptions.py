"""The report's exceptions: made empty first and filled later, because values refer to them."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any, Final

from .classes import builtin_base, builtin_bases, exception_class, has_hook, is_hooked, leaf_class
from .descriptors import raw_dict_of, raw_mro_of, raw_name_of, raw_namespace_of
from .exactness import is_exact
from .fields import (
    BUILTIN_TYPES,
    fields_of,
    forbid_search,
    has_own_state,
    put_args,
    put_cause,
    put_context,
    put_field,
    put_suppress,
    put_traceback,
    unsearched,
)
from .live import load_quickly
from .order import in_order
from .policy import POOL, Policy
from .standins import aside_name, details_of, is_protocol, make_stand_in, stand_in_class
from .values import ValueTable


def _refs_of(record: dict[str, Any]) -> list[Any]:
    return [record["args"], *record["fields"].values(), *record["attributes"].values()]


class ExceptionTable:
    """The report's exceptions: made empty first and filled later."""

    def __init__(
        self, report: dict[str, Any], type_of: list[Any], policy: Policy, live: list[Any]
    ) -> None:
        self._records = report["exceptions"]
        self._live = live
        # Ids of the exceptions made by their class's own reduction.
        self._as_itself: set[int] = set()
        self._nodes = report["values"]
        self._types = report["types"]
        self._type_of = type_of
        self._policy = policy
        # Whether the report has representations alone: no __str__ can make the message from them.
        self._is_fallback = "fallback" in report["cuts"]
        self.made: list[BaseException] = [None] * len(self._records)  # type: ignore[list-item]
        indexes: Iterable[int] = range(len(self._records))
        if any(["children" in record for record in self._records]):
            indexes = in_order(indexes, self._children)
        for index in indexes:
            self.made[index] = self._make(self._records[index])

    def _children(self, index: int) -> list[int]:
        children: list[int] = self._records[index].get("children", [])
        return children

    def _class(self, record: dict[str, Any]) -> type[BaseException]:
        cls: type[BaseException] = self._type_of[record["type"]]
        if cls is None:  # not `or`: a metaclass may find its class false
            cls = Exception
        if has_own_state(cls):
            cls = exception_class(cls.__qualname__, cls.__module__, builtin_bases(raw_mro_of(cls)))
        if "str" not in record and id(cls) in BUILTIN_TYPES:
            return cls
        return self._leaf(record, cls)

    def _leaf(self, record: dict[str, Any], cls: type[BaseException]) -> type[BaseException]:
        """The class, or a subclass with the recorded message, or with bool() giving True."""
        mro = raw_mro_of(cls)
        told = "str" in record and not self._tells_itself(record, cls)
        truthy = self._policy.truthy and has_hook(mro, "__bool__", "__len__")
        if not told and not truthy:
            return cls
        if not self._policy.trusts and is_hooked(mro):
            return cls
        make: Any = leaf_class
        try:
            return make(cls, told, truthy)  # type: ignore[no-any-return]
        except Exception:  # refused by the user's metaclass or __init_subclass__
            return cls

    def _tells_itself(self, record: dict[str, Any], cls: type[BaseException]) -> bool:
        """Whether str() of the restored exception gives the recorded message."""
        if self._is_fallback:
            return False
        if not self._policy.lookups:  # nothing is live, so capture recorded only needed messages
            return False
        module, qualname, _ = self._types[record["type"]]
        refs = _refs_of(record)
        return (
            self._policy.find(module, qualname) is cls
            and is_exact(self._nodes, refs)
            and not self._tells_addresses(record, refs)
        )

    def _tells_addresses(self, record: dict[str, Any], refs: list[Any]) -> bool:
        """Whether the message has the address of a live object, which is different here."""
        told = [*self._nodes[refs[0][0]][2], *refs[1:]]
        return " at 0x" in record["str"] and any(
            self._nodes[ref[0]][0] == "live" for ref in told if type(ref) is list
        )

    def _own(self, record: dict[str, Any]) -> BaseException | None:
        """The exception made by its class's own reduction, which the capture has tried."""
        number = record.get("own")
        if number is None or number >= len(self._live):
            return None
        pickled = self._live[number]
        if type(pickled) is not bytes:
            return None
        try:
            made = load_quickly(pickled, self._policy is not POOL)
        except BaseException:  # the library is absent, or has a different version
            return None
        cls = type(made)
        if not issubclass(cls, BaseException) or cls.__qualname__ != self._types[record["type"]][1]:
            return None
        if self._policy.truthy and has_hook(raw_mro_of(cls), "__bool__", "__len__"):
            return None
        self._as_itself.add(id(made))
        return made  # type: ignore[no-any-return]  # checked above

    def _make(self, record: dict[str, Any]) -> BaseException:
        own = self._own(record)
        if own is not None:
            return own
        cls = self._class(record)
        if record.get("children"):
            group = self._group(record, cls)
            if group is not None:
                return group
        try:
            return builtin_base(raw_mro_of(cls)).__new__(cls)
        except TypeError:  # a group without children: of the type alone, or of a damaged report
            other = exception_class(cls.__qualname__, cls.__module__, (Exception,))
            return Exception.__new__(self._leaf(record, other))

    def _group(self, record: dict[str, Any], cls: type[BaseException]) -> BaseException | None:
        """A group with the children; None if the report is damaged."""
        inner = [self.made[child] for child in record["children"] if self.made[child] is not None]
        message = record["fields"].get("message")
        if type(message) is not str:
            message = ""
        make: Any = BaseExceptionGroup.__new__
        for candidate in (cls, BaseExceptionGroup):
            try:
                return make(candidate, message, inner)  # type: ignore[no-any-return]
            except (TypeError, ValueError):  # the class is no group here, or every child is lost
                continue
        return None

    def fill(self, values: ValueTable, tracebacks: list[types.TracebackType | None]) -> None:
        for record, exc, traceback in zip(self._records, self.made, tracebacks):
            self._fill(exc, record, values)
            put_traceback(exc, traceback)
            if record["context"] is not None:
                put_context(exc, self.made[record["context"]])
            if record["cause"] is not None:
                put_cause(exc, self.made[record["cause"]])
            put_suppress(exc, bool(record["suppress"]))  # last: putting a cause changes the flag

    def _fill(self, exc: BaseException, record: dict[str, Any], values: ValueTable) -> None:
        as_itself = id(exc) in self._as_itself
        if not as_itself or is_exact(self._nodes, [record["args"]]):
            args = values(record["args"])
            if type(args) is not tuple:
                args = (args,)
            put_args(exc, args)
        mro = raw_mro_of(type(exc))
        refused: list[str] = []
        if not as_itself:
            refused = self._put_fields(exc, record["fields"], values)
        if "str" in record:
            _put_message(exc, mro, record["str"])
        for name, ref in record["attributes"].items():
            value = values(ref)
            if as_itself and not is_exact(self._nodes, [ref]) and _has_like(exc, mro, name, value):
                continue
            self._put_attribute(exc, mro, name, value)
        self._put_notes(exc, record, values, refused)

    def _put_notes(
        self, exc: BaseException, record: dict[str, Any], values: ValueTable, refused: list[str]
    ) -> None:
        """Puts the notes of the report, and notes on missing fields and frames."""
        added = []
        if refused:
            kind, names = type(exc).__name__, ", ".join(refused)
            added.append(f"keeptrace: no {kind} can bear its {names}: see vars(), in brackets")
        if record.get("text"):
            told = "keeptrace: the frames were not kept; the traceback as text:\n"
            added.append(told + record["text"])
        notes = _notes(values(record.get("notes")))
        if added:
            notes = [*_items(notes), *added]
        if notes is not None:
            raw_dict_of(exc)["__notes__"] = notes

    def _put_fields(
        self, exc: BaseException, fields: dict[str, Any], values: ValueTable
    ) -> list[str]:
        """Puts the fields. Returns the names of refused fields, with values set aside."""
        refused: list[str] = []
        if not fields:
            return refused
        state = fields_of(raw_mro_of(type(exc)))
        is_quiet = self._policy.imports or not isinstance(exc, (ImportError, SyntaxError))
        for name, ref in fields.items():
            value = ref
            if type(ref) is list:
                value = _plain(name, values(ref))
            if not is_quiet:
                value = unsearched(exc, name, value, values(fields.get("name")))
            if not put_field(exc, name, value, state):
                raw_dict_of(exc)[aside_name(name)] = value
                if name != "_metadata":  # only for suggestions, and cut in small dumps
                    refused.append(name)
        if not is_quiet:
            forbid_search(exc)
        return refused

    def _put_attribute(
        self, exc: BaseException, mro: tuple[type, ...], name: str, value: object
    ) -> None:
        slot = _slot_of(mro, name)
        if slot is not None:
            try:
                slot.__set__(exc, value)
            except (AttributeError, TypeError):  # C code's slot: read-only, or of a fixed type
                return
        elif _is_of_builtin(mro, name) or (not self._policy.trusts and is_protocol(name, value)):
            raw_dict_of(exc)[aside_name(name)] = value
        else:
            raw_dict_of(exc)[name] = value


def _put_message(exc: BaseException, mro: tuple[type, ...], text: str) -> None:
    told = _slot_of(mro, "__keeptrace_str__")
    if told is not None:
        told.__set__(exc, text)


def _slot_of(mro: tuple[type, ...], name: str) -> Any:
    """The slot of this name in a class written in Python; None if absent."""
    for cls in mro:
        found = raw_namespace_of(cls).get(name)
        if found is not None:
            is_slot = type(found) is types.MemberDescriptorType and id(cls) not in BUILTIN_TYPES
            if is_slot:
                return found
            return None
    return None


def _has_like(exc: BaseException, mro: tuple[type, ...], name: str, value: object) -> bool:
    """Whether the exception has a value of the same type, in the slot or in `__dict__`: the
    class's own reduction may have dropped the value, and put None.
    """
    slot = _slot_of(mro, name)
    try:
        if slot is not None:
            own: object = slot.__get__(exc)
        else:
            own = raw_dict_of(exc)[name]
    except (AttributeError, KeyError):
        return False
    return bool(raw_name_of(type(own)) == raw_name_of(type(value)))


# Fields for any object. C code and `traceback` read all other fields as str, int or bytes.
_ANY_VALUE: Final = ("value", "code", "obj")


def _plain(name: str, value: object) -> object:
    """The value of a field. A cut text is a str with a mark: printing a stand-in would fail."""
    details = details_of(value)
    if details is None or name in _ANY_VALUE or not details.node:
        return value
    kind = details.node[0]
    if kind in ("bytes", "bytearray"):
        kept: Any = details.items  # a str
        return kept.encode("latin-1") + f"... ({details.length} in all)".encode()
    if kind == "str" or details.string is not None:
        return str(value)
    return value


def _items(notes: Any) -> list[Any]:
    if type(notes) in (list, tuple):
        return list(notes)
    return []


def _notes(value: object) -> object:
    """Printable notes: before Python 3.13 the interpreter crashes if a sequence of notes raises."""
    details = details_of(value)
    if details is None:
        if has_hook(raw_mro_of(type(value)), "__getitem__"):  # a live object, which may raise
            return make_stand_in(
                stand_in_class(type(value).__qualname__, type(value).__module__, False),
                f"<{type(value).__qualname__}>",
                [],
            )
        return value
    if details.node and details.node[0] in ("list", "tuple"):
        return [
            *details.items,
            f"keeptrace: {len(details.items)} of {details.length} notes were kept",
        ]
    return make_stand_in(
        stand_in_class(type(value).__qualname__, type(value).__module__, False),
        details.text,
        details.node,
        details.why,
    )


def _is_of_builtin(mro: tuple[type, ...], name: str) -> bool:
    """Whether a builtin base has C state or a method of this name: data must not change either."""
    if name in _OF_ANY_OBJECT:
        return False
    return any(name in raw_namespace_of(cls) for cls in mro if id(cls) in BUILTIN_TYPES)


_OF_ANY_OBJECT: Final = ("__doc__", "__module__")
