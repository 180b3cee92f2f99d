"""What every translator has, and the lines that it gives."""

from __future__ import annotations

from typing import Protocol


class Translator(Protocol):
    """Reads the traceback of one tool."""

    def feed(self, line: str) -> list[str] | None:
        """The lines that a line stands for; None if the tool's traceback ended before it."""
        ...

    def finish(self) -> list[str]:
        """What is still to be said at the end."""
        ...


def place_line(file: str, line: str, name: str) -> str:
    return f'  File "{file}", line {line}, in {name.strip()}'


def source_lines(text: str) -> list[str]:
    return [f"    {text.strip()}"] if text.strip() else []
