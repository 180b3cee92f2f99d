"""Parameters of an SQL statement in a message; their names are in the statement.

SQLAlchemy and others write: [SQL: INSERT INTO users (name, password) VALUES (?, ?)] [parameters:
('bob', 'secret')]. The values may also be in the statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Final

from .looks import is_template
from .names import grade
from .spans import STRONG, Span

HINTS: Final = ("parameters", "insert", "replace into")
# The first rows are enough: a message shows no more. (rows)
_MOST_ROWS: Final = 100


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    sources = {
        "insert": r"(?i)\b(?:INSERT|REPLACE)\s+(?:\w+\s+)?INTO\s+[\w.\"`\[\]]{1,200}\s*"
        r"\(([^()]{1,4000})\)\s*VALUES\s*",
        "assigned": r"[\"`\[]?(\w{1,80})[\"`\]]?\s*=\s*(?:\?|%s|\$\d+|:\d+)",
        "parameters": r"(?i)\bparameters:\s*",
        "item": r"\s*(?:[bBuU]?'((?:[^'\\]|\\.)*+)'|[bBuU]?\"((?:[^\"\\]|\\.)*+)\""
        r"|[^,()\[\]'\"]+)\s*",
    }
    return {name: re.compile(source) for name, source in sources.items()}


def spans(text: str) -> Iterator[Span]:
    """Where the parameters of a statement are secrets by the names of their columns."""
    patterns = _patterns()
    last = 0
    for match in patterns["parameters"].finditer(text):
        secret = [grade(column) == STRONG for column in _columns(text[last : match.start()])]
        last = match.end()
        if any(secret):
            yield from _secret_items(text, last, secret)
    yield from _values(text)


def _values(text: str) -> Iterator[Span]:
    """Where an INSERT has the values of secret columns."""
    for insert in _patterns()["insert"].finditer(text):
        secret = [grade(name) == STRONG for name in _names_of(insert)]
        if any(secret):
            yield from _secret_items(text, insert.end(), secret)


def _secret_items(text: str, at: int, secret: list[bool]) -> Iterator[Span]:
    """Where the rows behind a place have the values of secret columns."""
    items = islice(_items(text, at), len(secret) * _MOST_ROWS)
    for number, start, end in items:
        is_secret = secret[number % len(secret)]
        if is_secret and not is_template(text[start:end]):
            yield start, end, STRONG


def _names_of(insert: re.Match[str]) -> list[str]:
    return [name.strip(' \n\t"`[]') for name in insert[1].split(",")]


def columns_of_insert(statement: str) -> list[str]:
    """The names of the columns of an INSERT, in their order; none for another statement."""
    insert = _patterns()["insert"].search(statement)
    if insert is None:
        return []
    return _names_of(insert)


def _columns(statement: str) -> list[str]:
    """The names of a statement's parameters, in their order."""
    return columns_of_insert(statement) or _patterns()["assigned"].findall(statement)


def _items(text: str, at: int) -> Iterator[tuple[int, int, int]]:
    """Number and place of each quoted item of a list of parameters."""
    item = _patterns()["item"].match
    number = 0
    while at < len(text):
        if text[at] in "([, \t\n":
            at += 1
            continue
        match = item(text, at)
        if match is None:
            return
        if match.lastindex:
            yield number, *match.span(match.lastindex)
        number += 1
        at = match.end()
        if text[at : at + 1] not in (",", ")") or text[at : at + 2] == ")]":
            return
        at += 1
