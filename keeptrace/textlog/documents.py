"""Exports of clouds: one JSON document over many lines, with a list of records.

`gcloud logging read --format=json` and `aws logs filter-log-events` write such files. The lines are
kept until the document is whole; a text that is none is given back line by line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

# A longer document is read line by line. (characters)
_MOST_DOCUMENT: Final = 64 << 20
# So many lines that may end a document are tried; each takes a reading of all lines.
_MOST_ENDS: Final = 3
# How deep in a document its list of records is: {"hits": {"hits": [...]}}. (levels)
_MOST_LEVELS: Final = 4

_OPENS: Final = frozenset(("[", "{", "[{"))
_CLOSES: Final = frozenset(("]", "}", "}]"))


class Document:
    """The lines of a document that may begin with the first line of a log."""

    def __init__(self) -> None:
        self.is_open: bool = False
        self._lines: list[str] = []
        self._size = 0
        self._ends = 0
        self._is_closed = False

    def begins(self, line: str) -> bool:
        """Whether the first line of the log may open a document."""
        return not self._is_closed and line.rstrip() in _OPENS

    def feed(self, line: str) -> object:
        """The document, once `line` has ended it; None before."""
        self.is_open = True
        self._lines.append(line)
        self._size += len(line)
        if line.rstrip() not in _CLOSES:
            return None
        self._ends += 1
        try:
            return json.loads("\n".join(self._lines))
        except (ValueError, RecursionError):
            return None

    @property
    def is_too_long(self) -> bool:
        """Whether the lines are no document, or too long a one."""
        return self._size > _MOST_DOCUMENT or self._ends >= _MOST_ENDS

    def lines(self) -> list[str]:
        """The lines that were kept; the document is closed."""
        lines, self._lines = self._lines, []
        self.is_open, self._is_closed = False, True
        return lines


def records_in(value: object, level: int = 0) -> Iterator[dict[str, Any]]:
    """The records of the lists in a document."""
    if level > _MOST_LEVELS:
        return
    if type(value) is dict:
        for inner in value.values():
            if type(inner) in (dict, list):
                yield from records_in(inner, level + 1)
    elif type(value) is list:
        yield from (item for item in value if type(item) is dict)
