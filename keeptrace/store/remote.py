"""A directory of dumps behind fsspec: a bucket, an archive, the memory.

Such files cannot be appended to, and every question takes a round trip. So a process asks once
about each failure, counts no repeats and keeps no journal: the process prunes before its first
dump, and then after every sixteenth of a bound.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final

from ..core.bounds import MAX_DUMP
from ..format.api import read_bytes
from ..format.files import write_in
from .bounds import Bounds
from .found import FoundFile
from .journal import Journal
from .local import HEAD, Written
from .names import read_name

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class RemoteDirectory:
    """See the head of this file."""

    counts_repeats: Final = False

    def __init__(self, files: AbstractFileSystem, directory: str, url: str) -> None:
        self._files = files
        self.directory = directory
        self._url = url.rstrip("/")
        self._known: dict[str, str] = {}
        self._written = Written()

    def path(self, name: str) -> str:
        return f"{self._url}/{name}"

    def owner(self) -> int:
        """All writers own a bucket's objects in common."""
        return 0

    def _inside(self, name: str) -> str:
        return f"{self.directory.rstrip('/')}/{name}"

    def write(self, name: str, data: bytes) -> None:
        self._files.makedirs(self.directory, exist_ok=True)
        write_in(self._files, self._inside(name), data)

    def remove(self, name: str) -> bool:
        try:
            self._files.rm_file(self._inside(name))
        except FileNotFoundError:  # another process was first
            return False
        return True

    def head(self, name: str) -> bytes:
        return bytes(self._files.cat_file(self._inside(name), 0, HEAD))

    def read(self, name: str) -> bytes:
        data = self._files.cat_file(self._inside(name), 0, MAX_DUMP + 1)
        return read_bytes(BytesIO(data))

    def found(self) -> list[FoundFile]:
        self._files.invalidate_cache()
        found = []
        for entry in self._files.ls(self.directory, detail=True):
            _, _, name = entry["name"].rstrip("/").rpartition("/")
            told = read_name(name)
            changed = 0.0
            if told is not None:
                changed = told.time
            size = entry.get("size") or 0
            found.append(FoundFile(name, size, changed, self.owner()))
        return found

    def alike(self, key: str) -> list[str]:
        """None: in such a directory, repeats have no dumps."""
        return []

    def repeat(self, key: str) -> str | None:
        name = self._known.get(key)
        if name is None:
            try:
                data = bytes(self._files.cat_file(self._mark(key)))
            except FileNotFoundError:
                return None
            name = data.decode("ascii", "replace").rstrip()
            told = read_name(name)
            if told is None or told.key != key:
                return None
            if not self._files.exists(self._inside(name)):
                return None
            self._known[key] = name
        return name

    def _mark(self, key: str) -> str:
        return self._inside(f".{key}.count")

    def claim(self, key: str, name: str) -> bool:
        self._files.pipe_file(self._mark(key), f"{name}\n".encode())
        self._known[key] = name
        return True

    def due(self, name: str, size: int, bounds: Bounds) -> bool:
        return self._written.is_due(size, bounds)

    def journal(self) -> Journal:
        return Journal()

    def pruned(self, kept: list[str], name: str, size: int) -> None:
        self._written.pruned(size)
        self._known.clear()
