"""Numbers that are secrets: codes, and numbers of payment cards."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from . import words

# The least number hidden under a secret name: smaller numbers are counts and places.
_LEAST_NUMBER: Final = 100_000


@lru_cache(8_192)
def bare(name: str) -> str:
    """A name without case and joints, as the tables of words.py have names."""
    return name.replace("_", "").replace("-", "").replace(" ", "").lower()


def is_secret_number(name: str, number: int) -> bool:
    """Whether a number under a strong name is a secret, and no count."""
    return abs(number) >= _LEAST_NUMBER or bare(name) in words.CODES


def is_card_number(text: str) -> bool:
    """Whether a text has 13 to 19 digits with a right check digit (ISO/IEC 7812, Luhn)."""
    digits = text.replace(" ", "").replace("-", "")
    if not (digits.isdigit() and digits.isascii() and 13 <= len(digits) <= 19):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        if value > 9:
            value -= 9
        total += value
    return total % 10 == 0
