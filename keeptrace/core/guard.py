"""Runs code of the user's (a `__repr__`, a `__str__`, a reduction) with a deadline.

The code runs in a raw thread. A call that raises costs only its own result. The guard abandons a
call beyond its time, and runs the remaining calls in another thread.

- The thread is raw: a `threading.Thread` costs more, and the program sees the thread in
  `threading.enumerate`.
- The thread is real under gevent and eventlet, too: only a thread can leave an endless computation.
- Abandoned threads get an asynchronous SystemExit, which ends every loop written in Python. Nothing
  can end a thread that hangs in C code; the guard leaves such a thread behind.
"""

from __future__ import annotations

import _thread
import sys
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .clock import monotonic

if TYPE_CHECKING:
    from threading import Lock

_T = TypeVar("_T")

# A call that hangs must leave time for the other calls. (part of the time left, for each call)
_SHARE: Final = 0.3
# A repr may take this many frames. With less room, a RecursionError means a short stack. (frames)
_PROBED_FRAMES: Final = 60


def _original(name: str) -> Any:
    """A function of `_thread` from before gevent or eventlet replaced the function."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None:
        return gevent.get_original("_thread", name)
    if eventlet is not None:
        return getattr(eventlet.original("_thread"), name)
    return getattr(_thread, name)


_start_thread: Final = _original("start_new_thread")
_new_lock: Final = _original("allocate_lock")


class Failed:
    """The result of a call that raised or was abandoned."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why: str = why


class _Run:
    __slots__ = ("abandoned", "at", "calls", "done", "results", "thread")

    def __init__(self, calls: Sequence[Callable[[], Any]], results: list[Any], at: int) -> None:
        self.calls = calls
        self.results = results
        self.at = at  # the index of the running call
        self.abandoned = False
        self.done = _new_lock()
        self.done.acquire()
        self.thread = 0

    def work(self) -> None:
        try:
            while self.at < len(self.calls) and not self.abandoned:
                try:
                    result = self.calls[self.at]()
                except BaseException as problem:
                    # SystemExit of a __repr__ ends this call alone
                    result = Failed(f"raised {type(problem).__name__}")
                if self.abandoned:
                    return
                self.results[self.at] = result
                self.at += 1
        finally:
            self.done.release()


def run_each(calls: Sequence[Callable[[], _T]], deadline: float) -> list[_T | Failed]:
    """Each call's result, or Failed.

    Returns soon after `deadline` (of time.monotonic(), in seconds) at the latest.
    """
    results: list[Any] = [None] * len(calls)
    at = 0
    while at < len(calls):
        left = deadline - monotonic()
        if left <= 0:
            results[at:] = [Failed("no time left")] * (len(calls) - at)
            break
        run = _Run(calls, results, at)
        try:
            run.thread = _start_thread(copy_context().run, (run.work,))
        except RuntimeError as problem:  # no more threads
            results[at:] = [Failed(str(problem))] * (len(calls) - at)
            break
        share = max(0.01, left * _SHARE)
        while not run.done.acquire(timeout=share):
            if run.at == at:  # the same call for a whole share
                run.abandoned = True
                _ask_to_end(run.thread)
                break
            at = run.at
            share = max(0.01, (deadline - monotonic()) * _SHARE)
        if run.abandoned and run.at == at:
            results[at] = Failed("did not end in time")
            at += 1
        else:  # an abandoned thread may just have ended the call: the next run begins behind it
            at = run.at
    return results


def in_fresh_thread(call: Callable[[], _T]) -> _T:
    """The result of the call, or its exception. The call has a whole stack to itself.

    Waits without a limit. This function calls only functions written in C, so the caller's stack
    needs room for a single frame. Raises RecursionError if no thread can start.
    """
    results: list[_T] = []
    problems: list[BaseException] = []
    done = _new_lock()
    done.acquire()
    try:
        _start_thread(copy_context().run, (_work, call, results, problems, done))
    except RuntimeError as problem:
        raise RecursionError(f"little stack is left, and no thread: {problem}") from None
    done.acquire()
    if problems:
        raise problems.pop()
    return results[0]


def _work(
    call: Callable[[], _T], results: list[_T], problems: list[BaseException], done: Lock
) -> None:
    try:
        results.append(call())
    except BaseException as problem:  # in_fresh_thread() raises it again
        problems.append(problem)
    finally:
        done.release()


def with_enough_stack(call: Callable[[], _T]) -> _T:
    """The result of the call, or its exception. If the stack is short, calls again in a thread.

    For code that runs beside the user's own error, at any depth. Raises RecursionError if no thread
    can start. The caller catches RecursionError in the frame called by the user's code: on an even
    shorter stack, the user's code could not have made the call.
    """
    try:
        return call()
    except RecursionError:
        pass  # frees the frames of the first call before the second call
    return in_fresh_thread(call)


def _ask_to_end(thread: int) -> None:
    try:
        import ctypes
    except ImportError:  # this Python has no ctypes: the thread runs on
        return
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(SystemExit))


def stack_is_short(frames: int = _PROBED_FRAMES) -> bool:
    """Whether fewer than this many frames are left on the stack."""
    try:
        return bool(frames) and stack_is_short(frames - 1)
    except RecursionError:
        return True
