"""The failures in a directory of dumps, for a site and for assistants."""

from __future__ import annotations

import os

from ..render.site import Seen
from ..store import Entry, Store
from ..store.names import SUFFIX, read_name


def failures_in(directory: str) -> list[Seen]:
    """The failures in a directory, also dumps that the user has named. Raises OSError."""
    failures = [_of_entry(entry) for entry in Store(directory).entries()]
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        is_users = name.endswith(SUFFIX) and read_name(name) is None
        # Opening a named pipe would block.
        if is_users and os.path.isfile(path):
            failures.append(_of_file(path))
    return failures


def _of_entry(entry: Entry) -> Seen:
    dumps = []
    for path in entry.kept:
        name = read_name(os.path.basename(path))
        if name is not None:
            dumps.append((path, name.time))
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
        dumps=dumps,
    )


def _of_file(path: str) -> Seen:
    """A dump by keeptrace.dump: a failure with a count of 1."""
    from ..core.errors import KeepTraceError
    from ..format.reading import read_header

    try:
        with open(path, "rb") as file:
            header = read_header(file.read(_HEAD))
    except (OSError, KeepTraceError):  # without a header, the name of the file must do
        header = {}
    seen = header.get("time")
    if type(seen) is not float:
        seen = os.path.getmtime(path)
    kind = _text(header.get("type")).removeprefix("builtins.")
    return Seen(
        fingerprint=_text(header.get("fingerprint")) or path,
        type=kind or os.path.basename(path),
        message=_text(header.get("message")),
        where=_text(header.get("where")),
        host=_text(header.get("host")),
        count=1,
        at_least=False,
        first=seen,
        last=seen,
        dumps=[(path, seen)],
    )


# The header lies within the first bytes of a dump. (bytes)
_HEAD = 32_768


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return ""
