"""A directory of dumps that looks after itself.

    20261124T034251.123456Z-ValueError-shop.total-1f0c9a7be2d44c01.keeptrace     a dump: when, what, where, which failure
    .1f0c9a7be2d44c01.count                                                      its name, then one byte a repeat
    .journal                                                                     the sizes written since the last pruning

- A failure is known by its *fingerprint*: the types of all exceptions of the chain, and the functions on their tracebacks
  with the line within the function. Line numbers of the file are not part of it, so an edit elsewhere in the file does not
  make a new failure of an old one; the line within the function is, because two KeyErrors in one function are two defects,
  and only the first of them would be kept. Each place counts once, in no order: neither the depth of a recursion, the
  number of retries nor which of a group's children failed first makes a difference.
- It is computed from the live exception before anything is captured: a repeat costs two small system calls and a byte.
- Any number of processes write at once without a lock. A file appears whole, under its name, or not at all. Who comes
  second with the same failure finds that the count file exists (a hard link is made or fails, nothing in between),
  takes its own dump back and counts. Whatever a killed process leaves behind costs at most one dump too many.
- Bounds hold in number, bytes and age; the oldest go first. The directory is listed only when the journal says that a
  sixteenth of a bound was written since the last time, and then room for another sixteenth is made.
- Store.write() never raises because of the disk or of the exception: the program's own error is what the user must see.
  What went wrong is told in one line on stderr.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from io import BytesIO
from types import CodeType, TracebackType
from typing import Any, Final, NamedTuple

from ._bounds import MAX_DUMP
from ._dump import dumps, read_bytes
from ._errors import DumpError, OptionError
from ._facts import linked_to
from ._files import file_system, is_url, write_atomically, write_in
from ._format import fingerprint as make_fingerprint
from ._format import place
from ._guard import Failed, run_each
from ._options import Options, make_options
from ._reading import read_header
from ._texts import one_line, quoted
from ._values import names_of

SUFFIX: Final = ".keeptrace"
DEFAULT_DIRECTORY: Final = "keeptrace-dumps"

# More failures than anybody reads through. (files)
MAX_FILES: Final = 1_000
# What a log directory may take without anybody being asked; some 10,000 dumps of usual size. (bytes)
MAX_BYTES: Final = 256 << 20
# After that the program has been released anew. (seconds: 30 days)
MAX_AGE: Final = 30 * 86_400.0
# A count takes a byte a repeat, so it ends here, and is "at least" from there on. (repeats)
MAX_REPEATS: Final = 99_999
# A disk answers in milliseconds; a network drive that has not by then is gone, and the program must go on. (seconds)
MAX_WRITE_SECONDS: Final = 10.0

# The directory is listed after this part of a bound was written. (1 / part)
_PARTS: Final = 16
# A half-written file this old belongs to nobody any more. (seconds)
_STALE: Final = 3_600.0
# The header of a dump lies within its beginning. (bytes)
_HEAD: Final = 32_768
# Exceptions and frames that a fingerprint looks at; more are a loop's or a recursion's. (exceptions; frames a traceback)
_MAX_CHAIN: Final = 100
_MAX_FRAMES: Final = 10_000

_NAME: Final = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-([A-Za-z0-9_.]*)-([A-Za-z0-9_.]*)-([0-9a-f]{16})" + re.escape(SUFFIX))
_MARK: Final = re.compile(r"\.([0-9a-f]{16})\.count")
_TIME: Final = "%Y%m%dT%H%M%S.%fZ"

# An exception that was dumped remembers where, so that the hooks it passes on its way up do not all write it.
_DUMPED: Final = "__keeptrace_dump__"
_dict_of: Final = BaseException.__dict__["__dict__"].__get__
_traceback_of: Final = BaseException.__dict__["__traceback__"].__get__

# Set while a dump is written: what fails meanwhile, in a __repr__ that logs its own error say, is not dumped in turn.
_writing: Final[ContextVar[bool]] = ContextVar("writing", default=False)


class Entry(NamedTuple):
    """One dump of a directory, as far as its name, its first bytes and its count tell."""

    path: str
    type: str  # as in the dump's header, "module.Qualname"; of a file whose header cannot be read: as in its name
    where: str  # "file:line in function"
    message: str
    time: float  # when it was written, in seconds since 1970
    last: float  # when this failure was last seen, in seconds since 1970
    count: int  # type: ignore[assignment]  # how often it was seen; nobody needs a tuple's count() here
    at_least: bool  # whether `count` is only what could be counted
    size: int  # bytes
    fingerprint: str
    header: dict[str, Any]  # all that the dump's header says; empty if it cannot be read


# -- what is told to the user


def tell(text: str) -> None:
    """One line on stderr. Never raises."""
    try:
        sys.stderr.write(f"keeptrace: {one_line(text)}\n")
    except Exception:  # stderr is None, closed or somebody's broken object: there is nobody left to tell
        return


def failed(exc: BaseException, problem: object) -> None:
    """Tells that there is no dump of `exc`, and why. Never raises."""
    try:
        why = f"{type(problem).__name__}: {problem}" if isinstance(problem, BaseException) else str(problem)
        tell(f"no dump of this {names_of(type(exc))[1]}: {why}")
    except Exception:  # the problem's own __str__ fails
        tell("no dump of this exception, and no word on why")


def command_to_open(path: str) -> str:
    """What a user types to see a dump."""
    return f"python -m keeptrace debug {quoted(path)}"


# -- which failure it is


def fingerprint(exc: BaseException) -> str:
    """16 hexadecimal digits: equal for failures of the same types at the same places. See the head of this file."""
    told: list[str] = []
    seen = {id(exc)}
    waiting = deque([exc])
    while waiting and len(seen) <= _MAX_CHAIN:
        found = waiting.popleft()
        kind = ".".join(names_of(type(found)))
        told += _places(kind, _traceback_of(found)) or [kind]
        for other in linked_to(found):
            if id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)
    return make_fingerprint(".".join(names_of(type(exc))), told)


def _places(kind: str, traceback: TracebackType | None) -> list[str]:
    """Where the traceback of an exception of this type passes, each place once."""
    seen: dict[tuple[int, int], tuple[CodeType, int | None]] = {}
    count = 0
    while traceback is not None and count < _MAX_FRAMES:
        code = traceback.tb_frame.f_code
        key = id(code), traceback.tb_lasti
        if key not in seen:
            seen[key] = code, traceback.tb_lineno
        traceback = traceback.tb_next
        count += 1
    return [place(kind, code.co_filename, code.co_qualname, line, code.co_firstlineno) for code, line in seen.values()]


def _place(exc: BaseException) -> str:
    """The innermost function of the user's own on the traceback, for people: "shop.total"."""
    from ._debug import is_users

    entry = _traceback_of(exc)
    chosen = last = None
    while entry is not None:
        last = entry.tb_frame
        if is_users(last):
            chosen = last
        entry = entry.tb_next
    frame = chosen or last
    if frame is None:
        return "nowhere"
    stem = os.path.splitext(os.path.basename(frame.f_code.co_filename))[0]
    return f"{stem}.{frame.f_code.co_qualname}"


