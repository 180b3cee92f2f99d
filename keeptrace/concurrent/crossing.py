"""How an exception crosses from a worker process to its parent.

    worker                                        parent
    task raises                                   the engine unpickles
      └▶ the engine wraps the exception             └▶ from_bytes(): report → exception
         in a class that we replace:                     with frames, chain and __cause__
         FramedException(): capture → bytes ─ ─ ▶   └▶ the engine sets it on the future

- No task is wrapped, and a successful task pickles exactly as the engine's.
- A worker starts in our function: the function puts FramedException in place, then runs the user's
  initializer. If the initializer raises, we send its exception to the parent; the engines' parents
  see only a dead worker.
- FramedException() and from_bytes() never raise: the engine's loops would die.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pickle import HIGHEST_PROTOCOL
from pickle import dumps as pickled  # a task may replace pickle.dumps for its worker
from pickle import loads as unpickled
from typing import TYPE_CHECKING, Any, Final

from ..capture import live_objects, summary_table  # noqa: F401 - a failing task imports nothing
from ..capture.capture import capture, type_only
from ..core.errors import KeepTraceError
from ..core.hold import (
    Holding,
    is_stopping,
    mark_held,
    mark_not_held,
    mark_refused,
    mark_stopped,
)
from ..core.options import Options
from ..core.raw import qualname_of
from ..core.reserve import release_reserve
from ..core.texts import one_line
from ..live.keeping import Dumps, bounded
from ..restore.policy import POOL
from ..restore.restore import restore
from .origins import put_files

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .deaths.black_box import BlackBox

# Size of a report in an engine of several machines: such an engine keeps failures until their
# caller drops them. (bytes a report)
DISTANT: Final = Options(max_bytes=1 << 19, max_live_bytes=1 << 19)
# Tried in turn while a report is too large. max_bytes bounds only values; messages and frames have
# far higher bounds.
_SMALL: Final[dict[str, Any]] = {
    "depth": 1,
    "pickler": None,
    "max_live_bytes": 0,
    "max_items": 20,
    "max_text": 500,
    "max_message": 500,
}
_SMALLER: Final = (
    _SMALL,
    {**_SMALL, "depth": 0, "max_message": 100, "max_exceptions": 10, "limit": 20},
)

_dumps: Final = bounded(ForkingPickler)
# reads __traceback__ even if a __getattribute__ of the user's raises
context_of: Final = BaseException.__dict__["__context__"].__get__
traceback_of: Final = BaseException.__dict__["__traceback__"].__get__
set_traceback: Final = BaseException.__dict__["__traceback__"].__set__
dict_of: Final = BaseException.__dict__["__dict__"].__get__


def add_note(exc: BaseException, note: str) -> None:
    """Adds a note, also to an exception whose `__setattr__` raises.

    If the exception's `__notes__` is no list, nothing is added.
    """
    notes = dict_of(exc).setdefault("__notes__", [])
    if type(notes) is list:
        notes.append(note)


def to_bytes(
    exc: BaseException, options: Options, dumps: Dumps = _dumps, holding: Holding | None = None
) -> bytes:
    """The exception as bytes for from_bytes(). Never raises.

    dumps: the engine's pickler; multiprocessing's by default.
    holding: how a process with the exception is held.
    """
    try:
        report = capture(exc, options, dumps)
        if holding is not None:
            report["held"] = _held(exc, holding)
        return pickled(report, HIGHEST_PROTOCOL)
    except BaseException as problem:  # capture() never raises; law 1 must hold even so
        why = f"keeptrace could not send its frames: {qualname_of(type(problem))}"
    release_reserve()
    try:
        return pickled(type_only(exc, why), HIGHEST_PROTOCOL)
    except BaseException:  # no memory even for the type
        return pickled(f"{qualname_of(type(exc))} ({why})")


def _held(exc: BaseException, holding: Holding) -> list[str]:
    """Holds the exception, and returns the report's entry for _marked().

    ["held", name of the socket], ["stopped", name, pid of the worker], ["failed", reason], or
    ["refused", name of the held failure of the same kind, or ""].
    """
    from ..hold.keeping import keep

    try:
        kept = keep(exc, holding)
    except Exception as problem:  # law 1: no room, no directory, a system without Unix sockets
        return ["failed", one_line(f"{type(problem).__name__}: {problem}")]
    if not kept.is_held:
        return ["refused", kept.name]
    if is_stopping():
        return ["stopped", kept.name, str(os.getpid())]
    return ["held", kept.name]


def to_bounded_bytes(exc: BaseException, options: Options, dumps: Dumps = _dumps) -> bytes:
    """to_bytes(), with at most `max_bytes` and `max_live_bytes` together for any exception.

    Never raises.
    """
    data = to_bytes(exc, options, dumps)
    for smaller in _SMALLER:
        if len(data) <= options.max_bytes + options.max_live_bytes:
            break
        data = to_bytes(exc, options.replace(**smaller), dumps)
    return data


def from_bytes(data: bytes) -> BaseException:
    """The exception from the bytes of to_bytes(). Never raises."""
    try:
        report = unpickled(data)
        if isinstance(report, str):
            return KeepTraceError(report)
    except BaseException as problem:
        return KeepTraceError(
            f"the worker's exception arrived damaged: {type(problem).__name__}: {problem}"
        )
    try:
        put_files(report)
    except Exception:  # another thread changes a module: only source lines are missing then
        pass
    try:
        return _marked(restore(report, POOL), *report.pop("held", ()))
    except BaseException as problem:  # the parent's own state: no memory, no threads
        record = report["exceptions"][0]
        message = record.get("str", report["values"][record["args"][0]])
        told = KeepTraceError(f"{report['types'][record['type']][1]}: {message}")
        why = one_line(f"{type(problem).__name__}: {problem}")
        told.add_note(f"keeptrace could not restore the worker's exception: {why}")
        return told


def _marked(exc: BaseException, how: str = "", told: str = "", stopped: str = "") -> BaseException:
    """The exception, marked with the result of _held()."""
    if how in ("held", "stopped"):
        mark_held(exc, told)
        if stopped:
            mark_stopped(exc, int(stopped))
    elif how == "refused":
        mark_refused(exc, told)
    elif how == "failed":
        mark_not_held(exc, told)
    return exc


def without_frames_of(
    traceback: types.TracebackType | None, files: frozenset[str]
) -> types.TracebackType | None:
    """The traceback without its outermost frames in `files`; unchanged if all frames are there."""
    inner = traceback
    while inner is not None and inner.tb_frame.f_code.co_filename in files:
        inner = inner.tb_next
    return inner or traceback


class CarrierType(type):
    """The metaclass of carriers (carriers.py).

    Engines pickle the class, too, so each carrier has a class of its own, and the class knows its
    carrier.
    """

    carrier: BaseException
    carried: BaseException
    engine: str


class FramedException:
    """Replaces the engine's class for sending an exception, in the worker."""

    options: Options
    engine_files: frozenset[str]
    dumps: Dumps = staticmethod(_dumps)
    holding: Holding | None = None

    def __init__(self, exc: BaseException, traceback: types.TracebackType | None) -> None:
        cls: Any = type(exc)
        if issubclass(type(cls), CarrierType):  # an engine of ours can take any exception
            set_traceback(exc, None)
            exc, traceback = cls.carried, traceback_of(cls.carried)
        set_traceback(exc, without_frames_of(traceback, self.engine_files))
        self._data = to_bytes(exc, self.options, self.dumps, self.holding)
        set_traceback(exc, None)  # the frames hold all variables of the task

    def __reduce__(self) -> tuple[Callable[[bytes], BaseException], tuple[bytes]]:
        return as_pickle_finds(from_bytes), (self._data,)


