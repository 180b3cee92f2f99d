"""How surely a name names a secret.

A name is split into words, and the last words count: `db_password` names a secret,
`password_field_id` does not. Trailing words that do not change this are dropped first
(`password_hash`, `token2`).

    STRONG  names only secrets: hides text, numbers and everything below.
    WEAK    also names innocent values (`auth = request`): hides text that looks like a key.
    GUESS   mostly names innocent values (`tokens`, `signature`): hides text that looks random.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from . import words
from .spans import GUESS, STRONG, WEAK

_KEPT_NAMES: Final = 8_192  # names; each is a few dozen bytes
_LONGEST_NAME: Final = 100  # characters; longer texts are no names
_MOST_WORDS: Final = 3  # of the table

# Words for secrets only behind certain words.
_NEEDS_OWNER: Final = {"pass": words.PASS_OF, "session": frozenset[str]()}
# Spark and Hadoop: behind this there are the name and the host of an account.
_ACCOUNT_KEY: Final = "fs.azure.account.key."

_grades: dict[str, int] = {}


@cache
def _split() -> re.Pattern[str]:
    return re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


def grade(name: str) -> int:
    """STRONG, WEAK, GUESS, or 0 if the name names no secret."""
    found = _grades.get(name)
    if found is None:
        found = 0
        if _is_foreign(name):
            found = STRONG
        elif len(name) <= _LONGEST_NAME:
            found = _grade(name)
        if len(_grades) >= _KEPT_NAMES:
            _grades.clear()
        _grades[name] = found
    return found


def _is_foreign(name: str) -> bool:
    """Whether a name, or its first word, is a password's in another alphabet: `пароль_бд`."""
    low = name.lower()
    if low.isascii():
        return False
    return low in words.FOREIGN or low.partition("_")[0] in words.FOREIGN


def _parts(name: str) -> list[str]:
    return [word.lower() for word in _split().findall(name)]


def _grade(name: str) -> int:
    if _ACCOUNT_KEY in name:
        return STRONG
    parts = _parts(name)
    if not parts or (len(parts) > 1 and parts[0] in words.ASKING):
        return 0
    if words.FOR in parts[1:]:  # the_password_for_db
        parts = parts[: parts.index(words.FOR, 1)]
    found = _grade_of_ends(parts, name)
    if found or len(parts) > 4:
        return found
    return words.NAMES.get("".join(parts), 0)  # a name that changes case within: `passWord`


def _grade_of_ends(parts: list[str], name: str) -> int:
    """The grade by the last words, without those that leave a name what it is, or by the first."""
    found = _grade_of_words(parts, name)
    while not found and len(parts) > 1 and _is_still(parts[-1]):
        parts.pop()
        found = _grade_of_words(parts, name)
    if not found and parts[0] in words.LEADING and words.FIELD_WORDS.isdisjoint(parts):
        return STRONG
    return found


def _is_still(word: str) -> bool:
    """Whether a name with this word at its end is still a secret's: token_github, password_db."""
    return word in words.STILL or word in words.SERVICES or word in vendors()


def _grade_of_words(parts: list[str], name: str) -> int:
    last = parts[-1]
    before = ""
    if len(parts) > 1:
        before = parts[-2]
    if not before:
        return _grade_in_table(parts) or _grade_of_ending(last)
    if last in ("token", "tokens", "tok"):
        return _grade_of_token(last, before, name)
    if last in _NEEDS_OWNER:
        return _grade_of_owner(parts)
    found = _grade_in_table(parts)
    if found:
        return found
    if last in ("key", "keys"):
        return _grade_of_key(parts, before)
    return _grade_of_ending(last)


def _grade_of_owner(parts: list[str]) -> int:
    """The grade of a word that needs an owner: db_pass, RABBITMQ_DEFAULT_PASS."""
    owners = [word for word in parts[:-1] if word not in words.STILL]
    if owners and owners[-1] in _NEEDS_OWNER[parts[-1]]:
        return STRONG
    return 0


def _grade_in_table(parts: list[str]) -> int:
    """The grade of the longest ending in the table."""
    if parts[-2:] == ["key", "signature"]:  # of a song
        return 0
    for count in range(min(_MOST_WORDS, len(parts)), 0, -1):
        found = words.NAMES.get("".join(parts[-count:]), 0)
        if found:
            return found
    return 0


def _grade_of_ending(word: str) -> int:
    """The grade of a word with the ending of a secret's name: PGPASSWORD."""
    if word.endswith(words.ENDINGS) or _is_joined_pass(word):
        return STRONG
    if word.endswith(words.WEAK_ENDINGS):
        return WEAK
    return 0


def _is_joined_pass(word: str) -> bool:
    """Whether a word is an owner and `pass`: dbpass, requirepass."""
    return word.endswith("pass") and word[:-4] in words.PASS_OF


def _grade_of_token(last: str, before: str, name: str) -> int:
    """A token with a purpose is a secret; a token with a position is not."""
    if before in words.OTHER_TOKENS:
        return 0
    if last == "tokens":
        return words.NAMES.get(before + last, GUESS)
    if words.NAMES.get(before + last) == STRONG or before in vendors() or name.isupper():
        return STRONG
    return WEAK


def _grade_of_key(parts: list[str], before: str) -> int:
    if parts[-1] == "keys":  # of several kinds, also public: signing_keys, session_keys
        if words.NAMES.get(f"{before}key") == STRONG:
            return GUESS
        return 0
    if before in vendors() or "".join(parts[:-1]) in vendors():
        return STRONG
    if before in words.OTHER_KEYS:
        return 0
    return GUESS


@cache
def vendors() -> frozenset[str]:
    """Companies whose keys and tokens are called by their names."""
    from .shapes import SHAPES

    named = {shape.vendor.lower().replace(" ", "").replace(".", "") for shape in SHAPES}
    return words.VENDORS | (named - words.EVERYDAY_VENDORS)
