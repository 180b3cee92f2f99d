"""Kubernetes' manifests of the kind Secret in a text of YAML or JSON: all their data is secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from .spans import STRONG, Span

HINTS: Final = ("secret",)
# More of one member is not read. (characters)
_MOST_DATA: Final = 100_000

_SOURCES: Final = {
    "kind": r"\\{0,3}[\"']?kind\\{0,3}[\"']?[ \t]{0,4}:\s{0,4}\\{0,3}[\"']?Secret\b(?![\w-])",
    "member": r"(?m)^([ \t]{0,40})(?:data|stringData):[ \t]{0,8}\n",
    "line": r"([ \t]{1,80})(?:[\w./-]{1,200}:[ \t]{0,8})?([^\n]{0,100000})\n?",
    "object": r"\\{0,3}[\"'](?:data|stringData)\\{0,3}[\"']\s{0,4}:\s{0,4}\{",
    "value": r":\s{0,4}(\\{0,3})\"((?:[^\"\\]|\\[^\"])*+)",
    "document": r"(?m)^---",
}


@cache
def _made(name: str) -> re.Pattern[str]:
    return re.compile(_SOURCES[name])


def spans(text: str) -> Iterator[Span]:
    """Where the manifests of a text have the data of secrets."""
    if _made("kind").search(text) is None:
        return
    start = 0
    for end in (*(match.start() for match in _made("document").finditer(text)), len(text)):
        if _made("kind").search(text, start, end) is not None:
            yield from _of_yaml(text, start, end)
            yield from _of_json(text, start, end)
        start = end


def _of_yaml(text: str, start: int, end: int) -> Iterator[Span]:
    for member in _made("member").finditer(text, start, end):
        at = member.end()
        while (line := _made("line").match(text, at, end)) is not None:
            if len(line[1]) <= len(member[1]):
                break
            if line[2].strip() not in ("", "|", "|-", ">", ">-", "{}", "null"):
                yield *line.span(2), STRONG
            at = line.end()


def _of_json(text: str, start: int, end: int) -> Iterator[Span]:
    for member in _made("object").finditer(text, start, end):
        begin = member.end()
        close = text.find("}", begin, min(end, begin + _MOST_DATA))
        if close < 0:
            continue
        for value in _made("value").finditer(text, begin, close):
            if value[2]:
                yield *value.span(2), STRONG
