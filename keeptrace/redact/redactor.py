"""Redactor: finds secrets in texts, sources, pickles and whole reports, and removes them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from ..core.nodes import is_hidden, what_of
from ..core.redaction import Redaction
from ..core.report import Report
from . import commands, hosts, manifests, pairs, sources, sql, words
from .automaton import WordSearch, automaton
from .report import ReportRedaction
from .rules import Extra, Rules
from .sources import Source
from .spans import Span, filled, marked, merged

# Files of which it is remembered what is secret; the frames of one program seldom pass through
# more.
_KEPT_SOURCES: Final = 64
# Facts of which the same is remembered; a process has a dozen, and some change.
_KEPT_FACTS: Final = 64
# Shorter texts have no room for a name and a secret. (characters)
_LEAST_TEXT: Final = 5


# A lower-cased text without any of the hints has nothing for the reader.
_READERS: Final[tuple[tuple[tuple[str, ...], Callable[[str], Iterator[Span]]], ...]] = (
    (sql.HINTS, sql.spans),
    (manifests.HINTS, manifests.spans),
)


_sources: Final[dict[bytes, Source]] = {}
_facts: Final[dict[str, list[Span]]] = {}


@cache
def _hints() -> WordSearch:
    """Finds possible beginnings of names and shapes in a lower-cased text."""
    hints = {*words.STEMS, *words.FOREIGN, *automaton().hints, *commands.HINTS, *sql.HINTS}
    return WordSearch(hints)


def _lower(text: str) -> str:
    """The lower-cased text, character for character: a few letters have longer lower forms."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(map(_lower_character, text))


def _lower_character(character: str) -> str:
    low = character.lower()
    if len(low) == 1:
        return low
    return character


class Redactor:
    """Finds secrets and removes them.

    added: the program's own rules: a keeptrace.Redaction, or a callable (name, text) -> bool that
        returns True for further secrets.
    """

    def __init__(self, added: Redaction | Extra | None = None) -> None:
        self.rules: Rules = Rules(added)
        # The secrets of a source depend on the source alone, unless the program adds rules.
        self._sources: dict[bytes, Source] = {}
        self._facts: dict[str, list[Span]] = {}
        if self.rules.is_default:
            self._sources, self._facts = _sources, _facts

    def text(self, text: str) -> str:
        """The text without secrets of known shapes or secret names; the same object if there is
        none.
        """
        found = self.spans(text)
        if found:
            return marked(text, found)
        return text

    def source(self, text: str) -> str:
        """The source without secrets, with the same lines, each with the same number of bytes."""
        return self._read_source(text).text

    def report(self, report: Report) -> int:
        """Redacts a report in place.

        Returns the number of redactions, and adds the number to the report's cuts.
        """
        return ReportRedaction(self, report).run()

    def leaks(self, data: bytes) -> bool:
        """Whether a pickle seems to hold a secret."""
        from .live import leaks  # few dumps have a pickle

        return leaks(data, self.rules, self.spans)

    def spans(self, text: str, in_source: bool = False) -> list[Span]:
        """Where secrets stand in a text. in_source: the text is part of a source, where bare words
        are likely code.
        """
        if len(text) < _LEAST_TEXT:
            return []
        found = [*automaton().keys(text), *self.rules.spans(text)]
        low = _lower(text)
        if self.rules.asks or _hints().first(low) is not None:
            found += self._hinted(text, low, in_source)
        if hosts.HINT in text:
            found += hosts.spans(text, low)
        if not self.rules.is_default:
            found = [span for span in found if not self.rules.keeps(text[span[0] : span[1]])]
        if found:
            return merged(found)
        return found

    def _hinted(self, text: str, low: str, in_source: bool) -> Iterator[Span]:
        """The secrets of the slower searches, for a text with a secret's name or hint."""
        yield from automaton().others(text, low)
        yield from pairs.spans(text, in_source, self.rules)
        if commands.may_have(low):
            yield from commands.spans(text)
        for hints, read in _READERS:
            if any(hint in low for hint in hints):
                yield from read(text)

    def fact_spans(self, text: str) -> list[Span]:
        """spans(), remembered: most facts of a process are the same in each of its dumps."""
        found = self._facts.get(text)
        if found is None:
            if len(self._facts) >= _KEPT_FACTS:
                self._facts.clear()
            found = self._facts[text] = self.spans(text)
        return found

    def packed_source(self, packed: bytes) -> Source | None:
        """A compressed source without its secrets; None if the source cannot be read."""
        found = self._sources.get(packed)
        if found is None:
            try:
                text = zlib.decompress(packed).decode("utf-8", "surrogateescape")
            except zlib.error:
                return None
            if len(self._sources) >= _KEPT_SOURCES:
                self._sources.clear()
            found = self._sources[packed] = self._read_source(text)
        return found

    def _read_source(self, text: str) -> Source:
        found = self._source_spans(text)
        if not found:
            return Source(text, 0, ())
        secrets = tuple({(text[start:end], grade) for start, end, grade in found})
        return Source(filled(text, found), len(found), secrets)

    def _source_spans(self, text: str) -> list[Span]:
        low = _lower(text)
        hits = list(_hints().starts(low))
        found = [*automaton().keys(text), *self.rules.spans(text)]
        if hits or self.rules.asks:
            found += automaton().others(text, low)

            def within(part: str) -> list[Span]:
                return self.spans(part, in_source=True)

            found += sources.spans(text, hits, within, self.rules)
        if found:
            return merged(found)
        return found


def hidden_names(report: Report) -> dict[str, int]:
    """The names of hidden values in a report, with the number of values."""
    found: dict[str, int] = {}
    for node in report["values"]:
        if is_hidden(node):
            what = what_of(node)
            found[what] = found.get(what, 0) + 1
    return found
