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
PROMPTED: Final = "E"  # password for bob: x
FOLLOWED: Final = "F"  # the token x

# A phrase of words for a seed is longer. (characters)
_LEAST_PHRASE: Final = 20
# Shorter items behind a name are tags. (characters)
_LEAST_ITEM: Final = 4

# A function that finds a value by the name in its argument: os.getenv("X"), get_secret("x").
GETTERS: Final = (
    r"(?:[A-Za-z_]\w{0,40}\.){0,4}(?:get|load|read|fetch|lookup|resolve|env|input|prompt|ask)"
    r"\w{0,40}\("
)


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
    if looks.is_placeholder(value) or is_exempt(name, value) or rules.keeps(value):
        return False
    if rules.hides(plain_name):
        return True
    if how == LISTED and _is_camel(plain_name) and _is_camel(value):
        return False  # two names of classes: "AccessToken", "AccessTokenInfo"
    judge = _JUDGES[how]
    return judge(_Pair(found, plain_name.lower(), value, is_quoted, in_source))


def _is_camel(text: str) -> bool:
    """Whether a text is the name of a class, of several words."""
    return _camel().fullmatch(text) is not None


@cache
def _camel() -> re.Pattern[str]:
    return re.compile(r"(?:[A-Z]+[a-z]+){2,12}[A-Z]{0,6}")


def is_exempt(name: str, value: str) -> bool:
    """Whether a value under a secret name is no secret: the shell's directory, the path of a file
    with the secret, the check code of a card without a digit (CVC is also a syllable), the mnemonic
    of an instruction.
    """
    low = name.lower()
    if low in words.DIRECTORIES and "/" in value[:3]:
        return True
    if low.endswith("mnemonic"):
        return " " not in value.strip() and len(value) < _LEAST_PHRASE
    if low in words.CHECK_CODES:
        return not looks.has_digit(value)
    return value[:1] in ("/", "~", ".") and looks.is_path(value)


def _is_secret_option(pair: _Pair) -> bool:
    if pair.grade < WEAK or pair.value.startswith("-"):
        return False
    if pair.value.lower().replace("-", "_") == pair.name.replace("-", "_"):
        return False  # --password PASSWORD
    if pair.value in words.METAVARS or pair.value in words.VERBS:
        return False
    return pair.grade == STRONG or len(pair.value) >= 4


def _is_secret_item(pair: _Pair) -> bool:
    """Judges the item after a name: two names in a list are as likely as a name and its value."""
    value = pair.value
    if value.startswith("-"):
        return False
    if pair.grade == STRONG:
        is_tag = len(value) < _LEAST_ITEM  # of a part of speech: ("secret", "NN1")
        return looks.is_unusual(value) and not (grade(value) or is_tag)
    if pair.grade == GUESS:
        return looks.is_random(value)
    if looks.is_hidden_under(WEAK, value):
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


def _is_secret_answer(pair: _Pair) -> bool:
    return pair.grade == STRONG and looks.is_opaque(pair.value)


def _is_secret_behind(pair: _Pair) -> bool:
    """Judges a word behind a name. Hexadecimal may be an id or a digest, and a contract's
    address.
    """
    is_clear = pair.grade == STRONG and pair.name not in _RESOURCES
    return pair.grade >= WEAK and looks.is_key(pair.value, is_clear)


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
    if pair.in_source:
        return looks.has_digit(value) and not _is_code(pair)
    return not _is_code(pair) and _is_secret_bare(pair)


def _is_code(pair: _Pair) -> bool:
    """Whether a bare value is code, or holds the place of a later value."""
    value = pair.value
    if _repeats_name(pair.name, value) or looks.is_template(value) or _is_reference(value):
        return True  # `password=%(password)s`
    return pair.in_source and _is_call_or_item(value)


def _is_secret_bare(pair: _Pair) -> bool:
    value = pair.value
    if "[" in value and looks.is_type(value + "]" * value.count("[")):
        return False  # `password: Optional[str] = None`, cut at the bracket
    if pair.grade == STRONG:
        return not looks.is_type(value)
    if pair.name.endswith(words.PLACES):
        return looks.is_opaque(value)
    return _is_weak_secret(value)


@cache
def _expression() -> re.Pattern[str]:
    """The beginning of a regular expression."""
    return re.compile(r"\\+[wdsSWDbB]|\[[\w^\\]|\(\?|\.[*+]")


@cache
def _reference() -> re.Pattern[str]:
    """The place of a value in code: settings.API_KEY, os.environ[, get_secret(."""
    return re.compile(
        r"(?:self|cls|os|env|environ|process|config|conf|cfg|settings|args|options|opts|params"
        r"|props|vars?|local|secrets|request|ctx)(?:[.:][A-Za-z_]{1,40}\d{0,2}){0,4}[\[(]?"
        rf"|{GETTERS}[\w.]{{0,60}}"
    )


def _is_reference(value: str) -> bool:
    is_code = not value.isalnum()
    return is_code and _reference().fullmatch(value) is not None


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
    PROMPTED: _is_secret_answer,
    FOLLOWED: _is_secret_behind,
}
