"""The files that a restore may open: regular files of bounded size."""

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
# A larger module is generated code: nobody reads the source in a traceback. (bytes)
MAX_SOURCE_FILE: Final = 8 << 20
# Beginnings of names of other machines' files on Windows. Opening such a file tells the other
# machine the reader's account.
_NETWORK: Final = ("//", "\\\\", "/\\", "\\/")


def source_text(file: str, most: int = MAX_SOURCE_FILE) -> str | None:
    """The text of a source file. Only this function opens files with names from data.

    None if the file is no regular file of at most `most` bytes, or is unreadable, or has no text.
    Reading a device or a pipe may never end.
    """
    if file.startswith(_NETWORK) or not _is_regular(file, most):
        return None
    try:
        data = _read_regular(file, most)
        return io.StringIO(data.decode(_encoding_of(data)), newline=None).read()
    except (OSError, SyntaxError, ValueError, LookupError):
        return None


def _encoding_of(data: bytes) -> str:
    """The encoding of a source. Raises SyntaxError as Python does."""
    lines = io.BytesIO(data)
    if b"coding" not in lines.readline() + lines.readline():
        return "utf-8-sig"
    import tokenize  # knows coding lines; costly to import, and rarely needed

    return tokenize.detect_encoding(io.BytesIO(data).readline)[0]


def _is_regular(file: str, most: int) -> bool:
    """Whether this is a regular file with contents. Files in /proc, of size 0, may be endless."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return False
    return _is_source(found, most)


def _is_source(found: os.stat_result, most: int) -> bool:
    return stat.S_ISREG(found.st_mode) and 0 < found.st_size <= most


def _read_regular(file: str, most: int) -> bytes:
    """The contents of a regular file; b"" if the name leads to another kind of file by now."""
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
        flags |= getattr(os, name, 0)
    with open(os.open(file, flags), "rb") as stream:
        found = os.fstat(stream.fileno())
        if stat.S_ISREG(found.st_mode):
            return stream.read(min(found.st_size, most))
        return b""


def may_be_opened(file: str) -> bool:
    """Whether linecache, traceback, pdb and the interpreter may open this name.

    These tools open any file. So the name must be the name of a bounded regular file with contents,
    of a directory, or of no file.
    """
    if file.startswith("<") and file.endswith(">"):  # the name of code without a file
        return True
    if file.startswith(_NETWORK):
        return False
    places = {file, without_detours(file)}
    above = [place for place in sys.path if type(place) is str]
    if not os.path.isabs(file):  # linecache searches sys.path
        places.update([os.path.join(place, file) for place in above])
    if sys.version_info < (3, 13):  # the interpreter searches sys.path for the last part
        places.update([os.path.join(place, os.path.basename(file)) for place in above])
    return all(map(is_absent_or_ordinary, places))


def without_detours(file: str) -> str:
    """The name with which pdb and inspect look for a file, in linecache and then on disk."""
    try:
        return os.path.abspath(file)
    except (OSError, ValueError):  # the working directory is gone, or no file can have this name
        return file


def is_absent_or_ordinary(path: str) -> bool:
    """Whether opening exactly this name ends: a bounded file, a directory, or no file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return True
    return _is_source(found, MAX_SOURCE_FILE) or stat.S_ISDIR(found.st_mode)


def unopened_name(file: str) -> str:
    """The name for code of a file that must not be opened."""
    return f"{file} [not opened]"


def unpack_bounded(packed: bytes, most: int) -> bytes:
    """Decompresses zlib data within a bound: a few kilobytes may become gigabytes."""
    engine = zlib.decompressobj()
    data = engine.decompress(packed, most)
    if engine.unconsumed_tail or not engine.eof:
        raise ValueError(f"compressed data is damaged or larger than {most} bytes")
    return data
