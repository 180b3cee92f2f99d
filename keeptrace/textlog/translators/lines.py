"""The interface of translators, and the lines of a translation."""

from __future__ import annotations

from typing import Protocol


class Translator(Protocol):
    """Reads a tool's traceback."""

    def feed(self, line: str) -> list[str] | None:
        """The translation of a line; None if the tool's traceback has ended before the line."""
        ...

    def finish(self) -> list[str]:
        """Remaining lines at the end."""
        ...


def place_line(file: str, line: str, name: str) -> str:
    return f'  File "{file}", line {line}, in {name.strip()}'


def source_lines(text: str) -> list[str]:
    if text.strip():
        return [f"    {text.strip()}"]
    return []
