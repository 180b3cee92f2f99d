"""Snapshots of the source files of frames.

In a dump whole files travel, compressed. Within a pool only what no file holds does: code that was
typed or generated and registered with linecache, or that a loader keeps in an archive.
"""

from __future__ import annotations

import linecache
import os
import zlib
from typing import Any, Final

from ..core.bounds import MAX_SOURCES
from ..core.report import Report
from ..core.shadows import LibraryAlone
from ..restore.files import may_be_opened, source_text

# A module of this size is generated; a debugger needs none of it. (bytes)
_MAX_FILE: Final = 4 << 20
# Files that were seen on disk once need not be looked for again.
_on_disk: set[str] = set()
# (file, modification time, size) -> compressed text
_packed: dict[tuple[str, int, int], bytes] = {}
_MOST_PACKED: Final = 512


def snapshot(report: Report, namespaces: dict[str, dict[str, Any]], whole: bool, most: int) -> None:
    """Adds the sources of the report's frames.

    namespaces: for each file the globals of a frame of it, where a loader that keeps its source is
        found.
    whole: also what is on disk.
    most: compressed bytes in all; what exceeds it is left out and counted.
    """
    for file, namespace in namespaces.items():
        if (
            file == "<string>" and not whole
        ):  # since 3.13 linecache shows what a worker was started with for all eval'd code
            continue
        if file.startswith(
            "<frozen "
        ):  # every Python has its own; and the traceback of the original shows none of it
            continue
        packed = _from_disk(file) if whole else b"" if _is_on_disk(file) else None
        if packed is None:
            packed = _pack(_from_linecache(file, namespace))
        if not packed:
            continue
        if len(packed) > most or len(report["sources"]) >= MAX_SOURCES:
            report["cuts"]["sources"] = report["cuts"].get("sources", 0) + 1
            continue
        most -= len(packed)
        report["sources"][file] = packed


def _is_on_disk(file: str) -> bool:
    if file in _on_disk:
        return True
    cached = linecache.cache.get(file)
    if (
        cached is not None and len(cached) > 1 and cached[1] is None
    ):  # registered by hand: nobody else has this text
        return False
    if not os.path.isfile(file):
        return False
    _on_disk.add(file)
    return True


def _from_disk(file: str) -> bytes | None:
    """The compressed text of a file; b"" if it is unreadable, None if linecache has to say."""
    cached = linecache.cache.get(file)
    if cached is not None and len(cached) > 1 and cached[1] is None:
        return None
    try:
        stat = os.stat(file)
    except (OSError, ValueError):
        return None
    key = (file, stat.st_mtime_ns, stat.st_size)
    packed = _packed.get(key)
    if packed is None:
        text = source_text(file, _MAX_FILE) or ""
        if len(_packed) >= _MOST_PACKED:
            _packed.clear()
        packed = _packed[key] = _pack(text)
    return packed


def _from_linecache(file: str, namespace: dict[str, Any]) -> str:
    if not may_be_opened(file):  # such as the pipe of `python /dev/fd/3`
        return ""
    try:
        with LibraryAlone():  # linecache imports `tokenize` only now
            return "".join(linecache.getlines(file, namespace))
    except Exception:  # a loader of the user's that fails: then there is no source
        return ""


def _pack(text: str) -> bytes:
    return zlib.compress(text.encode("utf-8", "replace"), 6) if text else b""
