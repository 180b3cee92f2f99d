"""Exception → report. Never raises, and leaves the exception as it was.

    capture ─▶ Chain     the exceptions: arguments, attributes, notes       _chain.py
               Frames    their tracebacks: frames, variables, globals       _frames.py
               Values    what all of these hold, within the bounds          _values.py
               Messages  the texts that need the user's code, last          _messages.py

The ladder: all as the options say → if that fails, representations only and none of the user's
code → the text alone. Each rung below the first is marked in the report, so that the user sees it
in the restored exception.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import Final

from . import _live, _own
from ._chain import Chain
from ._clock import monotonic
from ._frames import Frames
from ._guard import Failed, run_each
from ._messages import Messages, cut_within, traceback_text
from ._options import Options
from ._report import FORMAT, ExceptionRecord, Report
from ._restore import BUILTIN_TYPES
from ._source import snapshot
from ._values import Values, mro_of, names_of

_PYTHON: Final = "{}.{}.{}".format(*sys.version_info)
# Levels of values where the options set no limit.
_ANY_DEPTH: Final = 1 << 30

# Set while a capture runs, here and in the threads it uses: what it pickles is not captured in turn.
capturing: Final[ContextVar[bool]] = ContextVar("capturing", default=False)


def _attempt(exc: BaseException, options: Options, pool_dumps: _live.Dumps | None) -> Report:
    token = capturing.set(True)
    try:
        return _report_of(exc, options, pool_dumps)
    finally:
        capturing.reset(token)


def _report_of(exc: BaseException, options: Options, pool_dumps: _live.Dumps | None) -> Report:
    deadline = monotonic() + options.max_seconds
    depth = options.depth if options.depth >= 0 else _ANY_DEPTH
    cuts: dict[str, int] = {}
    numbers: dict[int, int] = {}
    roots: list[int] = []
    values = Values(options, numbers, cuts, deadline)
    messages = Messages(options, values)
    chain = Chain(options, values, messages, numbers, roots)
    frames = Frames(options, values, roots)
    chain.collect(exc)
    chain.read(max(depth, 1))
    of_exceptions = len(roots)
    if depth:
        for found, record in zip(chain.order, chain.records):
            frames.read(found, record, depth, found is exc)
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
    if options.pickler is not None and not 0 <= options.depth <= 1:
        dumps = _live.dumps_of(options.pickler)
        own = _own.pickled(chain, values, dumps, options.max_bytes)
        _live.keep(report, values.objects, roots, dumps, options.max_bytes, deadline, own)
    elif pool_dumps is not None and options.depth:
        roots, most = roots[:of_exceptions], options.max_live_bytes
        own = _own.pickled(chain, values, pool_dumps, most)
        _live.keep(report, values.objects, roots, pool_dumps, most, deadline, own)
    if frames.files and (options.include_source or pool_dumps is not None):
        snapshot(report, frames.files, pool_dumps is None, options.max_bytes)
    return report


def capture(
    exc: BaseException, options: Options, pool_dumps: _live.Dumps | None = None
) -> Report:
    """The report of an exception. Never raises because of the exception or of its frames.

    pool_dumps: within a pool of one machine, how it pickles; None outside. It keeps live those args
        and attributes of the exceptions that cannot be told exactly; and sources that a file holds
        stay where they are.
    """
    problem: BaseException
    try:
        return _attempt(exc, options, pool_dumps)
    except RecursionError:
        # little stack was left where the exception was caught; a fresh thread has all of it
        calls = [lambda: _attempt(exc, options, pool_dumps)]
        (result,) = run_each(calls, monotonic() + options.max_seconds + 1.0)
        if not isinstance(result, Failed):
            return result  # type: ignore[no-any-return]
        problem = RecursionError(result.why)
    except BaseException as error:  # law 1: not even a KeyboardInterrupt here costs the error itself
        problem = error
    return _with_less(exc, options, f"{type(problem).__name__}: {problem}")


def _with_less(exc: BaseException, options: Options, problem: str) -> Report:
    for depth in (1, 0):
        rung = options.replace(depth=depth, run_reprs=False, pickler=None, include_source=False)
        try:
            report = _attempt(exc, rung, None)
        except BaseException as error:  # the next rung keeps less
            problem += f"; then {type(error).__name__}: {error}"
            continue
        report["cuts"]["fallback"] = 1
        note = f"keeptrace: the capture failed ({problem}); kept at depth {rung.depth} instead"
        add_note(report, note)
        return report
    return _bare(exc, f"{traceback_text(exc)}keeptrace: the capture failed ({problem})")


def add_note(report: Report, note: str) -> None:
    """Adds a note of ours to the report's exception."""
    record = report["exceptions"][0]
    values = report["values"]
    notes = record.get("notes")
    old = []
    if type(notes) is list and values[notes[0]][0] in ("list", "tuple"):
        old = values[notes[0]][2]
    values.append(["list", len(old) + 1, [*old, note]])
    record["notes"] = [len(values) - 1]


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
