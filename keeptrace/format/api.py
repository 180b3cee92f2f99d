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

    # Exception → report, perhaps with the threads around it.
    _Others: TypeAlias = Callable[[BaseException, Options], Report]

# A dump larger than this is none, or holds sources beyond all measure; it is refused before it is
# read. (bytes)
_MAX_FILE = MAX_DUMP
_ON_ERROR: Final = ("raise", "tell")
# What a dump is made with where there is next to no memory.
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
    """The report of an exception for a file: secrets are hidden unless the options say
    otherwise.
    """
    settings = make_options(trace, **options)
    found = _needed(exc)
    return redacted(capture(found, settings), found, settings)


def _needed(exc: BaseException | None) -> BaseException:
    """The exception, or the one that is being handled. Raises KeepTraceError and OptionError."""
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
    """The report without secrets. If hiding secrets fails, only the exception's type is left, so
    that a defect leaks nothing.
    """
    if settings.redact is False:
        return report
    from ..redact.redactor import Redactor

    try:
        added = None if isinstance(settings.redact, bool) else settings.redact
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

    exc: the exception; default the one that is being handled.
    threads: keep also what all other threads and the asyncio tasks were doing, as by snapshot(),
        with its roomier bounds.
    extra: names and values that the dump adds to those of keeptrace.context(), in the exception's
        attribute `keeptrace_context`. The exception here stays as it was.
    options: those of keeptrace.Options, or a whole one as `trace`.

    The bytes are a plain pickle too: pickle.loads restores the exception where keeptrace is not
    installed.

    Raises KeepTraceError if there is no exception, OptionError for a wrong option, and
    RecursionError where not even a thread can be started. Never fails because of the exception.
    """
    handled = sys.exception() if exc is None else exc  # of this thread
    others = _others_of(sys._getframe(1)) if threads else None

    def made() -> bytes:
        return with_extra(extra, lambda: _dumps(handled, others, trace, options))

    try:
        return made()
    except RecursionError:
        pass  # little stack is left: a thread of its own has more
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
    except MemoryError:  # the frames hold all of it, and what was kept in reserve was not enough
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

    exc: the exception; None stands for the one that is being handled.
    path_or_file: a path, which is written whole or not at all, and whose directory is made if it is
        missing; a URL that fsspec knows (extra "fsspec"), such as s3://bucket/name.dump; or a
        binary file that is open for writing.
    threads: as for dumps(). extra: as for dumps().
    on_error: "raise" if the dump cannot be written, or "tell": one line on stderr says why, and an
        `except` block goes on with the program's own error.
    options: those of keeptrace.Options, or a whole one as `trace`.

    At the very recursion limit, where nothing more can be called, no dump is written.

    Raises what dumps raises, and OSError if the file cannot be written; MissingExtraError or
    OptionError for a URL that nothing that is installed can open.
    """
    if on_error not in _ON_ERROR:
        raise OptionError(f"on_error must be one of {', '.join(_ON_ERROR)}, not {on_error!r}")
    handled = sys.exception() if exc is None else exc  # of this thread
    try:
        others = _others_of(sys._getframe(1)) if threads else None
        with_enough_stack(
            lambda: write_to(
                path_or_file, with_extra(extra, lambda: _dumps(handled, others, trace, options))
            )
        )
    except RecursionError:  # nothing can be called any more; the user's own error must go on
        return
    except Exception as problem:
        if on_error == "raise" or handled is None:
            raise
        failed(handled, problem)


def write_to(path_or_file: str | os.PathLike[str] | IO[bytes], data: bytes) -> None:
    """Writes a dump to a path, a URL or a binary file. Raises as dump() does."""
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
    """The exception in a dump. Runs nothing that came with it; docs/safety.md says what may be done
    with each part.

    data: the bytes of a dump, which may be compressed with gzip.
    live: let the objects that the dump's `pickler` kept come alive: this imports modules and runs
        code that the dump names. Only for dumps whose writer you trust as you trust a program. What
        cannot be loaded is a stand-in.

    Raises DumpError if the data is truncated, foreign, too new or hostile; what could be read of it
    is in `.salvaged`.
    """
    from ..restore.policy import BUILTINS, LIVE  # who only writes does without
    from ..restore.restore import restore
    from .reading import decode

    read = decode(data)
    try:
        return restore(read.report, LIVE if live else BUILTINS)
    except Exception as problem:  # a report that is well-formed but not one that capture makes
        raise DumpError(
            f"this dump cannot be restored: {type(problem).__name__}: {problem}", read.header
        ) from None


def load(path_or_file: str | os.PathLike[str] | IO[bytes], live: bool = False) -> BaseException:
    """The exception in a file, by loads().

    path_or_file: a path, a URL as for dump(), or a binary file that is open for reading; each may
        be compressed with gzip.
    live: as for loads().

    Raises what loads raises, and OSError.
    """
    return loads(read_bytes(path_or_file), live)


def read_bytes(path_or_file: str | os.PathLike[str] | IO[bytes]) -> bytes:
    """The bytes of a dump.

    Raises DumpError for a file that is too large to be one, OSError if it cannot be read.
    """
    if isinstance(path_or_file, (str, os.PathLike)):
        data = read(os.fspath(path_or_file), _MAX_FILE + 1)
    else:
        data = path_or_file.read(_MAX_FILE + 1)
    if len(data) > _MAX_FILE:
        raise DumpError(f"this file is larger than {_MAX_FILE} bytes: it is no dump of keeptrace")
    return data
