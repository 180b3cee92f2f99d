"""The walk over the names in a report. judging.py judges and hides the values under the names.

A name is a variable, an attribute, a key of a mapping, the first of a pair, an option of a command
line, or the member of a row that names the value of another member.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..core import nodes as schema
from ..core.report import Node, Ref, Report
from . import commands, looks, places, words
from .describing import is_word_table
from .judging import MOST_NAME, Judge
from .learning import text_of
from .numbers import bare as bare_name
from .pair_judges import ASSIGNED, LISTED, OPTION, is_secret_pair
from .rules import Rules
from .spans import STRONG

if TYPE_CHECKING:
    from .judging import Container


class Walk:
    """Takes each name of a report, with its value, to the judge."""

    def __init__(self, report: Report, judge: Judge, rules: Rules) -> None:
        self._report = report
        self._values = report["values"]
        self._judge = judge
        self._rules = rules

    def run(self) -> None:
        """Judges every namespace and container of the report."""
        for exception in self._report["exceptions"]:
            self._names(exception["fields"])
            self._names(exception["attributes"])
        for frame in self._report["frames"]:
            self._names(frame["locals"])
        for namespace in self._report["globals"]:
            self._names(namespace)
        self._names(self._report.get("process"))
        for index in range(len(self._values)):
            # Looked up each time, because the walk empties nodes on its way.
            self._node(self._values[index])

    def _node(self, node: Node) -> None:
        kind = schema.kind_of(node)
        if kind == "dict":
            self._pairs(schema.pairs_of(node))
        elif kind in schema.SEQUENCES:
            self._items(schema.items_of(node))
        elif kind == "object":
            self._object(node)

    def _object(self, node: Node) -> None:
        attributes = schema.attributes_of(node)
        pairs, items = schema.pairs_of(node), schema.items_of(node)
        before = list(attributes.values())
        self._names(attributes)
        if pairs:
            self._pairs(pairs)
        if items:
            self._items(items)
            self._same_items(attributes, before, items)

    @staticmethod
    def _same_items(attributes: dict[str, Ref], before: list[Ref], items: list[Ref]) -> None:
        """A named tuple has its fields twice: hides values in the items, too, if they were hidden
        by name.
        """
        for old, new in zip(before, attributes.values()):
            if old == new or type(old) is list:
                continue
            for at, item in enumerate(items):
                if item == old:
                    items[at] = new

    def _names(self, mapping: dict[str, Ref] | None) -> None:
        if not mapping:
            return
        known: dict[str, object] = {bare_name(name): name for name in mapping}
        is_card = not words.CARD_SIBLINGS.isdisjoint(known)
        for name, ref in mapping.items():
            self._name(mapping, name, name, ref, is_card)
        self._row(mapping, known)
        if not (places.TEXTS.isdisjoint(known) or places.VALUES.isdisjoint(known)):
            self._places(mapping)

    def _places(self, mapping: dict[str, Ref]) -> None:
        """Judges values under the names before their places in a text beside them."""
        texts = [text_of(self._values, mapping[name]) for name in places.TEXTS & mapping.keys()]
        for holder in places.VALUES & mapping.keys():
            for text in texts:
                names = places.names(text or "")
                if any(self._rules.grade(name) == STRONG for name in names):
                    for row in self._rows(mapping[holder]):
                        self._row_of_places(row, names)

    def _rows(self, ref: Ref) -> Iterator[list[Ref]]:
        """The items of a tuple or list, and those of the tuples within: rows of executemany()."""
        items = self._items_of(ref, ("tuple", "list"))
        yield items
        for item in items:
            yield self._items_of(item, ("tuple",))

    def _items_of(self, ref: Ref, kinds: tuple[str, ...]) -> list[Ref]:
        if type(ref) is not list or schema.kind_of(self._values[ref[0]]) not in kinds:
            return []
        return schema.items_of(self._values[ref[0]])

    def _row_of_places(self, items: list[Ref], names: list[str]) -> None:
        for at, (name, item) in enumerate(zip(names, items)):
            if self._rules.grade(name) == STRONG:
                self._judge.judge(items, at, name, item, STRONG)

    def _name(self, container: Container, key: object, name: str, ref: Ref, is_card: bool) -> None:
        """Judges the value of a name. is_card: other names beside this name are of a card."""
        grade = self._rules.grade(name)
        bare = bare_name(name)
        if bare in words.CARD_NUMBERS or (is_card and bare == "number"):
            self._judge.judge_card(container, key, name, ref)
            return
        if bare in words.HOSTS:
            self._judge.judge_host(container, key, name)
        if grade or self._rules.asks:
            ref = container[key]  # judge_host() may have replaced the ref
            self._judge.judge(container, key, name, ref, grade)

    def _pairs(self, flat: list[Ref]) -> None:
        """Judges the values of a mapping, of which `flat` holds keys and values, alternating."""
        names = [text_of(self._values, key) for key in flat[:-1:2]]
        if is_word_table(names, flat[1::2]):
            return
        named = [(name, 2 * at + 1) for at, name in enumerate(names) if name is not None]
        places: dict[str, object]
        places = {bare_name(name): at for name, at in named if len(name) <= MOST_NAME}
        is_card = not words.CARD_SIBLINGS.isdisjoint(places)
        is_web_key = "kty" in places
        for name, at in named:
            if is_web_key and name in words.WEB_KEY_PARTS:
                self._judge.judge(flat, at, name, flat[at], STRONG)
            else:
                self._name(flat, at, name, flat[at], is_card)
        self._row(flat, places)

    def _row(self, container: Container, places: dict[str, object]) -> None:
        """Judges the value of a record that holds a name and a value as two members."""
        values = words.ROW_VALUES & places.keys()
        if not values:
            return
        for member in words.ROW_NAMES & places.keys():
            name = self._last_text(container[places[member]])
            if name is not None:
                for value in values:
                    self._value_of_row(container, places[value], name)

    def _last_text(self, ref: Ref) -> str | None:
        """A text, or the last text of a sequence: pydantic's place ("body", "password")."""
        if type(ref) is not list:
            return text_of(self._values, ref)
        node = self._values[ref[0]]
        if schema.kind_of(node) not in ("tuple", "list"):
            return text_of(self._values, ref)
        items = schema.items_of(node)
        if not items:
            return None
        return text_of(self._values, items[-1])

    def _value_of_row(self, container: Container, key: object, name: str) -> None:
        ref = container[key]
        text = text_of(self._values, ref)
        if text is not None:
            is_secret = self._is_secret_of_row(name, text)
        else:
            is_secret = type(ref) is int and bare_name(name) in words.CODES
        if is_secret:
            self._judge.judge(container, key, name, ref, self._rules.grade(name))

    def _is_secret_of_row(self, name: str, text: str) -> bool:
        is_secret = is_secret_pair(
            self._rules, ASSIGNED, name, text, is_quoted=True, in_source=False
        )
        if is_secret and not self._judge.is_label(text):
            return True
        return self._rules.says(name, text)

    def _items(self, items: list[Ref]) -> None:
        """Pairs as in headers, ("Authorization", "x"), and command lines, ["--password", "x"]."""
        self._arguments(items)
        is_pair = len(items) == 2
        for at in range(len(items) - 1):
            if is_pair or _is_option(items[at]):
                self._item_after_name(items, at + 1)

    def _item_after_name(self, items: list[Ref], at: int) -> None:
        name = text_of(self._values, items[at - 1])
        value = text_of(self._values, items[at])
        if name is None or value is None:
            return
        if " " in name:
            self._key_after_sentence(items, at, name, value)
            return
        if not self._rules.grade(name):
            return
        how = LISTED
        if name.startswith("--"):
            how = OPTION
        if is_secret_pair(self._rules, how, name, value, is_quoted=True, in_source=False):
            self._judge.judge(items, at, name, items[at], STRONG)

    def _key_after_sentence(self, items: list[Ref], at: int, sentence: str, value: str) -> None:
        """Hides a key behind a sentence that ends in its name: ValueError("bad token", "a1b2…")."""
        if len(sentence) > MOST_NAME:
            return
        before, name = sentence.rstrip(": ").rpartition(" ")[::2]
        is_of_parser = before.rpartition(" ")[2].lower() in words.PARSING
        if not is_of_parser and self._rules.grade(name) and looks.is_key(value, False):
            self._judge.judge(items, at, name, items[at], STRONG)

    def _arguments(self, items: list[Ref]) -> None:
        """A command line as a list."""
        if not commands.is_command(items):
            return
        arguments: list[str] = []
        for ref in items:
            text = text_of(self._values, ref)
            if text is None:
                return
            arguments.append(text)
        for at, start, end in commands.passwords(arguments):
            self._judge.learn_text(arguments[at][start:end], STRONG)
            if start == 0:
                self._judge.judge(items, at, "password", items[at], STRONG)


def _is_option(ref: Ref) -> bool:
    return type(ref) is str and ref.startswith("-")
