"""dump, dumps, load, loads: exceptions in files, with frames, variables and sources."""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from ..capture.capture import capture, type_only
from ..core.bounds import MAX_DUMP
from ..core.context import with_extra
from ..core.errors import DumpError, KeepTraceError, OptionError
from ..core.guard import in_fresh_thread, with_enough_stack
from ..core.options import Options, make_options
from ..core.report import Report
from ..core.reserve import release_reserve
from ..core.telling import failed
from .facts import facts_of_process
from .files import is_url, make_private, read, write
from .writing import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType
    from typing import TypeAlias, Unpack

    from ..core.options import SingleOptions

    # Exception → report, perhaps with all other threads.
    _Others: TypeAlias = Callable[[BaseException, Options], Report]

# load() refuses a larger file before reading: no dump of keeptrace has this size. (bytes)
_MAX_FILE = MAX_DUMP
_ON_ERROR: Final = ("raise", "tell")
# The options of a dump if next to no memory is left.
_LITTLE: Final[dict[str, Any]] = {
    "depth": 1,
    "include_source": False,
    "max_bytes": 1 << 16,
    "pickler": None,
    "run_reprs": False,
}


def report_of(
    exc: BaseException | None, trace: Options | None = None, **options: Unpack[SingleOptions]
) -> Report:
    """The report of an exception for a file. Hides secrets, unless the options keep them."""
    settings = make_options(trace, **options)
    found = _needed(exc)
    return redacted(capture(found, settings), found, settings)


def _needed(exc: BaseException | None) -> BaseException:
    """The exception, by default the one being handled. Raises KeepTraceError and OptionError."""
    if exc is None:
        exc = sys.exception()
        if exc is None:
            raise KeepTraceError(
                "there is no exception to dump: pass one, or call this where one is being handled"
            )
    if not isinstance(exc, BaseException):
        raise OptionError(f"a dump is made of an exception, not of {type(exc).__name__}")
    return exc


def for_file(report: Report, exc: BaseException, settings: Options) -> Report:
    """The report with the facts of this process, and without secrets."""
    report["process"] = facts_of_process(report)
    return redacted(report, exc, settings)


def redacted(report: Report, exc: BaseException, settings: Options) -> Report:
    """The report without secrets. If hiding secrets fails, the report has only the exception's
    type, so a defect leaks nothing.
    """
    if settings.redact is False:
        return report
    from ..redact.redactor import Redactor

    try:
        added = settings.redact
        if isinstance(added, bool):
            added = None
        Redactor(added).report(report)
    except Exception as problem:
        return type_only(
            exc,
            f"its secrets could not be hidden ({type(problem).__name__}: {problem}), "
            "so nothing else was kept",
        )
    return report


def dumps(
    exc: BaseException | None = None,
    *,
    threads: bool = False,
    extra: Mapping[str, object] | None = None,
    trace: Options | None = None,
    **options: Unpack[SingleOptions],
) -> bytes:
    """An exception with its chain, frames, variables and sources, as bytes.

    exc: the exception; by default the exception that this thread is handling.
    threads: keep also the stacks of all other threads and of the asyncio tasks, like snapshot(),
        with the roomier bounds of snapshot().
    extra: names and values to add to the names of keeptrace.context(), in the attribute
        `keeptrace_context` of the exception in the dump. The exception here stays unchanged.
    options: the options of keeptrace.Options, or a whole Options object as `trace`.

    The bytes are a plain pickle too: pickle.loads restores the exception without keeptrace.

    Raises KeepTraceError without an exception, OptionError for a wrong option, and RecursionError
    if the stack is short and no thread can start. Never fails because of the exception.
    """
    handled = exc
    if handled is None:
        handled = sys.exception()  # of this thread
    others = None
    if threads:
        others = _others_of(sys._getframe(1))

    def made() -> bytes:
        return with_extra(extra, lambda: _dumps(handled, others, trace, options))

    try:
        return made()
    except RecursionError:
        pass  # the stack is short: a thread has a whole stack
    return in_fresh_thread(made)


def _others_of(here: FrameType) -> _Others:
    """The function that captures an exception of this thread with all other threads."""
    from .process import report_with_threads

    caller = get_ident()
    return lambda exc, settings: report_with_threads(exc, here, caller, settings)


def _dumps(
    exc: BaseException | None,
    others: _Others | None,
    trace: Options | None,
    options: SingleOptions,
) -> bytes:
    if others is None:
        settings = make_options(trace, **options)
    else:
        from .process import roomy_options

        settings = roomy_options(trace, options, run_reprs=None)
    try:
        found = _needed(exc)
        captured = (others or capture)(found, settings)
        return encode(for_file(captured, found, settings))
    except MemoryError:  # the frames hold all memory, and the capture used up its reserve
        release_reserve()
    return encode(report_of(exc, settings.replace(**_LITTLE)))


