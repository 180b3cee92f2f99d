"""The values of a report: follows refs, and writes each value as a line of text."""

from __future__ import annotations

from typing import Any, Final

from ..core import nodes as schema
from ..core.report import Ref, Report
from ..core.texts import shorten
from .budgets import MAX_MESSAGE, MAX_SHORT
from .node_table import NodeTable
from .nodes import MAKERS, Child, ShownValue, atom_text, exact_value, full_text, raw_text

# Nested containers in a line. (levels)
_LEVELS: Final = 4
# The title of an exception in a variable. (characters)
_MAX_TITLE: Final = 120
# An attribute's value in the line of an object's attributes. (characters)
_MAX_HELD: Final = 40
# A shorter line has no room for attributes. (characters)
_MIN_ATTRIBUTES: Final = 20


class ShownValues(NodeTable):
    """The values of a report, each made when a view first asks for the value."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self._made: dict[int, ShownValue] = {}  # a view reads few values, some repeatedly
        self._titles: list[tuple[int, str]] = []

    def name_exceptions(self, titles: list[tuple[int, str]]) -> None:
        """Sets the numbers and titles to show for exceptions in variables."""
        self._titles = titles
        self._made.clear()

    def _make(self, index: int) -> ShownValue:
        node = self._nodes[index]
        kind = schema.kind_of(node)
        value = self._made[index] = MAKERS[kind](self, node)
        if kind == "exception" and self._titles:
            number, title = self._titles[schema.exception_of(node)]
            value.text = f"<exception [{number}] {shorten(title, _MAX_TITLE)}>"
            value.type = shorten(title.partition(":")[0], MAX_SHORT)
        return value

    def value(self, ref: Ref) -> ShownValue:
        if type(ref) is list:
            return self._made.get(ref[0]) or self._make(ref[0])
        value = ShownValue(type(ref).__name__, atom_text(ref))
        if type(ref) is str:
            value.full = full_text(ref)
        return value

    def children(self, ref: Ref) -> list[Child]:
        if type(ref) is list:
            return self.value(ref).children
        return []

    def exception_at(self, ref: Ref) -> int | None:
        """The index of the exception at a ref; None for any other value."""
        if type(ref) is not list:
            return None
        node = self.node(ref)
        if schema.kind_of(node) != "exception":
            return None
        return schema.exception_of(node)

    def text(self, ref: Ref, most: int = 200) -> str:
        """A line of at most `most` characters."""
        writer = _LineWriter(self, most)
        writer.write(ref, ())
        return shorten("".join(writer.parts), most)

    def attributes(self, ref: Ref, most: int = 120) -> str:
        """A line of the attributes, for an object with the default repr; empty for other values."""
        value = self.value(ref)
        if not value.is_default or not value.children or most < _MIN_ATTRIBUTES:
            return ""
        parts: list[str] = []
        for child in value.children:
            if sum(map(len, parts)) > most:
                break
            parts.append(self._prefix(child) + self.text(child.ref, _MAX_HELD))
        return shorten(", ".join(parts), most)

    def _prefix(self, child: Child) -> str:
        if child.kind == "attribute":
            return f"{child.label}="
        if child.kind == "pair":
            return f"{self.text(child.key, _MAX_HELD)}: "
        return ""

    def built(self, ref: Ref) -> Any:
        """An atom, or a value of the standard library made of atoms.

        For any other value, returns an object with the value's text as repr.
        """
        if type(ref) is not list:
            return ref
        node = self.node(ref)
        kind = schema.kind_of(node)
        if kind in schema.TEXTS and schema.is_whole(node):
            return raw_text(kind, schema.kept_text(node))
        if kind == "exact":
            found = exact_value(self, node)
            if found is not None:
                return found
        value = self.value(ref)
        if kind == "object" and value.text is not None:
            return PrintsAs(schema.extra_of(node).get("str", value.text))
        return PrintsAs(self.text(ref, MAX_MESSAGE))


class PrintsAs:
    """Replaces a missing argument in the text of a message."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class _LineWriter:
    """Writes a value in a line, and stops when the line is full."""

    def __init__(self, values: ShownValues, most: int) -> None:
        self._values = values
        self.left = most
        self.parts: list[str] = []

    def put(self, text: str) -> None:
        self.parts.append(text[: max(self.left, 0) + 1])
        self.left -= len(text)

    def write(self, ref: Ref, active: tuple[int, ...]) -> None:
        """active: the containers around the place, by index."""
        if type(ref) is str:
            self.put(atom_text(ref[: self.left + 1]))
            return
        value = self._values.value(ref)
        if value.text is not None:
            self.put(value.text)
        elif ref[0] in active or (len(active) >= _LEVELS and value.children):
            self.put(f"{value.brackets[0]}...{value.brackets[1]}")
        else:
            self._container(value, (*active, ref[0]))

    def _container(self, value: ShownValue, active: tuple[int, ...]) -> None:
        opening, closing = value.brackets
        self.put(opening)
        for at, child in enumerate(value.children):
            if self.left <= 0:
                break
            if at:
                self.put(", ")
            if child.kind == "pair":
                self.write(child.key, active)
                self.put(": ")
            self.write(child.ref, active)
        if value.missing:
            separator = ""
            if value.children:
                separator = ", "
            self.put(f"{separator}... {value.missing} more")
        elif value.type == "tuple" and value.length == 1:
            self.put(",")
        self.put(closing)
