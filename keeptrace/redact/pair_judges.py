"""Whether the value of a secret name in a text is a secret, by the joint of name and value.

A value may also be a word of a sentence, code, or the name of another field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple

from . import looks, words
from .names import grade
from .rules import Rules
from .spans import GUESS, STRONG, WEAK

# How a name and a value are joined.
ASSIGNED: Final = "A"  # password=x, "password": "x", password => x, <password>
LISTED: Final = "B"  # "password", "x"
IN_PROSE: Final = "C"  # the password is x, password "x"
OPTION: Final = "D"  # --password x


class _Pair(NamedTuple):
    """A name and its value in a text."""

    grade: int  # how surely the name names a secret
    name: str  # lower-cased
    value: str
    is_quoted: bool
    in_source: bool


def is_secret_pair(
    rules: Rules, how: str, name: str, value: str, is_quoted: bool, in_source: bool
) -> bool:
    """Whether a name's value in a text is a secret. in_source: bare words are likely code."""
    plain_name = name.strip("-")
    found = rules.grade(plain_name)
    if not found:
        return False
    if looks.is_placeholder(value) or is_directory(name, value) or rules.keeps(value):
        return False
    if rules.hides(plain_name):
        return True
    judge = _JUDGES[how]
    return judge(_Pair(found, plain_name.lower(), value, is_quoted, in_source))


def is_directory(name: str, value: str) -> bool:
    """Whether this is the shell's PWD or OLDPWD with a path."""
    return name.lower() in words.DIRECTORIES and "/" in value[:3]


def _is_secret_option(pair: _Pair) -> bool:
    if pair.grade < WEAK or pair.value.startswith("-"):
        return False
    if pair.value.lower().replace("-", "_") == pair.name.replace("-", "_"):
        return False  # --password PASSWORD
    if pair.value in words.METAVARS:
        return False
    return pair.grade == STRONG or len(pair.value) >= 4


def _is_secret_item(pair: _Pair) -> bool:
    """Judges the item after a name: two names in a list are as likely as a name and its value."""
    value = pair.value
    if value.startswith("-"):
        return False
    if pair.grade == STRONG:
        return looks.is_unusual(value) and not grade(value)
    if pair.grade == WEAK and looks.is_hidden_under(WEAK, value):
        return True
    return looks.is_opaque(value) or "=" in value


# In prose, these words before a quoted value may mean a resource's name: `secrets "db-cred" is
# forbidden`.
_RESOURCES: Final = frozenset(("secret", "secrets", "credential", "credentials", "creds"))


def _is_secret_in_prose(pair: _Pair) -> bool:
    value = pair.value
    if _is_prose(pair.grade, value):
        return False
    if pair.grade < STRONG or pair.name in _RESOURCES:
        return looks.is_opaque(value)
    if len(value) < 4:
        return False
    return looks.is_unusual(value) or pair.is_quoted


def _is_secret_assigned(pair: _Pair) -> bool:
    value = pair.value
    if _is_prose(pair.grade, value):
        return False
    if _expression().match(value):
        return False  # password=(\w+) in a regular expression
    if pair.grade == GUESS:
        return looks.is_random(value)
    if pair.is_quoted:
        return looks.is_hidden_under(pair.grade, value)
    if _repeats_name(pair.name, value) or looks.is_template(value):
        return False  # `password=%(password)s`
    if pair.in_source:
        return looks.has_digit(value) and not _is_call_or_item(value)
    if pair.grade == STRONG:
        return not looks.is_type(value)
    return _is_weak_secret(value)


@cache
def _expression() -> re.Pattern[str]:
    """The beginning of a regular expression."""
    return re.compile(r"\\+[wdsSWDbB]|\[[\w^\\]|\(\?|\.[*+]")


def _is_call_or_item(value: str) -> bool:
    return "(" in value or "[" in value


def _is_prose(found: int, value: str) -> bool:
    """Whether a value is a word of a sentence, or a count."""
    if value.lower() in words.PROSE:
        return True
    return value.isdigit() and (found < STRONG or len(value) < 4)


def _repeats_name(name: str, value: str) -> bool:
    """Whether a value is a variable of the same name: `password=self.password`."""
    low = value.lower()
    _, _, ending = name.rpartition(".")
    return low == ending or low.endswith(("." + ending, "_" + ending))


def _is_weak_secret(value: str) -> bool:
    """Whether a bare value under a weak name is a secret."""
    if len(value) < 6 or value.lower() in words.SCHEMES:
        return False
    return looks.is_unusual(value) and not _is_dotted(value)


def _is_dotted(value: str) -> bool:
    """Whether a bare value is a dotted name: app.auth.v2."""
    return "." in value and not looks.is_opaque(value)


_JUDGES: Final[dict[str, Callable[[_Pair], bool]]] = {
    ASSIGNED: _is_secret_assigned,
    LISTED: _is_secret_item,
    IN_PROSE: _is_secret_in_prose,
    OPTION: _is_secret_option,
}