def dump(
    exc: BaseException | None,
    path_or_file: str | os.PathLike[str] | IO[bytes],
    *,
    threads: bool = False,
    on_error: Literal["raise", "tell"] = "raise",
    extra: Mapping[str, object] | None = None,
    trace: Options | None = None,
    **options: Unpack[SingleOptions],
) -> None:
    """Writes dumps(exc) to a path or to a binary file.

    exc: the exception; None means the exception that this thread is handling.
    path_or_file: a path, for which dump() makes missing directories, and writes the file whole or
        not at all; a URL for fsspec (extra "fsspec"), such as s3://bucket/name.dump; or a binary
        file open for writing.
    threads: as for dumps(). extra: as for dumps().
    on_error: "raise" if dump() cannot write, or "tell": dump() writes the reason to stderr, and an
        `except` block goes on with the program's own error.
    options: the options of keeptrace.Options, or a whole Options object as `trace`.

    At the very recursion limit no function can be called, so dump() writes nothing.

    Raises the errors of dumps(), and OSError if writing fails; MissingExtraError or OptionError for
    a URL without an installed library.
    """
    if on_error not in _ON_ERROR:
        raise OptionError(f"on_error must be one of {', '.join(_ON_ERROR)}, not {on_error!r}")
    handled = exc
    if handled is None:
        handled = sys.exception()  # of this thread
    try:
        others = None
        if threads:
            others = _others_of(sys._getframe(1))
        with_enough_stack(
            lambda: write_to(
                path_or_file, with_extra(extra, lambda: _dumps(handled, others, trace, options))
            )
        )
    except RecursionError:  # no function can be called; the user's own error must go on
        return
    except Exception as problem:
        if on_error == "raise" or handled is None:
            raise
        failed(handled, problem)


def write_to(path_or_file: str | os.PathLike[str] | IO[bytes], data: bytes) -> None:
    """Writes a dump to a path, a URL or a binary file. Raises the errors of dump()."""
    if isinstance(path_or_file, (str, os.PathLike)):
        _write(os.fspath(path_or_file), data)
    else:
        path_or_file.write(data)


def _write(path: str, data: bytes) -> None:
    try:
        write(path, data)
    except FileNotFoundError:
        if is_url(path):
            raise
        make_private(os.path.dirname(path))
        write(path, data)


def loads(data: bytes, live: bool = False) -> BaseException:
    """The exception in a dump. Runs no code from the dump; docs/safety.md explains the treatment of
    each part.

    data: the bytes of a dump, perhaps compressed with gzip.
    live: bring the objects kept by the dump's `pickler` to life: this imports modules and runs code
        named by the dump. Use live=True only if you trust the writer of the dump like the author of
        a program. A stand-in replaces an object that cannot be loaded.

    Raises DumpError if the data is truncated, foreign, too new or hostile. `.salvaged` has the
    readable part.
    """
    from ..restore.policy import BUILTINS, LIVE  # imported late: writers do not need the restorer
    from ..restore.restore import restore
    from .reading import decode

    read = decode(data)
    policy = BUILTINS
    if live:
        policy = LIVE
    try:
        return restore(read.report, policy)
    except Exception as problem:  # a well-formed report, unlike any report of a capture
        raise DumpError(
            f"this dump cannot be restored: {type(problem).__name__}: {problem}", read.header
        ) from None


def load(path_or_file: str | os.PathLike[str] | IO[bytes], live: bool = False) -> BaseException:
    """The exception in a file, as loads() gives it.

    path_or_file: a path, a URL as for dump(), or a binary file open for reading. The contents may
        be compressed with gzip.
    live: as for loads().

    Raises the errors of loads(), and OSError.
    """
    return loads(read_bytes(path_or_file), live)


def read_bytes(path_or_file: str | os.PathLike[str] | IO[bytes]) -> bytes:
    """The bytes of a dump.

    Raises DumpError for a file too large for a dump, OSError for an unreadable file.
    """
    if isinstance(path_or_file, (str, os.PathLike)):
        data = read(os.fspath(path_or_file), _MAX_FILE + 1)
    else:
        data = path_or_file.read(_MAX_FILE + 1)
    if len(data) > _MAX_FILE:
        raise DumpError(f"this file is larger than {_MAX_FILE} bytes: it is no dump of keeptrace")
    return data
