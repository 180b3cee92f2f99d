"""A directory of dumps that looks after itself.

    20261124T034251.123456Z-ValueError-shop.total-1f0c9a7be2d44c01.keeptrace     a dump: when, what,
    where, which failure .1f0c9a7be2d44c01-1000.count
    its name, then one byte a repeat .1000.journal
    what was written, in order

- A failure is known by its fingerprint (store/identity.py), from the live exception: a repeat costs
  a few small system calls and a byte.
- Any number of processes write at once without a lock. A file appears whole, under its name, or not
  at all. Who comes second with the same failure finds that the count file exists, takes its own
  dump back and counts. Whatever a killed process leaves behind costs at most one dump too many.
- Any number of users write to one directory. Each has dumps, counts, a journal and bounds of their
  own (store/local.py); what others have put there is neither written to nor removed.
- Bounds hold in number, bytes and age; the oldest go first, in the order of writing
  (store/journal.py). The directory is listed only when the journal says that a sixteenth of a bound
  was written since the last time, and then room for another sixteenth is made.
- Store.write() never raises because of the disk or of the exception: the program's own error is
  what the user must see. What went wrong is told in one line on stderr.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..core.clock import now
from ..core.defaults import DEFAULT_DIRECTORY
from ..core.errors import DumpError, KeepTraceError, OptionError
from ..core.guard import with_enough_stack
from ..core.options import Options, make_options
from ..core.raw import names_of
from ..format.api import dumps
from ..format.files import bounded, file_system, is_local, is_url
from ..format.reading import read_header
from .identity import fingerprint, place_of
from .journal import PARTS, write_times
from .local import MAX_REPEATS, Found, LocalDirectory
from .names import Name, is_left_behind, key_of_mark, make_name, read_name
from .remote import RemoteDirectory
from .telling import failed

if TYPE_CHECKING:
    from typing import Unpack

    from ..core.options import SingleOptions, StoreOptions

# More failures than anybody reads through. (files)
MAX_FILES: Final = 1_000
# What a log directory may take without anybody being asked; some 10,000 dumps of usual size.
# (bytes)
MAX_BYTES: Final = 256 << 20
# After that the program has been released anew. (seconds: 30 days)
MAX_AGE: Final = 30 * 86_400.0

# A half-written file this old belongs to nobody any more. (seconds)
_STALE: Final = 3_600.0
# The first line of a count. (bytes)
_MOST_NAME: Final = 512

# An exception that was dumped remembers where, so that the hooks it passes on its way up do not all
# write it.
_DUMPED: Final = "__keeptrace_dump__"
_dict_of: Final = BaseException.__dict__["__dict__"].__get__

# Set while a dump is written: what fails meanwhile, in a __repr__ that logs its own error say, is
# not dumped in turn.
_writing: Final[ContextVar[bool]] = ContextVar("writing", default=False)


class Entry(NamedTuple):
    """One dump of a directory, as far as its name, its first bytes and its count tell."""

    path: str
    # as in the dump's header, "module.Qualname"; of a file whose header cannot be read: as in its
    # name
    type: str
    where: str  # "file:line in function"
    message: str
    time: float  # when it was written, in seconds since 1970
    last: float  # when this failure was last seen, in seconds since 1970
    count: int  # type: ignore[assignment]  # how often it was seen; nobody needs a tuple's count() here
    at_least: bool  # whether `count` is only what could be counted
    size: int  # bytes
    fingerprint: str
    header: dict[str, Any]  # all that the dump's header says; empty if it cannot be read


class Bounds(NamedTuple):
    """What a directory of dumps may hold: files, bytes, and how old they may be in seconds."""

    max_files: int
    max_bytes: int
    max_age: float

    def with_room_for(self, size: int) -> Bounds:
        """Bounds that leave room for a dump of `size` bytes, and for what is written until the
        next pruning.
        """
        max_files = self.max_files - self.max_files // PARTS - 1
        max_bytes = self.max_bytes - self.max_bytes // PARTS - size
        return Bounds(max_files, max_bytes, self.max_age)


class Store:
    """A directory of dumps: de-duplicated, bounded, safe with any number of processes at once.

    directory: a path, made when the first dump is written; or a URL that fsspec knows (extra
        "fsspec").
    max_files: dumps that it may hold.
    max_bytes: bytes that they may take.
    max_age: seconds that a dump is kept. -1 stands for no limit. The oldest are removed first, when
        a new one is written.
    deduplicate: keep one dump of each failure and count the others. False keeps each.
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
        for name, value in (
            ("max_files", max_files),
            ("max_bytes", max_bytes),
            ("max_age", max_age),
        ):
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not (value > 0 or value == -1)
            ):
                raise OptionError(
                    f"{name} must be a positive number, or -1 for no limit, not {value!r}"
                )
        given = os.fspath(directory)
        if not isinstance(given, str) or not given:
            raise OptionError(f"directory must be a path or a URL as text, not {given!r}")
        self.options: Options = make_options(trace, **options)
        self.deduplicate = deduplicate
        self.bounds: Bounds = Bounds(
            int(_bound(max_files)),
            int(_bound(max_bytes)),
            _bound(max_age),
        )
        # a program may change its directory; its dumps stay together
        self.directory: str = given if is_url(given) else os.path.abspath(given)
        self._files = _directory(self.directory)

    def __repr__(self) -> str:
        return f"Store({self.directory!r})"

    def write(self, exc: BaseException, **options: Unpack[SingleOptions]) -> str | None:
        """Keeps a dump of the exception; the path of it, or of the one that is there of the same
        failure.

        exc: the exception.
        options: changes to the store's own, of keeptrace.Options.

        None is returned if there is no dump; one line on stderr says why then. Raises OptionError
        for a wrong option, and nothing else.
        """
        return self._keep(exc, None, lambda: self.options.replace(**options))

    def write_as(
        self, exc: BaseException, place: str | None = None, options: Options | None = None
    ) -> str | None:
        """write() with a place of one's own in the file's name.

        exc: the exception. place: a text, the id of a failed test say; default where it was raised.
        options: those for this dump; default the store's own.
        """
        return self._keep(exc, place, lambda: options or self.options)

    def _keep(
        self, exc: BaseException, place: str | None, options: Callable[[], Options]
    ) -> str | None:
        """write_as(), with a stack of its own where little is left."""
        try:
            return with_enough_stack(lambda: self._write_unless_writing(exc, place, options()))
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
        except RecursionError:  # little stack is left: see _keep
            raise
        except Exception as problem:  # law 1: whatever it is, the user's own error is what counts
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
                kept = self._prune(len(data)).kept
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
        """The bytes of a dump in this directory, for keeptrace.loads. name: that of its file, as
        os.path.basename gives it.

        Raises DumpError for what is no such name, so that it may come from anywhere; OSError if the
        file cannot be read."""
        if read_name(name) is None:
            raise DumpError(f"{name[:100]!r} is not the name of a dump in {self.directory}")
        return self._files.read(name)

    def prune(self) -> int:
        """Removes what is beyond the bounds, and what killed processes left behind. The number of
        dumps removed.

        Raises OSError if the directory cannot be read.
        """
        return self._prune(None).removed

    def _prune(self, coming: int | None) -> _Pruned:
        """coming: bytes about to be written;

        then room is made for them, and for what comes until the next pruning.
        """
        bounds = self.bounds if coming is None else self.bounds.with_room_for(coming)
        files = self._files
        found = files.found()
        owner = files.owner()
        ours = [entry for entry in found if entry.owner == owner]
        marks = _marks(ours)
        kept: list[str] = []
        keys = set()
        removed = size = 0
        for name, entry, age in self._newest_first(ours):
            mark = marks.get((name.key, owner))
            weight = entry.size + _repeats_in(mark)
            if (
                len(kept) < bounds.max_files
                and size + weight <= bounds.max_bytes
                and age <= bounds.max_age
            ):
                kept.append(entry.name)
                size += weight
            else:
                if (
                    mark and name.key not in keys
                ):  # first, so that nobody counts for a dump that is about to go
                    files.remove(mark.name)
                removed += files.remove(entry.name)
            keys.add(name.key)
        for entry in ours:
            key = key_of_mark(entry.name)
            orphan = key not in keys if key is not None else is_left_behind(entry.name)
            if orphan and now() - entry.changed > _STALE:
                files.remove(entry.name)
        return _Pruned(removed, kept[::-1])

    def _newest_first(self, ours: list[Found]) -> list[tuple[Name, Found, float]]:
        """Our dumps, each with what its name says and its age in seconds, the last written
        first.
        """
        named = [(name, entry) for entry in ours if (name := read_name(entry.name)) is not None]
        time = now()
        times = write_times((name for name, _ in named), self._files.journal(), time)
        named.sort(key=lambda one: (times[one[0].stamp], one[1].name), reverse=True)
        return [(name, entry, times[name.stamp].age(time)) for name, entry in named]

    def entries(self) -> list[Entry]:
        """What the directory holds, oldest first; reads the beginnings of the files only. No
        directory: nothing.

        Raises OSError if it cannot be read.
        """
        return sorted(self._entries(), key=lambda entry: os.path.basename(entry.path))

    def _entries(self) -> Iterator[Entry]:
        try:
            found = self._files.found()
        except FileNotFoundError:
            return
        marks = _marks(found)
        for entry in found:
            name = read_name(entry.name)
            if name is None:
                continue
            try:
                header = read_header(self._files.head(entry.name))
            except FileNotFoundError:  # pruned meanwhile
                continue
            except (
                OSError,
                KeepTraceError,
            ):  # another user's, or no longer a file: its name is all that can be had
                header = {}
            mark = marks.get((name.key, entry.owner))
            repeats = max(0, _repeats_in(mark) - len(entry.name) - 1)
            yield Entry(
                self._files.path(entry.name),
                _text(header.get("type"), name.type),
                _text(header.get("where"), name.where),
                _text(header.get("message"), ""),
                name.time,
                max(entry.changed, mark.changed) if mark else entry.changed,
                1 + repeats,
                repeats >= MAX_REPEATS or (self.deduplicate and not self._files.counts_repeats),
                entry.size,
                name.key,
                header,
            )


def _bound(value: float) -> float:
    """The number to compare with: -1 means no limit."""
    return sys.maxsize if value == -1 else value


class _Pruned(NamedTuple):
    removed: int  # dumps
    kept: list[str]  # their names, in the order of writing


def _directory(given: str) -> LocalDirectory | RemoteDirectory:
    if not is_url(given):
        return LocalDirectory(given)
    files, inside = file_system(given)
    if is_local(files):
        return LocalDirectory(inside, shown=given.rstrip("/"))
    return RemoteDirectory(files, inside, given)


def _marks(found: list[Found]) -> dict[tuple[str, int], Found]:
    """The counts, by the failure's fingerprint and by whose they are:

    nobody counts another user's failures.
    """
    return {
        (key, entry.owner): entry for entry in found if (key := key_of_mark(entry.name)) is not None
    }


def _repeats_in(mark: Found | None) -> int:
    """The bytes of a count; of one that somebody has made larger, no more than a whole one has."""
    return min(mark.size, MAX_REPEATS + _MOST_NAME) if mark else 0


def _text(value: object, otherwise: str) -> str:
    """A text out of a header, which anybody may have written."""
    return value if isinstance(value, str) else otherwise
