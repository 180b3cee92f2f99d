"""Values under secret names in a report: which of them are hidden, and which secrets are learned.

A hidden value is visible as hidden: a "redacted" node takes its place. The node itself is emptied,
and not only the reference, so that no alias shows the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ..core import nodes as schema
from ..core.report import Node, Ref
from . import looks
from .describing import (
    EXACT_SECRETS,
    has_anything,
    is_description,
    is_in_text,
)
from .hosts import password_before_host
from .learning import Learner, text_of
from .numbers import is_card_number, is_secret_number
from .pair_judges import is_exempt
from .rules import Rules
from .spans import MARK, STRONG, WEAK, Span

if TYPE_CHECKING:
    from typing import Protocol

    class Container(Protocol):
        """A mapping of names, a list of refs, or a node: each has refs by keys."""

        def __getitem__(self, key: Any, /) -> Ref: ...
        def __setitem__(self, key: Any, ref: Ref, /) -> None: ...


# Kept of a long name in the redacted node. (characters)
MOST_NAME: Final = 60


class Judge:
    """Hides values under secret names in one report, and learns the secrets."""

    def __init__(
        self,
        values: list[Node],
        spans: Callable[[str], Iterable[Span]],
        rules: Rules,
    ) -> None:
        self.values: list[Node] = values
        self.learner: Learner = Learner(values, spans)
        self.hidden: dict[str, int] = {}  # a name -> number of values hidden under the name
        self.live_touched: bool = False
        self._spans = spans
        self._rules = rules
        # A name -> the index of its redacted node. Refs that were atoms share the node.
        self._places: dict[str, int] = {}

    def hide(self, container: Container, key: object, name: str) -> None:
        """Hides a value without a judgement, because the program marks the value as secret.

        `container[key]` is its ref.
        """
        ref = container[key]
        text = self.text_of(ref)
        if text is not None:
            self.learn_text(text, STRONG)
        elif type(ref) is list:
            self.learner.learn_below(ref[0])
        if type(ref) is list:
            self.empty(ref[0], name)
        else:
            container[key] = self.place(name)

    def text_of(self, ref: Ref) -> str | None:
        """The text of a ref; None for other values."""
        return text_of(self.values, ref)

    def judge(self, container: Container, key: object, name: str, ref: Ref, grade: int) -> None:
        """Hides the value under a name, if the value is a secret. `container[key]` is the ref."""
        if type(ref) is str:
            self._judge_text(container, key, name, ref, grade)
        elif type(ref) is int:
            self._judge_number(container, key, name, ref, grade)
        elif type(ref) is list:
            self._judge_node(ref[0], name, grade)

    def _judge_number(
        self, container: Container, key: object, name: str, number: int, grade: int
    ) -> None:
        if grade == STRONG and is_secret_number(name, number):
            self.learn_text(str(number), STRONG)
            container[key] = self.place(name)

    def _judge_node(self, index: int, name: str, grade: int) -> None:
        node = self.values[index]
        kind = schema.kind_of(node)
        if kind == "live":
            self.live_touched = self.live_touched or grade >= WEAK
            self.judge(node, schema.STAND_IN, name, schema.stand_in_of(node), grade)
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
            self.learn_text(text, grade or STRONG)
            self.empty(index, name)

    def _judge_strong_node(self, index: int, name: str) -> None:
        if has_anything(self.values[index]):
            self.learner.learn_below(index)
            self.empty(index, name)

    def _judge_text(
        self, container: Container, key: object, name: str, text: str, grade: int
    ) -> None:
        if self._is_secret(name, text, grade):
            self.learn_text(text, grade or STRONG)
            container[key] = self.place(name)

    def _is_secret(self, name: str, text: str, grade: int) -> bool:
        if is_exempt(name, text) or self._rules.keeps(text):
            return False
        if self._rules.hides(name) and text:
            return True
        if looks.is_hidden_under(grade, text) and not self.is_label(text):
            return True
        return self._rules.says(name, text)

    def is_label(self, text: str) -> bool:
        """Whether a text is the name of a secret: a form's label "Password", a field "api_key"."""
        return self._rules.grade(text) == STRONG and not looks.has_digit(text)

    def judge_card(self, container: Container, key: object, name: str, ref: Ref) -> None:
        text = self.text_of(ref)
        if type(ref) is int:
            text = str(ref)
        if text is not None and is_card_number(text):
            self.judge(container, key, name, ref, STRONG)

    def judge_host(self, container: Container, key: object, name: str) -> None:
        """Hides the password of user:password@host, and leaves the user and the host."""
        ref = container[key]
        text = self.text_of(ref)
        if text is None:
            return
        where = password_before_host(text)
        if where is None:
            return
        start, end = where
        self.learn_text(text[start:end], STRONG)
        self._count(name)
        shown = text[:start] + MARK + text[end:]
        if type(ref) is list:
            schema.put_text(self.values[ref[0]], shown)
        else:
            container[key] = shown

    def _judge_below(self, index: int, name: str, grade: int) -> None:
        """Judges the texts in plain containers under a weak name; numbers and stand-ins stay."""
        for at in self._below(index):
            node = self.values[at]
            kind = schema.kind_of(node)
            items = schema.items_of(node)
            if kind == "exact":
                if grade == WEAK and schema.name_of(node) in EXACT_SECRETS:
                    self.empty(at, name)
            elif kind == "dict":
                value_places = range(1, len(items), 2)
                self._judge_texts(items, value_places, name, grade)
            else:
                self._judge_texts(items, range(len(items)), name, grade)
                self._judge_user_and_password(items, name)

    def _judge_user_and_password(self, items: list[Ref], name: str) -> None:
        """Hides the second of two texts under `auth`, if the text is no word."""
        if len(items) != 2 or not name.lower().endswith("auth"):
            return
        user, password = map(self.text_of, items)
        if user is not None and password is not None and looks.is_unusual(password):
            self.judge(items, 1, name, items[1], STRONG)

    def _judge_texts(self, items: list[Ref], places: range, name: str, grade: int) -> None:
        """Judges the texts at these places of the items."""
        for place in places:
            ref = items[place]
            text = self.text_of(ref)
            if text is not None and looks.is_hidden_under(grade, text):
                self.judge(items, place, name, ref, grade)

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
                has_refs = schema.kind_of(self.values[below]) in schema.WITH_REFS
                if has_refs and below not in seen:
                    seen.add(below)
                    waiting.append(below)

    # -- what is learned

    def learn(self, secrets: Iterable[tuple[str, int]]) -> None:
        """Learns secrets from texts and sources."""
        self.learner.learn(secrets)

    def learn_text(self, text: str, grade: int) -> None:
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
        short = name[:MOST_NAME]
        spans = list(self._spans(short))
        for start, end, _ in reversed(spans):
            short = f"{short[:start]}...{short[end:]}"
        self.hidden[short] = self.hidden.get(short, 0) + 1
        return short
