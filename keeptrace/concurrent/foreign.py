"""How an exception crosses foreign engines, without a replaced class in the worker or a hook in the
parent.

    worker                                          parent
    decorated function raises                       the engine unpickles the exception
      └▶ leaving(exc): exc gets a __reduce_ex__       └▶ rebuild_overwritten(): report → exception
           └▶ the engine pickles exc ─ ─ ─ ─ ─ ▶          └▶ the engine overwrites __cause__,
              and calls __reduce_ex__: capture               undo.py puts the original back

- In the process of the program itself, `leaving` only drops our own frame from the traceback.
- In a worker the exception stays the same object, so `except` clauses between the decorated
  function and the engine work as before.
- The engine calls `__reduce_ex__` while pickling. An exception caught in the worker costs no
  capture, and notes added on the way out are kept (reductions.py).
- Many engines overwrite `__cause__` in the parent, and joblib wipes the traceback; undo.py brings
  both back. Without an overwrite, an undo object would stay visible; so worker_frames.OVERWRITES
  lists the engines with an overwrite.
- If an engine cannot handle an exception at all, and calls the function directly, the exception
  gets a carrier (carriers.py).
"""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Callable
from typing import Any, Final, NamedTuple, SupportsIndex

from ..core.guard import with_enough_stack
from ..core.hold import Holding
from ..core.options import Options
from .carriers import NEEDS_CARRIER, carrier_of
from .crossing import (
    as_pickle_finds,
    dict_of,
    from_bytes,
    set_traceback,
    to_bytes,
    traceback_of,
)
from .reductions import (
    KEY,
    Reduction,
    go_first,
    rebuild_for_pebble,
    rebuild_lasting,
    rebuild_overwritten,
    rebuild_reraised,
    rebuild_wiped,
    wants_own,
)
from .worker_frames import ENGINES, OVERWRITES, PLUMBING, in_worker, module_of, without_modules

# Engines that clear the frames of an exception before they pickle the exception.
_CLEAR_FRAMES: Final = frozenset({"apscheduler"})


class Way(NamedTuple("Way", [("options", Options), ("holding", Holding | None)])):
    """How the exceptions of an engine's workers cross. It travels to the workers."""

    __slots__ = ()


def leaving(exc: BaseException, way: Way, arrived: bool) -> None:
    """Prepares the exception of a traced function for the engine; the caller then re-raises with a
    bare `raise`. Raises a carrier instead if the engine needs a carrier, and RecursionError if
    the stack has no room for a call.

    arrived: the function came out of a pickle, so the process is a worker, even if in_worker() is
        False.
    """
    caller = sys._getframe(1).f_back
    carrier = with_enough_stack(lambda: _prepare(exc, way, arrived, caller))
    if carrier is not None:
        raise carrier from None


def _prepare(
    exc: BaseException, way: Way, arrived: bool, caller: types.FrameType | None
) -> BaseException | None:
    """Makes the exception pickle with its frames, or returns a carrier to raise instead."""
    traceback = traceback_of(exc)
    if traceback is not None and traceback.tb_frame.f_back is caller:
        traceback = traceback.tb_next  # without the frame of leaving()'s caller
    set_traceback(exc, traceback)
    if not (arrived or in_worker()):
        return None
    engine = ""
    if caller:
        engine = caller.f_globals.get("__name__", "").partition(".")[0]
    if engine in NEEDS_CARRIER and NEEDS_CARRIER[engine](exc):
        return carrier_of(exc, way.options, engine).with_traceback(traceback)
    dict_of(exc)[KEY] = _CapturingReduction(exc, way, at_once=engine in _CLEAR_FRAMES)
    go_first(type(exc))
    return None


class _CapturingReduction(Reduction):
    """The __reduce_ex__ of an exception: captures the exception at the first call of a pickler."""

    __slots__ = ("_data", "_exc", "_traceback", "_way")

    def __init__(self, exc: BaseException, way: Way, at_once: bool) -> None:
        self._exc: Callable[[], BaseException | None]
        try:
            self._exc = weakref.ref(exc)
        except TypeError:
            # Builtin exceptions have no weak references, so a reference cycle lasts until pickling.
            self._exc = lambda: exc
        self._traceback = traceback_of(exc)  # engines wipe the traceback before they pickle
        self._way = way
        self._data: bytes | None = None
        # The frames of a MemoryError hold memory that the pickler needs.
        if at_once or issubclass(type(exc), MemoryError):
            self._data = self._capture(exc)
            self._exc, self._traceback = _nothing, None

    def __call__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        exc = self._exc()
        frame = sys._getframe(1)
        if exc is not None and wants_own(frame):
            return _own_reduction(exc, protocol)
        return self.told(frame)

    def told(self, frame: types.FrameType) -> tuple[Any, ...]:
        """The reduction for the pickler in the frame. Captures the exception at the first call."""
        exc = self._exc()
        if self._data is None and exc is not None:
            self._data = self._capture(exc)
            self._exc = _nothing
            self._traceback = None
        return as_pickle_finds(_rebuild_for(frame)), (self._data,)

    def _capture(self, exc: BaseException) -> bytes:
        now = traceback_of(exc)
        traceback = self._traceback
        if now is not None:
            traceback = without_modules(now, ENGINES)
        set_traceback(exc, traceback)
        try:
            return to_bytes(exc, self._way.options, holding=self._way.holding)
        finally:
            set_traceback(exc, now)

    # for engines that send the attributes one by one
    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _nothing, ()


def _nothing() -> None:
    return None


def _own_reduction(exc: BaseException, protocol: SupportsIndex) -> str | tuple[Any, ...]:
    """The reduction of the exception's own class."""
    namespace = dict_of(exc)
    reduction = namespace.pop(KEY)
    try:
        told = exc.__reduce_ex__(protocol)
        if type(told) is not tuple or len(told) < 3:
            return told
        call, args, state, *more = told
        if state is namespace:  # without our own entry, which comes back below
            state = dict(namespace)
        return (call, args, state, *more)
    finally:
        namespace[KEY] = reduction


def _rebuild_for(frame: types.FrameType | None) -> Callable[[bytes], BaseException]:
    """The function to rebuild the exception, for the engine that is pickling. The frames from
    `frame` outwards show the engine.
    """
    wiped = False
    while frame is not None:
        module = module_of(frame)
        wiped = wiped or module.startswith("joblib.")
        if module.startswith(OVERWRITES):
            if wiped:
                return rebuild_wiped
            if _sends_result(frame):
                return from_bytes
            if module.startswith("pebble."):
                return rebuild_for_pebble
            return rebuild_overwritten
        if module.startswith("ray."):
            return rebuild_lasting
        if module.startswith("parsl."):
            return rebuild_reraised
        if not module.startswith(PLUMBING):
            break
        frame = frame.f_back
    return from_bytes


def _sends_result(frame: types.FrameType) -> bool:
    """Whether the engine pickles a task's result in the frame: its exceptions keep their causes."""
    name = frame.f_code.co_name
    if name == "_sendback_result":  # of concurrent.futures and loky
        return frame.f_locals.get("exception") is None
    if name == "worker":  # of multiprocessing.pool and its forks
        outcome = frame.f_locals.get("result")
        return type(outcome) is tuple and outcome[0] is True
    return False
