"""The tracebacks of text logs, for `keeptrace log`; equal tracebacks are counted."""

from __future__ import annotations

import functools
import gzip
import os
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Final, NamedTuple

from ..core.errors import KeepTraceError
from ..core.report import Report
from ..format.writing import fingerprint_of
from ..textlog import read_log, report_of

# Between two looks at a followed log. (seconds)
_POLL: Final = 0.2
# A few kilobytes of gzip may hold a line of many gigabytes. (bytes)
_MOST_LINE: Final = 16 << 20
_GZIP: Final = b"\x1f\x8b"


class Logged(NamedTuple):
    """A traceback and its place in a log."""

    number: int  # among all tracebacks of all the logs, from 1
    file: str
    line: int
    time: str  # as in the log; empty without a time
    before: str  # the record before it
    report: Report

    @property
    def place(self) -> str:
        """For people: "app.log, line 12, 2026-01-01 12:00:00"."""
        return ", ".join(part for part in (self.file, f"line {self.line}", self.time) if part)


class Repeated(NamedTuple):
    """Tracebacks of the same types at the same places."""

    first: Logged
    last: Logged
    times: int


def read(files: Iterable[str], follow: bool = False) -> Iterator[Logged]:
    """The tracebacks of several logs, in order. "-" is standard input; a file may be gzipped.

    follow: waits for more at the end of the last log, like `tail -F`.

    Raises OSError for an unreadable file.
    """
    names = list(files)
    number = 0
    for name in names:
        with _opened(name) as log:
            lines = log
            if follow and name == names[-1] and name != "-":
                lines = _followed(name)
            for found in read_log(lines):
                number += 1
                before = found.before.strip()
                yield Logged(number, name, found.number, found.time, before, report_of(found))


def counted(tracebacks: Iterable[Logged]) -> list[Repeated]:
    """Groups of equal tracebacks, in the order of their first tracebacks."""
    groups: dict[str, Repeated] = {}
    for found in tracebacks:
        key = fingerprint_of(found.report)
        group = groups.get(key)
        if group is None:
            groups[key] = Repeated(found, found, 1)
        else:
            groups[key] = group._replace(last=found, times=group.times + 1)
    return list(groups.values())


@contextmanager
def _opened(name: str) -> Iterator[Iterable[bytes]]:
    if name == "-":
        with open(sys.stdin.fileno(), "rb", closefd=False) as log:
            yield _lines(log)
        return
    if os.path.isdir(name):
        raise KeepTraceError(f"{name} is a directory: name the log files in it")
    with open(name, "rb") as log:
        if log.peek(len(_GZIP))[: len(_GZIP)] == _GZIP:
            try:
                with gzip.open(log) as plain:
                    yield _lines(plain)
            except (EOFError, zlib.error) as problem:  # cut, or damaged within
                raise KeepTraceError(f"{name} cannot be read to its end: {problem}") from None
        else:
            yield _lines(log)


def _lines(log: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """The lines of a log; a line longer than _MOST_LINE comes in pieces."""
    return iter(functools.partial(log.readline, _MOST_LINE), b"")


def _followed(name: str) -> Iterator[bytes]:
    """The lines of a growing log. A rotated log is opened again."""
    while True:
        with open(name, "rb") as log:
            yield from _until_rotated(name, log)


def _until_rotated(name: str, log: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while True:
        piece = log.readline()
        if piece.endswith(b"\n"):
            yield rest + piece
            rest = b""
            continue
        rest += piece
        if _was_rotated(name, log):
            return
        time.sleep(_POLL)


def _was_rotated(name: str, log: IO[bytes]) -> bool:
    try:
        now = os.stat(name)
    except FileNotFoundError:  # rotated, but the new log does not exist yet
        return False
    opened = os.fstat(log.fileno())
    return now.st_ino != opened.st_ino or now.st_size < log.tell()
