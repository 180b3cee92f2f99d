"""Tasks that fail with exceptions in the attributes and arguments of an exception."""

from __future__ import annotations

from typing import Any


class NeedsCode(Exception):
    """Cannot be rebuilt from its args."""

    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(text)
        self.code = code


class Odd(Exception):
    def __repr__(self) -> str:
        return "an odd one"


class Several(Exception):
    """As libraries collect failures."""

    __slots__ = ("last",)

    def __init__(self, errors: list[BaseException]) -> None:
        super().__init__(f"{len(errors)} failed")
        self.errors = errors
        self.by_name = {str(error): error for error in errors}
        self.last = errors[-1]


def divide(part: int) -> float:
    return 1 / (part - part)


def one(part: int) -> None:
    try:
        divide(part)
    except ZeroDivisionError as error:
        raise NeedsCode(f"part {part}", code=part) from error


def collected(parts: list[int]) -> list[BaseException]:
    errors: list[BaseException] = []
    for part in parts:
        try:
            one(part)
        except NeedsCode as error:
            error.add_note("tried once")
            errors.append(error)
    return errors


def all_fail(parts: list[int]) -> None:
    raise Several(collected(parts))


def argument_fails(part: int) -> None:
    (error,) = collected([part])
    raise RuntimeError(error)


def holds_itself() -> None:
    exc: Any = ValueError("itself")
    other: Any = KeyError("other")
    exc.other, other.exc = other, exc
    exc.all = (exc, other)
    raise exc
