"""Finds known secrets in other texts.

f-strings carry passwords into messages. Only long and opaque secrets are searched, so a match is no
accident.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from . import looks, words
from .names import grade as grade_of
from .spans import STRONG, WEAK, Span, continues_word, merged

# Shorter texts occur by chance. (characters)
LEAST: Final = 6
# Shorter numbers occur by chance. (digits)
_LEAST_DIGITS: Final = 8
# The beginning of a longer secret is searched too, at the end of cut texts. (characters)
_LONG: Final = 16
_BEGINNING: Final = 12
# For few secrets, a search for each is faster. (secrets)
_FEW: Final = 200


def spreads(text: str, grade: int) -> bool:
    """Whether a secret under a name of the grade is searched in other texts."""
    if len(text) < LEAST or _is_everyday(text):
        return False
    if grade_of(text) and not looks.is_opaque(text):
        return False  # the name of a field: "password2"
    if text.isdigit():
        return grade == STRONG and len(text) >= _LEAST_DIGITS
    if grade == STRONG:
        return True
    return (grade == WEAK and looks.is_unusual(text)) or looks.is_opaque(text)


def _is_everyday(text: str) -> bool:
    if text.isspace() or looks.is_placeholder(text):
        return True
    low = text.lower()
    return low in words.EVERYDAY or low in words.PROSE or looks.is_type(text)


def variants(secret: str) -> Iterator[str]:
    """The forms of a secret in a text: plain, in a repr, in JSON, in a URL, in bytes, without a
    line's end.
    """
    yield secret
    if secret.isalnum() and secret.isascii():
        return
    yield repr(secret)[1:-1]
    yield secret.strip()
    yield secret.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    raw = secret.encode("utf-8", "surrogatepass")
    for safe in ("-._~", "-._~/"):
        yield "".join(_quoted(byte, safe) for byte in raw)
    if secret.isascii():
        return
    yield raw.decode("latin-1")
    yield repr(raw)[2:-1]
    yield secret.encode("ascii", "backslashreplace").decode()
    try:
        yield secret.encode("latin-1").decode("utf-8")  # a secret from bytes
    except ValueError:
        return


def _quoted(byte: int, safe: str) -> str:
    char = chr(byte)
    is_plain = byte < 128 and (char.isalnum() or char in safe)
    if is_plain:
        return char
    return f"%{byte:02X}"


class Searcher:
    """Finds many secrets in many texts.

    A few secrets are searched one after the other. For many, the searcher looks up the first
    characters at each place of a text, so the time does not grow with the number of secrets.
    """

    def __init__(self, secrets: set[str]) -> None:
        self._by_head: dict[str, list[str]] = {}
        # The longest first: a secret may hold another.
        for secret in sorted(secrets, key=len, reverse=True):
            self._by_head.setdefault(secret[:LEAST], []).append(secret)

    def spans(self, text: str) -> list[Span]:
        """The places of secrets in a text, also of secrets cut off at the end."""
        if len(text) < LEAST:
            return []
        found: list[Span] = []
        for start in self._starts(text):
            for secret in self._by_head[text[start : start + LEAST]]:
                end = _end_of(text, start, secret)
                if end:
                    found.append((start, end, STRONG))
                    break
        if found:
            return merged(found)
        return found

    def _starts(self, text: str) -> Iterator[int]:
        """Where a text has the first characters of a secret."""
        heads = self._by_head
        if len(heads) > _FEW:
            yield from (at for at in range(len(text) - LEAST + 1) if text[at : at + LEAST] in heads)
            return
        for head in heads:
            at = text.find(head)
            while at >= 0:
                yield at
                at = text.find(head, at + 1)


def _end_of(text: str, start: int, secret: str) -> int:
    """The end of a secret that begins at `start`, whole or cut off; 0 without a secret."""
    end = start + len(secret)
    if text.startswith(secret, start):
        if _stands_alone(text, start, end, secret):
            return end
        return 0
    if len(secret) <= _LONG or not text.startswith(secret[:_BEGINNING], start):
        return 0
    size = _BEGINNING
    while text[start + size : start + size + 1] == secret[size]:
        size += 1
    is_cut = start + size == len(text) or text[start + size] in "\0.…'\""
    if is_cut and looks.is_opaque(secret[:size]):
        return start + size
    return 0


def _stands_alone(text: str, start: int, end: int, secret: str) -> bool:
    """Whether a secret of letters is a whole word in the text. Other secrets count anywhere."""
    if not secret.isalpha():
        return True
    follows = end < len(text) and (text[end].isalnum() or text[end] == "_")
    return not follows and not continues_word(text, start)
