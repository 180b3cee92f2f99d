"""Secrets in source: literals under a secret name, and texts within literals and comments.

A source keeps its lines, and each line its length in bytes, because the positions of frames count
bytes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

from . import looks, rows, words
from .pair_judges import ASSIGNED, LISTED, is_exempt, is_secret_pair
from .rules import Rules
from .spans import STRONG, WEAK, Span, merged

# The code in front of a literal to search for its name. (characters)
_BEFORE: Final = 160

# Behind a separator: password = "-".join(words)
_JOINS: Final = ".join("

_SOURCES: Final = {
    "literal": r'''"""(?:[^"\\]|\\.|"(?!""))*+(?:"""|\Z)'''
    r"""|\'\'\'(?:[^'\\]|\\.|'(?!''))*+(?:\'\'\'|\Z)"""
    r"""|"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?|\#[^\n]*+""",
    "assigned": r"([\w.]{1,80})\Z",
    "annotated": r"(\w{1,80})[ \t]*:[ \t]*"
    r"(?:[\w. |]|\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\])+\Z",
    "fallback": r"(\w{1,80})\s*=[^=\n'\"#]{0,120}\bor\s*\Z",
    # option("--password", default="x"), config("SECRET_KEY", default="x")
    "default": r"\s*,\s*default\s*=\s*",
    "wrapped": words.WRAPPERS + r"\Z",
    "looked_up": r"\b(?:getattr|hasattr|replace|pop|startswith|endswith|index|find)"
    r"\([^()]*\Z",
    "formats": r"%(?:\(\w+\))?[a-z]|\{\w*\}",
    "table": r"""['"](?:{})['"]\s*:""".format("|".join(sorted(words.TABLE_WORDS))),
}


class Source:
    """A source without its secrets.

    hidden: how many places. secrets: the secrets, with their grades.
    """

    __slots__ = ("hidden", "secrets", "text")

    def __init__(self, text: str, hidden: int, secrets: tuple[tuple[str, int], ...]) -> None:
        self.text: str = text
        self.hidden: int = hidden
        self.secrets: tuple[tuple[str, int], ...] = secrets


@cache
def _made(name: str) -> re.Pattern[str]:
    return re.compile(_SOURCES[name], re.DOTALL)


def spans(
    text: str,
    hits: list[int],
    within: Callable[[str], Iterable[Span]],
    rules: Rules,
) -> list[Span]:
    """Where a source has secrets.

    hits: where a name or a shape may be, in their order.
    within: the secrets in the text of a literal or comment.
    """
    scan = _SourceScan(text, hits, within, rules)
    for literal in _made("literal").finditer(text):
        scan.read(literal)
    return merged(scan.spans)