def _plain(text: str, most: int) -> str:
    """The text as part of a file's name, on every file system."""
    return re.sub(r"[^A-Za-z0-9_]+", ".", text)[:most].strip(".")


def _file_name(exc: BaseException, place: str | None, key: str) -> str:
    when = datetime.now(UTC).strftime(_TIME)
    return f"{when}-{_plain(names_of(type(exc))[1], 60)}-{_plain(place or _place(exc), 80)}-{key}{SUFFIX}"


def _time_of(name: str) -> float:
    found = _NAME.fullmatch(name)
    return datetime.strptime(found[1], _TIME).replace(tzinfo=UTC).timestamp() if found else 0.0


# -- where it is kept


class _Found(NamedTuple):
    name: str
    size: int
    changed: float  # seconds since 1970


class _Local:
    """A directory of this machine, or one that it has mounted."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def write(self, name: str, data: bytes) -> None:
        try:
            write_atomically(self.path(name), data)
        except FileNotFoundError:  # not made yet, or somebody has removed it
            # dumps hold the program's variables: a directory that we make is for its user alone
            os.makedirs(self.directory, 0o700, exist_ok=True)
            write_atomically(self.path(name), data)

    def remove(self, name: str) -> None:
        try:
            os.unlink(self.path(name))
        except (FileNotFoundError, PermissionError):  # another process was first; or it is another user's, and theirs to remove
            return

    def head(self, name: str) -> bytes:
        with open(self.path(name), "rb") as file:
            return file.read(_HEAD)

    def read(self, name: str) -> bytes:
        return read_bytes(self.path(name))

    def list(self) -> list[_Found]:
        found = []
        with os.scandir(self.directory) as entries:
            for entry in entries:
                try:
                    state = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # removed meanwhile
                    continue
                found.append(_Found(entry.name, state.st_size, state.st_mtime))
        return found

    def repeat(self, key: str) -> str | None:
        """Counts one more of a failure that has a dump; its dump's name, None where there is none."""
        mark = f".{key}.count"
        try:
            file = os.open(self.path(mark), os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            return None
        try:
            name = os.read(file, 512).partition(b"\n")[0].decode("ascii", "replace")
            if _NAME.fullmatch(name) and os.path.exists(self.path(name)):
                if os.fstat(file).st_size - len(name) - 1 < MAX_REPEATS:
                    os.write(file, b"+")
                else:
                    os.utime(self.path(mark))
                return name
        finally:
            os.close(file)
        self.remove(mark)  # its dump was deleted by somebody: this failure is new again
        return None

    def claim(self, key: str, name: str) -> bool:
        """Makes `name` the dump of this failure; False if there is one by now."""
        mark = self.path(f".{key}.count")
        beside = f"{mark}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
        with open(beside, "xb") as file:
            file.write(f"{name}\n".encode())
        try:
            os.link(beside, mark)
            return True
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links: there two processes may both keep their dump
            os.replace(beside, mark)
            return True
        finally:
            self.remove(os.path.basename(beside))

    def due(self, size: int, bounds: Bounds) -> bool:
        """Whether to prune before `size` more bytes are written. Keeps the journal."""
        journal = self.path(".journal")
        now = time.time()
        try:
            file = os.open(journal, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return True
        try:
            os.write(file, f"{now:.0f} {size}\n".encode())  # the first line is of the last pruning
            lines = os.pread(file, 1 << 20, 0).split(b"\n")[:-1] if hasattr(os, "pread") else [b""]
        finally:
            os.close(file)
        try:
            since = float(lines[0].split()[0])
            written = sum(int(line.split()[1]) for line in lines[1:])
        except (ValueError, IndexError):  # somebody's editor was in it
            return True
        few = len(lines) - 1 <= bounds.max_files // _PARTS
        return not (few and written <= bounds.max_bytes // _PARTS and now - since <= bounds.max_age / _PARTS)

    def pruned(self, size: int) -> None:
        """Starts the journal anew, with the `size` bytes that are about to be written."""
        now = time.time()
        write_atomically(self.path(".journal"), f"{now:.0f} 0\n{now:.0f} {size}\n".encode())


class _Remote:
    """A directory that fsspec knows: a bucket, an archive, the memory.

    There is nothing to append to there and every question takes a trip, so a process asks once about each failure; its
    repeats are not counted. Nor is there a journal: a process prunes before its first dump and then every sixteenth.
    """

    def __init__(self, url: str) -> None:
        self._files, self.directory = file_system(url)
        self._url = url.rstrip("/")
        self._known: dict[str, str] = {}
        self._written: list[int] = []

    def path(self, name: str) -> str:
        return f"{self._url}/{name}"

    def _inside(self, name: str) -> str:
        return f"{self.directory.rstrip('/')}/{name}"

    def write(self, name: str, data: bytes) -> None:
        self._files.makedirs(self.directory, exist_ok=True)
        write_in(self._files, self._inside(name), data)

    def remove(self, name: str) -> None:
        try:
            self._files.rm_file(self._inside(name))
        except FileNotFoundError:  # another process was first
            return

    def head(self, name: str) -> bytes:
        return bytes(self._files.cat_file(self._inside(name), 0, _HEAD))

    def read(self, name: str) -> bytes:
        return read_bytes(BytesIO(self._files.cat_file(self._inside(name), 0, MAX_DUMP + 1)))

    def list(self) -> list[_Found]:
        self._files.invalidate_cache()
        found = self._files.ls(self.directory, detail=True)
        names = ((entry["name"].rstrip("/").rpartition("/")[2], entry.get("size") or 0) for entry in found)
        return [_Found(name, size, _time_of(name)) for name, size in names]

    def repeat(self, key: str) -> str | None:
        name = self._known.get(key)
        if name is None:
            try:
                name = bytes(self._files.cat_file(self._inside(f".{key}.count"))).decode("ascii", "replace").rstrip()
            except FileNotFoundError:
                return None
            if not _NAME.fullmatch(name) or not self._files.exists(self._inside(name)):
                return None
            self._known[key] = name
        return name

    def claim(self, key: str, name: str) -> bool:
        self._files.pipe_file(self._inside(f".{key}.count"), f"{name}\n".encode())
        self._known[key] = name
        return True

    def due(self, size: int, bounds: Bounds) -> bool:
        first = not self._written
        self._written.append(size)
        return first or len(self._written) > bounds.max_files // _PARTS or sum(self._written) > bounds.max_bytes // _PARTS

    def pruned(self, size: int) -> None:
        self._written[:] = [size]
        self._known.clear()


class Bounds(NamedTuple):
    """What a directory of dumps may hold: files, bytes, and how old they may be in seconds."""

    max_files: int
    max_bytes: int
    max_age: float


class Store:
    """A directory of dumps: de-duplicated, bounded, safe with any number of processes at once.

    directory: a path, made when the first dump is written; or a URL that fsspec knows (extra "fsspec").
    max_files: dumps that it may hold. max_bytes: bytes that they may take. max_age: seconds that a dump is kept.
        -1 stands for no limit. The oldest are removed first, when a new one is written.
    deduplicate: keep one dump of each failure and count the others. False keeps each.
    options: those of keeptrace.Options, or a whole one as `trace`, for every dump.

    Raises OptionError for a wrong option, MissingExtraError if a URL is given and fsspec is not installed. Making
    one touches no file.
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
        **options: Any,
    ) -> None:
        for name, value in (("max_files", max_files), ("max_bytes", max_bytes), ("max_age", max_age)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not (value > 0 or value == -1):
                raise OptionError(f"{name} must be a positive number, or -1 for no limit, not {value!r}")
        given = os.fspath(directory)
        if not isinstance(given, str) or not given:
            raise OptionError(f"directory must be a path or a URL as text, not {given!r}")
        self.options = make_options(trace, **options)
        self.deduplicate = deduplicate
        self.bounds = Bounds(*(sys.maxsize if value == -1 else value for value in (max_files, max_bytes, max_age)))  # type: ignore[arg-type]  # checked above
        # a program may change its directory; its dumps stay together
        self.directory = given if is_url(given) else os.path.abspath(given)
        self._files: _Local | _Remote = _Remote(given) if is_url(given) else _Local(self.directory)

    def __repr__(self) -> str:
        return f"Store({self.directory!r})"

    def write(self, exc: BaseException, **options: Any) -> str | None:
        """Keeps a dump of the exception; the path of it, or of the one that is there of the same failure.

        options: changes to the store's own, of keeptrace.Options. None is returned if there is no dump; one line on
        stderr says why then. Raises OptionError for a wrong option, and nothing else.
        """
        return self.write_as(exc, None, self.options.replace(**options))

    def write_as(self, exc: BaseException, place: str | None = None, options: Options | None = None) -> str | None:
        """write() with a text of one's own for the place in the file's name, the id of a failed test say."""
        if _writing.get():
            return None
        token = _writing.set(True)
        try:
            return self._write(exc, place, options or self.options)
        except Exception as problem:  # law 1: whatever it is, the user's own error is what counts
            failed(exc, problem)
            return None
        finally:
            _writing.reset(token)

    def _write(self, exc: BaseException, place: str | None, options: Options) -> str | None:
        before = _dict_of(exc).get(_DUMPED)
        if isinstance(before, str) and before == self._files.path(re.split(r"[/\\]", before)[-1]):
            return before
        key = fingerprint(exc)
        files = self._files
        known = bounded(lambda: files.repeat(key)) if self.deduplicate else None
        if known is None:
            data = dumps(exc, trace=options)
            if len(data) > self.bounds.max_bytes:
                raise OptionError(f"the dump has {len(data)} bytes, and max_bytes of {self.directory} is {self.bounds.max_bytes}")
            name = _file_name(exc, place, key)
            known = bounded(lambda: self._put(name, key, data))
        path = files.path(known)
        _dict_of(exc)[_DUMPED] = path
        return path

    def _put(self, name: str, key: str, data: bytes) -> str:
        files = self._files
        try:
            due = files.due(len(data), self.bounds)
            if due:
                self._prune(len(data))
        except FileNotFoundError:  # no directory yet, so there is nothing to prune
            due = True
        files.write(name, data)
        if due:
            files.pruned(len(data))
        if not self.deduplicate or files.claim(key, name):
            return name
        known = files.repeat(key)
        if known not in (None, name):
            files.remove(name)
        return known or name

    def read(self, name: str) -> bytes:
        """The bytes of a dump in this directory, for keeptrace.loads. name: that of its file, as os.path.basename gives it.

        Raises DumpError for what is no such name, so that it may come from anywhere; OSError if the file cannot be read.
        """
        if not _NAME.fullmatch(name):
            raise DumpError(f"{name[:100]!r} is not the name of a dump in {self.directory}")
        return self._files.read(name)

    def prune(self) -> int:
        """Removes what is beyond the bounds, and what killed processes left behind. The number of dumps removed.

        Raises OSError if the directory cannot be read.
        """
        return self._prune(None)

    def _prune(self, coming: int | None) -> int:
        """coming: bytes about to be written; then room is made for them, and for what comes until the next pruning."""
        most_files, most_bytes, most_age = self.bounds
        if coming is not None:
            most_files -= most_files // _PARTS + 1
            most_bytes -= most_bytes // _PARTS + coming
        found = self._files.list()
        now = time.time()
        marks = {match[1]: entry for entry in found if (match := _MARK.fullmatch(entry.name))}
        kept = removed = size = 0
        keys = set()
        for entry in sorted((entry for entry in found if _NAME.fullmatch(entry.name)), reverse=True):
            key = entry.name[-len(SUFFIX) - 16 : -len(SUFFIX)]
            mark = marks.get(key)
            size += entry.size + (mark.size if mark else 0)
            kept += 1
            if kept > most_files or size > most_bytes or now - _time_of(entry.name) > most_age:
                kept, size = kept - 1, size - entry.size - (mark.size if mark else 0)
                if mark and key not in keys:  # first, so that nobody counts for a dump that is about to go
                    self._files.remove(mark.name)
                self._files.remove(entry.name)
                removed += 1
            keys.add(key)
        for entry in found:
            match = _MARK.fullmatch(entry.name)
            orphan = (match is not None and match[1] not in keys) or _is_ours(entry.name, ".tmp")
            if orphan and now - entry.changed > _STALE:
                self._files.remove(entry.name)
        return removed

    def entries(self) -> list[Entry]:
        """What the directory holds, oldest first; reads the beginnings of the files only. No directory: nothing.

        Raises OSError if it cannot be read.
        """
        return sorted(self._entries(), key=lambda entry: os.path.basename(entry.path))

    def _entries(self) -> Iterator[Entry]:
        try:
            found = self._files.list()
        except FileNotFoundError:
            return
        marks = {match[1]: entry for entry in found if (match := _MARK.fullmatch(entry.name))}
        for name, size, changed in found:
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            try:
                header = read_header(self._files.head(name))
            except FileNotFoundError:  # pruned meanwhile
                continue
            mark = marks.get(match[4])
            repeats = max(0, mark.size - len(name) - 1) if mark else 0
            yield Entry(
                self._files.path(name),
                str(header.get("type", match[2])),
                str(header.get("where", match[3])),
                str(header.get("message", "")),
                _time_of(name),
                max(changed, mark.changed) if mark else changed,
                1 + repeats,
                repeats >= MAX_REPEATS or (isinstance(self._files, _Remote) and self.deduplicate),
                size,
                match[4],
                header,
            )


def _is_ours(name: str, end: str) -> bool:
    """Whether a half-written file was made by us: it carries the name of what it was to become."""
    stem = name.partition(SUFFIX)[0] + SUFFIX if SUFFIX in name else name[: len(".0123456789abcdef.count")]
    return name.endswith(end) and bool(_NAME.fullmatch(stem) or _MARK.fullmatch(stem) or name.startswith(".journal."))


def bounded(call: Callable[[], Any]) -> Any:
    """What the call returns or raises; TimeoutError if a disk does not answer, and then it is left behind.

    A thread can be left, a hanging system call cannot be interrupted. At the end of the interpreter there are no threads.
    """

    def attempt() -> tuple[Any, Exception | None]:
        try:
            return call(), None
        except Exception as problem:
            return None, problem

    if sys.is_finalizing():
        result, problem = attempt()
    else:
        # one call gets a third of the time in run_each, so that others could follow it
        (told,) = run_each([attempt], time.monotonic() + 3 * MAX_WRITE_SECONDS)
        if isinstance(told, Failed):
            if "end in time" in told.why:
                raise TimeoutError(f"the file system did not answer within {MAX_WRITE_SECONDS:.0f} seconds")
            told = attempt()  # no more threads
        result, problem = told
    if problem is not None:
        raise problem
    return result
