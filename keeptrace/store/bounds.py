"""The bounds of a directory of dumps."""

from __future__ import annotations

import sys
from typing import Final, NamedTuple

from ..core.errors import OptionError

# More failures than anybody reads through. (files)
MAX_FILES: Final = 1_000
# Usual for a directory of logs; about 10,000 usual dumps. (bytes)
MAX_BYTES: Final = 256 << 20
# After a month the program has probably had a new release. (seconds: 30 days)
MAX_AGE: Final = 30 * 86_400.0
# A directory is listed after this part of a bound was written. (1 / part)
PARTS: Final = 16
_NO_LIMIT: Final = -1


class Bounds(NamedTuple):
    """Files, their bytes, and their age in seconds."""

    max_files: int
    max_bytes: int
    max_age: float

    def with_room_for(self, size: int) -> Bounds:
        """Bounds that leave room for a dump of `size` bytes, and for the dumps until the next
        pruning.
        """
        max_files = self.max_files - self.max_files // PARTS - 1
        max_bytes = self.max_bytes - self.max_bytes // PARTS - size
        return Bounds(max_files, max_bytes, self.max_age)


def make_bounds(max_files: int, max_bytes: int, max_age: float) -> Bounds:
    """The user's bounds; -1 stands for no limit. Raises OptionError."""
    _check("max_files", max_files)
    _check("max_bytes", max_bytes)
    _check("max_age", max_age)
    files = int(_limit(max_files))
    size = int(_limit(max_bytes))
    return Bounds(files, size, _limit(max_age))


def _check(name: str, value: object) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not (value > 0 or value == _NO_LIMIT):  # type: ignore[operator]  # a number
        raise OptionError(f"{name} must be a positive number, or -1 for no limit, not {value!r}")


def _limit(value: float) -> float:
    """The number to compare with."""
    if value == _NO_LIMIT:
        return sys.maxsize
    return value
