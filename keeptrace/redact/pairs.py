"""Values of secret names in a text: `password=x`, "token": "x", --password x, Authorization: x,
<password>x</password>.

One regular expression finds a name and its joint with a value. The text after the joint decides how
to read the value: a quote, a header's line, an element, or a bare word. Time is linear: names and
gaps are bounded, and unbounded parts are possessive.
"""

from __future__ import annotations

import re
from typing import Final

from . import looks, rows, words
from .numbers import bare, is_card_number
from .pair_judges import ASSIGNED, FOLLOWED, OPTION, PROMPTED, is_secret_pair
from .pair_patterns import pattern
from .rules import Rules
from .spans import GUESS, MARK, STRONG, WEAK, Span

# A shorter number under a quoted name counts words. (digits)
_LEAST_DIGITS: Final = 6
# A word before a name. (characters)
_MOST_WORD: Final = 24
# The user's name in a URL, with its marks. (characters)
_MOST_USER: Final = 64
# The beginning of a bare value says whether the value is punctuation alone. (characters)
_MOST_SEEN: Final = 1000

_QUOTES: Final = ("'", '"')
# What stands behind the characters of a class in a regular expression: token=[a-z0-9]+
_QUANTIFIED: Final = ("]+", "]*", "]{", "]?")
# How the text within a quote is read.
_BODIES: Final = {'"': "double", "'": "single", "`": "tick"}


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
        self._read_rows()
        find_pair = pattern("pair").search
        match_key = pattern("key").match  # "the token a1b2… has expired"
        has_keys = pattern("long_word").search(self._text) is not None
        while (match := find_pair(self._text, self._at)) is not None:
            self._at = match.end()
            how = _how(match)
            if how == FOLLOWED and not (has_keys and match_key(self._text, self._at)):
                continue
            name = self._name_of(match, how)
            if not self._is_asked(name):
                if how == PROMPTED:
                    self._at = match.end(1)
                continue
            self._read_value(match, name, how)

    def _read_value(self, match: re.Match[str], name: str, how: str) -> None:
        match_quote = pattern("quote").match
        quote = match_quote(self._text, self._at)
        if quote is None and how == ASSIGNED and self._enters(name):
            quote = match_quote(self._text, self._at)
        if quote is None:
            where = self._bare_value(match, name, how)
        else:
            where = self._quoted_value(match, quote)
        if where is not None:
            self._judge(match, name, how, where, quote is not None)

    def _name_of(self, match: re.Match[str], how: str) -> str:
        """The name of the value: of the record that the match belongs to, or with the word before
        "key", "code" and "token".
        """
        name = match[1]
        if how == ASSIGNED:
            name = self._record.name_of(name, self._at) or name
        if not self._is_last_word(name, how) or self._before(match) != " ":
            return name
        start = match.start()
        before = pattern("word_before").search(self._text, max(0, start - _MOST_WORD), start)
        if before is None:
            return name
        if before[1].lower() in words.PARSING:
            return before[1]  # names no secret
        joined = f"{before[1]}_{name}"
        if self._rules.grade(joined) > max(GUESS, self._rules.grade(name)):
            return joined  # in a sentence, "document key" is the key of a mapping
        return name

    def _is_last_word(self, name: str, how: str) -> bool:
        """Whether the word before belongs to a name; in "user code: ignore" no code follows."""
        low = name.lower()
        if low == "code" and how != FOLLOWED:
            return self._text[self._at : self._at + 1].isdigit()
        return low in words.LAST_WORDS

    def _enters(self, name: str) -> bool:
        """Whether the value's type stood before the value, and is passed. Begins the record that a
        block under a name is.
        """
        if self._text.startswith("{", self._at):
            if self._rules.grade(name) == STRONG:
                self._record.open(name, self._at + 1)
            return False
        typed = pattern("typed").match(self._text, self._at)
        if typed is None:
            return False
        self._at = typed.end()
        return True

    def _is_asked(self, name: str) -> bool:
        """Whether the value of a name is worth a look."""
        return self._rules.asks or bool(self._rules.grade(name)) or _is_of_card(name)

    def _before(self, match: re.Match[str]) -> str:
        """The character before a name; empty at the beginning of the text."""
        start = match.start()
        return self._text[start - 1 : start]

    def _read_rows(self) -> None:
        if rows.ERROR_HINT in self._text:
            self._inputs()
        if rows.ELEMENT_HINT in self._text:
            self._elements()
        self._settings()

    def _inputs(self) -> None:
        for name, is_quoted, (start, end) in rows.inputs(self._text):
            value = self._text[start:end]
            if is_secret_pair(self._rules, ASSIGNED, name, value, is_quoted, self._in_source):
                self.spans.append((start, end, STRONG))

    def _elements(self) -> None:
        for name, (start, end) in rows.elements(self._text):
            value = self._text[start:end]
            if is_secret_pair(self._rules, ASSIGNED, name, value, True, self._in_source):
                self.spans.append((start, end, STRONG))

    def _settings(self) -> None:
        for name, (start, end) in rows.settings(self._text):
            value = self._text[start:end]
            if self._rules.grade(name) != STRONG:
                continue
            if not (looks.is_unusual(value) and looks.has_digit(value)):
                continue
            if is_secret_pair(self._rules, ASSIGNED, name, value, False, self._in_source):
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
        if not value or _is_marked(value):
            return True
        if self._in_source and "\n" in value:
            return True
        if how == OPTION:
            return not _is_option(name, value)
        if how != ASSIGNED:
            return False
        if not is_quoted:
            return self._is_plain(match, name, value)
        if match[0].endswith("(") and pattern("getter").search(match[0]) is not None:
            return not looks.is_opaque(value)  # password=get_secret("db/prod1")
        return False

    def _is_plain(self, match: re.Match[str], name: str, value: str) -> bool:
        """Whether a bare value is a count, a part of a path, or a verdict."""
        joint = match[0].removeprefix(match[1])
        if joint[:1] in _QUOTES and value.isdigit() and len(value) < _LEAST_DIGITS:
            return name.lower() not in words.CODES  # {"password": 1712} counts a word
        beginning = value[:_MOST_SEEN]
        if not (looks.has_letter(beginning) or looks.has_digit(beginning)):
            return True
        if joint.endswith("["):
            return self._text.startswith(_QUANTIFIED, match.end() + len(value))
        if joint == ":" and self._before(match) == ":":
            return True  # arn:aws:secretsmanager:eu:1:secret:name
        return name == "pass" and ":" in joint and not looks.is_opaque(value)  # "pass: test_a1"

    def _is_passed(self, match: re.Match[str], found: int, how: str, value: str) -> bool:
        """Whether a value under a weak name stands in a URL's query, or behind an option."""
        if found != WEAK or how != ASSIGNED or len(value) < 6:
            return False
        return match[1].startswith("-") or self._before(match) in ("?", "&")

    def _quoted_value(self, match: re.Match[str], quote: re.Match[str]) -> tuple[int, int] | None:
        ends_with_sign = self._text[self._at - 1] in ":="
        if ends_with_sign and self._closes_literal(match, quote[1]):
            return None
        start = quote.end()
        end = self._end_of_quoted(quote[1], start)
        if end >= 0:
            return start, end
        if quote[1] == "`":
            return None  # of a shell: `cat file`
        # The quote is never closed: the value ends with the line.
        line = pattern("line").match(self._text, start)
        if line is not None:
            return start, line.end()
        return None

    def _closes_literal(self, match: re.Match[str], quote: str) -> bool:
        """Whether a quote ends the literal that began before the name: "Cookie:"."""
        return self._before(match) == quote and quote not in match[0]

    def _end_of_quoted(self, quote: str, start: int) -> int:
        if len(quote) > 1:
            return self._text.find(quote, start)
        body = pattern(_BODIES[quote]).match(self._text, start)
        if body is not None:
            return body.end()
        return -1

    def _bare_value(self, match: re.Match[str], name: str, how: str) -> tuple[int, int] | None:
        whole = self._lines_or_words(name)
        if whole is not None:
            return whole
        found = self._match_bare(match, name, how)
        if found is None:
            return None
        value = found[0].rstrip(".:!? ")
        return found.start(), found.start() + len(value)

    def _lines_or_words(self, name: str) -> tuple[int, int] | None:
        """The lines of a literal block of YAML, or the words of a wallet's seed."""
        kind = ""
        if self._text.startswith(("|", ">"), self._at):
            kind = "block"
        elif name.lower().endswith(words.OF_PHRASES):
            kind = "phrase"
        found = kind and pattern(kind).match(self._text, self._at)
        if not found:
            return None
        return found.span("value")

    def _match_bare(self, match: re.Match[str], name: str, how: str) -> re.Match[str] | None:
        text, at = self._text, self._at
        if text[at - 1] == ">" and text[at - 2 : at] != "=>":
            if self._before(match) != "<" or self._is_in_address(match):
                return None
            return pattern("element").match(text, at)
        if how == ASSIGNED:
            if match[0].endswith("\n"):
                return self._part_of_form(match, at)
            if _is_header(name) and at >= self._headers_seen:
                return self._header_value(at)
        return pattern("bare").match(text, at)

    def _part_of_form(self, match: re.Match[str], at: int) -> re.Match[str] | None:
        """The part of a multipart body behind name="x"; a catalogue of gettext has empty lines,
        too.
        """
        start = match.start()
        if not self._text[max(0, start - 10) : start].rstrip("\\\"'").endswith("name="):
            return None
        return pattern("rest").match(self._text, at)

    def _is_in_address(self, match: re.Match[str]) -> bool:
        """Whether a placeholder stands for the password of a URL: ftp://bob:<password>@host."""
        if not self._text.startswith("@", self._at):
            return False
        before = self._text[: match.start(1) - 1]
        return pattern("user").search(before, len(before) - _MOST_USER) is not None

    def _header_value(self, at: int) -> re.Match[str] | None:
        line = pattern("line").match(self._text, at)
        if line is None:
            self._headers_seen = at
            return None
        self._headers_seen = line.end()
        unmarked = line[0].replace(MARK, "")
        parts = unmarked.replace(";", " ").replace("=", " ").split()
        if any(map(looks.is_unusual, parts)):
            return line
        return pattern("bare").match(self._text, at)

    def _rest_of_list(self, found: int) -> None:
        """All of a list is under the name: auth=("bob", "x")."""
        while True:
            item = pattern("next_item").match(self._text, self._at)
            if item is None or len(item[1]) > 1:
                return
            start = item.end()
            end = self._end_of_quoted(item[1], start)
            if end < 0:
                return
            if looks.is_hidden_under(found, self._text[start:end]):
                self.spans.append((start, end, found))
            self._at = end


def _how(match: re.Match[str]) -> str:
    """The joint of a name and a value."""
    how = match.lastgroup or ASSIGNED
    if how == OPTION and match[1][0] != "-":
        return FOLLOWED
    return how


def _is_option(name: str, value: str) -> bool:
    """Whether a name is an option, and no word after a dash: -password Tr0ub4dor."""
    return name.startswith("--") or looks.is_opaque(value)


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
