"""The report's exceptions, made first and filled later, so that values can refer to them."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any, Final

from .classes import builtin_base, builtin_bases, exception_class, has_hook, is_hooked, leaf_class
from .descriptors import raw_dict_of, raw_mro_of, raw_namespace_of
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
from .values import ValueTable, is_whole


def _refs_of(record: dict[str, Any]) -> list[Any]:
    return [record["args"], *record["fields"].values(), *record["attributes"].values()]


# Kinds of nodes that are not the thing itself.
_INEXACT: Final = frozenset({"object", "redacted", "function", "module", "type"})


def is_exact(nodes: list[Any], refs: Iterable[Any]) -> bool:
    """Whether the values are all there, as what they were."""
    waiting = [ref[0] for ref in refs if type(ref) is list]
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        node = nodes[index]
        kind = node[0]
        if kind in _INEXACT:
            return False
        if kind in (
            "list",
            "tuple",
            "set",
            "frozenset",
            "dict",
            "str",
            "bytes",
            "bytearray",
        ) and not is_whole(node):
            return False
        if kind in ("list", "tuple", "set", "frozenset", "dict", "exact"):
            waiting.extend(ref[0] for ref in node[2] if type(ref) is list)
    return True


class ExceptionTable:
    """The report's exceptions, made first and filled later, so that values can refer to them."""

    def __init__(
        self, report: dict[str, Any], type_of: list[Any], policy: Policy, live: list[Any]
    ) -> None:
        self._records = report["exceptions"]
        self._live = live
        self._as_itself: set[int] = set()  # ids of those that their class's own reduction made
        self._nodes = report["values"]
        self._types = report["types"]
        self._type_of = type_of
        self._policy = policy
        self.made: list[BaseException] = [None] * len(self._records)  # type: ignore[list-item]
        every = range(len(self._records))
        for index in (
            in_order(every, self._children)
            if any(["children" in record for record in self._records])
            else every
        ):
            self.made[index] = self._make(self._records[index])

    def _children(self, index: int) -> list[int]:
        children: list[int] = self._records[index].get("children", [])
        return children

    def _class(self, record: dict[str, Any]) -> type[BaseException]:
        found_type = self._type_of[record["type"]]
        cls: type[BaseException] = (
            Exception if found_type is None else found_type
        )  # a metaclass may find its class false
        if has_own_state(cls):
            cls = exception_class(cls.__qualname__, cls.__module__, builtin_bases(raw_mro_of(cls)))
        if "str" not in record and id(cls) in BUILTIN_TYPES:
            return cls
        mro = raw_mro_of(cls)
        module, qualname, _ = self._types[record["type"]]
        found = self._policy.find(module, qualname) is cls
        refs = _refs_of(record)
        # where nothing is looked up nothing is live, so what capture recorded is what the arguments
        # cannot tell
        told = "str" in record and not (
            self._policy.lookups
            and found
            and is_exact(self._nodes, refs)
            and not self._tells_addresses(record, refs)
        )
        truthy = self._policy.truthy and has_hook(mro, "__bool__", "__len__")
        if (told or truthy) and (self._policy.trusts or not is_hooked(mro)):
            try:
                return leaf_class(cls, told, truthy)  # type: ignore[arg-type]  # a class is hashable, or the except says what then
            # a metaclass or __init_subclass__ of the user's refuses: its own message it is, then
            except Exception:
                return cls
        return cls

    def _tells_addresses(self, record: dict[str, Any], refs: list[Any]) -> bool:
        """Whether the message has the address of an object that is live: here it is another."""
        told = [*self._nodes[refs[0][0]][2], *refs[1:]]
        return " at 0x" in record["str"] and any(
            self._nodes[ref[0]][0] == "live" for ref in told if type(ref) is list
        )

    def _own(self, record: dict[str, Any]) -> BaseException | None:
        """What the class's own reduction makes.

        Capture has seen that it makes what it was made from.
        """
        number = record.get("own")
        pickled = self._live[number] if number is not None and number < len(self._live) else None
        if type(pickled) is not bytes:
            return None
        try:
            made = load_quickly(pickled, self._policy is not POOL)
        # the library is absent or another version here: a class of the same name takes its place
        except BaseException:
            return None
        cls = type(made)
        if not issubclass(cls, BaseException) or cls.__qualname__ != self._types[record["type"]][1]:
            return None
        if self._policy.truthy and has_hook(raw_mro_of(cls), "__bool__", "__len__"):
            return None
        self._as_itself.add(id(made))
        return made  # type: ignore[no-any-return]  # an exception, as was seen

    def _make(self, record: dict[str, Any]) -> BaseException:
        own = self._own(record)
        if own is not None:
            return own
        cls = self._class(record)
        children = record.get("children")
        if children:
            inner = [self.made[child] for child in children if self.made[child] is not None]
            message = record["fields"].get("message", "")
            for candidate in (cls, BaseExceptionGroup):
                try:
                    make: Any = BaseExceptionGroup.__new__
                    group: BaseException = make(
                        candidate, message if type(message) is str else "", inner
                    )
                    return group
                except (
                    TypeError,
                    ValueError,
                ):  # a damaged report, or a class that is no group here
                    continue
        try:
            return builtin_base(raw_mro_of(cls)).__new__(cls)
        except TypeError:  # a group without children, in a damaged report
            return Exception.__new__(
                exception_class(cls.__qualname__, cls.__module__, (Exception,))
            )

    def fill(self, values: ValueTable, tracebacks: list[types.TracebackType | None]) -> None:
        for record, exc, traceback in zip(self._records, self.made, tracebacks):
            self._fill(exc, record, values)
            put_traceback(exc, traceback)
            if record["context"] is not None:
                put_context(exc, self.made[record["context"]])
            if record["cause"] is not None:
                put_cause(exc, self.made[record["cause"]])
            put_suppress(exc, bool(record["suppress"]))  # what puts a cause changes it

    def _fill(self, exc: BaseException, record: dict[str, Any], values: ValueTable) -> None:
        as_itself = id(exc) in self._as_itself
        if not as_itself or is_exact(self._nodes, [record["args"]]):
            args = values(record["args"])
            put_args(exc, args if type(args) is tuple else (args,))
        mro = raw_mro_of(type(exc))
        refused = [] if as_itself else self._put_fields(exc, record["fields"], values)
        if "str" in record:
            told = _slot_of(mro, "__keeptrace_str__")
            if told is not None:
                told.__set__(exc, record["str"])
        for name, ref in record["attributes"].items():
            if as_itself and _has(exc, mro, name) and not is_exact(self._nodes, [ref]):
                continue
            self._put_attribute(exc, mro, name, values(ref))
        notes = _notes(values(record["notes"])) if "notes" in record else None
        if refused:
            kind = type(exc).__name__
            notes = [
                *_items(notes),
                f"keeptrace: no {kind} can bear its {', '.join(refused)}: see vars(), in brackets",
            ]
        if record.get("text"):
            notes = [
                *_items(notes),
                "keeptrace: the frames were not kept; the traceback as text:\n" + record["text"],
            ]
        if notes is not None:
            raw_dict_of(exc)["__notes__"] = notes

    def _put_fields(
        self, exc: BaseException, fields: dict[str, Any], values: ValueTable
    ) -> list[str]:
        """The names of those that could not be put; they stand aside."""
        refused: list[str] = []
        if not fields:
            return refused
        state = fields_of(raw_mro_of(type(exc)))
        is_quiet = self._policy.imports or not isinstance(exc, (ImportError, SyntaxError))
        for name, ref in fields.items():
            value = _plain(name, values(ref)) if type(ref) is list else ref
            if not is_quiet:
                value = unsearched(exc, name, value, values(fields.get("name")))
            if not put_field(exc, name, value, state):
                raw_dict_of(exc)[aside_name(name)] = value
                refused.append(name)
        if not is_quiet:
            forbid_search(exc)
        return refused

    def _put_attribute(
        self, exc: BaseException, mro: tuple[type, ...], name: str, value: Any
    ) -> None:
        slot = _slot_of(mro, name)
        if slot is not None:
            try:
                slot.__set__(exc, value)
            except (AttributeError, TypeError):  # C code's, to be read only or for one type only
                return
        elif _is_of_builtin(mro, name) or (not self._policy.trusts and is_protocol(name, value)):
            raw_dict_of(exc)[aside_name(name)] = value
        else:
            raw_dict_of(exc)[name] = value


