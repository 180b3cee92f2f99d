"""Secret stretches of a text, and their replacements."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

MARK: Final = "<redacted>"

# How surely a name names a secret; see names.py.
STRONG: Final = 3
WEAK: Final = 2
GUESS: Final = 1

Span: TypeAlias = tuple[int, int, int]  # start, end, grade

# A piece ends at line ends, as str.splitlines() and editors see them, and at the backslash of a
# continued line.
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
    """The spans in order, overlapping spans joined."""
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
    """The source with each span replaced by a filler of as many bytes; line ends stay."""
    parts = []
    at = 0
    for start, end, _ in spans:
        parts.append(text[at:start])
        parts.append(re.sub(_PIECES, _Filler(), text[start:end]))
        at = end
    return "".join(parts) + text[at:]


class _Filler:
    """Replaces the pieces of a secret: the first piece with enough room gets MARK, the others get
    stars.
    """

    def __init__(self) -> None:
        self._is_said = False

    def __call__(self, piece: re.Match[str]) -> str:
        size = len(piece[0].encode("utf-8", "surrogatepass"))
        if self._is_said or size < len(MARK):
            return "*" * size
        self._is_said = True
        return MARK.ljust(size, "*")
