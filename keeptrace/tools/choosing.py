"""Finds the dump that a user names: a file, a directory, a number of `keeptrace ls`, or the start
of a name.

    keeptrace show                     the newest dump of the directory
    keeptrace show 3                   the third of `keeptrace ls`
    keeptrace show 20261128T1210       the only dump whose name starts so
    keeptrace show /var/dumps          the newest dump of /var/dumps; /var/dumps/3 is the third

The directory is $KEEPTRACE_DIR, else ./keeptrace-dumps. The store may have removed the named dump,
as a repetition. Its name holds the fingerprint of the failure, so the user gets the dump of the
same failure that is nearest in time.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from ..core import DEFAULT_DIRECTORY
from ..core.errors import KeepTraceError
from ..core.texts import one_line

if TYPE_CHECKING:  # completion must be quick, and needs no store
    from ..store import Entry

DIRECTORY_VARIABLE: Final = "KEEPTRACE_DIR"


def default_directory() -> str:
    """The directory of dumps when a command names no directory."""
    return os.environ.get(DIRECTORY_VARIABLE) or DEFAULT_DIRECTORY


def listed(directory: str) -> list[Entry]:
    """The failures of a directory in the order of `keeptrace ls`: the newest dump last."""
    from ..store import Store

    def newest_name(entry: Entry) -> str:
        return os.path.basename(entry.path)

    return sorted(Store(directory).entries(), key=newest_name)


def chosen_dump(given: str | None) -> str:
    """The path of the dump that a user means; "-" and URLs of files stay unchanged.

    Raises KeepTraceError if no dump fits, or several do.
    """
    if not given:
        return _newest(default_directory())
    if given == "-" or "://" in given or os.path.isfile(given):
        return given
    if os.path.isdir(given):
        return _newest(given)
    return _named(given)


def _named(given: str) -> str:
    """The dump with a number or a start of its name; `given` itself if no dump fits."""
    directory, name = os.path.split(given)
    directory = directory or default_directory()
    if not name or not os.path.isdir(directory):
        return given  # opening the file will raise the error
    if _is_number(name):
        return _numbered(directory, int(name))
    return _starting_with(directory, name) or _alike(directory, name) or given


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < _SHORTEST_DATE


# A number with fewer digits counts the dumps of a directory. A longer number is the date at the
# start of a name. (digits)
_SHORTEST_DATE: Final = 8


def _newest(directory: str) -> str:
    from ..store.names import SUFFIX, read_name

    if not os.path.isdir(directory):
        raise KeepTraceError(f"there is no directory {directory}: name a dump, or the directory")
    there = os.listdir(directory)
    names = [name for name in there if read_name(name)]
    if names:
        return os.path.join(directory, max(names))
    others = [os.path.join(directory, name) for name in there if name.endswith(SUFFIX)]
    if not others:
        raise KeepTraceError(f"there is no dump in {directory}")
    return max(others, key=os.path.getmtime)


def _numbered(directory: str, number: int) -> str:
    entries = listed(directory)
    if not 1 <= number <= len(entries):
        count = len(entries)
        raise KeepTraceError(
            f"there is no dump {number} in {directory}: it has {count}, numbered from 1"
        )
    return entries[number - 1].path


def _starting_with(directory: str, start: str) -> str | None:
    found = sorted(name for name in os.listdir(directory) if name.startswith(start))
    if len(found) > 1:
        few = ", ".join(found[:3])
        raise KeepTraceError(
            f"{len(found)} names in {directory} start with {start}: {one_line(few)} ..."
        )
    if not found:
        return None
    return os.path.join(directory, found[0])


def _alike(directory: str, name: str) -> str | None:
    """The dump of the same failure that is nearest in time to a removed dump."""
    from ..store.names import read_name

    wanted = read_name(name)
    if wanted is None:
        return None
    distances = []  # (seconds from the wanted dump, name)
    for each in os.listdir(directory):
        found = read_name(each)
        if found is not None and found.key == wanted.key:
            distances.append((abs(found.time - wanted.time), each))
    if not distances:
        return None
    _, closest = min(distances)
    nearest = os.path.join(directory, closest)
    print(
        f"keeptrace: that dump was one of many alike and is gone; this is the nearest: {nearest}",
        file=sys.stderr,
    )
    return nearest


def completions(start: str) -> list[str]:
    """Completions for a shell: paths, and names in the default directory."""
    found = _paths(start)
    if not os.path.dirname(start):
        for entry in _entries(default_directory()):
            is_dump = entry.name[:1].isdigit()
            if is_dump and entry.name.startswith(start):
                found.append(entry.name)
    return sorted(found)


def _paths(start: str) -> list[str]:
    """The files and directories whose paths begin with `start`; hidden files only if asked for."""
    directory, name = os.path.split(start)
    found = []
    for entry in _entries(directory or os.curdir):
        is_hidden = entry.name.startswith(".") and not name
        if entry.name.startswith(name) and not is_hidden:
            path = os.path.join(directory, entry.name)
            if entry.is_dir():
                path += "/"
            found.append(path)
    return found


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:  # nothing to complete
        return []
