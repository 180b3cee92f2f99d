"""Counts of repeats: a small file beside the dumps for each failure; a repeat adds a byte."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .found import FoundFile
from .names import key_of_mark

# A count grows by a byte a repeat, so counting ends here: the count then means "at least".
# (repeats)
MAX_REPEATS: Final = 99_999
# A count's first line: the name of the dump. (bytes)
MAX_NAME: Final = 512


def counts_in(found: Iterable[FoundFile]) -> dict[tuple[str, int], FoundFile]:
    """The counts among some files, by fingerprint and owner: users count separately."""
    counts = {}
    for entry in found:
        key = key_of_mark(entry.name)
        if key is not None:
            counts[key, entry.owner] = entry
    return counts


def bytes_of(count: FoundFile | None) -> int:
    """The bytes of a count. A file larger than a full count weighs as a full count."""
    if count:
        return min(count.size, MAX_REPEATS + MAX_NAME)
    return 0


def is_full(repeats: int) -> bool:
    """Whether further repeats are no longer counted."""
    return repeats >= MAX_REPEATS
