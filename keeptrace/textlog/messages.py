"""Types by their names, and arguments and notes from a message."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from ..restore.policy import LOADED
from .grammar import BASES, ERRNO, SIZE
from .read import ReadException

# Module and qualified name of a type in a text, and the type itself if known here.
_FoundType: TypeAlias = tuple[str, str, type[BaseException] | None]


@functools.lru_cache(1024)
def find_type(name: str) -> _FoundType:
    """Module and qualified name of a type in a text, and the type itself if known here."""
    if name[-1:] in ")]":  # generic, or with a cause: Bad[int], RayTaskError(ValueError)
        bare, *_ = re.split(r"[\[(]", name, maxsplit=1)
        module, qualname, _type = find_type(bare)
        return module, qualname + name.removeprefix(bare), None
    parts = name.split(".")
    if len(parts) == 1:
        return _find_bare(name)
    found = _loaded(parts)
    if found is not None:
        return found.__module__, found.__qualname__, found
    at = _first_of_qualname(parts)
    return ".".join(parts[:at]), ".".join(parts[at:]), None


def _first_of_qualname(parts: list[str]) -> int:
    """Where the qualified name begins in a dotted name. Classes begin with a capital letter."""
    at = len(parts) - 1
    if "<locals>" in parts:
        at = max(parts.index("<locals>") - 1, 1)
    for index, part in enumerate(parts[:at]):
        if part[:1].isupper():
            at = index
            break
    return max(at, 1)


def _find_bare(name: str) -> _FoundType:
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
    full_name = ".".join(parts)
    for at in range(len(parts) - 1, 0, -1):
        found = LOADED.find(".".join(parts[:at]), ".".join(parts[at:]))
        if not isinstance(found, type) or not issubclass(found, BaseException):
            continue
        if f"{found.__module__}.{found.__qualname__}" == full_name:
            return found
    return None


_MOST_PARTS: Final = 20  # of a dotted name; a longer name is no type's


def base_of(name: str, group: bool, syntax: bool) -> str:
    if group:
        return "ExceptionGroup"
    if syntax:
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
    if type(value) not in (str, int, float, bool) or not _fits(value):
        return None
    if repr(value) != message:
        return None
    return (value,)


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
    files: list[Any] = []
    for name in names.split(" -> "):
        literal = _literal(name)
        if literal is None:
            return errno, rest
        files += literal
    if len(files) == 1:
        return errno, text, files[0]
    if len(files) == 2:
        return errno, text, files[0], None, files[1]
    return errno, rest


class _Form(NamedTuple):
    """How the messages of a type are made of the arguments."""

    guess: _Arguments
    has_one_line: bool  # further lines are notes


# Types with a message that reveals more arguments than a string. A guess counts only if the
# exception prints the same message.
ARGUMENTS: Final[dict[type[BaseException], _Form]] = {
    KeyError: _Form(_literal, has_one_line=True),
    StopIteration: _Form(_literal, has_one_line=False),
    SystemExit: _Form(_literal, has_one_line=False),
    OSError: _Form(_errno, has_one_line=False),
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
    if issubclass(cls, _COMPUTED):
        return True
    of_program = [base for base in cls.__mro__ if base.__module__ != "builtins"]
    return any("__str__" in vars(base) for base in of_program)


def _guesses(cls: type[BaseException], message: str) -> Iterator[tuple[Any, ...]]:
    """Possible arguments of the exception, the likeliest first."""
    if not message:
        yield ()
        return
    for base, form in ARGUMENTS.items():
        if issubclass(cls, base):
            arguments = form.guess(message)
            if arguments is not None:
                yield arguments
            break
    yield (message,)


def split_notes(
    cls: type[BaseException], read: ReadException, group: bool
) -> tuple[str, list[str]]:
    """The message, and the notes. Lines that may be either belong to the message."""
    lines = read.lines
    if read.silent:
        return "", lines
    if group:
        for at, line in enumerate(lines, 1):
            if SIZE.match(line):
                return "\n".join(lines[:at]), [line for line in lines[at:] if line.strip()]
    if len(lines) > 1 and _is_complete(cls, lines[0]):
        return lines[0], lines[1:]
    return "\n".join(lines), []


def _is_complete(cls: type[BaseException], line: str) -> bool:
    """Whether such an exception has one-line messages."""
    has_errno = "]" in line[:20]
    for base, form in ARGUMENTS.items():
        if not issubclass(cls, base):
            continue
        if (form.has_one_line or has_errno) and form.guess(line) is not None:
            return True
    return False
