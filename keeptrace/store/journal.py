"""The journal of a directory of dumps: one user's dumps, in the order of writing.

    1795848282 0                       the last pruning, in seconds since 1970
    20261124T034251.123456Z 0          a dump kept by the pruning, by the time in its name
    20261128T064441.760970Z 12961      a dump written since, and its bytes

- The journal says whether to prune, without a look at the directory.
- The journal keeps the order of writing. Times in names do not, if the clock was set back: the last
  dump in the journal is the newest, even if its name has an earlier time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, NamedTuple

from .bounds import PARTS, Bounds
from .names import Name, seconds_of

# Several times the lines for all dumps of a directory of usual bounds. A longer journal is damaged,
# or somebody's sparse file of a terabyte. (bytes)
MOST_JOURNAL: Final = 1 << 20
# The journal orders so many dumps; older dumps go by their names. (dumps)
_MOST_ORDERED: Final = 10_000

_LINE: Final = re.compile(rb"(\d{8}T\d{6}\.\d{6}Z) (\d{1,18})", re.ASCII)


class Journal(NamedTuple):
    """A parsed journal. A damaged or missing journal is empty, and pruning is due."""

    pruned: float = -math.inf  # seconds since 1970
    written: tuple[int, ...] = ()  # the bytes of the dumps since then
    order: tuple[str, ...] = ()  # all dumps by the times in their names, in the order of writing

    def is_due(self, size: int, bounds: Bounds, time: float) -> bool:
        """Whether to prune before `size` more bytes are written."""
        if len(self.written) + 1 > bounds.max_files // PARTS:
            return True
        if sum(self.written) + size > bounds.max_bytes // PARTS:
            return True
        # A negative time, of a clock that was set back, is no reason to wait.
        return not 0 <= time - self.pruned <= bounds.max_age / PARTS


def read_journal(data: bytes) -> Journal:
    """Parses a journal."""
    first, *lines = data.split(b"\n")
    try:
        pruned = float(first.split()[0])
    except (ValueError, IndexError):  # somebody has edited the file
        return Journal()
    order = []
    written = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        order.append(match[1].decode())
        size = int(match[2])
        if size:  # 0: kept by the pruning
            written.append(size)
    return Journal(pruned, tuple(written), tuple(order))


def journal_line(stamp: str, size: int) -> bytes:
    return f"{stamp} {size}\n".encode()


def new_journal(time: float, order: Iterable[str], stamp: str, size: int) -> bytes:
    """The journal after a pruning.

    order: the stamps of the dumps left. stamp, size: of the dump about to be written.
    """
    kept = [*order][-_MOST_ORDERED:]
    lines = [
        f"{int(time)} 0\n".encode(),
        *(journal_line(each, 0) for each in kept),
        journal_line(stamp, size),
    ]
    return b"".join(lines)


class Turn(NamedTuple):
    """The time of writing of a dump, as far as known; dumps are sorted by their turns."""

    time: float  # seconds since 1970; minus infinity: not known
    place: int  # in the journal; -1: not in it

    def age(self, now: float) -> float:
        """In seconds. A dump of unknown time counts as new."""
        if self.time > -math.inf:
            return now - self.time
        return 0.0


def write_times(names: Iterable[Name], journal: Journal, time: float) -> dict[str, Turn]:
    """The turns of all dumps, by the times in their names.

    No dump is older than the dumps before it in the journal. A dump missing in the journal goes by
    its name. A name in the future, of a wrong clock or a forger, comes before all known times.
    """
    times: dict[str, Turn] = {}
    latest = 0.0
    for index, stamp in enumerate(journal.order):
        with suppress(ValueError):  # a damaged line
            latest = max(latest, seconds_of(stamp))
        times[stamp] = Turn(latest, index)
    latest = max(latest, time)
    for name in names:
        if name.stamp in times:
            continue
        written = name.time
        if written > latest:
            written = -math.inf
        times[name.stamp] = Turn(written, -1)
    return times
