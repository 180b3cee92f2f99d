"""Source lines for tracebacks and debuggers: from an unchanged file, otherwise from the dump."""

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

# Names shared by all code without a file: live code would show a snapshot under such a name.
_OF_NOBODY: Final = frozenset({"<string>", "<stdin>"})


def rename_unopened(report: dict[str, Any], renamed: dict[str, str]) -> None:
    """Adds the files that must not be opened, unless linecache has the text."""
    for file in {code["file"] for code in report["codes"]} - renamed.keys():
        if not may_be_opened(file) and not _is_all_in_linecache(file):
            renamed[file] = unopened_name(file)


def _is_all_in_linecache(file: str) -> bool:
    """Whether linecache has the file's text under every name used by a tool."""
    plain = without_detours(file)
    return _has_snapshot(file) and (_has_snapshot(plain) or is_absent_or_ordinary(plain))


def _has_snapshot(file: str) -> bool:
    cached = linecache.cache.get(file)
    return cached is not None and len(cached) > 1 and cached[1] is None


# (file, compressed text) → modification time and size of the file with the same text
_same_on_disk: Final[dict[tuple[str, bytes], tuple[int, int]]] = {}
_MOST_SAME: Final = 256


def _is_same_on_disk(file: str, packed: bytes) -> bool:
    """Whether an earlier comparison found the same text, and the file has not changed since."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return False
    return _same_on_disk.get((file, packed)) == (found.st_mtime_ns, found.st_size)


def _remember_same(file: str, packed: bytes) -> None:
    try:
        found = os.stat(file)
    except OSError:  # the file has been deleted
        return
    if len(_same_on_disk) >= _MOST_SAME:
        _same_on_disk.clear()
    _same_on_disk[file, packed] = (found.st_mtime_ns, found.st_size)


# Redaction keeps the number of bytes of a piece of source (redact/spans.py). Fewer stars are code.
_HIDDEN: Final = rb"<redacted>\**|\*{3,}"


def reads_the_same(here: list[str], kept: list[str]) -> bool:
    """Whether two texts are the same, except for hidden secrets in the kept text."""
    if len(here) != len(kept):
        return False
    pairs = [(ours.rstrip(), theirs.rstrip()) for ours, theirs in zip(here, kept)]
    return all([ours == theirs or _is_hidden(ours, theirs) for ours, theirs in pairs])


def _is_hidden(ours: str, theirs: str) -> bool:
    """Whether the lines are the same, except for hidden secrets in the kept line."""
    import re  # rarely needed

    line, kept = ours.encode("utf-8", "replace"), theirs.encode("utf-8", "replace")
    if len(line) != len(kept):
        return False
    return re.sub(_HIDDEN, lambda found: line[found.start() : found.end()], kept) == line


def install_sources(sources: dict[str, bytes]) -> dict[str, str]:
    """Gives the snapshots to linecache, and so to tracebacks and debuggers. Returns the new names
    of renamed files.

    A file with the same text needs no snapshot. The snapshot of an absent file gets the file's
    name. A changed file keeps the name for live code, and the snapshot gets a name with a mark.
    """
    renamed: dict[str, str] = {}
    room, most_lines = MAX_SOURCE, MAX_LINES
    for file, packed in sources.items():
        if not _has_snapshot(file) and _is_same_on_disk(file, packed):
            continue
        try:
            text = unpack_bounded(packed, room).decode("utf-8", "replace")
        except (ValueError, zlib.error):
            # No file has this name, so no false source is shown.
            renamed[file] = f"{file} [snapshot damaged or too large]"
            continue
        room -= len(text)
        most_lines -= text.count("\n")
        if most_lines < 0:
            renamed[file] = f"{file} [snapshot too large]"
            continue
        name = _install_source(file, packed, text, sources)
        if name != file:
            renamed[file] = name
    return renamed


def _install_source(file: str, packed: bytes, text: str, sources: dict[str, bytes]) -> str:
    """Gives a snapshot to linecache, unless the file has the same text. Returns the name to use."""
    # Reads lines like a file; str.splitlines() knows more line ends.
    lines = io.StringIO(text, newline=None).readlines()
    is_snapshot = _has_snapshot(file)  # of an earlier dump, or code without a file
    if not is_snapshot and not may_be_opened(file):
        name = unopened_name(file)
        linecache.cache[name] = (len(text), None, lines, name)
        return name
    here: list[str] | None
    if is_snapshot:
        here = linecache.getlines(file)
    else:
        here = _lines_on_disk(file)
    if here is None:
        here = _lines_of_live(file)
    if here is not None and reads_the_same(here, lines):
        if not is_snapshot:
            _remember_same(file, packed)
        return file
    name = file
    if here is not None:
        name = f"{file} [snapshot {zlib.crc32(packed):08x}]"
    _keep_in_linecache(name, len(text), lines, sources)
    return name


# The room for snapshots in linecache. A program that reads dumps all day keeps the newest
# snapshots, and all snapshots of the current dump. (characters)
_MOST_KEPT: Final = 64 << 20
_kept: Final[dict[str, tuple[Any, ...]]] = {}  # keeptrace's entries, the oldest first


def _keep_in_linecache(name: str, size: int, lines: list[str], current: dict[str, bytes]) -> None:
    """Puts a snapshot into linecache, and removes keeptrace's oldest snapshots."""
    _kept.pop(name, None)
    _kept[name] = linecache.cache[name] = (size, None, lines, name)
    # Other threads keep and remove snapshots meanwhile.
    left = sum([entry[0] for entry in list(_kept.values())]) - _MOST_KEPT
    for old in list(_kept):
        if left <= 0:
            break
        if old == name or old.partition(" [snapshot")[0] in current:
            continue
        entry = _kept.pop(old, None)
        if entry is None:
            continue
        left -= entry[0]
        if linecache.cache.get(old) is entry:
            linecache.cache.pop(old, None)


def _lines_of_live(file: str) -> list[str] | None:
    """The lines of a live module without a file, from the module's loader; None without such a
    module.
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
    """The lines of a file; [] for an unreadable file, None for an absent file."""
    if not os.path.isfile(file):
        return None
    text = source_text(file)
    if text is None:
        return []
    return io.StringIO(text).readlines()
