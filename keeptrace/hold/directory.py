"""The sockets of held processes: a Unix socket each, in a directory that only the user can open.

    $XDG_RUNTIME_DIR/keeptrace/      or else, in the directory for temporary files:
    /tmp/keeptrace-1000/
      1-9f3a07c2-4be81f07c2d90a13-5d20e6b1     number, pool, kind of failure, a token
      2-9f3a07c2-77f0c41be5528a90-e81b3c44

- No file has facts about the failure: the held process itself answers its own user.
- We open the directory once, without following a link, and check its owner and mode. We reach all
  sockets through the directory's descriptor, so nobody can swap the directory meanwhile.
- A killed process leaves its socket behind. The next process that fails to connect removes the
  socket.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from ..core.clock import monotonic, sleep
from ..core.errors import KeepTraceError

_PRIVATE: Final = 0o700
# The longest address of a socket on any system. (bytes)
_MOST_ADDRESS: Final = 100
# Attachers waiting for an answer while another is attached. (connections)
_BACKLOG: Final = 16
# Another worker needs milliseconds to take a number; we wait at most so long. (seconds)
_MOST_WAIT: Final = 2.0
_MOMENT: Final = 0.001  # (seconds)


class Name(NamedTuple):
    """The name of a socket, in its parts."""

    number: int
    group: str
    kind: str
    token: str

    def __str__(self) -> str:
        return "-".join(map(str, self))

    @classmethod
    def parsed(cls, text: str) -> Name | None:
        number, *rest = text.split("-")
        if not number.isdecimal() or len(rest) != len(cls._fields) - 1:
            return None
        return cls(int(number), *rest)


def _candidates() -> list[str]:
    """The possible directories of sockets, the preferred directory first."""
    found = [os.path.join(tempfile.gettempdir(), f"keeptrace-{os.geteuid()}")]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isabs(runtime) and os.access(runtime, os.W_OK):
        found.insert(0, os.path.join(runtime, "keeptrace"))
    return found


class Directory:
    """An open directory of sockets. Use it in a `with` block."""

    def __init__(self, path: str) -> None:
        """Raises OSError without a directory, KeepTraceError if other users can open it."""
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        status = os.fstat(self._fd)
        of_others = stat.S_IMODE(status.st_mode) & ~_PRIVATE
        if status.st_uid != os.geteuid() or of_others:
            self.close()
            raise KeepTraceError(
                f"{path} is not used for held processes, because others could use it as well:"
                f" remove it, or make it yours alone (mode 700)"
            )

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Directory:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """In the block, no other process takes numbers. Do not fork within: a fork shares the lock.

        Raises KeepTraceError if another process, such as a stopped one, keeps the lock for long.
        """
        deadline = monotonic() + _MOST_WAIT
        while not self._lock():
            if monotonic() > deadline:
                raise KeepTraceError(f"another process has locked {self.path}")
            sleep(_MOMENT)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _lock(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def names(self) -> list[Name]:
        """The names of the sockets, by number."""
        found = map(Name.parsed, os.listdir(self._fd))
        return sorted(name for name in found if name is not None)

    def connect(self, name: Name) -> socket.socket | None:
        """A connection to a held process. If the process is gone, removes the socket: None."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)  # a process with a full backlog lives
            connection.connect(self._address(name))
        except BlockingIOError:
            pass
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            self.remove(name)
            return None
        except BaseException:
            connection.close()
            raise
        return connection

    def living(self) -> Iterator[tuple[Name, socket.socket]]:
        """The living processes, each with a connection. The next step closes the connection."""
        for name in self.names():
            connection = self.connect(name)
            if connection is not None:
                with connection:
                    yield name, connection

    def listen(self, name: Name) -> socket.socket:
        """Makes a socket."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(self._address(name))
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
        return listener

    def remove(self, name: Name) -> None:
        with suppress(FileNotFoundError):  # another process was first
            os.unlink(str(name), dir_fd=self._fd)

    def _address(self, name: Name) -> str:
        """The socket's address. Raises KeepTraceError if the system allows no address so long."""
        for address in (f"/proc/self/fd/{self._fd}/{name}", os.path.join(self.path, str(name))):
            is_reachable = os.path.isdir(os.path.dirname(address))
            if is_reachable and len(os.fsencode(address)) <= _MOST_ADDRESS:
                return address
        raise KeepTraceError(
            f"{self.path} has too long a name for a socket: set TMPDIR to a shorter one"
        )


class Place(NamedTuple):
    """The socket of a held process, and its open directory."""

    name: Name
    directory: Directory
    listener: socket.socket

    def remove(self) -> None:
        self.directory.remove(self.name)

    def close(self) -> None:
        self.listener.close()
        self.directory.close()


def make_directory() -> Directory:
    """The directory for a new socket. Raises OSError and KeepTraceError."""
    path = _candidates()[0]
    with suppress(FileExistsError):
        os.mkdir(path, _PRIVATE)
    return Directory(path)


def directories() -> Iterator[Directory]:
    """The existing directories, each open until the next follows."""
    for path in _candidates():
        try:
            directory = Directory(path)
        except (FileNotFoundError, KeepTraceError):  # no directory, or another user's
            continue
        with directory:
            yield directory
