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
# Elements of XML end so.
ELEMENT_HINT: Final = "</"
# An error of pydantic's: the field's name in a line, then its input in the next.
ERROR_HINT: Final = "input_value="

_SOURCES: Final = {
    "name": r"""[bBuU]?\\{0,3}["']?([\w./:-]{2,100}+)(?![(])""",
    # The record ends at a bracket, at the next item of a list, and at an empty line.
    "end": r"[{}<>]|\n[ \t]{0,80}-[ \t]|\n[ \t]{0,80}\n",
    # CDATA may be around the value.
    "element": r"<(?:\w{1,30}:)?(\w[\w.-]{1,60}+)(\s[^<>]{1,200}+)?>\s{0,20}+(?:<!\[CDATA\[)?+"
    r"([^<>\s\]]{1,2000}+)\s{0,20}+(?:\]\]>)?</",
    "attribute": r"\b(?:name|key)\s?=\s?[\"']([^\"']{1,100})",
    "siblings": r"<(?:name|key|k)>\s{0,20}+([\w.:-]{1,100}+)\s{0,20}+</\w{1,9}>\s{0,80}+"
    r"<(?:value|string|val|v)>\s{0,20}+([^<>]{1,2000}+)<",
    # ENV DB_PASSWORD x; setenv DB_PASSWORD x; remote_password x
    "setting": r"(?m)^[ \t]{0,40}+(?:(ENV|SetEnv|setenv|set -g?x|proxy_set_header|fastcgi_param)"
    r"[ \t]{1,8}+)?+([A-Za-z][\w.-]{3,80}+)[ \t]{1,40}+([\"']?)([^\s\"';]{6,200}+)\3;?[ \t]*+\r?$",
    "compound": r"[a-z0-9][A-Z]|[_.-]|requirepass|masterauth",
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
        self._is_block = False  # whether the record is what stands in braces under the name

    def open(self, name: str, at: int) -> None:
        """Begins a record at `at` for a block under a secret name: db_password = {value = "x"}."""
        self._name = name
        self._end = at
        self._is_block = True

    def name_of(self, member: str, at: int) -> str | None:
        """The secret name of the value at `at`, if `member` holds the record's value.

        A member that holds a name begins a record.
        """
        known = bare(member)
        if known in words.ROW_NAMES:
            found = _made("name").match(self._text, at)
            if found is not None:
                self._name, self._is_block = "", False
                if self._rules.grade(found[1]):
                    self._name = found[1]
                self._end = found.end()
        elif self._name and self._has_value(known) and self._goes_on(at):
            return self._name
        return None

    def _has_value(self, member: str) -> bool:
        return member in words.ROW_VALUES or (self._is_block and member == "default")

    def _goes_on(self, at: int) -> bool:
        if at - self._end > _MOST_BETWEEN:
            return False
        return _made("end").search(self._text, self._end, at) is None


def elements(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """The elements of XML with a name and a value: <password kind="x">, <string name="api_key">,
    <name>api_key</name><value>. One word alone is a value: a heading has more.
    """
    for found in _made("element").finditer(text):
        name = found[1]
        named = _made("attribute").search(found[2] or "")
        if named is not None:
            name = named[1]
        yield name, found.span(3)
    for found in _made("siblings").finditer(text):
        yield found[1], found.span(2)


def settings(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """The lines that are a name of several words and a value, and those that set a variable."""
    for found in _made("setting").finditer(text):
        if found[1] is not None or _made("compound").search(found[2]) is not None:
            yield found[2], found.span(4)


def inputs(text: str) -> Iterator[tuple[str, bool, tuple[int, int]]]:
    """The fields in pydantic's errors: the name, whether the input is quoted, where it is."""
    for found in _made("error").finditer(text):
        yield found[1], bool(found[2]), found.span(3)
