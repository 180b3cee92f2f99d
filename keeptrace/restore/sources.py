"""Source lines for tracebacks and debuggers: from disk where it is the same, else from the
snapshot.
"""

from __future__ import annotations

import io
import linecache
import os
import sys
import types
import zlib
from typing import Any, Final

from .descriptors import raw_names_in
from .files import (
    MAX_LINES,
    MAX_SOURCE,
    is_absent_or_ordinary,
    may_be_opened,
    source_text,
    unopened_name,
    unpack_bounded,
    without_detours,
)

# Names that all code without a file shares: a snapshot under them would be shown for live code.
_OF_NOBODY: Final = frozenset({"<string>", "<stdin>"})


def rename_unopened(report: dict[str, Any], renamed: dict[str, str]) -> None:
    """Adds the files of code that must not be opened, but for those that linecache has a text
    of.
    """
    for file in {code["file"] for code in report["codes"]} - renamed.keys():
        if not may_be_opened(file) and not _is_all_in_linecache(file):
            renamed[file] = unopened_name(file)


def _is_all_in_linecache(file: str) -> bool:
    """Whether linecache has a text of it, wherever a tool would look for one."""
    plain = without_detours(file)
    return _has_snapshot(file) and (_has_snapshot(plain) or is_absent_or_ordinary(plain))


def _has_snapshot(file: str) -> bool:
    cached = linecache.cache.get(file)
    return cached is not None and len(cached) > 1 and cached[1] is None


# (file, compressed text) -> modification time and size of the file that was seen to read the same
_same_on_disk: Final[dict[tuple[str, bytes], tuple[int, int]]] = {}
_MOST_SAME: Final = 256


def _is_same_on_disk(file: str, packed: bytes) -> bool:
    """Whether the file was compared before, and has not changed since."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return False
    return _same_on_disk.get((file, packed)) == (found.st_mtime_ns, found.st_size)


def _remember_same(file: str, packed: bytes) -> None:
    try:
        found = os.stat(file)
    except OSError:  # it went meanwhile; nothing is remembered then
        return
    if len(_same_on_disk) >= _MOST_SAME:
        _same_on_disk.clear()
    _same_on_disk[file, packed] = (found.st_mtime_ns, found.st_size)


# What stands for a hidden piece of source, in as many bytes (redact/spans.py). Fewer stars are code.
_HIDDEN: Final = rb"<redacted>\**|\*{3,}"


def reads_the_same(here: list[str], kept: list[str]) -> bool:
    """Whether a text of this machine is the snapshot's, but for secrets hidden in the snapshot."""
    if len(here) != len(kept):
        return False
    pairs = [(ours.rstrip(), theirs.rstrip()) for ours, theirs in zip(here, kept)]
    return all([ours == theirs or _is_hidden(ours, theirs) for ours, theirs in pairs])


def _is_hidden(ours: str, theirs: str) -> bool:
    """Whether a line is the snapshot's line before something in it was hidden."""
    import re  # rarely needed

    line, kept = ours.encode("utf-8", "replace"), theirs.encode("utf-8", "replace")
    if len(line) != len(kept):
        return False
    return re.sub(_HIDDEN, lambda found: line[found.start() : found.end()], kept) == line


def install_sources(sources: dict[str, bytes]) -> dict[str, str]:
    """Lets linecache, and so tracebacks and debuggers, see the snapshot. Gives the files that need
    another name.

    A file that reads the same here needs nothing. One that is absent gets the snapshot under its
    own name. One that has changed keeps its name for the code that is live in this process; the
    snapshot gets a name that says what it is."""
    renamed: dict[str, str] = {}
    room, most_lines = MAX_SOURCE, MAX_LINES
    for file, packed in sources.items():
        cached = linecache.cache.get(file)
        is_snapshot = _has_snapshot(file)  # or code that never had a file
        if not is_snapshot and _is_same_on_disk(file, packed):
            continue
        try:
            text = unpack_bounded(packed, room).decode("utf-8", "replace")
        except (ValueError, zlib.error):
            renamed[file] = (
                # a name without a file: nothing false is shown for it
                f"{file} [snapshot damaged or too large]"
            )
            continue
        room -= len(text)
        most_lines -= text.count("\n")
        if most_lines < 0:
            renamed[file] = f"{file} [snapshot too large]"
            continue
        lines = io.StringIO(
            text, newline=None
        ).readlines()  # the line ends that files have, not those of str.splitlines
        if not is_snapshot and not may_be_opened(file):
            renamed[file] = unopened_name(file)
            linecache.cache[renamed[file]] = (len(text), None, lines, renamed[file])
            continue
        here: list[str] | None = cached[2] if is_snapshot else _lines_on_disk(file)  # type: ignore[index, misc]  # then it is an entry
        if here is None:
            here = _lines_of_live(file)
        if here is not None and reads_the_same(here, lines):
            if not is_snapshot:
                _remember_same(file, packed)
            continue
        name = file
        if here is not None:
            name = f"{file} [snapshot {zlib.crc32(packed):08x}]"
            renamed[file] = name
        _keep_in_linecache(name, len(text), lines, sources)
    return renamed


# Snapshots of all dumps that were read, in linecache. A program that reads dumps all day keeps the
# newest; those of the dump that is read now all stay. (characters)
_MOST_KEPT: Final = 64 << 20
_kept: Final[dict[str, tuple[Any, ...]]] = {}  # the entries that are ours, the oldest first


def _keep_in_linecache(name: str, size: int, lines: list[str], current: dict[str, bytes]) -> None:
    """Puts a snapshot into linecache, and takes the oldest ones of ours out."""
    _kept.pop(name, None)
    _kept[name] = linecache.cache[name] = (size, None, lines, name)
    left = sum([entry[0] for entry in _kept.values()]) - _MOST_KEPT
    for old in list(_kept):
        if left <= 0:
            break
        if old == name or old.partition(" [snapshot")[0] in current:
            continue
        entry = _kept.pop(old)
        left -= entry[0]
        if linecache.cache.get(old) is entry:
            del linecache.cache[old]


def _lines_of_live(file: str) -> list[str] | None:
    """The lines of a module that is live here, and that no file holds (a loader does, or nobody);
    None if there is none.
    """
    if file.startswith("<frozen ") or file in _OF_NOBODY:
        return []
    for module in list(sys.modules.values()):
        if issubclass(type(module), types.ModuleType):
            namespace = raw_names_in(module)
            if type(namespace.get("__file__")) is str and namespace["__file__"] == file:
                return linecache.getlines(file, namespace)
    return None


def _lines_on_disk(file: str) -> list[str] | None:
    """The lines of a file; none of one that cannot be read, None if there is no file."""
    if not os.path.isfile(file):
        return None
    text = source_text(file)
    return [] if text is None else io.StringIO(text).readlines()
