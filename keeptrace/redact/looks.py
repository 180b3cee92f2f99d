"""The looks of a text: a placeholder, an identifier, a sentence, or something random.

A secret name hides only values that could be secrets; names.py's grades ask these questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from . import words
from .spans import MARK, STRONG, WEAK

# Fewer signs are a separator: "-", ": ". (characters)
_MOST_SIGNS: Final = 2
# Longer texts are data, not a key. (characters)
_MOST_OPAQUE: Final = 4_096
# Shorter texts occur by chance. (characters)
_LEAST_OPAQUE: Final = 8
_LEAST_RANDOM: Final = 10
# In random letters and digits about 0.6 of all neighbours are of two kinds; in words with a number
# 0.1 to 0.25.
_RANDOM_CHANGES: Final = 0.3
# A long stretch without a sign is no word; it needs fewer. (characters)
_LONG_STRETCH: Final = 20
_FEWER_CHANGES: Final = 0.15
# Between signs, shorter parts mean nothing, and longer parts are no words. (characters)
_SHORT_PART: Final = 4
_LONG_PART: Final = 20
# A key has a stretch without signs of this length. (characters)
_LEAST_KEY: Final = 16
# A longer text names no type, and a search in each of many would be slow. (characters)
_LONGEST_TYPE: Final = 1_000
# Of so many characters a digest or key has in hexadecimal at least. (characters)
_LEAST_HEX: Final = 32

# Words of prose, such as "the" and "is". A passphrase has none. (words)
_LEAST_BINDING: Final = 2

_SOURCES: Final = {
    # Innocent texts with letters and digits: an identifier or a host with a number, a path, an
    # address, a date, a version, a format, a pattern.
    "ordinary": r"[A-Za-z]*(?:[-_. ][A-Za-z]*)*[-_.]?\d{0,4}|[./~].*|[A-Za-z]:[\\/].*|\w+://.*"
    r"|[^@]+@[\w-]+\.[\w.]+|0x[0-9a-fA-F]{1,16}|\d[\d.:/+TZ -]*"
    r"|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,5}(?::\d+)?|v?\d+(?:\.\w+)+|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+"
    r"|[\w-]+(?:/[\w.-]+)+\.[a-z][a-z0-9]{1,4}|.*[*?^$|\[\]{}].*|S-1-\d[\d-]*",
    "mixed": r"[a-z][A-Z]|[A-Z]{2}[a-z]|[^\w\s.,:;!?()'\"-]",
    # Placeholders of templates, shells and help texts.
    "template": r"<[^<>]*>?|%[sr](?::%[sr])?|%\(\w+\)?s?|\$?\{[^{}]*\}?|\$\(.*"
    r"|\$[A-Z_]+|\$[A-Z]+(?:_[A-Z]+)+\d{0,2}|[\[(]+|:\w+|\?",
    "sql_type": r"(?i)[a-z]{3,20}(?: [a-z]{3,12})? ?\((?:\d{1,6}(?:, ?\d{1,3})?|max)?\)",
    # What follows the type in the definition of a column.
    "constraint": r"(?i)(?: (?:not null|null|unique|primary key|(?:default|collate) \S{1,30}))+",
    "numpy_type": r"[<>|=]?[OSUVifubc]\d{0,4}",
    "python_type": r"(?:typing\.)?(?:Optional|Union|Annotated|Literal|[Ll]ist|[Dd]ict|[Ss]et"
    r"|Sequence|Mapping)"
    r"\[.*\]|[A-Za-z]\w{0,30}(?: \| (?:None|[A-Za-z]\w{0,30}))+",
    # Of words; base64 changes case within them.
    "path": r"(?:~|\.{1,2})?(?:/[A-Z]?[a-z_.-]{1,40}\d{0,4}){2,30}/?",
    "segments": r"[A-Za-z0-9]+",
    "runs": r"[A-Z]+|[a-z]+|[0-9]+",
    "hexadecimal": r"(?:0x)?[0-9a-fA-F]+",
    "space": r"\s",
    "letter": r"[A-Za-z]",
    "digit": r"[0-9]",
    "word": r"[A-Za-z']+",
}


@cache
def _made(name: str) -> re.Pattern[str]:
    return re.compile(_SOURCES[name], re.DOTALL)


def has_digit(text: str) -> bool:
    return _made("digit").search(text) is not None


def has_letter(text: str) -> bool:
    return _made("letter").search(text) is not None


def is_template(text: str) -> bool:
    """Whether a text is a placeholder for a later value: %(password)s, ${PASSWORD}, <password>."""
    if _made("template").fullmatch(text) is None:
        return False
    return not (text[:1] == "<" and is_random(text.strip("<>")))


def is_placeholder(text: str) -> bool:
    """Whether a text under a secret name tells nothing."""
    bare = text.strip().lower()
    if not bare or bare in words.PLACEHOLDERS or MARK in text:
        return True
    if len(bare) <= _MOST_SIGNS and not any(map(str.isalnum, bare)):
        return True
    return len(bare) > 2 and bare[0] in "*x.-_•?#" and bare.strip(bare[0]) == ""


def is_path(text: str) -> bool:
    """Whether a text is the path of a file, of words alone: /run/secrets/db_password."""
    return _made("path").fullmatch(text) is not None


def is_type(text: str) -> bool:
    """Whether a text names a type: of a column, of a data frame, of a schema."""
    if len(text) > _LONGEST_TYPE:
        return False
    bare = _made("constraint").sub("", text)
    return bare.lower() in words.TYPES or any(
        _made(kind).fullmatch(bare) for kind in ("sql_type", "numpy_type", "python_type")
    )


def is_complaint(text: str) -> bool:
    """Whether a text is all that a validator says of a password: "Too short", "too_common"."""
    found = [word.lower() for word in _made("segments").findall(text)]
    known = sum(word in words.PROSE or word in words.COMPLAINTS for word in found)
    return len(found) > 1 and known == len(found)


def is_sentence(text: str) -> bool:
    """Whether a text is prose: at least three words, with a word that binds sentences."""
    found = _made("word").findall(text)
    if len(found) < 3 or " " not in text.strip():
        return False
    binding = sum(word.lower() in words.PROSE for word in found)
    return binding >= _LEAST_BINDING and not any(is_opaque(part) for part in text.split())


def is_opaque(text: str) -> bool:
    """Whether a text has letters and digits, and nobody wrote it by hand."""
    return (
        _LEAST_OPAQUE <= len(text) <= _MOST_OPAQUE
        and has_digit(text)
        and has_letter(text)
        and not _has_space(text)
        and _made("ordinary").fullmatch(text) is None
        and not _is_of_words(text)
    )


def _has_space(text: str) -> bool:
    return _made("space").search(text) is not None


def _is_of_words(text: str) -> bool:
    """Whether each part between signs is a word, a number, or a word with a number: order_total2,
    x86_64, 3sharps.
    """
    for part in _made("segments").findall(text):
        if len(part) <= _SHORT_PART:
            continue
        if len(_made("runs").findall(part)) > 2 and not part.istitle():
            return False
        if len(part) >= _LONG_PART:
            return False
    return True


def is_random(text: str) -> bool:
    """Whether letters and digits change so often that no person chose them; stricter than
    is_opaque().
    """
    if not _LEAST_RANDOM <= len(text) <= _MOST_OPAQUE:
        return False
    if len(text) >= _LEAST_HEX and _made("hexadecimal").fullmatch(text):
        return has_digit(text) and has_letter(text.removeprefix("0x"))
    if not has_digit(text) or not has_letter(text) or _has_space(text):
        return False
    if _made("ordinary").fullmatch(text):
        return False
    longest = max(_made("segments").findall(text), key=len)
    return len(longest) >= _LEAST_OPAQUE and _changes_often(longest)


def is_key(text: str, also_hexadecimal: bool) -> bool:
    """Whether a word is random, and has a stretch as long as a key's; stricter than
    is_random().
    """
    if text.startswith("0x") or not is_random(text):
        return False
    longest = max(map(len, _made("segments").findall(text)))
    if longest < _LEAST_KEY:
        return False
    return also_hexadecimal or _made("hexadecimal").fullmatch(text.replace("-", "")) is None


def _changes_often(stretch: str) -> bool:
    """Whether letters and digits alternate more often in a stretch than in words with a number."""
    changes = len(_made("runs").findall(stretch)) - 1
    needed = _RANDOM_CHANGES
    if len(stretch) >= _LONG_STRETCH:
        needed = _FEWER_CHANGES
    return changes >= needed * (len(stretch) - 1)


def is_unusual(text: str) -> bool:
    """Whether a text is likely no word: a digit among letters, a sign, or a change of case."""
    if has_digit(text) and has_letter(text):
        return True
    return _made("mixed").search(text) is not None or (len(text) > 20 and " " not in text)


def is_hidden_under(grade: int, text: str) -> bool:
    """Whether a text directly under a name of this grade is a secret."""
    if grade == 0 or is_placeholder(text):
        return False
    if grade == STRONG:
        is_told = is_sentence(text) or is_complaint(text)
        return not (is_told or is_type(text) or is_template(text))
    if grade == WEAK:
        return is_opaque(text) or _is_header_with_secret(text)
    return is_random(text)


def _is_header_with_secret(text: str) -> bool:
    """Whether a word of a header's value is a secret: "Token a1b2…", "sid=a1b2…; theme=dark"."""
    if " " not in text and "=" not in text:
        is_of_two_cases = text.isalpha() and not (text.islower() or text.isupper())
        return len(text) > _LONG_PART and is_of_two_cases
    return any(is_opaque(part.rpartition("=")[2]) for part in re.split(r"[\s;,]+", text))


def letters_and_digits(text: str) -> Iterator[re.Match[str]]:
    """The stretches of a text that may be keys."""
    return re.finditer(r"[\w.+/=~-]{8,}+", text)
