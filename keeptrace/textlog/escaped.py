"""A traceback escaped in one line, as in JSON."""

from __future__ import annotations

import re
from typing import Final

from .grammar import GROUP, HEAD, MOST_CHARACTERS

_STRING_REST: Final = re.compile(r'(?:[^"\\]|\\.)*', re.DOTALL)
_QUOTED_REST: Final = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_FIRST_ELEMENT: Final = re.compile(rf"""(["']){re.escape(HEAD)}(?:\\n)?\1, ["']""")
_ELEMENT: Final = re.compile(
    r""""(?P<double>(?:[^"\\]|\\.)*+)"(?:, )?|'(?P<single>(?:[^'\\]|\\.)*+)'(?:, )?""", re.DOTALL
)
_TEAMCITY_REST: Final = re.compile(r"(?:[^'|]|\|.)*")
_TEAMCITY_ESCAPE: Final = re.compile(r"\|(?:0x([0-9a-fA-F]{4})|(.))")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code:
        return chr(int(code, 16))
    return _ESCAPES.get(match[3], match[3])


def _up_to_quote(rest: str, before: str) -> str:
    """The traceback up to the end of its string literal. before: the character in front."""
    quoted = re.search(r'File (\\*)"', rest[:MOST_CHARACTERS])
    if quoted is None or quoted[1]:
        ending = _STRING_REST
    elif before == "'":
        ending = _QUOTED_REST
    else:
        return rest
    found = ending.match(rest)
    if found is not None:
        return found.group()
    return rest


def escaped_text(line: str) -> str | None:
    r"""The text of a traceback within one line, newlines written as \n; None without a
    traceback.
    """
    text = line
    for _ in range(3):  # JSON in JSON in JSON
        at = text.find(HEAD + "\\")
        if at < 0:
            break
        if text.endswith("  + " + GROUP, 0, at):
            at -= len("  + " + GROUP)
        rest = text[at:]
        if "File " not in rest:
            break  # a header without frames is of no use
        rest = _up_to_quote(rest, text[at - 1 : at])
        text = _ESCAPE.sub(_unescape, rest)
        if "\\u" in rest:  # a character beyond the first 65536 is escaped as two halves
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if text is line or "\n" not in text:
        return None
    return text.replace("\r\n", "\n")


def string_in(literal: str) -> str | None:
    """The string of a literal of JSON or Python; None for any other text."""
    found = _ELEMENT.fullmatch(literal)
    if found is None:
        return None
    return _ESCAPE.sub(_unescape, found["double"] or found["single"] or "")


def listed_text(line: str) -> str | None:
    """The text of a list of lines, in JSON or as Python prints a list; None without such a list."""
    first = _FIRST_ELEMENT.search(line)
    if first is None:
        return None
    lines = []
    element = _ELEMENT.match(line, first.start())
    while element is not None:
        text = element["double"] or element["single"] or ""
        lines.append(_ESCAPE.sub(_unescape, text).removesuffix("\n"))
        element = _ELEMENT.match(line, element.end())
    return "\n".join(lines)


def teamcity_text(line: str) -> str:
    """The text of a traceback within a service message of TeamCity's: newlines written as |n."""
    rest = _TEAMCITY_REST.match(line, line.index(HEAD))
    assert rest is not None  # the pattern matches any text
    return _TEAMCITY_ESCAPE.sub(_unescape_teamcity, rest.group())


def _unescape_teamcity(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return {"n": "\n", "r": ""}.get(match[2], match[2])
