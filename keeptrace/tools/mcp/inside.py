"""The files of a directory, by name. Names that lead out of the directory are refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import IO, Final

from ...core.errors import KeepTraceError
from ...core.texts import printable, shorten
from ...format.files import open_regular

# After reading more names, an assistant has no room for dumps. (files)
_MOST_FILES: Final = 100


class Inside:
    """The files below a directory. Raises KeepTraceError if the directory does not exist."""

    def __init__(self, directory: str) -> None:
        if not os.path.isdir(directory):
            raise KeepTraceError(f"there is no directory {directory}")
        self.path: str = os.path.realpath(directory)

    def real(self, name: str) -> str:
        """The real path of a file, given relative to the directory.

        Raises KeepTraceError if the name leads out of the directory, or to no regular file.
        """
        drive, _ = os.path.splitdrive(name)
        is_relative = not drive and not os.path.isabs(name)
        if not name or "\0" in name or not is_relative:
            raise KeepTraceError(f"{_shown(name)}: name a file relative to the directory of dumps")
        path = os.path.realpath(os.path.join(self.path, name))
        if not path.startswith(os.path.join(self.path, "")):
            raise KeepTraceError(f"{_shown(name)} leads out of the directory of dumps")
        if not os.path.isfile(path):
            raise KeepTraceError(f"there is no file {_shown(name)} in the directory of dumps")
        return path

    def open(self, name: str) -> IO[bytes]:
        """Opens a file. Raises KeepTraceError as real() does, and OSError."""
        # Since the check, the file may have become a link or a pipe.
        return os.fdopen(open_regular(self.real(name)), "rb")

    def name_of(self, path: str) -> str | None:
        """The relative name of a file; None for a file outside the directory."""
        name = os.path.relpath(path, self.path)
        try:
            self.real(name)
        except KeepTraceError:
            return None
        return name

    def names(self) -> list[str]:
        """The names of the regular files in the directory, sorted; at most 100."""
        return sorted(islice(self._names(), _MOST_FILES))

    def _names(self) -> Iterator[str]:
        with os.scandir(self.path) as entries:
            for entry in entries:
                is_hidden = entry.name.startswith(".")
                if not is_hidden and self.name_of(entry.path) is not None:
                    yield entry.name


def _shown(name: str) -> str:
    return printable(shorten(name, 200))
