"""The names of files in a directory of dumps.

    20261124T034251.123456Z-ValueError-shop.total-1f0c9a7be2d44c01.keeptrace
                                   a dump: time, type, place, fingerprint
    .1f0c9a7be2d44c01-1000.count   user 1000's count of the failure
    .1000.journal                  the dumps of user 1000, in order

Each user has separate counts and a separate journal, so several users can share a directory.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final, NamedTuple

from ..core.clock import now
from ..format.files import user

SUFFIX: Final = ".keeptrace"
_TIME: Final = "%Y%m%dT%H%M%S.%fZ"

_NAME: Final = re.compile(
    r"(\d{8}T\d{6}\.\d{6}Z)-([A-Za-z0-9_.]*)-([A-Za-z0-9_.]*)-([0-9a-f]{16})" + re.escape(SUFFIX),
    re.ASCII,
)
# Without a user's number: a count of the first version; we read such counts, but never write them.
_MARK: Final = re.compile(r"\.([0-9a-f]{16})(?:-\d+)?\.count", re.ASCII)
_JOURNAL: Final = re.compile(r"\.(?:\d+\.)?journal", re.ASCII)
_BESIDE: Final = re.compile(r"(.*)\.\d+\.[0-9a-f]+\.tmp", re.ASCII)

# The time in this process's latest name: threads may write in the same microsecond.
_latest: Final = [datetime.fromtimestamp(0, UTC)]
_turn: Final = Lock()
# A forked process may inherit a taken lock. (seconds)
_MOST_WAIT: Final = 2.0
# If the latest name is this far ahead, the clock was set back.
_MOST_AHEAD: Final = timedelta(seconds=1)


class Name(NamedTuple):
    """A parsed name of a dump."""

    stamp: str  # the time, as written in the name
    time: float  # seconds since 1970
    type: str
    where: str
    key: str  # the failure's fingerprint


def read_name(name: str) -> Name | None:
    """Parses a dump's name; None for any other name, also for an impossible date."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    stamp, kind, where, key = found.groups()
    try:
        return Name(stamp, seconds_of(stamp), kind, where, key)
    except ValueError:
        return None


def seconds_of(stamp: str) -> float:
    """Seconds since 1970 of a time in a name. Raises ValueError for an impossible time."""
    date, time = stamp[:8], stamp[9:]
    # strptime() takes twice the time, and imports a module.
    moment = datetime(
        year=int(date[:4]),
        month=int(date[4:6]),
        day=int(date[6:]),
        hour=int(time[:2]),
        minute=int(time[2:4]),
        second=int(time[4:6]),
        microsecond=int(time[7:13]),
        tzinfo=UTC,
    )
    return moment.timestamp()


def make_name(kind: str, where: str, key: str) -> str:
    """A name for a dump written now. No two names of a process are equal."""
    time = _own_time()
    stamp = time.strftime(_TIME)
    return f"{stamp}-{_plain(kind, 60)}-{_plain(where, 80)}-{key}{SUFFIX}"


def _own_time() -> datetime:
    """Now, or the first later microsecond without a name."""
    is_taken = _turn.acquire(timeout=_MOST_WAIT)
    try:
        time = datetime.fromtimestamp(now(), UTC)
        ahead = _latest[0] - time
        if timedelta(0) <= ahead < _MOST_AHEAD:
            time = _latest[0] + timedelta(microseconds=1)
        _latest[0] = time
        return time
    finally:
        if is_taken:
            _turn.release()


def _plain(text: str, most: int) -> str:
    """The text as part of a file's name, on every file system."""
    return re.sub(r"[^A-Za-z0-9_]+", ".", text)[:most].strip(".")


def mark_name(key: str) -> str:
    return f".{key}-{user()}.count"


def journal_name() -> str:
    return f".{user()}.journal"


def key_of_mark(name: str) -> str | None:
    """The fingerprint in the name of a count; None for another file."""
    found = _MARK.fullmatch(name)
    return found and found[1]


def is_left_behind(name: str) -> bool:
    """Whether an old file of this name was left by a killed process, or by the first version."""
    found = _BESIDE.fullmatch(name)
    if found is None:
        return name == ".journal"
    target = found[1]
    return bool(
        read_name(target) or key_of_mark(target) or _JOURNAL.fullmatch(target) or target == ""
    )