def as_pickle_finds(function: Callable[[bytes], BaseException]) -> Callable[[bytes], BaseException]:
    """The function of ours that pickle finds by its name: a task may have removed our modules from
    sys.modules, or imported them anew, and pickle refuses a function that it does not find.
    """
    name = function.__module__
    if name not in sys.modules:  # an import could fail in such a worker
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(function.__globals__)
    found: Callable[[bytes], BaseException] = getattr(sys.modules[name], function.__name__)
    return found


def framed_exception(
    options: Options, *engines: types.ModuleType, holding: Holding | None = None
) -> type[FramedException]:
    """A class with these settings, to replace the engine's class."""
    settings = {
        "options": options,
        "engine_files": frozenset(str(engine.__file__) for engine in engines),
        "holding": holding,
    }
    return type("FramedException", (FramedException,), settings)


def run_initializer(
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    options: Options,
    box: BlackBox,
) -> None:
    """Runs the user's initializer. Puts an exception into the worker's box for the parent, and
    re-raises.
    """
    if initializer is None:
        return
    try:
        initializer(*initargs)
    except BaseException as problem:
        traceback = traceback_of(problem)
        set_traceback(problem, traceback and traceback.tb_next)  # without our own frame
        box.put(to_bytes(problem, options))
        raise


class BrokenFuture:
    """Stands for a future of a broken pool, and gives the future an error of its own. A shared
    error would collect the frames of every thread that raises it.

    error_of: makes the future's own error from the engine's shared error.
    """

    def __init__(
        self, future: Future[Any], error_of: Callable[[BaseException], BaseException]
    ) -> None:
        self._future = future
        self._error_of = error_of

    def set_exception(self, shared: BaseException) -> None:
        from concurrent.futures import InvalidStateError

        try:
            self._future.set_exception(self._error_of(shared))
        # on Python 3.11, an error would end the engine's loop before the remaining futures
        except InvalidStateError:
            if self._future._state == "CANCELLED":  # wait() would block forever
                self._future.set_running_or_notify_cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._future, name)
