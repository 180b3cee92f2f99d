"""The list of a directory's dumps, from names, headers and counts: no dump is read as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..core.errors import KeepTraceError
from ..format.reading import read_header
from .counts import bytes_of, counts_in, is_full
from .directory import Directory
from .local import FoundFile
from .names import Name, read_name


class Entry(NamedTuple):
    """A dump of a directory, described by its name, its header and its count."""

    path: str
    # as in the header, "module.Qualname"; if the header cannot be read, as in the file's name
    type: str
    where: str  # "file:line in function"
    message: str
    time: float  # of the dump, in seconds since 1970
    last: float  # when this failure was last seen, in seconds since 1970
    count: int  # type: ignore[assignment]  # how often it was seen; hides the tuple's count()
    at_least: bool  # whether more repeats may have happened than `count`
    size: int  # bytes
    fingerprint: str
    header: dict[str, Any]  # empty if it cannot be read


def entries_of(files: Directory, counts_all: bool) -> Iterator[Entry]:
    """The dumps of a directory; none if there is no directory. Raises OSError.

    counts_all: whether every repeat has a dump or a count of its own.
    """
    try:
        found = files.found()
    except FileNotFoundError:
        return
    counts = counts_in(found)
    for file in found:
        name = read_name(file.name)
        if name is None:
            continue
        header = _header_of(files, file.name)
        if header is not None:
            yield _entry(files, name, file, header, counts.get((name.key, file.owner)), counts_all)


def _header_of(files: Directory, name: str) -> dict[str, Any] | None:
    """The header of a dump, empty if it cannot be read; None for a dump pruned meanwhile."""
    try:
        return read_header(files.head(name))
    except FileNotFoundError:
        return None
    except (OSError, KeepTraceError):  # another user's file, or damaged: its name must do
        return {}


def _entry(
    files: Directory,
    name: Name,
    file: FoundFile,
    header: dict[str, Any],
    count: FoundFile | None,
    counts_all: bool,
) -> Entry:
    # A count has the dump's name and a newline before its bytes.
    repeats = max(0, bytes_of(count) - len(file.name) - 1)
    return Entry(
        path=files.path(file.name),
        type=_text(header.get("type"), name.type),
        where=_text(header.get("where"), name.where),
        message=_text(header.get("message"), ""),
        time=name.time,
        last=max(file.changed, count.changed) if count else file.changed,
        count=1 + repeats,
        at_least=is_full(repeats) or not counts_all,
        size=file.size,
        fingerprint=name.key,
        header=header,
    )


def _text(value: object, otherwise: str) -> str:
    """A text from a header, which anybody may have written."""
    return value if isinstance(value, str) else otherwise
