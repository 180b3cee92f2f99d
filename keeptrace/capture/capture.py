"""Exception → report. Never raises, and leaves the exception as it was.

    capture ─▶ Chain     the exceptions: arguments, attributes, notes       capture/chain.py
               Frames    their tracebacks: frames, variables, globals       capture/frames.py
               Values    what all of these hold, within the bounds          capture/values.py
               Messages  the texts that need the user's code, last          capture/messages.py

The ladder: a part that cannot be read costs that part (capture/losses.py) → where the stack or the
memory runs out all is read again with more of it → if that fails, representations only and none of
the user's code → the text alone. Each rung below the first is marked in the report, so that the
user sees it in the restored exception.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from ..core.clock import monotonic
from ..core.guard import in_fresh_thread
from ..core.options import Options
from ..core.raw import mro_of, names_of
from ..core.report import FORMAT, ExceptionRecord, Report
from ..live import keeping as _live
from ..live.outside import is_outside
from ..restore.fields import BUILTIN_TYPES
from . import own as _own
from .chain import Chain
from .frames import Frames
from .losses import Losses, add_note
from .messages import Messages, cut_within, traceback_text
from .source import snapshot
from .values import Values

_PYTHON: Final = "{}.{}.{}".format(*sys.version_info)
# Levels of values where the options set no limit.
_ANY_DEPTH: Final = 1 << 30

# Set while a capture runs, here and in the threads it uses: what it pickles is not captured in
# turn.
capturing: Final[ContextVar[bool]] = ContextVar("capturing", default=False)


def _attempt(
    exc: BaseException, options: Options, pool_dumps: _live.Dumps | None, is_repeatable: bool
) -> Report:
    token = capturing.set(True)
    try:
        return _report_of(exc, options, pool_dumps, is_repeatable)
    finally:
        capturing.reset(token)


def _report_of(
    exc: BaseException, options: Options, pool_dumps: _live.Dumps | None, is_repeatable: bool
) -> Report:
    deadline = monotonic() + options.max_seconds
    depth = options.depth if options.depth >= 0 else _ANY_DEPTH
    cuts: dict[str, int] = {}
    numbers: dict[int, int] = {}
    roots: list[int] = []
    values = Values(options, numbers, cuts, deadline)
    losses = Losses(values, is_repeatable)
    messages = Messages(options, values, losses)
    chain = Chain(options, values, messages, numbers, losses, roots)
    frames = Frames(options, values, losses, roots, deadline)
    chain.collect(exc)
    chain.read(max(depth, 1))
    of_exceptions = len(roots)
    if depth:
        frames.read(chain.order, chain.records, depth)
        frames.read_globals(depth)
    else:  # UTF-8 makes 4 bytes of a character at most
        chain.records[0]["text"] = cut_within(traceback_text(exc), options.max_bytes // 4)
    values.drain()
    messages.read()
    values.finish()
    report: Report = {
        "format": FORMAT,
        "python": _PYTHON,
        "exceptions": chain.records,
        "frames": frames.frames,
        "codes": frames.codes,
        "globals": frames.globals,
        "types": values.types,
        "values": values.nodes,
        "sources": {},
        "live": None,
        "cuts": cuts,
    }
    try:
        if options.pickler is not None and not 0 <= options.depth <= 1:
            dumps = _live.dumps_of(options.pickler)
            own = _own.pickled(chain, values, dumps, options.max_bytes)
            _live.keep(
                report, values.objects, roots, dumps, options.max_bytes, deadline, own, is_outside
            )
        elif pool_dumps is not None and options.depth:
            roots, most = roots[:of_exceptions], options.max_live_bytes
            own = _own.pickled(chain, values, pool_dumps, most)
            _live.keep(report, values.objects, roots, pool_dumps, most, deadline, own)
    except BaseException as problem:  # the live objects; their stand-ins are there
        losses.note(chain.records[0], "live objects", problem)
    try:
        if frames.files and (options.include_source or pool_dumps is not None):
            snapshot(report, frames.files, pool_dumps is None, options.max_bytes)
    except BaseException as problem:  # the sources
        losses.note(chain.records[0], "sources", problem)
    losses.finish(report)
    return report


# Memory for the moment when there is none: the frames of a MemoryError may hold all of it. Nobody
# writes to it, so it takes address space alone. (bytes)
_RESERVE: Final = 32 << 20
_reserve: bytes | None = bytes(_RESERVE)


def hold_reserve() -> None:
    """Takes memory for a failure to come, if there is any."""
    global _reserve
    if _reserve is None:
        try:
            _reserve = bytes(_RESERVE)
        except MemoryError:
            return


def release_reserve() -> None:
    """Gives back the memory that is kept for the moment when there is none."""
    global _reserve
    _reserve = None


def capture(exc: BaseException, options: Options, pool_dumps: _live.Dumps | None = None) -> Report:
    """The report of an exception. Never raises because of the exception or of its frames.

    pool_dumps: within a pool of one machine, how it pickles; None outside. It keeps live those args
        and attributes of the exceptions that cannot be told exactly; and sources that a file holds
        stay where they are.
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
    except (
        BaseException
    ) as error:  # law 1: not even a KeyboardInterrupt here costs the error itself
        return _with_less(exc, options, _told(error))
    try:
        return attempt(lambda: _attempt(exc, options, pool_dumps, False))
    except BaseException as error:  # no threads, or no memory even so
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
    return _bare(exc, f"{_text_of(exc)}keeptrace: the capture failed ({problem})")


def _told(problem: BaseException) -> str:
    try:
        return f"{type(problem).__name__}: {problem}"
    except BaseException:  # its own __str__ fails, or there is no memory
        return "an error"


def _text_of(exc: BaseException) -> str:
    try:
        return traceback_text(exc)
    except BaseException:  # no memory for it
        return ""


def type_only(exc: BaseException, why: str) -> Report:
    """A report that says which exception it was, and why nothing else was kept."""
    return _bare(exc, f"keeptrace: {why}")


def _bare(exc: BaseException, text: str) -> Report:
    """Type and text alone, made of nothing that could fail."""
    module, qualname = names_of(type(exc))
    builtin = next(cls for cls in mro_of(type(exc)) if id(cls) in BUILTIN_TYPES)
    bases = [] if builtin is type(exc) else [1]
    record: ExceptionRecord = {
        "type": 0,
        "args": [0],
        "fields": {},
        "attributes": {},
        "cause": None,
        "context": None,
        "suppress": False,
        "traceback": [],
        "text": text,
    }
    return {
        "format": FORMAT,
        "python": _PYTHON,
        "exceptions": [record],
        "frames": [],
        "codes": [],
        "globals": [],
        "types": [[module, qualname, bases], ["builtins", builtin.__name__, []]],
        "values": [["tuple", 0, []]],
        "sources": {},
        "live": None,
        "cuts": {"fallback": 1},
    }
