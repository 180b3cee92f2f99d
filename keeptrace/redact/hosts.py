"""Passwords before a host without a scheme, bob:x@db:5432, as in urllib's `netloc` and `host`.

"bob:carol@example.org" may also be a path of scp or an address of mail, so a text without such a
name needs a password that is no word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from . import words
from .looks import is_opaque
from .spans import STRONG, Span

HINT: Final = "@"
_HOST: Final = r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?"
_SOURCES: Final = {
    # group 1 is the user, group 2 the password
    "whole": rf"([^\s:/@\[\]]{{0,100}}):([^\s/@]{{1,200}})@{_HOST}",
    "named": r"(?:netloc|hostname|host|authority)[\"']?\s{0,4}[=:]\s{0,4}[\"']?"
    rf"([^\s:/@\"',\[\]]{{0,100}}):([^\s/@\"',]{{1,200}})@{_HOST}",
    # Within other text, group 2 must be opaque. "redis:7.2@sha256:a1b2" is an image.
    "loose": rf"(?<![\w.+@/:-])([\w.+-]{{1,60}}):([^\s/@\"',]{{8,200}})@{_HOST}(?![\w:@])",
    # http.client takes the text after the last colon for a port.
    "port": r"(nonnumeric port: )['\"]([^'\"\n]{1,200})@",
}


@cache
def _made(name: str) -> re.Pattern[str]:
    return re.compile(_SOURCES[name])


def password_before_host(text: str) -> tuple[int, int] | None:
    """Where a text that is a host has a password before it."""
    found = _made("whole").fullmatch(text)
    if found is None:
        return None
    return found.span(2)


def spans(text: str, low: str) -> Iterator[Span]:
    """Where a text has passwords before hosts.

    low: the text, lower-cased character for character.
    """
    for found in _made("loose").finditer(text):
        if not _is_address(found[1]) and is_opaque(found[2]):
            yield *found.span(2), STRONG
    for hint, name in (("host", "named"), ("netloc", "named"), ("nonnumeric", "port")):
        if hint in low:
            for found in _made(name).finditer(low):
                yield *found.span(2), STRONG


def _is_address(before: str) -> bool:
    """Whether a word before a colon is a scheme or a kind of address, and no user."""
    return before.lower() in words.ADDRESSES
