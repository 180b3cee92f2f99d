"""Whether a pickle of live objects seems to hold a secret.

It cannot be edited, so it goes as a whole.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from . import looks
from .rules import Rules
from .spans import WEAK, Span

# Opcodes between a name and its value.
_MEMO: Final = frozenset(("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "FRAME", "PROTO"))
# Opcodes of values that are no secret, and those that end what a name is in: the name was a value
# itself.
_HARMLESS: Final = frozenset(
    (
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT1", "EMPTY_TUPLE", "STOP", "POP", "SETITEM"),
        *("SETITEMS", "APPEND", "APPENDS", "ADDITEMS", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("FROZENSET", "STACK_GLOBAL", "REDUCE", "BUILD", "NEWOBJ", "DICT", "LIST"),
    )
)


def leaks(data: bytes, rules: Rules, spans: Callable[[str], Iterable[Span]]) -> bool:
    """Whether a pickle seems to hold a secret. spans: where a text has secrets."""
    try:
        return _leaks(data, rules, spans)
    except Exception:  # no pickle, but what a callable of the program's made: looked at as a text
        return any(True for _ in spans(data.decode("latin-1")))


def _leaks(data: bytes, rules: Rules, spans: Callable[[str], Iterable[Span]]) -> bool:
    grade = 0  # of the text before, if it names a secret
    is_pending = (
        False  # the text before is a secret, unless the next opcode makes it a class's name
    )
    for opcode, argument in _values(data):
        if is_pending and opcode != "STACK_GLOBAL":
            return True
        is_pending = False
        text = _text_of(argument)
        if text is None:
            if grade and _may_be_secret(opcode, argument):
                return True
            grade = 0
            continue
        if _has_secret(text, rules, spans):
            return True
        own = rules.grade(text)
        is_pending = not own and looks.is_hidden_under(grade, text)
        grade = own if own >= WEAK else 0
    return is_pending


def _has_secret(text: str, rules: Rules, spans: Callable[[str], Iterable[Span]]) -> bool:
    return any(True for _ in spans(text)) or rules.says("", text)


def _may_be_secret(opcode: str, argument: object) -> bool:
    """Whether a value that is no text, under a secret name, is a secret."""
    return opcode not in _HARMLESS and type(argument) is not bool


def _values(data: bytes) -> Iterator[tuple[str, Any]]:
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in _MEMO:
            yield opcode.name, argument


def _text_of(argument: object) -> str | None:
    if isinstance(argument, str):
        return argument
    if isinstance(argument, (bytes, bytearray)):
        return argument.decode("latin-1")
    return None
