"""What a function that writes one kind of repr may ask of the writer (reprs.Writer)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol


class TextWriter(Protocol):
    """Collects the parts of one text, up to a bound."""

    left: int  # characters

    def put(self, text: str) -> None:
        """Writes a text as it is."""

    def write(self, value: object, lead: str = "") -> None:
        """Writes `lead`, then the repr of any value."""

    def items(self, found: Iterable[object]) -> None:
        """Writes the reprs of elements, with commas."""

    def pairs(self, found: Iterable[tuple[Any, Any]]) -> None:
        """Writes {key: value, ...}."""

    def fields(self, name: str, pairs: Iterable[tuple[str, Any]]) -> None:
        """Writes name(field=value, ...)."""

    def call(self, name: str, *parts: str | Callable[[], object]) -> None:
        """Writes name(parts). A part is a text, or a function that writes the part."""

    def state(self, value: object) -> None:
        """Writes type, elements and attributes, in place of the program's own repr."""

    def tell(self, value: object) -> None:
        """Follows a plain __repr__; otherwise writes the state."""

    def by_user(self, value: object, cls: type) -> None:
        """Writes the repr that needs the program's code, as the options say."""

    def follow(self, function: object, value: object) -> str:
        """The result of a plain `function(value)`. Raises NotPlain."""
