"""Types by their names, and arguments and notes from a message."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from ..restore.policy import LOADED
from .grammar import BASES, ERRNO, SIZE
from .read import ReadException


@functools.lru_cache(1024)
def find_type(name: str) -> tuple[str, str, type[BaseException] | None]:
    """Module and qualified name of a type in a text, and the type itself if known here."""
    if name[-1:] in ")]":  # generic, or with a cause: Bad[int], RayTaskError(ValueError)
        bare = re.split(r"[\[(]", name, maxsplit=1)[0]
        module, qualname, _ = find_type(bare)
        return module, qualname + name[len(bare) :], None
    parts = name.split(".")
    if len(parts) == 1:
        return _find_bare(name)
    found = _loaded(parts)
    if found is not None:
        return found.__module__, found.__qualname__, found
    at = len(parts) - 1
    if "<locals>" in parts:
        at = parts.index("<locals>") - 1
    capital = next((index for index, part in enumerate(parts) if part[:1].isupper()), at)
    at = max(min(at, capital), 1)
    return ".".join(parts[:at]), ".".join(parts[at:]), None


def _find_bare(name: str) -> tuple[str, str, type[BaseException] | None]:
    for module in ("builtins", "__main__"):
        found = LOADED.find(module, name)
        if isinstance(found, type) and issubclass(found, BaseException):
            return module, name, found
    return "__main__", name, None


def _loaded(parts: list[str]) -> type[BaseException] | None:
    """The exception class of a dotted name, if its module is loaded here.

    The class must print the same name, because other modules re-export classes.
    """
    if len(parts) > _MOST_PARTS:
        return None
    for at in range(len(parts) - 1, 0, -1):
        found = LOADED.find(".".join(parts[:at]), ".".join(parts[at:]))
        if not isinstance(found, type) or not issubclass(found, BaseException):
            continue
        if f"{found.__module__}.{found.__qualname__}" == ".".join(parts):
            return found
    return None


_MOST_PARTS: Final = 20  # of a dotted name; a longer name is no type's


def base_of(name: str, group: bool, syntax: bool) -> str:
    if group or syntax:
        if group:
            return "ExceptionGroup"
        return "SyntaxError"
    base = next(base for end, base in BASES if name.endswith(end))
    if base == "ExceptionGroup":
        return "Exception"
    return base


# Parsing a longer literal takes long. (characters)
_MOST_LITERAL: Final = 10_000
_Arguments: TypeAlias = Callable[[str], tuple[Any, ...] | None]


def _literal(message: str) -> tuple[Any, ...] | None:
    """The value of a message that is the repr of a plain literal."""
    if len(message) >= _MOST_LITERAL:
        return None
    try:
        value = ast.literal_eval(message)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    is_plain = type(value) in (str, int, float, bool) and _fits(value)
    if is_plain and repr(value) == message:
        return (value,)
    return None


def _fits(value: object) -> bool:
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


# Types with a message that reveals more arguments than a string → (guess at the arguments, whether
# messages have a single line, so further lines are notes). A guess counts only if the exception
# prints the same message.
ARGUMENTS: Final[dict[type[BaseException], tuple[_Arguments, bool]]] = {
    KeyError: (_literal, True),
    StopIteration: (_literal, False),
    SystemExit: (_literal, False),
    OSError: (_errno, False),
}
# Their text comes from values outside of the log.
_COMPUTED: Final = (UnicodeError, BaseExceptionGroup)


def probe_of(cls: type[BaseException], message: str) -> BaseException | None:
    """An instance with the message; None if no guess gives the message.

    Only constructors of builtin types run.
    """
    builtin = next(base for base in cls.__mro__ if base.__module__ == "builtins")
    if not issubclass(builtin, BaseException) or _computes_text(cls):
        return None
    for arguments in _guesses(cls, message):
        try:
            probe = builtin(*arguments)
            is_of_class = cls is not builtin or type(probe) is cls
            if is_of_class and str(probe) == message:
                return probe
        except Exception:  # the constructor refuses the guess
            continue
    return None


def _computes_text(cls: type[BaseException]) -> bool:
    """Whether the message is made of more than the arguments, or by a class of a program."""
    return issubclass(cls, _COMPUTED) or any(
        "__str__" in vars(base) for base in cls.__mro__ if base.__module__ != "builtins"
    )


def _guesses(cls: type[BaseException], message: str) -> Iterator[tuple[Any, ...]]:
    """Possible arguments of the exception, the likeliest first."""
    if not message:
        yield ()
        return
    guess = next((guess for base, (guess, _) in ARGUMENTS.items() if issubclass(cls, base)), None)
    if guess is not None:
        arguments = guess(message)
        if arguments is not None:
            yield arguments
    yield (message,)


def split_notes(
    cls: type[BaseException], read: ReadException, group: bool
) -> tuple[str, list[str]]:
    """The message, and the notes. Lines that may be either belong to the message."""
    lines = read.lines
    if read.silent:
        return "", lines
    sizes = [at for at, line in enumerate(lines) if group and SIZE.match(line)]
    if sizes:
        return "\n".join(lines[: sizes[0] + 1]), lines[sizes[0] + 1 :]
    if len(lines) > 1 and _is_complete(cls, lines[0]):
        return lines[0], lines[1:]
    return "\n".join(lines), []


def _is_complete(cls: type[BaseException], line: str) -> bool:
    """Whether such an exception has one-line messages."""
    guesses = [
        guess
        for base, (guess, says_one_line) in ARGUMENTS.items()
        if issubclass(cls, base) and (says_one_line or "]" in line[:20])
    ]
    return any(guess(line) is not None for guess in guesses)
