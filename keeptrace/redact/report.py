"""The redaction of a report, in place.

by name     walk.py finds names, judging.py hides values under secret names, and learns the secrets
in sources  sources.py hides literals; their secrets are learned, too
by shape    the tables search every text of the report
by text     learned secrets are hidden everywhere else
live        a pickle cannot be edited: with a secret, the whole pickle is dropped
unused      nodes without a reference are emptied
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..core import nodes as schema
from ..core.report import Node, Ref, Report
from . import others
from .judging import Judge
from .secrets import LEAST, Searcher, variants
from .spans import MARK, STRONG, Span, filled, marked
from .walk import Walk

if TYPE_CHECKING:
    from typing import Protocol

    from .rules import Rules
    from .sources import Source

    class Finder(Protocol):
        """A Redactor, as the redaction of a report uses it: where secrets stand."""

        rules: Rules

        def spans(self, text: str) -> list[Span]: ...

        def fact_spans(self, text: str) -> list[Span]: ...

        def packed_source(self, packed: bytes) -> Source | None: ...

        def leaks(self, data: bytes) -> bool: ...


# A shape has as many characters; shorter names of variables need no look.
_LEAST_NAME = 16


class ReportRedaction:
    """The state of one report's redaction."""

    def __init__(self, redactor: Finder, report: Report) -> None:
        self._redactor = redactor
        self._rules = redactor.rules
        self._report = report
        self._values: list[Node] = report["values"]
        self._facts: dict[str, Ref] = report.get("process", {})
        self._judge = Judge(self._values, redactor.spans, redactor.rules)
        self._sources: dict[str, Source] = {}
        self._count = 0  # number of redactions in texts, sources and pickles
        self._least_name = 1
        if redactor.rules.is_default:
            self._least_name = _LEAST_NAME

    def run(self) -> int:
        """Redacts the report. Returns the number of redactions."""
        others.learn_environment(self._judge)
        others.hide_marked(self._report, self._judge)
        Walk(self._report, self._judge, self._rules).run()
        self._read_sources()
        self._each_text(self._by_shape)
        self._change_mapping(self._facts, self._fact_by_shape)
        searcher = self._searcher()
        if searcher is not None:
            self._hide_learned(searcher)
        self._drop_live(searcher)
        count = self._count + sum(self._judge.hidden.values())
        if count:
            self._sweep()
            cuts = self._report["cuts"]
            cuts["redacted"] = cuts.get("redacted", 0) + count
        return count

    def _hide_learned(self, searcher: Searcher) -> None:
        """Hides the learned secrets in all texts."""

        def change(text: str, name: str) -> str:
            return self._by_text(text, searcher)

        self._least_name = LEAST
        self._each_text(change)
        self._change_mapping(self._facts, change)
        self._search_sources(searcher)

    # -- texts

    def _each_text(self, change: Callable[[str, str], str]) -> None:
        """Puts change(text, name) in place of every text of the report but the facts."""
        for exception in self._report["exceptions"]:
            record: Any = exception
            for key in ("str", "text", "args", "notes"):
                if type(record.get(key)) is str:
                    record[key] = change(record[key], "")
            self._change_mapping(exception["fields"], change)
            self._change_mapping(exception["attributes"], change)
        for frame in self._report["frames"]:
            if frame["locals"]:
                self._change_mapping(frame["locals"], change)
        for namespace in self._report["globals"]:
            self._change_mapping(namespace, change)
        for node in self._values:
            self._change_node(node, change)

    def _change_node(self, node: Node, change: Callable[[str, str], str]) -> None:
        kind = schema.kind_of(node)
        if kind in schema.TEXTS:
            before = schema.kept_text(node)
            text = change(before, "")
            if text is not before:
                schema.put_text(node, text)
        elif kind == "live":
            self._change_live(node, change)
        else:
            if kind == "object":
                self._change_texts_of_object(node, change)
            for holder in schema.holders_of(node):
                if isinstance(holder, dict):
                    self._change_mapping(holder, change)
                else:
                    self._change_items(holder, change)

    def _change_live(self, node: Node, change: Callable[[str, str], str]) -> None:
        """Changes a stand-in of text."""
        before = schema.stand_in_of(node)
        if type(before) is str:
            text = change(before, "")
            self._judge.live_touched = self._judge.live_touched or text is not before
            schema.put_stand_in(node, text)

    @staticmethod
    def _change_texts_of_object(node: Node, change: Callable[[str, str], str]) -> None:
        text, extra = schema.repr_of(node), schema.extra_of(node)
        if text:
            schema.put_repr(node, change(text, ""))
        if extra.get("str"):
            extra["str"] = change(extra["str"], "")

    @staticmethod
    def _change_items(items: list[Ref], change: Callable[[str, str], str]) -> None:
        for at, ref in enumerate(items):
            if type(ref) is str and len(ref) > 2:
                items[at] = change(ref, "")

    def _change_mapping(self, mapping: dict[str, Ref], change: Callable[[str, str], str]) -> None:
        renamed = False
        for name, ref in mapping.items():
            if type(ref) is str and len(ref) > 2:
                text = change(ref, name)
                if text is not ref:
                    mapping[name] = text
                    if text == MARK:
                        mapping[name] = self._judge.place(name)
            if len(name) >= self._least_name and change(name, "") is not name:
                renamed = True
        if renamed:
            items = [(change(name, ""), ref) for name, ref in mapping.items()]
            mapping.clear()
            mapping.update(items)

    def _by_shape(self, text: str, name: str) -> str:
        return self._without(self._redactor.spans(text), text, name)

    def _fact_by_shape(self, text: str, name: str) -> str:
        return self._without(self._redactor.fact_spans(text), text, name)

    def _without(self, spans: list[Span], text: str, name: str) -> str:
        if not name and text != MARK and self._rules.says("", text):
            spans = [(0, len(text), STRONG)]
        if not spans:
            return text
        self._judge.learn([(text[start:end], grade) for start, end, grade in spans])
        self._count += len(spans)
        return marked(text, spans)

    def _by_text(self, text: str, searcher: Searcher) -> str:
        if self._rules.keeps(text):
            return text
        spans = searcher.spans(text)
        if not spans:
            return text
        self._count += len(spans)
        return marked(text, spans)

    def _searcher(self) -> Searcher | None:
        """A searcher for the learned secrets, in all forms of a secret in a text."""
        forms: set[str] = set()
        for secret in self._judge.learner.known:
            if not self._rules.keeps(secret):
                forms.update(variants(secret))
        long_forms = {form for form in forms if len(form) >= LEAST}
        if long_forms:
            return Searcher(long_forms)
        return None

    # -- sources

    def _read_sources(self) -> None:
        sources = self._report["sources"]
        for file, packed in list(sources.items()):
            source = self._redactor.packed_source(packed)
            if source is None:
                del sources[file]  # an unreadable source cannot be trusted
                self._count += 1
                continue
            self._sources[file] = source
            self._count += source.hidden
            self._judge.learn(source.secrets)
            if source.hidden:
                sources[file] = _packed(source.text)

    def _search_sources(self, searcher: Searcher) -> None:
        for file, source in self._sources.items():
            spans = searcher.spans(source.text)
            if spans:
                self._count += len(spans)
                self._report["sources"][file] = _packed(filled(source.text, spans))

    # -- live objects, and unused nodes

    def _drop_live(self, searcher: Searcher | None) -> None:
        live = self._report["live"]
        if live is None:
            return
        has_learned = searcher is not None and bool(searcher.spans(live.decode("latin-1")))
        if not (self._judge.live_touched or has_learned or self._redactor.leaks(live)):
            return
        self._count += 1
        self._report["live"] = None
        self._put_stand_ins()

    def _put_stand_ins(self) -> None:
        """Puts the stand-ins in the places of live objects."""
        atoms: dict[int, Ref] = {}
        for index, node in enumerate(self._values):
            if schema.kind_of(node) != "live":
                continue
            view = schema.stand_in_of(node)
            if type(view) is list:
                self._values[index] = list(self._values[view[0]])
            else:
                self._values[index] = schema.redacted("live value")
                atoms[index] = view
        if atoms:
            self._put_atoms(atoms)

    def _put_atoms(self, atoms: dict[int, Ref]) -> None:
        """A stand-in of an atom has no node: the atom replaces the refs."""
        for holder in self._holders():
            places: Any = holder  # a dict and a list are written alike
            keys: Iterable[Any] = range(len(holder))
            if isinstance(holder, dict):
                keys = list(holder)
            for key in keys:
                ref = places[key]
                if type(ref) is list and ref and ref[0] in atoms:
                    places[key] = atoms[ref[0]]

    def _holders(self) -> Iterator[schema.Holder]:
        """Every dict and list of refs in the report."""
        for exception in self._report["exceptions"]:
            yield exception["fields"]
            yield exception["attributes"]
        for frame in self._report["frames"]:
            if frame["locals"]:
                yield frame["locals"]
        yield from self._report["globals"]
        yield self._report.get("process", {})
        for node in self._values:
            yield from schema.holders_of(node)

    def _sweep(self) -> None:
        """Empties the nodes without a reference."""
        waiting: list[int] = []
        for refs in self._roots():
            waiting += schema.indexes(refs)
        reached = set(waiting)
        while waiting:
            node = self._values[waiting.pop()]
            for index in schema.indexes(schema.refs_of(node)):
                if index not in reached:
                    reached.add(index)
                    waiting.append(index)
        for index, node in enumerate(self._values):
            if index not in reached and schema.kind_of(node) != "redacted":
                self._values[index] = schema.redacted(schema.UNUSED)

    def _roots(self) -> Iterator[Iterable[Ref]]:
        """The refs from exceptions and frames to values."""
        for exception in self._report["exceptions"]:
            yield [exception["args"], exception.get("notes")]
            yield exception["fields"].values()
            yield exception["attributes"].values()
        for frame in self._report["frames"]:
            yield (frame["locals"] or {}).values()
        for namespace in self._report["globals"]:
            yield namespace.values()
        yield self._report.get("process", {}).values()


def _packed(text: str) -> bytes:
    return zlib.compress(text.encode("utf-8", "surrogateescape"))