def _slot_of(mro: tuple[type, ...], name: str) -> Any:
    """The slot of that name that a class defines in Python; None if there is none."""
    for cls in mro:
        found = raw_namespace_of(cls).get(name)
        if found is not None:
            is_slot = type(found) is types.MemberDescriptorType and id(cls) not in BUILTIN_TYPES
            return found if is_slot else None
    return None


def _has(exc: BaseException, mro: tuple[type, ...], name: str) -> bool:
    """Whether the exception has a value in its slot or `__dict__`."""
    slot = _slot_of(mro, name)
    if slot is None:
        return name in raw_dict_of(exc)
    try:
        slot.__get__(exc)
    except AttributeError:
        return False
    return True


# Fields that may be any object; all others are read as str, int or bytes by C code or by
# `traceback`.
_ANY_VALUE: Final = ("value", "code", "obj")


def _plain(name: str, value: Any) -> Any:
    """The value of a field.

    A text that was cut is a real text that says so, since a stand-in would make printing fail.
    """
    details = details_of(value)
    if details is None or name in _ANY_VALUE or not details.node:
        return value
    kind = details.node[0]
    if kind in ("bytes", "bytearray"):
        return details.items.encode("latin-1") + f"... ({details.length} in all)".encode()  # type: ignore[attr-defined]  # a str
    return str(value) if kind == "str" or details.string is not None else value


def _items(notes: Any) -> list[Any]:
    return list(notes) if type(notes) in (list, tuple) else []


def _notes(value: Any) -> Any:
    """Notes as the interpreter can print them: before Python 3.13 it crashes if a sequence
    raises.
    """
    details = details_of(value)
    if details is None:
        if has_hook(raw_mro_of(type(value)), "__getitem__"):  # live, and its code may raise
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
    """Whether a builtin base has C state or a method of that name, which data must neither set nor
    replace.
    """
    return name not in _OF_ANY_OBJECT and any(
        name in raw_namespace_of(cls) for cls in mro if id(cls) in BUILTIN_TYPES
    )


_OF_ANY_OBJECT: Final = ("__doc__", "__module__")