class _SourceScan:
    """Reads a source, literal by literal."""

    def __init__(
        self,
        text: str,
        hits: list[int],
        within: Callable[[str], Iterable[Span]],
        rules: Rules,
    ) -> None:
        self.spans: list[Span] = []
        self._text = text
        self._hits = hits
        self._within = within
        self._rules = rules
        # The previous literal: its text, its place, the grade of its name, whether a list goes on.
        self._last = ""
        self._last_start = 0
        self._last_end = 0
        self._grade = 0
        self._in_list = False
        self._record = rows.Record(text, rules)

    def read(self, literal: re.Match[str]) -> None:
        start, end = literal.span()
        if not self._is_near_a_hit(start, end):
            self._last, self._last_start, self._last_end, self._in_list = "", start, end, False
            return
        body = literal[0]
        if body[0] == "#":
            self._add_within(start, body)
            return
        size = 1
        if body[:3] in ('"""', "'''"):
            size = 3
        is_closed = len(body) >= 2 * size and body.endswith(body[:size])
        tail = 0
        if is_closed:
            tail = size
        inside = body[size : len(body) - tail]
        name, how = self._name_of(start)
        self._last, self._last_start, self._last_end = inside, start, end
        if self._is_secret(name, how, inside, end):
            self.spans.append((start + size, end - tail, self._grade))
        else:
            self._add_within(start + size, inside)

    def _is_near_a_hit(self, start: int, end: int) -> bool:
        if self._rules.asks or self._grade:
            return True
        first = max(start - _BEFORE, self._last_end - len(self._last) - 3)
        at = bisect_left(self._hits, first)
        return at < len(self._hits) and self._hits[at] < end

    def _add_within(self, offset: int, text: str) -> None:
        self.spans += [
            (offset + start, offset + end, found) for start, end, found in self._within(text)
        ]

    def _name_of(self, start: int) -> tuple[str, str]:
        """The literal's name, from the code in front of the literal, and the kind of joint.

        Sets the literal's grade.
        """
        gap = self._text[max(self._last_end, start - _BEFORE) : start].rstrip("rbufRBUF")
        bare = gap.strip()
        if bare in ("", "\\", "+"):  # "a" "b" is a single literal
            if not self._last_end or start == self._last_end:
                self._grade = 0
            return "", ASSIGNED
        if bare == "," and self._in_list:
            return "", ASSIGNED
        name, how = self._new_name(gap, start)
        self._grade = 0
        if name:
            self._grade = self._rules.grade(name)
        return name, how

    def _new_name(self, gap: str, start: int) -> tuple[str, str]:
        """The name, and the kind of joint, of a literal that continues no other literal."""
        previous = ""
        if start - self._last_end < _BEFORE:
            previous = self._last
        if previous and _made("default").fullmatch(gap) is not None:
            self._in_list = False
            return previous, ASSIGNED
        name, how, self._in_list = self._name_before(gap, previous)
        if how == LISTED and self._is_looked_up():
            return "", how
        if how == ASSIGNED:
            name = self._record.name_of(name, start) or name
        return name, how

    def _is_looked_up(self) -> bool:
        """Whether the name in front is an argument of getattr() or the like; the literal is a
        default then.
        """
        before = self._text[max(0, self._last_start - _BEFORE) : self._last_start]
        return _made("looked_up").search(before) is not None

    def _is_secret(self, name: str, how: str, inside: str, end: int) -> bool:
        """end: where the literal ends."""
        if not inside or self._text.startswith(_JOINS, end):
            return False
        is_judged = self._grade and not inside.startswith("{") and not self._is_in_table()
        if is_judged and self._is_secret_literal(how, name, inside):
            return True
        if name and self._rules.says(name, inside):
            self._grade = STRONG
            return True
        return False

    def _is_in_table(self) -> bool:
        """Whether the literals around are the keys of a table of words."""
        around = self._text[max(0, self._last_start - _BEFORE) : self._last_end + _BEFORE]
        return _made("table").search(around) is not None

    def _name_before(self, gap: str, previous: str) -> tuple[str, str, bool]:
        """The literal's name, from the code in front; the kind of joint; whether the literal opens
        a list.
        """
        gap = gap.rstrip()
        wrapped = _made("wrapped").search(gap)
        if wrapped is not None:
            gap = gap[: wrapped.start()].rstrip()
        opens = gap.endswith(("(", "["))
        between = "\\ \t\r\n"
        if opens:
            between += "(["
        code = gap.rstrip(between)
        last = code[-1:]
        if last == "=":
            return self._name_assigned(code, previous), ASSIGNED, opens
        if last == ":" and not code[:-1].strip():
            return previous, ASSIGNED, opens  # {"password": "x"}
        if last == "," and not code[:-1].strip():
            return previous, LISTED, False  # getenv("PASSWORD", "x")
        if last == "r":
            fallback = _made("fallback").search(code)
            if fallback is not None:
                return fallback[1], ASSIGNED, False  # password = given or "x"
        return "", ASSIGNED, False

    def _name_assigned(self, code: str, previous: str) -> str:
        left = code[code.rfind("\n") + 1 :].rstrip("=!: \t")
        if left.lstrip("'\" \t\r\n") in ("]", ""):
            return previous  # environ["PASSWORD"] = "x"
        found = (_made("annotated").search(left), _made("assigned").search(left))
        return max(
            (match[1] for match in found if match is not None), key=self._rules.grade, default=""
        )

    def _is_secret_literal(self, how: str, name: str, inside: str) -> bool:
        rules, found = self._rules, self._grade
        if how == LISTED:
            return is_secret_pair(rules, how, name, inside, True, True)
        if rules.hides(name):
            return True
        if is_exempt(name, inside) or rules.keeps(inside):
            return False
        if rules.grade(inside) and not looks.has_digit(inside):
            return False  # PASSWORD = "password": the name of a field or header
        is_ordinary = _ORDINARY.get(found)
        if is_ordinary is not None and is_ordinary(inside):
            return False
        return looks.is_hidden_under(found, inside)


def _is_prompt(inside: str) -> bool:
    """Whether a literal is a message, or a format: password = getpass("Enter the password: "),
    user_pass = "%s:%s".
    """
    if "%" in inside or "{" in inside:
        plain = _made("formats").sub("", inside)
        if not (looks.has_letter(plain) or looks.has_digit(plain)):
            return True
    return " " in inside.strip() and inside.rstrip()[-1:] in ":?." and not looks.has_digit(inside)


def _is_code(inside: str) -> bool:
    """Whether a literal is a word of code: token = "import", auth = "%s:%s", SERVER_AUTH =
    "1.3.6.1".
    """
    plain = _made("formats").sub("", inside)
    word = plain.replace(".", "")
    if not plain or word.isdigit():
        return True
    if word.isidentifier() and len(word) < 12 and not looks.is_unusual(word):
        return True
    return " " in plain and not looks.has_digit(plain)  # "Basic %s"


# The grade of a name -> whether a literal under the name is no secret.
_ORDINARY: Final[dict[int, Callable[[str], bool]]] = {STRONG: _is_prompt, WEAK: _is_code}
