"""Stretches of a text that are secret, and what takes their place."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

MARK: Final = "<redacted>"

# How sure it is that a name names a secret; see names.py.
STRONG: Final = 3
WEAK: Final = 2
GUESS: Final = 1

Span: TypeAlias = tuple[int, int, int]  # start, end, grade

# What str.splitlines() or an editor takes for the end of a line, and the backslash that continues
# one, are no part of a piece.
_PIECES: Final = r"(?:(?!\\[\r\n])[^\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029])+"


def continues_word(text: str, at: int) -> bool:
    """Whether the character before `at` belongs to the same word, and is not the letter of an
    escape like \\n.
    """
    if at <= 0:
        return False
    before = text[at - 1]
    if not (before.isalnum() or before == "_"):
        return False
    is_escape = at >= 2 and text[at - 2] == "\\" and before in "nrt"
    return not is_escape


def merged(spans: list[Span]) -> list[Span]:
    """The spans sorted, and overlapping ones as one."""
    spans.sort()
    found: list[Span] = []
    for start, end, grade in spans:
        if found and start < found[-1][1]:
            first, last, other = found[-1]
            found[-1] = first, max(last, end), max(grade, other)
        else:
            found.append((start, end, grade))
    return found


def marked(text: str, spans: list[Span]) -> str:
    """The text with MARK in the place of each span."""
    parts: list[str] = []
    at = 0
    for start, end, _ in spans:
        parts += text[at:start], MARK
        at = end
    return "".join(parts) + text[at:]


def filled(text: str, spans: list[Span]) -> str:
    """The source with a filler of as many bytes in the place of each span, its line ends kept."""
    parts = []
    at = 0
    for start, end, _ in spans:
        parts.append(text[at:start])
        parts.append(re.sub(_PIECES, _Filler(), text[start:end]))
        at = end
    return "".join(parts) + text[at:]


class _Filler:
    """Replaces the pieces of one secret: the first that has room gets MARK, the rest is stars."""

    def __init__(self) -> None:
        self._is_said = False

    def __call__(self, piece: re.Match[str]) -> str:
        size = len(piece[0].encode("utf-8", "surrogatepass"))
        if self._is_said or size < len(MARK):
            return "*" * size
        self._is_said = True
        return MARK.ljust(size, "*")
