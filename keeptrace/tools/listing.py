"""The failures of a directory of dumps, for a site: what the store tells of them."""

from __future__ import annotations

import os

from ..render.site import Seen
from ..store import Entry, Store
from ..store.names import SUFFIX, read_name


def failures_in(directory: str) -> list[Seen]:
    """What is in a directory, also dumps with names of their own. Raises OSError."""
    entries = [_of_entry(entry) for entry in Store(directory).entries()]
    names = [name for name in os.listdir(directory) if name.endswith(SUFFIX)]
    others = [os.path.join(directory, name) for name in names if read_name(name) is None]
    # Opening a named pipe would block.
    return entries + [_of_file(path) for path in sorted(others) if os.path.isfile(path)]


def _of_entry(entry: Entry) -> Seen:
    told = [(path, read_name(os.path.basename(path))) for path in entry.kept]
    return Seen(
        fingerprint=entry.fingerprint,
        type=entry.type.removeprefix("builtins."),
        message=entry.message,
        where=entry.where,
        host=_text(entry.header.get("host")),
        count=entry.count,
        at_least=entry.at_least,
        first=entry.time,
        last=entry.last,
        dumps=[(path, name.time) for path, name in told if name is not None],
    )


def _of_file(path: str) -> Seen:
    """A dump that keeptrace.dump wrote: a failure that was seen once."""
    from ..core.errors import KeepTraceError
    from ..format.reading import read_header

    header = {}
    try:
        with open(path, "rb") as file:
            header = read_header(file.read(_HEAD))
    except (OSError, KeepTraceError):  # it is listed by its name
        pass
    time = header.get("time")
    seen = time if type(time) is float else os.path.getmtime(path)
    return Seen(
        fingerprint=_text(header.get("fingerprint")) or path,
        type=_text(header.get("type")).removeprefix("builtins.") or os.path.basename(path),
        message=_text(header.get("message")),
        where=_text(header.get("where")),
        host=_text(header.get("host")),
        count=1,
        at_least=False,
        first=seen,
        last=seen,
        dumps=[(path, seen)],
    )


# The header of a dump lies within its beginning. (bytes)
_HEAD = 32_768


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
