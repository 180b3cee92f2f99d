"""A directory of dumps: of each failure a few dumps and a count, within bounds.

    20261124T034251.123456Z-ValueError-shop.total-1f0c9a7be2d44c01.keeptrace
                                   a dump: time, type, place, fingerprint
    .1f0c9a7be2d44c01-1000.count   the dump's name, then a byte a repeat
    .1000.journal                  the dumps of user 1000, in order

- A fingerprint of the live exception identifies a failure (identity.py). Counting a repeat costs a
  few small system calls and a byte. The first and the newest repeat have dumps, and so have a few
  between, as long as dumps of repeats take little of the program's time (repeats.py).
- Any number of processes write at once without a lock. A file appears whole, under its name, or not
  at all. The second process with the same failure finds the count file, takes its own dump back and
  counts. A killed process leaves at most one dump too many.
- Any number of users write to a directory. Each user has dumps, counts, a journal and bounds
  (local.py); we never write to or remove other users' files.
- Number, bytes and age are bounded; the oldest dumps go first, in the order of writing
  (pruning.py). We list the directory only if, by the journal (journal.py), a sixteenth of a bound
  was written since the last pruning. A pruning makes room for another sixteenth.
- Store.write() never raises because of the disk or of the exception: the user must see the
  program's own error. A line on stderr reports a failed dump.
"""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NamedTuple

from ..core import DEFAULT_DIRECTORY
from ..core.digest import digest
from ..core.errors import DumpError, OptionError
from ..core.guard import with_enough_stack
from ..core.options import Options, make_options
from ..core.raw import qualname_of
from ..format.api import dumps
from ..format.files import bounded, is_url
from .bounds import MAX_AGE, MAX_BYTES, MAX_FILES, Bounds, make_bounds
from .boxes import has_boxes
from .directory import directory_of
from .entries import Entry, entries_of
from .identity import fingerprint, place_of
from .local import LocalDirectory
from .names import make_name, read_name
from .pruning import prune
from .repeats import Allowance, surplus
from .telling import failed

if TYPE_CHECKING:
    from typing import Unpack

    from ..core.errors import ProcessDied
    from ..core.options import SingleOptions, StoreOptions
    from .deaths import Death

# An attribute of a dumped exception, path and Kept.is_own: several hooks on the way up write a
# single dump, and count once.
_DUMPED: Final = "__keeptrace_dump__"
_dict_of: Final = BaseException.__dict__["__dict__"].__get__

# Set while a dump is written. We dump no failure within, such as the error of a __repr__ that logs.
_writing: Final[ContextVar[bool]] = ContextVar("writing", default=False)


class Kept(NamedTuple):
    """The result of keeping a failure.

    is_own: True if the dump is of the exception itself, False if of an earlier repeat.
    """

    path: str
    is_own: bool


class _Order(NamedTuple):
    """How to keep a failure.

    place: for the file's name; None stands for the place of the raise. kind: distinguishes failures
    of equal types and places.
    """

    place: str | None
    options: Options
    is_last: bool = False
    kind: str = ""


