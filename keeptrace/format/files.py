"""Writes files whole or not at all, on this machine or at any URL of fsspec's.

A path with "://" is a URL. All other paths are local and need only the standard library.

- A local file, also of a file:// URL, is written beside its place and then renamed, so a reader
  sees the whole file or no file. In a bucket an object exists after the complete upload. fsspec's
  remaining file systems (ftp, ssh, ...) have their own promises.
- Dumps hold the program's variables: files and directories are private to their user from their
  creation on.
- In a directory writable for several users, any name may be a link, a pipe or a device of a foreign
  user: open_regular() follows no link, waits for no pipe, and opens only regular files.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..core.clock import monotonic
from ..core.errors import OptionError, missing_extra
from ..core.guard import Failed, run_each

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")

# A disk answers in milliseconds. A network drive without an answer after this time is gone, and the
# program must go on. (seconds)
MAX_WRITE_SECONDS: Final = 10.0

# New files are private to their user. (permission bits)
_PRIVATE_FILE: Final = 0o600
_PRIVATE_DIRECTORY: Final = 0o700

# Windows has neither such links nor such pipes, and so lacks the flags.
_FLAGS: Final = ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT")
_CAREFULLY: Final[int] = sum(getattr(os, name, 0) for name in _FLAGS)


def is_url(path: str) -> bool:
    return "://" in path


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path in the file system.

    Raises MissingExtraError if fsspec, or a library of fsspec's for this kind of URL, is absent,
    OptionError for an unknown kind.
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


def is_local(files: AbstractFileSystem) -> bool:
    """Whether a file system of fsspec's is this machine's."""
    protocols = files.protocol
    if isinstance(protocols, str):
        protocols = [protocols]
    return "file" in protocols


def write(path: str, data: bytes) -> None:
    """Writes a file, named by a path or a URL. Raises OSError, and the errors of file_system().

    Writes directly to a device or a pipe (/dev/null, /dev/stdout, a shell's `>(command)`).
    """
    if is_url(path):
        files, inside = file_system(path)
        asked(path, lambda: write_in(files, inside, data))
    elif _is_stream(path):
        _write_to_stream(path, data)
    else:
        write_atomically(path, data)


def write_in(files: AbstractFileSystem, path: str, data: bytes) -> None:
    """Writes a file into fsspec's file system."""
    if is_local(files):
        write_atomically(path, data)
    else:
        files.pipe_file(path, data)


def read(path: str, most: int) -> bytes:
    """At most the first `most` bytes of a file.

    Raises OSError for an unreadable file, and the errors of file_system().
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
    """The result of the call. An error of a file system becomes an OSError with the URL."""
    try:
        return call()
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from None
    except OSError:
        raise
    except Exception as problem:  # fsspec's libraries have their own errors
        raise OSError(f"{url}: {type(problem).__name__}: {problem}") from problem


# -- this machine's files


def user() -> int:
    """The number of this process's effective user; 0 on Windows."""
    if hasattr(os, "geteuid"):
        return os.geteuid()
    return 0


def write_atomically(path: str, data: bytes) -> None:
    """Writes a local file: first a temporary file in the same directory, which is then renamed.

    Raises OSError, and then leaves nothing behind.
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

    write() replaces a device, pipe or link of a foreign user by a file.
    """
    try:
        itself, target = os.lstat(path), os.stat(path)
    except (OSError, ValueError):  # usually no such file; writing raises all other errors again
        return False
    trusted = {0, user()}
    if itself.st_uid not in trusted or target.st_uid not in trusted:
        return False
    return stat.S_ISCHR(target.st_mode) or stat.S_ISFIFO(target.st_mode)


def _write_to_stream(path: str, data: bytes) -> None:
    # Without O_NONBLOCK opening a pipe without a reader would block.
    file = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(file, "wb") as stream:
        os.set_blocking(file, True)
        stream.write(data)


def create(path: str) -> int:
    """A descriptor of a new file, private to the user.

    Raises FileExistsError if anything has this name, even a link.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _CAREFULLY, _PRIVATE_FILE)


def open_regular(path: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file.

    Raises OSError for any different kind of file. Follows no link, and does not block.
    """
    file = os.open(path, flags | _CAREFULLY)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return file


def remove(path: str) -> bool:
    """Removes a file. False if the path is a directory, another process was first, or a foreign
    user owns the file.
    """
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def make_private(directory: str) -> None:
    """Makes a directory and its missing parents, private to the user.

    Does not change an existing directory.
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
    """The result of the call, or its exception. Raises TimeoutError if a disk does not answer.

    The call runs in a thread: a thread can be left behind, but no hanging system call can be
    interrupted. During the interpreter's shutdown no thread can start, so the call runs here.
    """

    def attempt() -> tuple[Any, Exception | None]:
        try:
            return call(), None
        except Exception as problem:
            return None, problem

    if sys.is_finalizing():
        result, problem = attempt()
    else:
        # run_each() gives each call at most a third of the time
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
    return result  # type: ignore[no-any-return]  # of the call's type
