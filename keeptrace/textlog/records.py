"""The records of one log: the record in front of a traceback shows what the next one looks like."""

from __future__ import annotations

import functools
import re
from typing import Final

_LEVELS: Final = r"\b(?:TRACE|DEBUG|INFO|NOTICE|SUCCESS|WARN|WARNING|ERROR|CRITICAL|FATAL)\b"
_LEVEL: Final = re.compile(_LEVELS)
# A level further behind is a word of the message. (characters)
_MOST_BEFORE: Final = 120
_PARTS: Final = re.compile(r"(?P<word>\w[\w.-]*)|(?P<space>\s+)|.", re.DOTALL)


@functools.lru_cache(64)
def shape_of_record(line: str) -> re.Pattern[str] | None:
    """A pattern for the beginnings of records like this, with any words in front of the level.

    None for a line without a level, or with the level at its beginning: grammar.RECORDS has these.
    """
    level = _LEVEL.search(line, 0, _MOST_BEFORE)
    if level is None or not line[: level.start()].strip():
        return None
    parts = []
    for part in _PARTS.finditer(line, 0, level.start()):
        if part["word"]:
            parts.append(r"\w[\w.-]*")
        elif part["space"]:
            parts.append(r"\s+")
        else:
            parts.append(re.escape(part.group()))
    return re.compile("".join(parts) + _LEVELS)