class Store:
    """A directory of dumps: de-duplicated, bounded, safe with any number of processes at once.

    directory: a path, made with the first dump; or a URL for fsspec (extra "fsspec").
    max_files: the most dumps in the directory.
    max_bytes: the most bytes of all dumps.
    max_age: seconds to keep a dump. -1 stands for no limit. Writing a new dump removes the oldest
        dumps first.
    deduplicate: count repeats of a failure, and keep the first dump, the newest and a few between.
        False keeps every dump.
    options: the fields of keeptrace.Options, or a whole Options as `trace`, for every dump.

    Raises OptionError for a wrong option, MissingExtraError for a URL without fsspec installed.
    Making a Store touches no file.
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
        self.directory: str = given
        if not is_url(given):
            # The program may change its directory; its dumps stay together.
            self.directory = os.path.abspath(given)
        self._files = directory_of(self.directory)
        self._allowance = Allowance()

    def __repr__(self) -> str:
        return f"Store({self.directory!r})"

    def write(self, exc: BaseException, **options: Unpack[SingleOptions]) -> str | None:
        """Keeps a dump of the exception, and returns the dump's path.

        exc: the exception.
        options: changes to the store's own options, by the fields of keeptrace.Options.

        In a crash loop there is no time for a dump of every repeat; the path is then the first dump
        of the same failure. Without any dump, returns None; a line on stderr says why. Raises
        OptionError for a wrong option, and nothing else.
        """
        try:
            kept = with_enough_stack(
                lambda: self._keep_unless_writing(
                    exc, _Order(None, self.options.replace(**options))
                )
            )
        except RecursionError:  # no room for any call; the user's own error goes on
            return None
        return kept and kept.path

    def write_as(
        self, exc: BaseException, place: str | None = None, options: Options | None = None
    ) -> str | None:
        """write() with a given place in the file's name.

        exc: the exception. place: a text, such as the id of a failed test; default the place of the
        raise. options: for this dump; default the store's own.
        """
        try:
            kept = with_enough_stack(
                lambda: self._keep_unless_writing(exc, _Order(place, options or self.options))
            )
        except RecursionError:  # no room for any call; the user's own error goes on
            return None
        return kept and kept.path

    def keep(self, exc: BaseException, is_last: bool = False) -> Kept | None:
        """write(), and whether the dump is the exception's own.

        exc: the exception. is_last: the exception ends the program, so a dump is worth the time.
        """
        try:
            return with_enough_stack(
                lambda: self._keep_unless_writing(exc, _Order(None, self.options, is_last))
            )
        except RecursionError:  # no room for any call; the user's own error goes on
            return None

    def write_death(self, exc: ProcessDied, place: str, kind: str) -> str | None:
        """write() for the death of another process.

        place: its script, for the file's name. kind: distinguishes deaths without a stack.
        """
        kept = self._keep_unless_writing(exc, _Order(place, self.options, False, kind))
        return kept and kept.path

    def _keep_unless_writing(self, exc: BaseException, order: _Order) -> Kept | None:
        if _writing.get():
            return None
        token = _writing.set(True)
        try:
            return self._keep_once(exc, order)
        except RecursionError:  # the stack is almost full: the caller tries again with more
            raise
        except Exception as problem:  # law 1: the user's own error goes on
            failed(exc, problem)
            return None
        finally:
            _writing.reset(token)

    def _keep_once(self, exc: BaseException, order: _Order) -> Kept:
        """Keeps a failure, unless an earlier hook has kept it well enough."""
        before = self._kept_before(exc)
        if before is not None and (before.is_own or not order.is_last):
            return before
        key = fingerprint(exc)
        if order.kind:
            key = digest(f"{key} {order.kind}".encode())[: len(key)]
        known = None
        if before is not None:
            known = os.path.basename(before.path)
        elif self.deduplicate:
            known = bounded(lambda: self._files.repeat(key))
        kept = self._write(exc, order, key, known)
        _dict_of(exc)[_DUMPED] = tuple(kept)
        return kept

    def _kept_before(self, exc: BaseException) -> Kept | None:
        match _dict_of(exc).get(_DUMPED):
            case (str() as path, bool() as is_own):
                if path == self._files.path(re.split(r"[/\\]", path)[-1]):
                    return Kept(path, is_own)
        return None

    def _write(self, exc: BaseException, order: _Order, key: str, known: str | None) -> Kept:
        """Writes a dump; of a repeat only if the allowance has time left.

        known: the first dump of the same failure; None for the first itself.
        """

        def put() -> Kept:
            data = self._dumped(exc, order.options)
            place = order.place or place_of(exc)
            name = make_name(qualname_of(type(exc)), place, key)
            bounded(lambda: self._put(name, data))
            bounded(lambda: self._put_in_order(name, key, known))
            return Kept(self._files.path(name), True)

        if known is None or order.is_last:
            return put()
        counted = Kept(self._files.path(known), False)
        if not (self._files.counts_repeats and self._allowance.is_left()):
            return counted
        try:
            return self._allowance.spend(put)
        except OSError:  # a full or a slow disk: the first dump must suffice
            return counted

    def _dumped(self, exc: BaseException, options: Options) -> bytes:
        data = dumps(exc, trace=options)
        if len(data) > self.bounds.max_bytes:
            most = f"max_bytes of {self.directory} is {self.bounds.max_bytes}"
            raise OptionError(f"the dump has {len(data)} bytes, and {most}")
        return data

    def _put_in_order(self, name: str, key: str, known: str | None) -> None:
        """Makes a new dump the first of its failure, or removes a dump between."""
        files = self._files
        if not self.deduplicate or (known is None and files.claim(key, name)):
            return
        first = known or files.repeat(key)  # another process may just have been first
        for other in surplus(files.alike(key), first, name):
            files.remove(other)

    def _put(self, name: str, data: bytes) -> None:
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

    def read(self, name: str) -> bytes:
        """The bytes of a dump in this directory, for keeptrace.loads.

        name: of the file, without its directory. The name may come from anywhere: a text that is no
            name of a dump raises DumpError.

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

    def collect_deaths(self, signals: dict[str, str] | None = None) -> list[Death]:
        """Makes dumps of processes that died without a dump. Never raises.

        signals: the signals that the caller knows, by the names of pytest-xdist's workers.
        """
        if not isinstance(self._files, LocalDirectory) or not has_boxes(self._files):
            return []
        from .deaths import collect

        return collect(self.write_death, self._files, signals or {})

    def entries(self) -> list[Entry]:
        """The failures in the directory, by the times of their first dumps; none without a
        directory. Reads only the beginnings of the files, and first makes dumps of processes that
        have died since.

        Raises OSError if the directory cannot be read.
        """
        self.collect_deaths()
        counts_all = not self.deduplicate or self._files.counts_repeats
        entries = entries_of(self._files, counts_all)

        def first_name(entry: Entry) -> str:
            return os.path.basename(entry.kept[0])

        return sorted(entries, key=first_name)
