"""Files whole or not at all, on this machine or behind any URL that fsspec knows.

A path with "://" in it is a URL; everything else is a path of this machine and needs the standard library alone.

On a local file system a file is written beside its place and renamed, so that a reader sees it whole or not at all; also
for file:// URLs. A bucket does the same by itself: an object is there when its upload is complete. What fsspec's other
file systems (ftp, ssh, ...) promise is what holds there.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, TypeVar

from ._errors import OptionError, missing_extra

T = TypeVar("T")


def is_url(path: str) -> bool:
    return "://" in path


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path there.

    Raises MissingExtraError if fsspec or what it needs for this kind of URL is not installed, OptionError for an unknown kind.
    """
    kind = url.partition("://")[0]
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise missing_extra(f"{kind}://", "fsspec", "fsspec") from None
    try:
        files, path = url_to_fs(url)
    except ImportError as problem:  # "Install s3fs to access S3", or so
        raise missing_extra(f"{kind}:// ({problem})", "a library beside fsspec", "fsspec") from None
    except ValueError as problem:
        raise OptionError(f"{url}: {problem}") from None
    return files, str(path)


def write(path: str, data: bytes) -> None:
    """Writes a file, named by a path or a URL. Raises OSError if it cannot be, and what file_system() raises."""
    if not is_url(path):
        write_atomically(path, data)
        return
    files, inside = file_system(path)
    asked(path, lambda: write_in(files, inside, data))


def write_in(files: Any, path: str, data: bytes) -> None:
    """Writes a file into fsspec's file system."""
    if "file" in ([files.protocol] if isinstance(files.protocol, str) else files.protocol):
        write_atomically(path, data)
    else:
        files.pipe_file(path, data)


def read(path: str, most: int) -> bytes:
    """At most the first `most` bytes of a file. Raises OSError if it cannot be read, and what file_system() raises."""
    if not is_url(path):
        with open(path, "rb") as file:
            return file.read(most)
    files, inside = file_system(path)

    def opened() -> bytes:
        with files.open(inside, "rb") as file:
            return bytes(file.read(most))

    return asked(path, opened)


def asked(url: str, call: Callable[[], T]) -> T:
    """What the call gives. Whatever a file system raises becomes an OSError that names the URL."""
    try:
        return call()
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from None
    except OSError:
        raise
    except Exception as problem:  # each of fsspec's libraries has errors of its own
        raise OSError(f"{url}: {type(problem).__name__}: {problem}") from problem


def write_atomically(path: str, data: bytes) -> None:
    """Writes a local file by way of another one beside it. Raises OSError, and leaves nothing behind then."""
    beside = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        with open(beside, "xb") as file:
            file.write(data)
        os.replace(beside, path)
    except BaseException:
        try:
            os.unlink(beside)
        except FileNotFoundError:  # it was never made
            pass
        raise
