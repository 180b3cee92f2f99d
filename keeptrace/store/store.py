"""A directory of dumps: each failure once, within bounds.

    20261124T034251.123456Z-ValueError-shop.total-1f0c9a7be2d44c01.keeptrace
                                   a dump: time, type, place, fingerprint
    .1f0c9a7be2d44c01-1000.count   the dump's name, then a byte a repeat
    .1000.journal                  the dumps of user 1000, in order

- A fingerprint of the live exception identifies a failure (identity.py): a repeat costs a few small
  system calls and a byte.
- Any number of processes write at once without a lock. A file appears whole, under its name, or not
  at all. The second process with the same failure finds the count file, takes its own dump back and
  counts. A killed process leaves at most one dump too many.
- Any number of users write to one directory. Each user has dumps, counts, a journal and bounds
  (local.py); other users' files are neither written to nor removed.
- Number, bytes and age are bounded; the oldest dumps go first, in the order of writing
  (pruning.py). The directory is listed only when the journal (journal.py) says that a sixteenth of
  a bound was written since the last pruning, which then makes room for another sixteenth.
- Store.write() never raises because of the disk or of the exception: the user must see the
  program's own error. One line on stderr tells of a failed dump.
"""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from ..core import DEFAULT_DIRECTORY
from ..core.errors import DumpError, OptionError
from ..core.guard import with_enough_stack
from ..core.options import Options, make_options
from ..core.raw import names_of
from ..format.api import dumps
from ..format.files import bounded, is_url
from .bounds import MAX_AGE, MAX_BYTES, MAX_FILES, Bounds, make_bounds
from .directory import directory_of
from .entries import Entry, entries_of
from .identity import fingerprint, place_of
from .names import make_name, read_name
from .pruning import prune
from .telling import failed

if TYPE_CHECKING:
    from typing import Unpack

    from ..core.options import SingleOptions, StoreOptions

# An attribute of a dumped exception, the path of the dump: several hooks on the way up write only
# one dump.
_DUMPED: Final = "__keeptrace_dump__"
_dict_of: Final = BaseException.__dict__["__dict__"].__get__

# Set while a dump is written: a failure meanwhile, in a __repr__ that logs an error say, is not
# dumped in turn.
_writing: Final[ContextVar[bool]] = ContextVar("writing", default=False)


