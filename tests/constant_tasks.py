"""Exceptions that hold constants of modules, for the tests of such constants: workers import them by name."""

from __future__ import annotations

import dataclasses
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Missing:
    def __repr__(self) -> str:
        return "MISSING"


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


class Slotted(Generic[T]):
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Registry:
    """An object of a module that is no constant: each process has its own contents."""

    def __init__(self) -> None:
        self.seen: list[int] = []


class Counter:
    count = 0


class Odd:
    """Its attribute is a slot of another class, which cannot be read of its instances."""

    name = Slotted.name  # type: ignore[has-type]


ODD = Odd()
PLAIN = object()
MISSING = Missing()
UNSET = Named("UNSET")
DEFAULT: Slotted[int] = Slotted("DEFAULT")
REGISTRY = Registry()
COUNTER = Counter()


class Refused(Exception):
    def __init__(self, *args: object) -> None:
        super().__init__("refused", PLAIN, *args)
        self.missing = MISSING
        self.unset = UNSET
        self.default = DEFAULT
        self.of_library = dataclasses.MISSING
        self.within = {"a": [UNSET, {"b": DEFAULT}]}
        self.alike = Named("UNSET")
        self.registry = REGISTRY
        self.counter = COUNTER

    def __str__(self) -> str:
        """As libraries do: what is said depends on which of the parts are set."""
        return "nothing is set" if self.missing is MISSING else f"missing is {self.missing}"


def refuse() -> None:
    REGISTRY.seen.append(3)
    COUNTER.count = 5
    found = MISSING
    raise Refused(found)


def refuse_oddly() -> None:
    problem: Any = LookupError("odd", ODD)
    problem.alike = Named("UNSET")
    raise problem


def constants_of(exc: Any) -> dict[str, bool]:
    """Which parts of the exception are the constants of this process."""
    return {
        "plain": exc.args[1] is PLAIN,
        "argument": exc.args[2] is MISSING,
        "missing": exc.missing is MISSING,
        "unset": exc.unset is UNSET,
        "default": exc.default is DEFAULT,
        "of the library": exc.of_library is dataclasses.MISSING,
        "in containers": exc.within["a"][0] is UNSET and exc.within["a"][1]["b"] is DEFAULT,
    }
