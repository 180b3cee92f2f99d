"""Values of secret names in a text: `password=x`, "token": "x", --password x, Authorization: x,
<password>x</password>.

One regular expression finds a name and its joint with a value. The text after the joint decides how
to read the value: a quote, a header's line, an element, or a bare word. Time is linear: names and
gaps are bounded, and unbounded parts are possessive.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final

from . import looks, rows, words
from .names import grade
from .numbers import bare, is_card_number
from .rules import Rules
from .spans import GUESS, MARK, STRONG, WEAK, Span

# A shorter number under a quoted name counts words. (digits)
_LEAST_DIGITS: Final = 6

# How a name and a value are joined.
ASSIGNED: Final = "A"  # password=x, "password": "x", password => x, <password>
LISTED: Final = "B"  # "password", "x"
IN_PROSE: Final = "C"  # the password is x, password "x"
OPTION: Final = "D"  # --password x

_SOURCES: Final = {
    "pair": r"""(?<![\w-])(-{0,2}+\w[\w.-]{1,80}+)
        (?: (?P<A> (?: \\{0,3}["'] )?+ \]?+ [ \t]{0,8}+
                   (?: => | [!=]?=?=(?!>) | :=? | %3[dD] ) \s{0,8}+
                   (?: [\[(]\s{0,4}+ )?+ (?: [A-Za-z_][\w.]{0,40}+\((?=[bBuU]?["']) )?+
            | \\{0,3}["']\s{1,4}value=
            | \\{0,3}["'][ ]{0,4}(?:\r?\n[\w-]{1,40}:[^\r\n]{0,120}){0,3}\r?\n\r?\n
            | > )
          | (?P<B> \\{0,3}["']\s{0,4},\s{0,4}(?=[bBuU]?\\{0,3}["']) )
          | (?P<C> [ ]{1,4}(?:is|was)[ ]{1,4} | [ ]{1,4}(?=["']) )
          | (?P<D> [ ]{1,4}+(?![-<\[]) ) )""",
    "quote": r"[bBuUrR]{0,2}+(\\{0,3}+[\"'])",
    "double": r'(?:[^"\\]|\\.)*+(?=")',
    "single": r"(?:[^'\\]|\\.)*+(?=')",
    "bare": r"""[^\s"'`,;&)\]}]++""",
    "element": r"[^<\n]{1,2000}",
    "line": r"""[^\r\n"'\\]{1,1000}""",
    "rest": r"[^\r\n]{1,1000}",
    "next_item": r"\\{0,3}[\"']\s{0,4},\s{0,4}[bBuU]?(\\{0,3}[\"'])",
    "expression": r"\\+[wdsSWDbB]|\[[\w^\\]|\(\?|\.[*+]",
}


@cache
def _made(name: str) -> re.Pattern[str]:
    flags = re.VERBOSE | re.DOTALL if name == "pair" else re.DOTALL
    return re.compile(_SOURCES[name], flags)


def is_secret_pair(
    rules: Rules, how: str, name: str, value: str, is_quoted: bool, in_source: bool
) -> bool:
    """Whether a name's value in a text is a secret. in_source: bare words are likely code."""
    found = rules.grade(name.strip("-"))
    if not found or looks.is_placeholder(value) or is_directory(name, value) or rules.keeps(value):
        return False
    if rules.hides(name.strip("-")):
        return True
    return _JUDGES[how](found, name.strip("-").lower(), value, is_quoted, in_source)


def is_directory(name: str, value: str) -> bool:
    """Whether this is the shell's PWD or OLDPWD with a path."""
    return name.lower() in words.DIRECTORIES and "/" in value[:3]


def _is_secret_option(found: int, name: str, value: str, is_quoted: bool, in_source: bool) -> bool:
    if found < WEAK or value.startswith("-"):
        return False
    if value.lower().replace("-", "_") == name.replace("-", "_"):
        return False  # --password PASSWORD
    if value in words.METAVARS:
        return False
    return found == STRONG or len(value) >= 4


def _is_option(name: str, value: str) -> bool:
    """Whether a name is an option, and no word after a dash: -password Tr0ub4dor."""
    return name.startswith("--") or looks.is_opaque(value)


def _is_secret_item(found: int, name: str, value: str, is_quoted: bool, in_source: bool) -> bool:
    """Judges the item after a name: two names in a list are as likely as a name and its value."""
    if value.startswith("-"):
        return False
    if found == STRONG:
        return looks.is_unusual(value) and not grade(value)
    if found == WEAK and looks.is_hidden_under(found, value):
        return True
    return looks.is_opaque(value) or "=" in value


# In prose, these words before a quoted value may mean a resource's name: `secrets "db-cred" is
# forbidden`.
_RESOURCES: Final = frozenset(("secret", "secrets", "credential", "credentials", "creds"))


def _is_secret_in_prose(
    found: int, name: str, value: str, is_quoted: bool, in_source: bool
) -> bool:
    if _is_prose(found, value):
        return False
    if found < STRONG or name in _RESOURCES:
        return looks.is_opaque(value)
    return len(value) >= 4 and (looks.is_unusual(value) or is_quoted)


def _is_secret_assigned(
    found: int, name: str, value: str, is_quoted: bool, in_source: bool
) -> bool:
    if _is_prose(found, value):
        return False
    if _made("expression").match(value):
        return False  # password=(\w+) in a regular expression
    if found == GUESS:
        return looks.is_random(value)
    if is_quoted:
        return looks.is_hidden_under(found, value)
    if _repeats_name(name, value) or looks.is_template(value):
        return False  # `password=%(password)s`
    if in_source:
        return looks.has_digit(value) and not _is_expression(value)
    if found == STRONG:
        return not looks.is_type(value)
    return _is_weak_secret(value)


def _is_expression(value: str) -> bool:
    return "(" in value or "[" in value


def _is_prose(found: int, value: str) -> bool:
    """Whether a value is a word of a sentence, or a count."""
    if value.lower() in words.PROSE:
        return True
    return value.isdigit() and (found < STRONG or len(value) < 4)


def _repeats_name(name: str, value: str) -> bool:
    """Whether a value is a variable of the same name: `password=self.password`."""
    low, ending = value.lower(), name.rpartition(".")[2]
    return low == ending or low.endswith(("." + ending, "_" + ending))


def _is_weak_secret(value: str) -> bool:
    """Whether a bare value under a weak name is a secret."""
    if len(value) < 6 or value.lower() in words.SCHEMES:
        return False
    return looks.is_unusual(value) and not _is_call(value)


def _is_call(value: str) -> bool:
    """Whether a bare value is a dotted name: app.auth.v2."""
    return "." in value and not looks.is_opaque(value)


_JUDGES: Final[dict[str, Callable[[int, str, str, bool, bool], bool]]] = {
    ASSIGNED: _is_secret_assigned,
    LISTED: _is_secret_item,
    IN_PROSE: _is_secret_in_prose,
    OPTION: _is_secret_option,
}


def spans(text: str, in_source: bool, rules: Rules) -> list[Span]:
    """Where secret names have values in a text. in_source: the text is part of a source."""
    scan = _PairScan(text, in_source, rules)
    scan.run()
    return scan.spans


class _PairScan:
    """One reading of a text."""

    def __init__(self, text: str, in_source: bool, rules: Rules) -> None:
        self.spans: list[Span] = []
        self._text = text
        self._in_source = in_source
        self._rules = rules
        self._at = 0
        self._headers_seen = 0  # the end of the last header's line
        self._record = rows.Record(text, rules)

    def run(self) -> None:
        if rows.ERROR_HINT in self._text:
            self._inputs()
        search = _made("pair").search
        while (match := search(self._text, self._at)) is not None:
            self._at = match.end()
            name, how = match[1], match.lastgroup or ASSIGNED
            if how == ASSIGNED:
                name = self._record.name_of(name, self._at) or name
            if not self._is_asked(name, how):
                continue
            quote = _made("quote").match(self._text, self._at)
            if quote is None:
                where = self._bare_value(match, name, how)
            else:
                where = self._quoted_value(match, quote)
            if where is not None:
                self._judge(match, name, how, where, quote is not None)

    def _is_asked(self, name: str, how: str) -> bool:
        if how == OPTION and not name.startswith("-"):
            return False
        return self._rules.asks or bool(self._rules.grade(name)) or _is_of_card(name)

    def _inputs(self) -> None:
        for name, is_quoted, (start, end) in rows.inputs(self._text):
            value = self._text[start:end]
            if is_secret_pair(self._rules, ASSIGNED, name, value, is_quoted, self._in_source):
                self.spans.append((start, end, STRONG))

    def _judge(
        self, match: re.Match[str], name: str, how: str, where: tuple[int, int], is_quoted: bool
    ) -> None:
        start, end = where
        value = self._text[start:end]
        if self._is_no_value(match, name, how, value, is_quoted):
            return
        found = self._rules.grade(name.strip("-"))
        if self._is_passed(match, found, how, value):
            found = STRONG  # a token in a query or of a command is no parser's token
        if self._is_secret(name, how, value, is_quoted, found):
            self.spans.append((start, end, found or STRONG))
            self._at = end
        if found and is_quoted and _opens_list(match[0]):
            self._at = end
            self._rest_of_list(found)

    def _is_secret(self, name: str, how: str, value: str, is_quoted: bool, found: int) -> bool:
        """found: the grade of the name at its place, which may be higher than the name's own."""
        rules = self._rules
        if is_secret_pair(rules, how, name, value, is_quoted, self._in_source):
            return True
        if found > rules.grade(name.strip("-")) and not _is_stand_in(value):
            return True
        is_card = _is_of_card(name) and is_card_number(value)
        return is_card or rules.says(name.strip("-"), value)

    def _is_no_value(
        self, match: re.Match[str], name: str, how: str, value: str, is_quoted: bool
    ) -> bool:
        if not value or _is_marked(value) or (self._in_source and "\n" in value):
            return True
        if how == OPTION:
            return not _is_option(name, value)
        return how == ASSIGNED and not is_quoted and self._is_plain(match, name, value)

    def _is_plain(self, match: re.Match[str], name: str, value: str) -> bool:
        """Whether a bare value is a count, a part of a path, or a verdict."""
        joint = match[0][len(match[1]) :]
        if value.isdigit() and len(value) < _LEAST_DIGITS and joint[:1] in ("'", '"'):
            return name.lower() not in words.CODES  # {"password": 1712} counts a word
        if not looks.has_letter(value) and not looks.has_digit(value):
            return True
        if joint == ":" and self._text[match.start() - 1 : match.start()] == ":":
            return True  # arn:aws:secretsmanager:eu:1:secret:name
        return name == "pass" and ":" in joint and not looks.is_opaque(value)  # "pass: test_a1"

    def _is_passed(self, match: re.Match[str], found: int, how: str, value: str) -> bool:
        """Whether a value under a weak name stands in a URL's query, or behind an option."""
        if found != WEAK or how != ASSIGNED or len(value) < 6:
            return False
        before = self._text[match.start() - 1 : match.start()]
        return match[1][0] == "-" or before in ("?", "&")

    def _quoted_value(self, match: re.Match[str], quote: re.Match[str]) -> tuple[int, int] | None:
        text, start = self._text, quote.end()
        before = text[match.start() - 1 : match.start()]
        if text[self._at - 1] in ":=" and quote[1] not in match[0] and before == quote[1]:
            return None  # "Cookie:" is a literal, and the quote is its end
        end = self._end_of_quoted(quote[1], start)
        if end >= 0:
            return start, end
        # The quote is never closed: the value ends with the line.
        line = _made("line").match(text, start)
        if line is not None:
            return (start, line.end())
        return None

    def _end_of_quoted(self, quote: str, start: int) -> int:
        if len(quote) > 1:
            return self._text.find(quote, start)
        kind = "single"
        if quote == '"':
            kind = "double"
        body = _made(kind).match(self._text, start)
        if body is not None:
            return body.end()
        return -1

    def _bare_value(self, match: re.Match[str], name: str, how: str) -> tuple[int, int] | None:
        text, at = self._text, self._at
        if text[at - 1] == ">" and text[at - 2 : at] != "=>":
            is_element = text[match.start() - 1 : match.start()] == "<"
            found = _made("element").match(text, at) if is_element else None
        elif how == ASSIGNED and match[0].endswith("\n"):
            found = _made("rest").match(text, at)  # the part of a multipart body
        elif how == ASSIGNED and _is_header(name) and at >= self._headers_seen:
            found = self._header_value(at)
        else:
            found = _made("bare").match(text, at)
        if found is None:
            return None
        start, end = found.span()
        return start, start + len(text[start:end].rstrip(".:!? "))

    def _header_value(self, at: int) -> re.Match[str] | None:
        line = _made("line").match(self._text, at)
        if line is None:
            self._headers_seen = at
            return None
        self._headers_seen = line.end()
        parts = line[0].replace(MARK, "").replace(";", " ").replace("=", " ").split()
        if any(map(looks.is_unusual, parts)):
            return line
        return _made("bare").match(self._text, at)

    def _rest_of_list(self, found: int) -> None:
        """All of a list is under the name: auth=("bob", "x")."""
        while True:
            item = _made("next_item").match(self._text, self._at)
            if item is None or len(item[1]) > 1:
                return
            end = self._end_of_quoted(item[1], item.end())
            if end < 0:
                return
            body = self._text[item.end() : end]
            if looks.is_hidden_under(found, body):
                self.spans.append((item.end(), end, found))
            self._at = end


def _is_of_card(name: str) -> bool:
    return bare(name) in words.CARD_NUMBERS


def _opens_list(joined: str) -> bool:
    return joined.rstrip().endswith(("(", "["))


def _is_stand_in(value: str) -> bool:
    return looks.is_placeholder(value) or looks.is_template(value)


def _is_header(name: str) -> bool:
    return name.strip("-").lower().endswith(("authorization", "cookie"))


def _is_marked(value: str) -> bool:
    """Whether the secret part of a value is hidden already."""
    if MARK not in value:
        return False
    return value.startswith(MARK) or not looks.is_unusual(value.replace(MARK, ""))
