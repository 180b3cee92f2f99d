"""Whether a pickle of live objects seems to hold a secret.

A pickle cannot be edited, so with a secret the whole pickle is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from . import looks
from .rules import Rules
from .spans import WEAK, Span

# Opcodes between a name and its value.
_MEMO: Final = frozenset(("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "FRAME", "PROTO"))
# Opcodes of harmless values, and opcodes after which the name was a value itself.
_HARMLESS: Final = frozenset(
    (
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "BININT1",
        "EMPTY_TUPLE",
        "STOP",
        "POP",
        "SETITEM",
        "SETITEMS",
        "APPEND",
        "APPENDS",
        "ADDITEMS",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "FROZENSET",
        "STACK_GLOBAL",
        "REDUCE",
        "BUILD",
        "NEWOBJ",
        "DICT",
        "LIST",
    )
)


def leaks(data: bytes, rules: Rules, spans: Callable[[str], Iterable[Span]]) -> bool:
    """Whether a pickle seems to hold a secret. spans: where a text has secrets."""
    try:
        return _leaks(data, rules, spans)
    except Exception:  # not a pickle: a callable of the program made the bytes; search them as text
        return any(True for _ in spans(data.decode("latin-1")))


def _leaks(data: bytes, rules: Rules, spans: Callable[[str], Iterable[Span]]) -> bool:
    grade = 0  # grade of the text before, if the text is a secret name
    # Whether the text before is a secret, unless the next opcode makes the text a class's name.
    is_pending = False
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
        grade = 0
        if own >= WEAK:
            grade = own
    return is_pending


def _has_secret(text: str, rules: Rules, spans: Callable[[str], Iterable[Span]]) -> bool:
    return any(True for _ in spans(text)) or rules.says("", text)


def _may_be_secret(opcode: str, argument: object) -> bool:
    """Whether a value under a secret name, other than a text, is a secret."""
    return opcode not in _HARMLESS and type(argument) is not bool


def _values(data: bytes) -> Iterator[tuple[str, Any]]:
    import pickletools  # few reports hold live objects

    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in _MEMO:
            yield opcode.name, argument


def _text_of(argument: object) -> str | None:
    if isinstance(argument, str):
        return argument
    if isinstance(argument, (bytes, bytearray)):
        return argument.decode("latin-1")
    return None
