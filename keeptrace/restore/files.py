"""Files that may be opened: ordinary ones, of bounded size."""

from __future__ import annotations

import io
import os
import stat
import sys
import zlib
from typing import Final

# Bounds against forged data, for all the sources of a report. (bytes, lines)
MAX_SOURCE: Final = 32 << 20
MAX_LINES: Final = 1_000_000
# A module of this size is generated; nobody reads it in a traceback. (bytes)
MAX_SOURCE_FILE: Final = 8 << 20
# Names of other machines' files on Windows, with either slash: opening one tells that machine who
# reads.
_NETWORK: Final = ("//", "\\\\", "/\\", "\\/")


def source_text(file: str, most: int = MAX_SOURCE_FILE) -> str | None:
    """The text of a source file by its name: the only function that opens a file that data names.

    None if this is no regular file of at most `most` bytes, cannot be read, or is no text: a device
    or a pipe may never end, or never answer.
    """
    if file.startswith(_NETWORK) or not _is_regular(file, most):
        return None
    import tokenize  # it reads a file by its coding line; costly to import and rarely needed

    try:
        data = _read_regular(file, most)
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return io.StringIO(data.decode(encoding), newline=None).read()
    except (OSError, SyntaxError, ValueError, LookupError):
        return None


def _is_regular(file: str, most: int) -> bool:
    """Whether it is a file with contents.

    What is in /proc says that it is empty, and need not end.
    """
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return False
    return _is_source(found, most)


def _is_source(found: os.stat_result, most: int) -> bool:
    return stat.S_ISREG(found.st_mode) and 0 < found.st_size <= most


def _read_regular(file: str, most: int) -> bytes:
    """The bytes that a regular file says it has; empty if another file took its place meanwhile."""
    flags = (
        os.O_RDONLY
        | getattr(os, "O_NONBLOCK", 0)
        | getattr(os, "O_NOCTTY", 0)
        | getattr(os, "O_BINARY", 0)
    )
    with open(os.open(file, flags), "rb") as stream:
        found = os.fstat(stream.fileno())
        return stream.read(min(found.st_size, most)) if stat.S_ISREG(found.st_mode) else b""


def may_be_opened(file: str) -> bool:
    """Whether linecache, traceback, pdb and the interpreter may be given this name, which they open
    without a look.

    So they may if there is nothing of that name, a directory, or a regular file with contents and
    of bounded size."""
    if file.startswith("<") and file.endswith(">"):  # code that no file holds; nobody looks for one
        return True
    if file.startswith(_NETWORK):
        return False
    places = {file, without_detours(file)}
    above = [place for place in sys.path if type(place) is str]
    if not os.path.isabs(file):  # linecache looks for it along sys.path
        places.update([os.path.join(place, file) for place in above])
    if sys.version_info < (3, 13):  # the interpreter's own printer looks there for its last part
        places.update([os.path.join(place, os.path.basename(file)) for place in above])
    return all(map(is_absent_or_ordinary, places))


def without_detours(file: str) -> str:
    """Under which name pdb and inspect look for it, in linecache and then on disk."""
    try:
        return os.path.abspath(file)
    except (OSError, ValueError):  # the working directory is gone; or no file can have this name
        return file


def is_absent_or_ordinary(path: str) -> bool:
    """Whether opening just this name ends: nothing is there, or a directory, or a bounded file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return True
    return _is_source(found, MAX_SOURCE_FILE) or stat.S_ISDIR(found.st_mode)


def unopened_name(file: str) -> str:
    """What code is called whose file nobody should open."""
    return f"{file} [not opened]"


def unpack_bounded(packed: bytes, most: int) -> bytes:
    """zlib, within a bound: a few kilobytes can claim to be gigabytes."""
    engine = zlib.decompressobj()
    data = engine.decompress(packed, most)
    if engine.unconsumed_tail or not engine.eof:
        raise ValueError(f"compressed data is damaged or larger than {most} bytes")
    return data
