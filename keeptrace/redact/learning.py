"""The secrets of a report, learned under secret names. report.py then searches all texts for the
learned secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..core import nodes as schema
from ..core.report import Node, Ref
from . import looks
from .secrets import spreads
from .spans import GUESS, STRONG, Span


def text_of(values: list[Node], ref: Ref) -> str | None:
    """The text of a ref; None if the ref is no text."""
    if type(ref) is str:
        return ref
    if type(ref) is list:
        node = values[ref[0]]
        if schema.kind_of(node) in schema.TEXTS:
            return schema.kept_text(node)
    return None


class Learner:
    """The secrets of a report, each with the grade of its name."""

    def __init__(self, values: list[Node], spans: Callable[[str], Iterable[Span]]) -> None:
        self.known: dict[str, int] = {}  # secret -> grade
        self._values = values
        self._spans = spans

    def learn(self, secrets: Iterable[tuple[str, int]]) -> None:
        """Notes texts with their grades."""
        for text, grade in secrets:
            self._note(text, grade)

    def learn_text(self, text: str, grade: int) -> None:
        """Notes a text, the password in a URL, and the token behind "Bearer"."""
        self._note(text, grade)
        for start, end, inner_grade in self._spans(text):
            self._note(text[start:end], inner_grade)

    def _note(self, text: str, grade: int) -> None:
        """Notes a text if a search for the text makes sense: a long and unusual text."""
        if spreads(text, grade):
            before = self.known.get(text, 0)
            self.known[text] = max(before, grade)

    def learn_object(self, node: Node) -> None:
        """Notes random-looking texts in a stand-in under a weak name, also in its repr."""
        for ref in _refs_of_object(node):
            text = text_of(self._values, ref)
            if text is not None:
                self._learn_random(text)
        for stretch in _stretches_of_object(node):
            _, _, value = stretch.rstrip("=").rpartition("=")  # name=value
            self._learn_random(value)

    def _learn_random(self, text: str) -> None:
        if looks.is_random(text):
            self.learn_text(text, STRONG)

    def learn_below(self, index: int) -> None:
        """Notes the texts below a strong name: elements of lists as if under the name itself,
        values of other keys if they look random.
        """
        seen = {index}
        waiting = [index]
        while waiting:
            node = self._values[waiting.pop()]
            for ref, grade in _named_below(node):
                text = text_of(self._values, ref)
                if text is not None:
                    self.learn_text(text, grade)
                elif _goes_on(node, ref) and ref[0] not in seen:
                    seen.add(ref[0])
                    waiting.append(ref[0])


def _goes_on(node: Node, ref: Ref) -> bool:
    """Whether the walk follows a ref; an object may lead to the whole program."""
    return type(ref) is list and schema.kind_of(node) != "object"


def _named_below(node: Node) -> Iterator[tuple[Ref, int]]:
    """The refs of a node and the texts in its repr, each with the grade of its name."""
    kind = schema.kind_of(node)
    if kind in schema.SEQUENCES:
        for ref in schema.items_of(node):
            yield ref, STRONG
    elif kind == "dict":
        for ref in schema.values_of(node):
            yield ref, GUESS
    elif kind == "object":
        for ref in _refs_of_object(node):
            yield ref, GUESS
        for stretch in _stretches_of_object(node):
            yield stretch, GUESS


def _refs_of_object(node: Node) -> list[Ref]:
    """The attributes, elements and values of a stand-in."""
    attributes = schema.attributes_of(node).values()
    return [*attributes, *schema.items_of(node), *schema.values_of(node)]


def _stretches_of_object(node: Node) -> Iterator[str]:
    """Stretches of a stand-in's repr and str that may be keys."""
    as_repr = schema.repr_of(node) or ""
    as_str = schema.extra_of(node).get("str", "")
    for text in (as_repr, as_str):
        for match in looks.letters_and_digits(text):
            yield match[0]
