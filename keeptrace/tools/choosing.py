"""Which dump a user means: a file, a directory, a number of `keeptrace ls`, the start of a name.

    keeptrace show                     the newest dump of the directory
    keeptrace show 3                   the third of `keeptrace ls`
    keeptrace show 20261128T1210       the only dump whose name starts so
    keeptrace show /var/dumps          the newest dump there; /var/dumps/3 is the third

The directory is $KEEPTRACE_DIR, else ./keeptrace-dumps. A dump that was one of many alike, and was
removed since, is found by the fingerprint in its name: the dump nearest in time is shown.
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
    """Where dumps are looked for."""
    return os.environ.get(DIRECTORY_VARIABLE) or DEFAULT_DIRECTORY


def listed(directory: str) -> list[Entry]:
    """The failures of a directory in the order of `keeptrace ls`: the newest dump last."""
    from ..store import Store

    return sorted(Store(directory).entries(), key=lambda entry: os.path.basename(entry.path))


def chosen_dump(given: str | None) -> str:
    """The path of the dump that a user means; "-" and URLs of files as they are.

    Raises KeepTraceError if there is none, or several.
    """
    if not given:
        return _newest(default_directory())
    if given == "-" or "://" in given or os.path.isfile(given):
        return given
    if os.path.isdir(given):
        return _newest(given)
    directory, name = os.path.split(given)
    directory = directory or default_directory()
    if not name or not os.path.isdir(directory):
        return given  # whoever opens it says what is wrong
    if name.isascii() and name.isdigit() and len(name) < _SHORTEST_DATE:
        return _numbered(directory, int(name))
    return _starting_with(directory, name) or _alike(directory, name) or given


# A shorter number is the number of a dump; a longer one is the date at the start of a name.
# (digits)
_SHORTEST_DATE: Final = 8


def _newest(directory: str) -> str:
    from ..store.names import SUFFIX, read_name

    if not os.path.isdir(directory):
        raise KeepTraceError(f"there is no directory {directory}: name a dump, or the directory")
    names = [name for name in os.listdir(directory) if read_name(name)]
    if names:
        return os.path.join(directory, max(names))
    others = [name for name in os.listdir(directory) if name.endswith(SUFFIX)]
    if not others:
        raise KeepTraceError(f"there is no dump in {directory}")
    paths = [os.path.join(directory, name) for name in others]
    return max(paths, key=os.path.getmtime)


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
    return os.path.join(directory, found[0]) if found else None


def _alike(directory: str, name: str) -> str | None:
    """The dump nearest in time to a dump of the same failure that is there no longer."""
    from ..store.names import read_name

    wanted = read_name(name)
    if wanted is None:
        return None
    told = [(each, read_name(each)) for each in os.listdir(directory)]
    alike = [
        (abs(found.time - wanted.time), each)
        for each, found in told
        if found is not None and found.key == wanted.key
    ]
    if not alike:
        return None
    nearest = os.path.join(directory, min(alike)[1])
    print(
        f"keeptrace: that dump was one of many alike and is gone; this is the nearest: {nearest}",
        file=sys.stderr,
    )
    return nearest


def completions(start: str) -> list[str]:
    """What a shell may complete: paths, and names in the default directory."""
    directory, name = os.path.split(start)
    found = [
        os.path.join(directory, entry.name) + ("/" if entry.is_dir() else "")
        for entry in _entries(directory or os.curdir)
        if entry.name.startswith(name) and (name or not entry.name.startswith("."))
    ]
    if not directory:
        names = [entry.name for entry in _entries(default_directory())]
        found += [each for each in names if each[:1].isdigit() and each.startswith(name)]
    return sorted(found)


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:  # nothing to complete
        return []
