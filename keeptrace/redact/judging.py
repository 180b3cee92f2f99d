"""Values under secret names in a report: which of them are hidden, and which secrets are learned.

A hidden value is visible as hidden: a "redacted" node takes its place. The node itself is emptied,
and not only the reference, so that no alias shows the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ..core import nodes as schema
from ..core.report import Node, Ref, Report
from . import commands, looks, words
from .describing import (
    EXACT_SECRETS,
    has_anything,
    is_description,
    is_in_text,
    is_word_table,
)
from .hosts import password_before_host
from .learning import Learner, text_of
from .numbers import bare as bare_name
from .numbers import is_card_number, is_secret_number
from .pairs import ASSIGNED, LISTED, OPTION, is_directory, is_secret_pair
from .rules import Rules
from .spans import MARK, STRONG, WEAK, Span

if TYPE_CHECKING:
    from typing import Protocol

    class Container(Protocol):
        """A mapping of names, a list of refs, or a node: each has refs by keys."""

        def __getitem__(self, key: Any, /) -> Ref: ...
        def __setitem__(self, key: Any, ref: Ref, /) -> None: ...


# Kept of a long name in the redacted node. (characters)
_MOST_NAME: Final = 60


class Judge:
    """Hides values under secret names in one report, and learns the secrets."""

    def __init__(
        self,
        report: Report,
        spans: Callable[[str], Iterable[Span]],
        rules: Rules,
    ) -> None:
        self.values: list[Node] = report["values"]
        self.learner: Learner = Learner(self.values, spans)
        self.hidden: dict[str, int] = {}  # a name -> number of values hidden under the name
        self.live_touched: bool = False
        self._report = report
        self._spans = spans
        self._rules = rules
        # A name -> the index of its redacted node. Refs that were atoms share the node.
        self._places: dict[str, int] = {}

    # -- the walk

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
        for index in range(len(self.values)):
            # Looked up each time, because the walk empties nodes on its way.
            self._node(self.values[index])

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
        places: dict[str, object] = {bare_name(name): name for name in mapping}
        is_card = not words.CARD_SIBLINGS.isdisjoint(places)
        for name, ref in mapping.items():
            self._name(mapping, name, name, ref, is_card)
        self._row(mapping, places)

    def _name(self, container: Container, key: object, name: str, ref: Ref, is_card: bool) -> None:
        grade = self._rules.grade(name)
        bare = bare_name(name)
        if bare in words.CARD_NUMBERS or (is_card and bare == "number"):
            self._judge_card(container, key, name, ref)
            return
        if bare in words.HOSTS:
            self._judge_host(container, key, name)
        if grade or self._rules.asks:
            self._judge(container, key, name, container[key], grade)

    def _pairs(self, flat: list[Ref]) -> None:
        names = [self.text_of(ref) for ref in flat[: len(flat) & ~1 : 2]]
        if is_word_table(names, flat[1::2]):
            return
        places: dict[str, object] = {
            bare_name(name): 2 * number + 1
            for number, name in enumerate(names)
            if name is not None and len(name) <= _MOST_NAME
        }
        is_card = not words.CARD_SIBLINGS.isdisjoint(places)
        is_web_key = "kty" in places
        for number, name in enumerate(names):
            at = 2 * number + 1
            if name is None:
                continue
            if is_web_key and name in words.WEB_KEY_PARTS:
                self._judge(flat, at, name, flat[at], STRONG)
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
        if type(ref) is list and schema.kind_of(self.values[ref[0]]) in ("tuple", "list"):
            ref = next(reversed(schema.items_of(self.values[ref[0]])), None)
        return self.text_of(ref)

    def _value_of_row(self, container: Container, key: object, name: str) -> None:
        ref = container[key]
        grade, value = self._rules.grade(name), self.text_of(ref)
        if value is None:
            is_secret = type(ref) is int and bare_name(name) in words.CODES
        else:
            is_secret = is_secret_pair(self._rules, ASSIGNED, name, value, True, False)
            is_secret = (is_secret and not self._is_label(value)) or self._rules.says(name, value)
        if is_secret:
            self._judge(container, key, name, ref, grade)

    def _items(self, items: list[Ref]) -> None:
        """Pairs as in headers, ("Authorization", "x"), and command lines, ["--password", "x"]."""
        self._arguments(items)
        is_pair = len(items) == 2
        for at in range(len(items) - 1):
            if is_pair or _is_option(items[at]):
                self._item_after_name(items, at + 1)

    def _item_after_name(self, items: list[Ref], at: int) -> None:
        name, value = self.text_of(items[at - 1]), self.text_of(items[at])
        if name is None or " " in name or not self._rules.grade(name):
            return
        how = LISTED
        if name.startswith("--"):
            how = OPTION
        if value is not None and is_secret_pair(self._rules, how, name, value, True, False):
            self._judge(items, at, name, items[at], STRONG)

    def _arguments(self, items: list[Ref]) -> None:
        """A command line as a list."""
        if not commands.is_command(items):
            return
        arguments: list[str] = []
        for ref in items:
            text = self.text_of(ref)
            if text is None:
                return
            arguments.append(text)
        for at, start, end in commands.passwords(arguments):
            self._learn_text(arguments[at][start:end], STRONG)
            if start == 0:
                self._judge(items, at, "password", items[at], STRONG)

    def hide(self, container: Container, key: object, name: str) -> None:
        """Hides a value without a judgement, because the program marks the value as secret.

        `container[key]` is its ref.
        """
        ref = container[key]
        text = self.text_of(ref)
        if text is not None:
            self._learn_text(text, STRONG)
        elif type(ref) is list:
            self.learner.learn_below(ref[0])
        if type(ref) is list:
            self.empty(ref[0], name)
        else:
            container[key] = self.place(name)

    # -- one value

    def text_of(self, ref: Ref) -> str | None:
        """The text of a ref; None for other values."""
        return text_of(self.values, ref)

    def _judge(self, container: Container, key: object, name: str, ref: Ref, grade: int) -> None:
        """Hides the value under a name, if the value is a secret. `container[key]` is the ref."""
        if type(ref) is str:
            self._judge_text(container, key, name, ref, grade)
        elif type(ref) is int:
            if grade == STRONG and is_secret_number(name, ref):
                self._learn_text(str(ref), STRONG)
                container[key] = self.place(name)
        elif type(ref) is list:
            self._judge_node(ref[0], name, grade)

    def _judge_node(self, index: int, name: str, grade: int) -> None:
        node = self.values[index]
        kind = schema.kind_of(node)
        if kind == "live":
            self.live_touched = self.live_touched or grade >= WEAK
            self._judge(node, schema.STAND_IN, name, schema.stand_in_of(node), grade)
        elif kind in schema.TEXTS:
            self._judge_text_node(index, name, grade)
        elif grade:
            self._judge_structure(index, name, grade)

    def _judge_structure(self, index: int, name: str, grade: int) -> None:
        """Hides a container or an object under a strong name; otherwise judges its texts."""
        node = self.values[index]
        kind = schema.kind_of(node)
        if grade == STRONG and not is_description(self.values, node):
            self._judge_strong_node(index, name)
        elif kind in schema.WITH_REFS:
            self._judge_below(index, name, min(grade, WEAK))
        elif grade == WEAK and kind == "object" and not is_in_text(node):
            self.learner.learn_object(node)

    def _judge_text_node(self, index: int, name: str, grade: int) -> None:
        text = schema.kept_text(self.values[index])
        if self._is_secret(name, text, grade):
            self._learn_text(text, grade or STRONG)
            self.empty(index, name)

    def _judge_strong_node(self, index: int, name: str) -> None:
        if has_anything(self.values[index]):
            self.learner.learn_below(index)
            self.empty(index, name)

    def _judge_text(
        self, container: Container, key: object, name: str, text: str, grade: int
    ) -> None:
        if self._is_secret(name, text, grade):
            self._learn_text(text, grade or STRONG)
            container[key] = self.place(name)

    def _is_secret(self, name: str, text: str, grade: int) -> bool:
        if is_directory(name, text) or self._rules.keeps(text):
            return False
        if self._rules.hides(name) and text:
            return True
        if looks.is_hidden_under(grade, text) and not self._is_label(text):
            return True
        return self._rules.says(name, text)

    def _is_label(self, text: str) -> bool:
        """Whether a text is the name of a secret: a form's label "Password", a field "api_key"."""
        return self._rules.grade(text) == STRONG and not looks.has_digit(text)

    def _judge_card(self, container: Container, key: object, name: str, ref: Ref) -> None:
        text = self.text_of(ref)
        if type(ref) is int:
            text = str(ref)
        if text is not None and is_card_number(text):
            self._judge(container, key, name, ref, STRONG)

    def _judge_host(self, container: Container, key: object, name: str) -> None:
        """Hides the password of user:password@host, and leaves the user and the host."""
        ref = container[key]
        text = self.text_of(ref)
        where = password_before_host(text or "")
        if text is None or where is None:
            return
        self._learn_text(text[where[0] : where[1]], STRONG)
        self._count(name)
        shown = text[: where[0]] + MARK + text[where[1] :]
        if type(ref) is list:
            schema.put_text(self.values[ref[0]], shown)
        else:
            container[key] = shown

    def _judge_below(self, index: int, name: str, grade: int) -> None:
        """Judges the texts in plain containers under a weak name; numbers and stand-ins stay."""
        for at in self._below(index):
            node = self.values[at]
            kind = schema.kind_of(node)
            step = 1
            if kind == "dict":
                step = 2
            if kind != "exact":
                self._judge_texts(schema.items_of(node), step, name, grade)
            elif grade == WEAK and schema.name_of(node) in EXACT_SECRETS:
                self.empty(at, name)

    def _judge_texts(self, items: list[Ref], step: int, name: str, grade: int) -> None:
        """Judges each text that is an element, or a value of flat pairs (step 2)."""
        for place in range(step - 1, len(items), step):
            text = self.text_of(items[place])
            if text is not None and looks.is_hidden_under(grade, text):
                self._judge(items, place, name, items[place], grade)

    def _below(self, index: int) -> Iterator[int]:
        """The plain containers that a container leads to, itself first."""
        seen = {index}
        waiting = [index]
        while waiting:
            at = waiting.pop()
            yield at
            node = self.values[at]
            if schema.kind_of(node) not in schema.CONTAINERS:
                continue
            for below in schema.indexes(schema.items_of(node)):
                if below not in seen and schema.kind_of(self.values[below]) in schema.WITH_REFS:
                    seen.add(below)
                    waiting.append(below)

    # -- what is learned

    def learn(self, secrets: Iterable[tuple[str, int]]) -> None:
        """Learns secrets from texts and sources."""
        self.learner.learn(secrets)

    def _learn_text(self, text: str, grade: int) -> None:
        self.learner.learn_text(text, grade)

    # -- what takes the place

    def place(self, name: str) -> Ref:
        """A ref to a redacted node with this name."""
        what = self._count(name)
        index = self._places.get(what)
        if index is None:
            index = self._places[what] = len(self.values)
            self.values.append(schema.redacted(what))
        return [index]

    def empty(self, index: int, name: str) -> None:
        """Replaces a value by a redacted node with this name."""
        if schema.kind_of(self.values[index]) != "redacted":
            self.values[index] = schema.redacted(self._count(name))

    def _count(self, name: str) -> str:
        short = name[:_MOST_NAME]
        for start, end, _ in reversed(list(self._spans(short))):
            short = f"{short[:start]}...{short[end:]}"
        self.hidden[short] = self.hidden.get(short, 0) + 1
        return short


def _is_option(ref: Ref) -> bool:
    return type(ref) is str and ref.startswith("-")
