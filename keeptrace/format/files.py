"""Writes files whole or not at all, on this machine or behind any URL that fsspec knows.

A path with "://" in it is a URL. All other paths are of this machine and need only the standard
library.

- A local file, also of a file:// URL, is written beside its place and renamed, so that a reader
  sees the whole file or none. In a bucket an object exists when its upload is complete. fsspec's
  other file systems (ftp, ssh, ...) have their own promises.
- Dumps hold the program's variables: files and directories are private to their user from the
  moment they are made.
- In a directory that other users can write to, any name may be a link, a pipe or a device of
  another user: open_regular() follows no link, waits for no pipe, and opens only regular files.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

from ..core.clock import monotonic
from ..core.errors import OptionError, missing_extra
from ..core.guard import Failed, run_each

T = TypeVar("T")

# A disk answers in milliseconds. A network drive without an answer after this time is gone, and the
# program must go on. (seconds)
MAX_WRITE_SECONDS: Final = 10.0

# New files are private to their user. (permission bits)
_PRIVATE_FILE: Final = 0o600
_PRIVATE_DIRECTORY: Final = 0o700

# Windows has neither such links nor such pipes, and so no flags against them.
_FLAGS: Final = ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT")
_CAREFULLY: Final[int] = sum(getattr(os, name, 0) for name in _FLAGS)


def is_url(path: str) -> bool:
    return "://" in path


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path there.

    Raises MissingExtraError if fsspec or what it needs for this kind of URL is not installed,
    OptionError for an unknown kind."""
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


def is_local(files: Any) -> bool:
    """Whether a file system of fsspec's is this machine's."""
    protocols = [files.protocol] if isinstance(files.protocol, str) else files.protocol
    return "file" in protocols


def write(path: str, data: bytes) -> None:
    """Writes a file, named by a path or a URL. Raises OSError if it cannot be, and what
    file_system() raises.

    A device or a pipe (/dev/null, /dev/stdout, a shell's `>(command)`) is written to as it is.
    """
    if not is_url(path):
        put = _write_to_stream if _is_stream(path) else write_atomically
        put(path, data)
        return
    files, inside = file_system(path)
    asked(path, lambda: write_in(files, inside, data))


def write_in(files: Any, path: str, data: bytes) -> None:
    """Writes a file into fsspec's file system."""
    if is_local(files):
        write_atomically(path, data)
    else:
        files.pipe_file(path, data)


def read(path: str, most: int) -> bytes:
    """At most the first `most` bytes of a file.

    Raises OSError if it cannot be read, and what file_system() raises.
    """
    if not is_url(path):
        with open(path, "rb") as file:
            return file.read(most)
    files, inside = file_system(path)

    def opened() -> bytes:
        with files.open(inside, "rb") as file:
            return bytes(file.read(most))

    return asked(path, opened)


def asked(url: str, call: Callable[[], T]) -> T:
    """The result of the call. An error of a file system becomes an OSError that names the URL."""
    try:
        return call()
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from None
    except OSError:
        raise
    except Exception as problem:  # each of fsspec's libraries has errors of its own
        raise OSError(f"{url}: {type(problem).__name__}: {problem}") from problem


# -- this machine's files


def user() -> int:
    """The number of the user that this process acts for. Windows has none."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def write_atomically(path: str, data: bytes) -> None:
    """Writes a local file by way of another one beside it.

    Raises OSError, and leaves nothing behind then.
    """
    beside = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        with os.fdopen(create(beside), "wb") as file:
            file.write(data)
        os.replace(beside, path)
    except BaseException:
        remove(beside)
        raise


def _is_stream(path: str) -> bool:
    """Whether the path is a device or a pipe of this user or the system.

    A device, pipe or link of another user is replaced by a file.
    """
    try:
        itself, target = os.lstat(path), os.stat(path)
    except (OSError, ValueError):  # usually no such file; the writer meets all other errors itself
        return False
    trusted = {0, user()}
    if itself.st_uid not in trusted or target.st_uid not in trusted:
        return False
    return stat.S_ISCHR(target.st_mode) or stat.S_ISFIFO(target.st_mode)


def _write_to_stream(path: str, data: bytes) -> None:
    # Without O_NONBLOCK opening a pipe that nobody reads would wait.
    file = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(file, "wb") as stream:
        os.set_blocking(file, True)
        stream.write(data)


def create(path: str) -> int:
    """A descriptor of a new file, for its user alone.

    Raises FileExistsError if anything has this name, even a link.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _CAREFULLY, _PRIVATE_FILE)


def open_regular(path: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file.

    Raises OSError for other kinds of files. Follows no link, and does not wait.
    """
    file = os.open(path, flags | _CAREFULLY)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return file


def remove(path: str) -> bool:
    """Removes a file. False if it is a directory, another process was first, or the file belongs to
    another user.
    """
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def make_private(directory: str) -> None:
    """Makes a directory and its missing parents, private to their user.

    An existing directory stays as it is.
    """
    missing = []
    while directory and not os.path.isdir(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    for path in reversed(missing):
        try:
            os.mkdir(path, _PRIVATE_DIRECTORY)
        except FileExistsError:  # another process was first
            if not os.path.isdir(path):
                raise


def bounded(call: Callable[[], T]) -> T:
    """What the call returns or raises; TimeoutError if a disk does not answer, and then it is left
    behind.

    A thread can be left, a hanging system call cannot be interrupted. At the end of the interpreter
    there are no threads."""

    def attempt() -> tuple[Any, Exception | None]:
        try:
            return call(), None
        except Exception as problem:
            return None, problem

    if sys.is_finalizing():
        result, problem = attempt()
    else:
        # one call gets a third of the time in run_each, so that others could follow it
        (told,) = run_each([attempt], monotonic() + 3 * MAX_WRITE_SECONDS)
        if isinstance(told, Failed):
            if "end in time" in told.why:
                raise TimeoutError(
                    f"the file system did not answer within {MAX_WRITE_SECONDS:.0f} seconds"
                )
            told = attempt()  # no more threads
        result, problem = told
    if problem is not None:
        raise problem
    return result  # type: ignore[no-any-return]  # what the call gave
