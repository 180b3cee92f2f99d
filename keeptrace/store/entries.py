"""Lists a directory's dumps by their names, headers and counts, and reads no dump as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..core.errors import KeepTraceError
from ..format.reading import read_header
from .counts import bytes_of, counts_in, is_full
from .directory import Directory
from .found import FoundFile
from .names import Name, read_name


class Entry(NamedTuple):
    """A failure in a directory, described by the name and header of its newest dump, and its count.

    A directory that does not count repeats has an entry for each dump.
    """

    path: str  # of the newest dump
    # "module.Qualname" as in the header; without a readable header, as in the file's name
    type: str
    where: str  # "file:line in function"
    message: str
    time: float  # of the first dump, in seconds since 1970
    last: float  # of the last occurrence, in seconds since 1970
    count: int  # type: ignore[assignment]  # occurrences; hides the tuple's count()
    at_least: bool  # whether more repeats may have happened than `count`
    size: int  # bytes
    fingerprint: str
    header: dict[str, Any]  # empty if unreadable
    kept: tuple[str, ...] = ()  # paths of all dumps, oldest first


def entries_of(files: Directory, counts_all: bool) -> Iterator[Entry]:
    """The dumps of a directory; none without a directory. Raises OSError.

    counts_all: whether every repeat has a dump or a count of its own.
    """
    try:
        found = files.found()
    except FileNotFoundError:
        return
    counts = counts_in(found)
    for dumps in _grouped(found, counts):
        there: list[_Dump] = []
        shown = None
        header: dict[str, Any] = {}
        for dump in dumps:
            read = _header_of(files, dump.file.name)
            if read is None:
                continue
            there.append(dump)
            # A newest dump without a readable header is damaged, or a forgery.
            if read or not header:
                shown = dump
                header = read
        if shown is not None:
            count = counts.get((shown.name.key, shown.file.owner))
            yield _entry(files, there, shown, header, count, counts_all)


class _Dump(NamedTuple):
    name: Name
    file: FoundFile


def _grouped(
    found: Iterable[FoundFile], counts: Mapping[tuple[str, int], FoundFile]
) -> Iterable[list[_Dump]]:
    """The dumps of each counted failure, oldest first; each uncounted dump alone."""
    groups: dict[object, list[_Dump]] = {}
    for file in sorted(found, key=lambda file: file.name):
        name = read_name(file.name)
        if name is None:
            continue
        failure = (name.key, file.owner)
        group: object = file.name
        if failure in counts:
            group = failure
        groups.setdefault(group, []).append(_Dump(name, file))
    return groups.values()


def _header_of(files: Directory, name: str) -> dict[str, Any] | None:
    """The header of a dump, empty if unreadable; None for a dump pruned meanwhile."""
    try:
        return read_header(files.head(name))
    except FileNotFoundError:
        return None
    except (OSError, KeepTraceError):  # another user's file, or damaged: its name must do
        return {}


def _entry(
    files: Directory,
    dumps: list[_Dump],
    shown: _Dump,
    header: dict[str, Any],
    count: FoundFile | None,
    counts_all: bool,
) -> Entry:
    first = dumps[0]
    name, file = shown
    # A count has the first dump's name and a newline before its bytes.
    head = len(first.file.name) + 1
    repeats = max(0, bytes_of(count) - head)
    last = file.changed
    if count is not None:
        last = max(last, count.changed)
    kept = [files.path(dump.file.name) for dump in dumps]
    return Entry(
        path=files.path(file.name),
        type=_text(header.get("type"), name.type),
        where=_text(header.get("where"), name.where),
        message=_text(header.get("message"), ""),
        time=first.name.time,
        last=last,
        count=1 + repeats,
        at_least=is_full(repeats) or not counts_all,
        size=file.size,
        fingerprint=name.key,
        header=header,
        kept=tuple(kept),
    )


def _text(value: object, otherwise: str) -> str:
    """A text from a header; anybody may have written the header."""
    if isinstance(value, str):
        return value
    return otherwise
