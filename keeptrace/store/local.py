"""A directory of dumps on this machine, or on a mounted drive.

Other users may write to the directory, so any name may be their link, pipe, directory or file:

- A file of ours is a regular file that belongs to us and has no second name (see opened()). We
  never write to, count by or remove any other file. If a foreign file has the name of our count or
  journal, the process keeps count and journal in memory.
- We list every user's dumps if they are regular files, and skip anything else with a dump's name.
- Each user has bounds and counts of their own.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import Final

from ..core.clock import monotonic, now, sleep
from ..format.api import read_bytes
from ..format.files import create, make_private, open_regular, remove, user, write_atomically
from .bounds import Bounds
from .counts import MAX_NAME, is_full
from .found import FoundFile
from .journal import MOST_JOURNAL, Journal, journal_line, new_journal, read_journal
from .names import SUFFIX, journal_name, mark_name, read_name

# The header of a dump lies within its beginning. (bytes)
HEAD: Final = 32_768
# A new count gets its first line at once; a count still empty after so long was left by a killed
# process. (seconds)
_PATIENCE: Final = 0.5


class Written:
    """A journal in memory, for a directory without a journal of ours."""

    def __init__(self) -> None:
        self._journal = Journal()

    def is_due(self, size: int, bounds: Bounds) -> bool:
        before = self._journal
        self._journal = before._replace(written=(*before.written, size))
        return before.is_due(size, bounds, now())

    def pruned(self, size: int) -> None:
        self._journal = Journal(now(), (size,))


class LocalDirectory:
    """See the head of this file.

    shown: the directory's name for the user; default its path.
    """

    counts_repeats: Final = True

    def __init__(self, directory: str, shown: str | None = None) -> None:
        self.directory = directory
        self._shown = shown
        self._owners: dict[int, int] = {}  # user → owner of the user's new files
        # fingerprint → dump, where a foreign file takes the place of our count
        self._known: dict[str, str] = {}
        self._written = Written()

    def path(self, name: str) -> str:
        if self._shown is None:
            return os.path.join(self.directory, name)
        return f"{self._shown}/{name}"

    def _at(self, name: str) -> str:
        return os.path.join(self.directory, name)

    # -- owners

    def owner(self) -> int:
        """The owner of our files in this directory: on some network drives another user."""
        us = user()
        if us not in self._owners:
            probe = self._at(f".{os.getpid()}.{os.urandom(4).hex()}.tmp")
            try:
                file = create(probe)
            except OSError:  # no directory yet, or not writable
                return us
            try:
                self._owners[us] = os.fstat(file).st_uid
            finally:
                os.close(file)
                remove(probe)
        return self._owners[us]

    def opened(self, name: str, flags: int) -> int:
        """A descriptor of a file of ours. Raises OSError for any other file.

        A file with a second name is a hard link by another user to our file elsewhere.
        """
        file = open_regular(self._at(name), flags)
        state = os.fstat(file)
        if state.st_uid == self.owner() and state.st_nlink == 1:
            return file
        os.close(file)
        raise OSError(errno.EPERM, "not a file of ours", self._at(name))

    def _has(self, name: str) -> bool:
        """Whether we have a dump of this name."""
        try:
            state = os.lstat(self._at(name))
        except OSError:
            return False
        return stat.S_ISREG(state.st_mode) and state.st_uid == self.owner()

    # -- dumps

    def write(self, name: str, data: bytes) -> None:
        try:
            write_atomically(self._at(name), data)
        except FileNotFoundError:  # no directory yet, or somebody has removed it
            make_private(self.directory)
            write_atomically(self._at(name), data)

    def remove(self, name: str) -> bool:
        return remove(self._at(name))

    def head(self, name: str) -> bytes:
        with os.fdopen(open_regular(self._at(name)), "rb") as file:
            return file.read(HEAD)

    def read(self, name: str) -> bytes:
        with os.fdopen(open_regular(self._at(name)), "rb") as file:
            return read_bytes(file)

    def found(self) -> list[FoundFile]:
        found = []
        with os.scandir(self.directory) as entries:
            for entry in entries:
                try:
                    state = entry.stat(follow_symlinks=False)
                except OSError:  # removed meanwhile
                    continue
                if stat.S_ISREG(state.st_mode):
                    found.append(FoundFile(entry.name, state.st_size, state.st_mtime, state.st_uid))
        return found

    # -- counts

    def alike(self, key: str) -> list[str]:
        """Our dumps of a failure, oldest first."""
        end = f"-{key}{SUFFIX}"
        names = [name for name in os.listdir(self.directory) if name.endswith(end)]
        return sorted(name for name in names if read_name(name) and self._has(name))

    def repeat(self, key: str) -> str | None:
        """Counts a repeat of a failure; returns the name of its dump, None without a dump."""
        mark = mark_name(key)
        try:
            file = self.opened(mark, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None
        except OSError:
            known = self._known.get(key)
            if known is not None and self._has(known):
                return known
            return None
        try:
            name = _name_in(file)
            told = read_name(name)
            if told is not None and told.key == key and self._has(name):
                self._count(file, len(name) + 1)
                return name
        finally:
            os.close(file)
        self.remove(mark)  # somebody deleted the dump: the failure is new again
        return None

    def _count(self, file: int, start: int) -> None:
        with suppress(OSError):  # a full disk: the repeat is not counted
            if not is_full(os.fstat(file).st_size - start):
                os.write(file, b"+")
            elif os.utime in os.supports_fd:
                os.utime(file)

    def claim(self, key: str, name: str) -> bool:
        """Makes `name` the dump of a failure; False if another dump was first."""
        mark = self._at(mark_name(key))
        try:
            file = create(mark)
        except FileExistsError:
            self._known[key] = name
            return False
        except OSError:  # no room for a count: the dump stays all the same
            return True
        try:
            os.write(file, f"{name}\n".encode())
        except OSError:
            remove(mark)
        finally:
            os.close(file)
        return True

    # -- the journal

    def due(self, name: str, size: int, bounds: Bounds) -> bool:
        """Enters a dump of `size` bytes in the journal. Returns whether to prune before writing."""
        try:
            file = self.opened(journal_name(), os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return True
        except OSError:
            return self._written.is_due(size, bounds)
        try:
            if os.fstat(file).st_size > MOST_JOURNAL:
                return True
            journal = read_journal(os.read(file, MOST_JOURNAL))
            os.write(file, journal_line(_stamp(name), size))
        except OSError:  # a full disk: pruning makes room
            return True
        finally:
            os.close(file)
        return journal.is_due(size, bounds, now())

    def journal(self) -> Journal:
        try:
            file = self.opened(journal_name(), os.O_RDONLY)
        except OSError:
            return Journal()
        with os.fdopen(file, "rb") as stream:
            return read_journal(stream.read(MOST_JOURNAL))

    def pruned(self, kept: list[str], name: str, size: int) -> None:
        """Starts a new journal, with the kept dumps and the dump just written."""
        self._written.pruned(size)
        journal = self._at(journal_name())
        data = new_journal(now(), map(_stamp, kept), _stamp(name), size)
        with suppress(OSError):  # without a journal, the next dump prunes again
            write_atomically(journal, data)


def _stamp(name: str) -> str:
    return name.partition("-")[0]


def _name_in(file: int) -> str:
    """The name in the first line of a count. Waits if another process has yet to write the line."""
    until = monotonic() + _PATIENCE
    while True:
        os.lseek(file, 0, os.SEEK_SET)
        data = os.read(file, MAX_NAME)
        if data or monotonic() > until:
            name, end, _ = data.partition(b"\n")
            if end:
                return name.decode("ascii", "replace")
            return ""
        sleep(0.001)
