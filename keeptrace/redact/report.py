"""The redaction of one report, in place.

by name     judging.py hides what stands under secret names, and learns it
in sources  sources.py hides literals, and what is learned from them counts everywhere
by shape    every text of the report is searched by the tables
by text     what was learned is hidden wherever else it occurs
live        a pickle cannot be edited: it goes as a whole if it seems to hold a secret
unused      nodes that nothing leads to any more are emptied
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..core.report import Node, Ref, Report
from . import others
from .judging import Judge
from .learning import LISTS, TEXTS
from .secrets import LEAST, Searcher, variants
from .spans import MARK, filled, marked

if TYPE_CHECKING:
    from .redactor import Redactor, Source

# A shape has as many characters; shorter names of variables need no look.
_LEAST_NAME = 16


class ReportRedaction:
    """The redaction of one report on its way."""

    def __init__(self, redactor: Redactor, report: Report) -> None:
        self._redactor = redactor
        self._rules = redactor.rules
        self._report = report
        self._values: list[Node] = report["values"]
        self._judge = Judge(report, redactor.spans, redactor.rules)
        self._sources: dict[str, Source] = {}
        self._count = 0  # of what was hidden in texts, sources and pickles
        self._least_name = 1 if not redactor.rules.is_default else _LEAST_NAME

    def run(self) -> int:
        """Returns how many redactions were made."""
        others.learn_environment(self._judge)
        others.hide_marked(self._report, self._judge)
        self._judge.run()
        self._read_sources()
        self._each_text(self._by_shape)
        searcher = self._searcher()
        if searcher is not None:
            self._least_name = LEAST
            self._each_text(lambda text, name: self._by_text(text, searcher))
            self._search_sources(searcher)
        self._drop_live(searcher)
        count = self._count + sum(self._judge.hidden.values())
        if count:
            self._sweep()
            cuts = self._report["cuts"]
            cuts["redacted"] = cuts.get("redacted", 0) + count
        return count

    # -- texts

    def _each_text(self, change: Callable[[str, str], str]) -> None:
        """Puts change(text, name) in place of every text of the report."""
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
        kind = node[0]
        if kind in LISTS or kind in ("dict", "exact"):
            self._change_items(node[2], change)
        elif kind in TEXTS:
            text = change(node[2], "")
            if text is not node[2]:
                node[1] += len(text) - len(node[2])  # what was whole stays whole
                node[2] = text
        elif kind == "object":
            self._change_object(node, change)
        elif kind == "live" and type(node[2]) is str:
            text = change(node[2], "")
            self._judge.live_touched = self._judge.live_touched or text is not node[2]
            node[2] = text

    def _change_object(self, node: Node, change: Callable[[str, str], str]) -> None:
        if node[2]:
            node[2] = change(node[2], "")
        if node[3]:
            self._change_mapping(node[3], change)
        extra = node[4]
        if not extra:
            return
        if extra.get("str"):
            extra["str"] = change(extra["str"], "")
        for key in ("items", "pairs"):
            if key in extra:
                self._change_items(extra[key], change)

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
                    mapping[name] = self._judge.place(name) if text == MARK else text
            if len(name) >= self._least_name and change(name, "") is not name:
                renamed = True
        if renamed:
            items = [(change(name, ""), ref) for name, ref in mapping.items()]
            mapping.clear()
            mapping.update(items)

    def _by_shape(self, text: str, name: str) -> str:
        spans = self._redactor.spans(text)
        if not name and text != MARK and self._rules.says("", text):
            spans = [(0, len(text), 3)]
        if not spans:
            return text
        self._judge.learn([(text[start:end], grade) for start, end, grade in spans])
        self._count += len(spans)
        return marked(text, spans)

    def _by_text(self, text: str, searcher: Searcher) -> str:
        spans = [] if self._rules.keeps(text) else searcher.spans(text)
        if not spans:
            return text
        self._count += len(spans)
        return marked(text, spans)

    def _searcher(self) -> Searcher | None:
        """What finds the learned secrets, in all the forms in which they may stand in a text."""
        known = [secret for secret in self._judge.learner.known if not self._rules.keeps(secret)]
        forms = {form for secret in known for form in variants(secret) if len(form) >= LEAST}
        return Searcher(forms) if forms else None

    # -- sources

    def _read_sources(self) -> None:
        sources = self._report["sources"]
        for file, packed in list(sources.items()):
            source = self._redactor.packed_source(packed)
            if source is None:
                del sources[file]  # what cannot be read cannot be trusted either
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

    # -- what is live, and what nothing refers to

    def _drop_live(self, searcher: Searcher | None) -> None:
        live = self._report["live"]
        if live is None:
            return
        is_known = searcher is not None and bool(searcher.spans(live.decode("latin-1")))
        if not (self._judge.live_touched or is_known or self._redactor.leaks(live)):
            return
        self._count += 1
        self._report["live"] = None
        atoms: dict[int, Ref] = {}
        for index, node in enumerate(self._values):
            if node[0] == "live":
                view = node[2]
                if type(view) is list:
                    self._values[index] = list(self._values[view[0]])
                else:
                    self._values[index] = ["redacted", "live value"]
                    atoms[index] = view
        if atoms:
            self._put_atoms(atoms)

    def _put_atoms(self, atoms: dict[int, Ref]) -> None:
        """A view that is an atom has no node: it takes the place of the refs."""
        for holder in self._holders():
            for key, ref in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
                if type(ref) is list and ref and ref[0] in atoms:
                    holder[key] = atoms[ref[0]]

    def _holders(self) -> Iterator[Any]:
        """Every dict and list of the report that holds refs."""
        for exception in self._report["exceptions"]:
            yield exception["fields"]
            yield exception["attributes"]
        for frame in self._report["frames"]:
            if frame["locals"]:
                yield frame["locals"]
        yield from self._report["globals"]
        for node in self._values:
            yield from _parts(node)

    def _sweep(self) -> None:
        """Empties the nodes that nothing leads to any more."""
        waiting = [index for holder in self._roots() for index in _indexes(holder)]
        reached = set(waiting)
        while waiting:
            for holder in _parts(self._values[waiting.pop()]):
                for index in _indexes(holder):
                    if index not in reached:
                        reached.add(index)
                        waiting.append(index)
        for index in range(len(self._values)):
            if index not in reached and self._values[index][0] != "redacted":
                self._values[index] = ["redacted", "unused"]

    def _roots(self) -> Iterator[Any]:
        for exception in self._report["exceptions"]:
            yield [exception["args"], exception.get("notes")]
            yield exception["fields"]
            yield exception["attributes"]
        for frame in self._report["frames"]:
            yield frame["locals"] or ()
        yield from self._report["globals"]


def _parts(node: Node) -> Iterator[Any]:
    """The dicts and lists of a node that hold refs."""
    kind = node[0]
    if kind in LISTS or kind in ("dict", "exact"):
        yield node[2]
    elif kind == "object":
        if node[3]:
            yield node[3]
        if node[4]:
            yield from (node[4][key] for key in ("items", "pairs") if key in node[4])
    elif kind == "live":
        yield node[2:3]


def _indexes(holder: Any) -> list[int]:
    refs = holder.values() if isinstance(holder, dict) else holder
    return [ref[0] for ref in refs if type(ref) is list]


def _packed(text: str) -> bytes:
    return zlib.compress(text.encode("utf-8", "surrogateescape"))
