"""Lists of lines in JSON: the lines of a traceback, or Loki's lines of a log, with times."""

from __future__ import annotations

from typing import Any

from .grammar import HEAD


class TimedLines(list[str]):
    """The lines of a log, which goes on behind a traceback."""


def text_of_list(value: object) -> str | None:
    """The text of a list of a traceback's lines; None for any other list."""
    if type(value) is not list or any(type(item) is not str for item in value):
        return None
    if not any("most recent call" in item for item in value):
        return None
    return "\n".join([line.rstrip("\n") for line in value]).rstrip("\n")


def timed_lines(value: object) -> TimedLines | None:
    """The lines of a list of times and lines; None for a list without a traceback's header."""
    if type(value) is not list or not all(_is_timed(item) for item in value):
        return None
    if not any(HEAD in item[1] for item in value):
        return None
    return TimedLines(item[1] for item in sorted(value, key=_time_of))  # the newest may come first


def _is_timed(item: object) -> bool:
    """Whether an item is the time of a line, and the line."""
    if type(item) is not list or [type(part) for part in item[:2]] != [str, str]:
        return False
    return "\n" not in item[1].rstrip("\n")


def _time_of(item: list[Any]) -> str:
    return str(item[0])
