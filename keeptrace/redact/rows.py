"""Records that hold a name and its value as two members: {"name": "DB_PASSWORD", "value": "x"}.

The members are those of words.ROW_NAMES and words.ROW_VALUES. pairs.py reads records of a text with
this, sources.py those of a source; walk.py reads the same of values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from . import words
from .numbers import bare
from .rules import Rules

# A value farther behind its name is another record's. (characters)
_MOST_BETWEEN: Final = 300
# An error of pydantic's: the field's name in a line, then its input in the next.
ERROR_HINT: Final = "input_value="

_SOURCES: Final = {
    "name": r"""[bBuU]?\\{0,3}["']?([\w./:-]{2,100}+)(?![(])""",
    # The record ends at a bracket, at the next item of a list, and at an empty line.
    "end": r"[{}<>]|\n[ \t]{0,80}-[ \t]|\n[ \t]{0,80}\n",
    "error": r"(?m)^(?:[\w-]{1,100}\.)*+([\w-]{1,100})\n {2}[^\n]{1,400}?"
    r"\[type=\w{1,60}, input_value=([bB]?['\"]?)([^\n]{1,200}?)\2, input_type=",
}


@cache
def _made(name: str) -> re.Pattern[str]:
    return re.compile(_SOURCES[name])


class Record:
    """The newest record of one text."""

    def __init__(self, text: str, rules: Rules) -> None:
        self._text = text
        self._rules = rules
        self._name = ""  # the secret name that the record holds
        self._end = 0  # where the name ends

    def name_of(self, member: str, at: int) -> str | None:
        """The secret name of the value at `at`, if `member` holds the record's value.

        A member that holds a name begins a record.
        """
        known = bare(member)
        if known in words.ROW_NAMES:
            found = _made("name").match(self._text, at)
            if found is not None:
                self._name = ""
                if self._rules.grade(found[1]):
                    self._name = found[1]
                self._end = found.end()
        elif self._name and known in words.ROW_VALUES and self._goes_on(at):
            return self._name
        return None

    def _goes_on(self, at: int) -> bool:
        if at - self._end > _MOST_BETWEEN:
            return False
        return _made("end").search(self._text, self._end, at) is None


def inputs(text: str) -> Iterator[tuple[str, bool, tuple[int, int]]]:
    """The fields in pydantic's errors: the name, whether the input is quoted, where it is."""
    for found in _made("error").finditer(text):
        yield found[1], bool(found[2]), found.span(3)