class Store:
    """A directory of dumps: de-duplicated, bounded, safe with any number of processes at once.

    directory: a path, made when the first dump is written; or a URL that fsspec knows (extra
        "fsspec").
    max_files: the most dumps in it.
    max_bytes: the most bytes of all dumps.
    max_age: seconds to keep a dump. -1 stands for no limit. The oldest are removed first, when
        a new one is written.
    deduplicate: keep a dump of each failure, and count repeats. False keeps every dump.
    options: those of keeptrace.Options, or a whole one as `trace`, for every dump.

    Raises OptionError for a wrong option, MissingExtraError if a URL is given and fsspec is not
    installed. Making one touches no file.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] = DEFAULT_DIRECTORY,
        *,
        max_files: int = MAX_FILES,
        max_bytes: int = MAX_BYTES,
        max_age: float = MAX_AGE,
        deduplicate: bool = True,
        trace: Options | None = None,
        **options: Unpack[StoreOptions],
    ) -> None:
        bounds = make_bounds(max_files, max_bytes, max_age)
        given = os.fspath(directory)
        if not isinstance(given, str) or not given:
            raise OptionError(f"directory must be a path or a URL as text, not {given!r}")
        self.options: Options = make_options(trace, **options)
        self.deduplicate = deduplicate
        self.bounds: Bounds = bounds
        # Absolute: a program may change its directory; its dumps stay together.
        self.directory: str = given if is_url(given) else os.path.abspath(given)
        self._files = directory_of(self.directory)

    def __repr__(self) -> str:
        return f"Store({self.directory!r})"

    def write(self, exc: BaseException, **options: Unpack[SingleOptions]) -> str | None:
        """Keeps a dump of the exception. Returns its path, or the path of an earlier dump of the
        same failure.

        exc: the exception.
        options: changes to the store's own, of keeptrace.Options.

        None is returned if there is no dump; one line on stderr says why then. Raises OptionError
        for a wrong option, and nothing else.
        """
        try:
            return with_enough_stack(
                lambda: self._write_unless_writing(exc, None, self.options.replace(**options))
            )
        except RecursionError:  # nothing can be called any more; the user's own error goes on
            return None

    def write_as(
        self, exc: BaseException, place: str | None = None, options: Options | None = None
    ) -> str | None:
        """write() with a place of one's own in the file's name.

        exc: the exception. place: a text, the id of a failed test say; default where it was raised.
        options: those for this dump; default the store's own.
        """
        try:
            return with_enough_stack(
                lambda: self._write_unless_writing(exc, place, options or self.options)
            )
        except RecursionError:  # nothing can be called any more; the user's own error goes on
            return None

    def _write_unless_writing(
        self, exc: BaseException, place: str | None, options: Options
    ) -> str | None:
        if _writing.get():
            return None
        token = _writing.set(True)
        try:
            return self._write(exc, place, options)
        except RecursionError:  # little stack is left: the caller tries again with more
            raise
        except Exception as problem:  # law 1: the user's own error goes on
            failed(exc, problem)
            return None
        finally:
            _writing.reset(token)

    def _write(self, exc: BaseException, place: str | None, options: Options) -> str | None:
        files = self._files
        before = _dict_of(exc).get(_DUMPED)
        if isinstance(before, str) and before == files.path(re.split(r"[/\\]", before)[-1]):
            return before
        key = fingerprint(exc)
        known = bounded(lambda: files.repeat(key)) if self.deduplicate else None
        if known is None:
            data = dumps(exc, trace=options)
            if len(data) > self.bounds.max_bytes:
                most = f"max_bytes of {self.directory} is {self.bounds.max_bytes}"
                raise OptionError(f"the dump has {len(data)} bytes, and {most}")
            name = make_name(names_of(type(exc))[1], place or place_of(exc), key)
            known = bounded(lambda: self._put(name, key, data))
        path = files.path(known)
        _dict_of(exc)[_DUMPED] = path
        return path

    def _put(self, name: str, key: str, data: bytes) -> str:
        files = self._files
        kept: list[str] = []
        try:
            due = files.due(name, len(data), self.bounds)
            if due:
                kept = prune(files, self.bounds.with_room_for(len(data))).kept
        except FileNotFoundError:  # no directory yet, so there is nothing to prune
            due = True
        files.write(name, data)
        if due:
            files.pruned(kept, name, len(data))
        if not self.deduplicate or files.claim(key, name):
            return name
        known = files.repeat(key)
        if known is None or known == name:
            return name
        files.remove(name)
        return known

    def read(self, name: str) -> bytes:
        """The bytes of a dump in this directory, for keeptrace.loads.

        name: of the file, without its directory. The name may come from anywhere: any other text
            raises DumpError.

        Raises OSError if the file cannot be read.
        """
        if read_name(name) is None:
            raise DumpError(f"{name[:100]!r} is not the name of a dump in {self.directory}")
        return self._files.read(name)

    def prune(self) -> int:
        """Removes the dumps beyond the bounds, and the leftovers of killed processes. Returns the
        number of removed dumps.

        Raises OSError if the directory cannot be read.
        """
        return prune(self._files, self.bounds).removed

    def entries(self) -> list[Entry]:
        """What the directory holds, oldest first; reads the beginnings of the files only. No
        directory: nothing.

        Raises OSError if it cannot be read.
        """
        counts_all = not self.deduplicate or self._files.counts_repeats
        entries = entries_of(self._files, counts_all)
        return sorted(entries, key=lambda entry: os.path.basename(entry.path))
