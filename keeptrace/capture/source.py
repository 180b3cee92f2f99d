"""Snapshots of the source files of frames.

A dump has whole files, compressed. Within a pool only sources without a file travel: typed or
generated code registered with linecache, or code in a loader's archive.
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

# A larger module is generated code: a debugger does not need the source. (bytes)
_MAX_FILE: Final = 4 << 20
# Existing files: one look at the disk is enough.
_on_disk: set[str] = set()
# (file, modification time, size) → compressed text
_packed: dict[tuple[str, int, int], bytes] = {}
_MOST_PACKED: Final = 512


def snapshot(report: Report, namespaces: dict[str, dict[str, Any]], whole: bool, most: int) -> None:
    """Adds the sources of the report's frames.

    namespaces: for each file the globals of a frame, which name the loader of the source.
    whole: also take sources from files on disk.
    most: compressed bytes in all; sources beyond the bound are left out and counted.
    """
    for file, namespace in namespaces.items():
        packed = _packed_source(file, namespace, whole)
        if not packed:
            continue
        if len(packed) > most or len(report["sources"]) >= MAX_SOURCES:
            report["cuts"]["sources"] = report["cuts"].get("sources", 0) + 1
            continue
        most -= len(packed)
        report["sources"][file] = packed


def _packed_source(file: str, namespace: dict[str, Any], whole: bool) -> bytes:
    """The compressed source of a file; b"" without a source, or if the source need not travel."""
    # Since 3.13 linecache gives the command line of a worker as the source of all eval'd code.
    if file == "<string>" and not whole:
        return b""
    # Every Python has its own frozen modules, and tracebacks do not show frozen sources.
    if file.startswith("<frozen "):
        return b""
    if not whole and _is_on_disk(file):
        return b""
    packed = None
    if whole:
        packed = _from_disk(file)
    if packed is None:
        packed = _pack(_from_linecache(file, namespace))
    return packed


def _is_registered(file: str) -> bool:
    """Whether a program registered the source with linecache by hand: no file has the source."""
    cached = linecache.cache.get(file)
    return cached is not None and len(cached) > 1 and cached[1] is None


def _is_on_disk(file: str) -> bool:
    if file in _on_disk:
        return True
    if _is_registered(file) or not os.path.isfile(file):
        return False
    _on_disk.add(file)
    return True


def _from_disk(file: str) -> bytes | None:
    """The compressed text of a file; b"" for an unreadable file, None if linecache may have it."""
    if _is_registered(file):
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
    if not may_be_opened(file):  # for example, the pipe of `python /dev/fd/3`
        return ""
    try:
        with LibraryAlone():  # linecache imports `tokenize` only now
            return "".join(linecache.getlines(file, namespace))
    except Exception:  # the user's loader failed: there is no source
        return ""


def _pack(text: str) -> bytes:
    if text:
        return zlib.compress(text.encode("utf-8", "replace"), 6)
    return b""
