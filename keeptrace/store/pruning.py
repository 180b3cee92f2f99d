"""Pruning: removes the oldest dumps beyond the bounds, and files that killed processes left behind.

We look only at the user's own files: each user's dumps have separate bounds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ..core.clock import now
from .bounds import Bounds
from .counts import bytes_of, counts_in
from .directory import Directory
from .found import FoundFile
from .journal import Turn, write_times
from .names import Name, is_left_behind, key_of_mark, read_name

# A half-written file this old belongs to no living process. (seconds)
_STALE: Final = 3_600.0


class Pruned(NamedTuple):
    """The result of a pruning."""

    removed: int  # dumps
    kept: list[str]  # their names, in the order of writing


def prune(files: Directory, bounds: Bounds) -> Pruned:
    """Prunes a directory. Raises OSError if the directory cannot be read."""
    found = files.found()
    owner = files.owner()
    ours = [entry for entry in found if entry.owner == owner]
    counts = counts_in(ours)
    kept: list[str] = []
    keys: set[str] = set()
    removed = size = 0
    for name, entry, age in _newest_first(files, ours):
        count = counts.get((name.key, owner))
        weight = entry.size
        if name.key not in keys:
            weight += bytes_of(count)
        has_room = size + weight <= bounds.max_bytes
        if has_room and len(kept) < bounds.max_files and age <= bounds.max_age:
            kept.append(entry.name)
            size += weight
        else:
            # Remove the count first: nobody must count for a dump about to be removed.
            if count is not None and name.key not in keys:
                files.remove(count.name)
            removed += files.remove(entry.name)
        keys.add(name.key)
    _remove_leftovers(files, ours, keys)
    return Pruned(removed, kept[::-1])


def _remove_leftovers(files: Directory, ours: list[FoundFile], keys: set[str]) -> None:
    """Removes old counts without a dump, and old half-written files. keys: of the dumps."""
    for entry in ours:
        if _is_leftover(entry.name, keys) and now() - entry.changed > _STALE:
            files.remove(entry.name)


def _is_leftover(name: str, keys: set[str]) -> bool:
    key = key_of_mark(name)
    if key is None:
        return is_left_behind(name)
    return key not in keys


def _newest_first(files: Directory, ours: list[FoundFile]) -> list[tuple[Name, FoundFile, float]]:
    """Our dumps with parsed names and ages in seconds, the last written first."""
    by_name: dict[str, tuple[Name, FoundFile]] = {}
    for entry in ours:
        name = read_name(entry.name)
        if name is not None:
            by_name[entry.name] = (name, entry)
    time = now()
    names = [name for name, _ in by_name.values()]
    times = write_times(names, files.journal(), time)

    def turn(file_name: str) -> tuple[Turn, str]:
        name, _ = by_name[file_name]
        return times[name.stamp], file_name

    newest_first = []
    for file_name in sorted(by_name, key=turn, reverse=True):
        name, entry = by_name[file_name]
        age = times[name.stamp].age(time)
        newest_first.append((name, entry, age))
    return newest_first
