"""Types by their names, and arguments and notes from a message."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..restore.policy import LOADED
from .grammar import BASES, ERRNO, SIZE
from .read import ReadException


@functools.lru_cache(1024)
def find_type(name: str) -> tuple[str, str, type[BaseException] | None]:
    """Module and qualified name of a type as text names it, and the type itself where it is known
    here.
    """
    if (
        name[-1:] in ")]"
    ):  # a type that is generic, or made for one cause: Bad[int], RayTaskError(ValueError)
        bare = re.split(r"[\[(]", name, maxsplit=1)[0]
        module, qualname, _ = find_type(bare)
        return module, qualname + name[len(bare) :], None
    parts = name.split(".")
    if len(parts) == 1:
        for module in ("builtins", "__main__"):
            found = LOADED.find(module, name)
            if isinstance(found, type) and issubclass(found, BaseException):
                return module, name, found
        return "__main__", name, None
    for at in range(len(parts) - 1, 0, -1) if len(parts) <= 20 else ():
        module, qualname = ".".join(parts[:at]), ".".join(parts[at:])
        found = LOADED.find(module, qualname)
        # The name must print as it was read: a type that only passes through that module has
        # another one.
        if (
            isinstance(found, type)
            and issubclass(found, BaseException)
            and f"{found.__module__}.{found.__qualname__}" == name
        ):
            return found.__module__, found.__qualname__, found
    at = parts.index("<locals>") - 1 if "<locals>" in parts else len(parts) - 1
    capital = next((index for index, part in enumerate(parts) if part[:1].isupper()), at)
    at = max(min(at, capital), 1)
    return ".".join(parts[:at]), ".".join(parts[at:]), None


def base_of(name: str, group: bool, syntax: bool) -> str:
    if group or syntax:
        return "ExceptionGroup" if group else "SyntaxError"
    base = next(base for end, base in BASES if name.endswith(end))
    return "Exception" if base == "ExceptionGroup" else base


_Arguments: TypeAlias = Callable[[str], tuple[Any, ...] | None]


def _literal(message: str) -> tuple[Any, ...] | None:
    """One plain literal, as repr() shows it."""
    try:
        value = ast.literal_eval(message) if len(message) < 10_000 else None
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return (
        (value,)
        if type(value) in (str, int, float, bool) and repr(value) == message and _fits(value)
        else None
    )


def _fits(value: Any) -> bool:
    return type(value) is not int or -(1 << 63) <= value < 1 << 63


def _errno(message: str) -> tuple[Any, ...] | None:
    """[Errno 2] No such file or directory: 'x' -> 'y'"""
    match = ERRNO.match(message)
    if match is None:
        return None
    errno, rest = int(match["errno"]), match["rest"]
    text, colon, names = rest.partition(": ")
    if not colon:
        return errno, rest
    parts = [_literal(part) for part in names.split(" -> ")]
    if len(parts) == 1 and parts[0] is not None:
        return errno, text, parts[0][0]
    if len(parts) == 2 and parts[0] is not None and parts[1] is not None:
        return errno, text, parts[0][0], None, parts[1][0]
    return errno, rest


# For the types whose text says more than one string: what their arguments were. Each guess is
# tried, and kept only if it prints the same. True: one line is all that the type ever says, so what
# follows it are notes.
ARGUMENTS: Final[dict[type[BaseException], tuple[_Arguments, bool]]] = {
    KeyError: (_literal, True),
    StopIteration: (_literal, False),
    SystemExit: (_literal, False),
    OSError: (_errno, False),
}
# Their text is computed from what the log does not hold.
_COMPUTED: Final = (UnicodeError, BaseExceptionGroup)


def probe_of(cls: type[BaseException], message: str) -> BaseException | None:
    """An instance that says the message; None if that cannot be had.

    Only constructors of builtin types run.
    """
    builtin = next(base for base in cls.__mro__ if base.__module__ == "builtins")
    if issubclass(cls, _COMPUTED) or not issubclass(builtin, BaseException):
        return None
    if any("__str__" in vars(base) for base in cls.__mro__ if base.__module__ != "builtins"):
        return None
    guess = next((guess for base, (guess, _) in ARGUMENTS.items() if issubclass(cls, base)), None)
    for arguments in (
        (guess(message) if guess is not None and message else None),
        (message,) if message else (),
    ):
        if arguments is None:
            continue
        try:
            probe = builtin(*arguments)
            if str(probe) == message and (cls is not builtin or type(probe) is cls):
                return probe
        except Exception:  # a guess that the constructor refuses
            continue
    return None


def split_notes(
    cls: type[BaseException], read: ReadException, group: bool
) -> tuple[str, list[str]]:
    """The message, and the notes where it is sure that they are not the message's further lines."""
    lines = read.lines
    if read.silent:
        return "", lines
    if group:
        for at, line in enumerate(lines):
            if SIZE.match(line):
                return "\n".join(lines[: at + 1]), lines[at + 1 :]
    for base, (guess, one_line) in ARGUMENTS.items():
        if (
            len(lines) > 1
            and issubclass(cls, base)
            and guess(lines[0]) is not None
            and (one_line or "]" in lines[0][:20])
        ):
            return lines[0], lines[1:]
    return "\n".join(lines), []
