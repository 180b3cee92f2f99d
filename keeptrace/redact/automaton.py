"""Finds the shapes of shapes.py in a text. An automaton, compiled once, searches for all shapes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import Final, TypeAlias

from .looks import is_random
from .patterns import PATTERNS, Pattern
from .shapes import ALPHABETS, SHAPES, Shape
from .spans import STRONG, Span, continues_word


def trie(words: Iterable[str]) -> str:
    """A regular expression for any of the words, with shared beginnings joined."""
    heads: dict[str, list[str]] = {}
    for word in sorted(set(words)):
        heads.setdefault(word[:1], []).append(word[1:])
    branches = []
    for head, tails in heads.items():
        if "" in tails:  # the word itself is enough: it begins all longer words
            branches.append(re.escape(head))
        elif len(tails) == 1:
            branches.append(re.escape(head + tails[0]))
        elif all(len(tail) == 1 for tail in tails):
            branches.append(f"{re.escape(head)}[{''.join(map(re.escape, tails))}]")
        else:
            branches.append(f"{re.escape(head)}(?:{trie(tails)})")
    return "|".join(branches)


# So many characters of a word seldom occur by chance. (characters)
_BEGINNING: Final = 3


class WordSearch:
    """Finds words in a text.

    The expression has only the beginnings of the words. To compile whole words takes three times as
    long, and each process does it for its first dump.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words: dict[str, list[str]] = {}  # by beginning
        for word in words:
            self._words.setdefault(word[:_BEGINNING], []).append(word)
        self._next = re.compile(trie(self._words)).search

    def first(self, text: str, at: int = 0, end: int = sys.maxsize) -> tuple[int, str] | None:
        """Where the first word begins, and the word; None if there is none."""
        while (found := self._next(text, at, end)) is not None:
            start = found.start()
            for word in self._words[found[0]]:
                if text.startswith(word, start, end):
                    return start, word
            at = start + 1
        return None

    def starts(self, text: str) -> Iterator[int]:
        """Where words begin."""
        found = self.first(text)
        while found is not None:
            yield found[0]
            found = self.first(text, found[0] + 1)


def expand(body: str) -> str:
    """The regular expression of a shape's body. Possessive, so matching takes linear time."""
    body = body.replace(",}", f",{_MOST_OF_BODY}}}+")
    return re.sub(r"%([a-zA-Z])", lambda found: f"[{ALPHABETS[found[1]]}]", body)


# No key is longer. (characters)
_MOST_OF_BODY: Final = 2_000


# The part after an everyday prefix that must look random. The bound keeps the time linear for a
# text of many such prefixes. (characters)
_MOST_JUDGED: Final = 256


# A key with its prefix is a run of these characters; shorter runs are words.
_RUN: Final = r"[\w+/=.~$:%|!-]{16,}+"


# Most texts need few of the table's expressions, and compiling all takes 10 ms.
@cache
def _body_matcher(body: str) -> _Matcher:
    """Matches the body of a shape as a whole word."""
    return re.compile(f"(?:{expand(body)})(?![A-Za-z0-9])").match


@cache
def _finder(pattern: str) -> _Finder:
    return re.compile(pattern).finditer


_Matcher: TypeAlias = "Callable[[str, int], re.Match[str] | None]"
_Finder: TypeAlias = "Callable[[str], Iterator[re.Match[str]]]"


def _shapes_by_head() -> dict[str, list[tuple[str, Shape]]]:
    """Each prefix without a shorter prefix at its beginning -> the prefix and its extensions."""
    prefixes = [(prefix, shape) for shape in SHAPES for prefix in shape.prefixes.split()]
    prefixes.sort(key=itemgetter(0))  # a prefix comes just before its extensions
    head = prefixes[0][0]
    by_head: dict[str, list[tuple[str, Shape]]] = {}
    for prefix, shape in prefixes:
        if not prefix.startswith(head):
            head = prefix
        by_head.setdefault(head, []).append((prefix, shape))
    for found in by_head.values():
        found.sort(key=lambda entry: -len(entry[0]))  # the longest prefix says most
    return by_head


class Automaton:
    """The compiled tables, made at first use: most programs import this module and never fail."""

    def __init__(self) -> None:
        self._shapes = _shapes_by_head()
        self._runs = re.compile(_RUN).finditer
        self._heads = WordSearch(self._shapes)
        self._next_digit = re.compile(r"[0-9]").search
        self._keys = [pattern for pattern in PATTERNS if pattern.is_key]
        self._others = [pattern for pattern in PATTERNS if not pattern.is_key]
        # A lower-cased text without any hint matches none of the other patterns.
        self.hints: list[str] = sorted({hint for other in self._others for hint in other.hints})

    def keys(self, text: str) -> Iterator[Span]:
        """Where a text has a vendor's key."""
        last = 0
        digit = -1  # position of the next digit: a random key has a digit
        is_first = True
        for run in self._runs(text):
            if is_first:
                is_first = False
                yield from _found(self._keys, text, text.lower())
            at, end = run.span()
            while (found := self._heads.first(text, at, end)) is not None:
                start, head = found
                at = start + 1  # a prefix may begin within another prefix
                if start < last or continues_word(text, start):
                    continue
                if digit < start:
                    digit = self._find_digit(text, start)
                last = self._end_of_key(text, start, head, digit) or last
                if last > start:
                    yield start, last, STRONG

    def _find_digit(self, text: str, start: int) -> int:
        found = self._next_digit(text, start)
        if found is None:
            return len(text)
        return found.start()

    def _end_of_key(self, text: str, start: int, head: str, digit: int) -> int:
        for prefix, shape in self._shapes[head]:
            if not text.startswith(prefix, start):
                continue
            begin = start + len(prefix)
            if shape.is_common and digit >= begin + _MOST_JUDGED:
                continue
            found = _body_matcher(shape.body)(text, begin)
            if found is not None and (not shape.is_common or is_random(found[0][:_MOST_JUDGED])):
                return found.end()
        return 0

    def others(self, text: str, low: str) -> Iterator[Span]:
        """Where a text has a secret by another pattern.

        low: the text, lower-cased character for character.
        """
        yield from _keys_without_beginning(text, low)
        yield from _found(self._others, text, low)


def _found(patterns: Sequence[Pattern], text: str, low: str) -> Iterator[Span]:
    for pattern in patterns:
        if not pattern.hints or any(hint in low for hint in pattern.hints):
            for match in _finder(pattern.pattern)(text):
                yield *match.span(match.lastindex or 0), STRONG


_KEY_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY").finditer
_BASE64: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n\\"
)
# The longest search for a key in front of its end line. (characters)
_MOST_OF_KEY: Final = 16_384


def _keys_without_beginning(text: str, low: str) -> Iterator[Span]:
    """The base64 in front of the end line of a private key with a cut-off beginning."""
    if "private key" not in low:
        return
    for line in _KEY_END(text):
        end = start = line.start()
        least = max(0, end - _MOST_OF_KEY)
        while start > least and text[start - 1] in _BASE64:
            start -= 1
        if end - start >= 32:
            yield start, end, STRONG


_automaton: Automaton | None = None


def automaton() -> Automaton:
    """The automaton of the process."""
    global _automaton
    if _automaton is None:
        _automaton = Automaton()  # a second thread may make an equal automaton
    return _automaton
