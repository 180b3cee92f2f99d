"""Exception → report. Never raises, and leaves the exception as it was.

    capture ─▶ Chain     the exceptions: arguments, attributes, notes       capture/chain.py
               Frames    their tracebacks: frames, variables, globals       capture/frames.py
               Walk      the objects in all of these, within the bounds     capture/walk.py
               Messages  texts made by the user's code, last                capture/messages.py

The ladder, from the first rung to the last:
 1. An unreadable part costs the report this part alone (capture/losses.py).
 2. If the stack or the memory runs out, capture() tries again with more stack or memory.
 3. If the second attempt fails, the report keeps representations, and the user's code does not run.
 4. If the third attempt fails too, the report keeps the text alone.
The report marks rungs 3 and 4, so the user sees the loss in the restored exception.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from ..core.clock import monotonic
from ..core.guard import in_fresh_thread
from ..core.options import Options
from ..core.raw import mro_of, names_of
from ..core.report import FORMAT, NO_MESSAGE, Report, bare_record
from ..core.reserve import hold_reserve, release_reserve
from ..restore.fields import BUILTIN_TYPES
from .chain import Chain
from .frames import Frames
from .losses import Losses, add_note
from .messages import Messages, cut_within, message_text, traceback_text
from .source import snapshot
from .walk import Walk

if TYPE_CHECKING:
    from ..live.keeping import Dumps

_PYTHON: Final = "{}.{}.{}".format(*sys.version_info)
# Levels of values where the options set no limit.
_ANY_DEPTH: Final = 1 << 30

# Set while a capture runs, also in its threads: picklers must not capture the exceptions again.
capturing: Final[ContextVar[bool]] = ContextVar("capturing", default=False)


class _Attempt:
    """An attempt to make a report."""

    def __init__(self, options: Options, pool_dumps: Dumps | None, is_repeatable: bool) -> None:
        self._options = options
        self._pool_dumps = pool_dumps
        self._deadline = monotonic() + options.max_seconds
        self._cuts: dict[str, int] = {}
        self._roots: list[int] = []  # indexes of the values that may become live
        self._roots_of_exceptions = 0  # the first roots: arguments and attributes of exceptions
        numbers: dict[int, int] = {}
        self._values = Walk(options, numbers, self._cuts, self._deadline)
        self._losses = Losses(self._values, is_repeatable)
        self._messages = Messages(options, self._values, self._losses)
        self._chain = Chain(
            options, self._values, self._messages, numbers, self._losses, self._roots
        )
        self._frames = Frames(options, self._values, self._losses, self._roots, self._deadline)

    def report(self, exc: BaseException) -> Report:
        self._read(exc)
        report: Report = {
            "format": FORMAT,
            "python": _PYTHON,
            "exceptions": self._chain.records,
            "frames": self._frames.frames,
            "codes": self._frames.codes,
            "globals": self._frames.globals,
            "types": self._values.types,
            "values": self._values.nodes,
            "sources": {},
            "live": None,
            "cuts": self._cuts,
        }
        first = self._chain.records[0]
        try:
            self._keep_live(report)
        except BaseException as problem:  # costs the live objects: their stand-ins remain
            self._losses.note(first, "live objects", problem)
        try:
            self._keep_sources(report)
        except BaseException as problem:  # costs the sources
            self._losses.note(first, "sources", problem)
        self._losses.finish(report)
        return report

    def _read(self, exc: BaseException) -> None:
        """Reads the exceptions, then their frames, then the values of both, then the messages."""
        depth = self._options.depth
        if depth < 0:
            depth = _ANY_DEPTH
        chain = self._chain
        chain.collect(exc)
        chain.read(max(depth, 1))
        self._roots_of_exceptions = len(self._roots)
        if depth:
            self._frames.read(chain.order, chain.records, depth)
            self._frames.read_globals(depth)
        else:  # UTF-8 makes 4 bytes of a character at most
            most = self._options.max_bytes // 4
            chain.records[0]["text"] = cut_within(traceback_text(exc), most)
        self._values.drain()
        self._messages.read()
        self._values.finish()

    def _keep_live(self, report: Report) -> None:
        """Adds a pickle of live objects: of all values if the options name a pickler, else of the
        exceptions' own values if a pool sends the report.
        """
        options = self._options
        is_asked = options.pickler is not None and not 0 <= options.depth <= 1
        if not is_asked and (self._pool_dumps is None or not options.depth):
            return
        from .live_objects import keep  # a worker has imported the module before its first task

        pool_dumps = None if is_asked else self._pool_dumps
        roots = self._roots if is_asked else self._roots[: self._roots_of_exceptions]
        keep(report, self._chain, self._values, roots, pool_dumps, self._deadline)

    def _keep_sources(self, report: Report) -> None:
        is_in_pool = self._pool_dumps is not None
        if self._frames.files and (is_in_pool or self._options.include_source):
            snapshot(report, self._frames.files, not is_in_pool, self._options.max_bytes)


def _attempt(
    exc: BaseException, options: Options, pool_dumps: Dumps | None, is_repeatable: bool
) -> Report:
    token = capturing.set(True)
    try:
        return _Attempt(options, pool_dumps, is_repeatable).report(exc)
    finally:
        capturing.reset(token)


def capture(exc: BaseException, options: Options, pool_dumps: Dumps | None = None) -> Report:
    """The report of an exception. Never raises because of the exception or its frames.

    pool_dumps: the pool's own pickler; None outside of a pool. Within a pool, arguments and
        attributes of exceptions stay live unless a node holds the value exactly, and sources stay
        in their files.
    """
    if issubclass(type(exc), MemoryError):
        release_reserve()
    else:
        hold_reserve()
    try:
        return _attempt(exc, options, pool_dumps, True)
    except MemoryError:
        release_reserve()
        attempt: Callable[[Callable[[], Report]], Report] = _here
        problem = "MemoryError"
    except RecursionError:  # little stack was left where the exception was caught
        attempt = in_fresh_thread
        problem = "RecursionError"
    except BaseException as error:  # law 1: even a KeyboardInterrupt here must not cost the report
        return _with_less(exc, options, _told(error))
    try:
        return attempt(lambda: _attempt(exc, options, pool_dumps, False))
    except BaseException as error:  # no thread could start, or the reserve was too small
        problem += f"; then {_told(error)}"
    return _with_less(exc, options, problem)


def _here(call: Callable[[], Report]) -> Report:
    return call()


def _with_less(exc: BaseException, options: Options, problem: str) -> Report:
    release_reserve()
    for depth in (1, 0):
        rung = options.replace(depth=depth, run_reprs=False, pickler=None, include_source=False)
        try:
            report = _attempt(exc, rung, None, False)
        except BaseException as error:  # the next rung keeps less
            problem += f"; then {_told(error)}"
            continue
        report["cuts"]["fallback"] = 1
        note = f"keeptrace: the capture failed ({problem}); kept at depth {rung.depth} instead"
        add_note(report, note)
        return report
    text = f"{_text_of(exc)}keeptrace: the capture failed ({problem})"
    return _bare(exc, text, _message_of(exc, options.max_message))


def _told(problem: BaseException) -> str:
    try:
        return f"{type(problem).__name__}: {problem}"
    except BaseException:  # __str__ failed, or the memory ran out
        return "an error"


def _text_of(exc: BaseException) -> str:
    try:
        return traceback_text(exc)
    except BaseException:  # the memory ran out
        return ""


def _message_of(exc: BaseException, most: int) -> str:
    try:
        text = message_text(exc)
        if text is None:
            return NO_MESSAGE
        return cut_within(text, most)
    except BaseException:  # the memory ran out
        return NO_MESSAGE


def type_only(exc: BaseException, why: str) -> Report:
    """A report with the exception's type, and with the reason for keeping nothing else."""
    return _bare(exc, f"keeptrace: {why}")


def _bare(exc: BaseException, text: str, message: str = NO_MESSAGE) -> Report:
    """A report with type and text alone: this code cannot fail."""
    module, qualname = names_of(type(exc))
    builtin = next(cls for cls in mro_of(type(exc)) if id(cls) in BUILTIN_TYPES)
    bases = [1]
    if builtin is type(exc):
        bases = []
    return {
        "format": FORMAT,
        "python": _PYTHON,
        "exceptions": [bare_record(text, message)],
        "frames": [],
        "codes": [],
        "globals": [],
        "types": [[module, qualname, bases], ["builtins", builtin.__name__, []]],
        "values": [["tuple", 0, []]],
        "sources": {},
        "live": None,
        "cuts": {"fallback": 1},
    }
