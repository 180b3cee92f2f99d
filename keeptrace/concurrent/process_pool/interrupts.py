"""Ctrl-C at any moment: the states that a KeyboardInterrupt must not leave behind in the main
thread.

Python raises a KeyboardInterrupt between two bytecodes of the main thread. The engines' code does
not expect an interrupt there:

- `with condition:` calls Condition.__enter__, written in Python. An interrupt after taking the lock
  and before entering the block leaves the lock taken, and the engine's threads deadlock.
  AtomicCondition takes the lock by a single call into C; after such a call, the interpreter handles
  no signals.
- concurrent.futures.wait() takes the locks of all futures before its block; after an interrupt,
  free_abandoned() frees the locks.
- If an interrupt comes after a worker's start, before the engine noted the worker, nobody ends the
  worker, and the interpreter waits for the worker at exit. interrupts_deferred() defers the
  interrupt until the engine has noted the worker.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import synchronize
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from concurrent.futures import Future


class AtomicCondition(threading.Condition):
    """A condition that an interrupt leaves either taken within its `with` block, or not taken. Its
    lock is an RLock.

    `with` looks up both methods on the type. Our properties return the lock's own methods, written
    in C.
    """

    if sys.version_info < (3, 14):
        __enter__: Any = property(attrgetter("_lock.__enter__"))
        __exit__: Any = property(attrgetter("_lock.__exit__"))
    else:  # Python 3.14 handles signals after such a call, too

        def __enter__(self) -> bool:
            _acquired.add((self, threading.get_ident()))
            return self._lock.acquire()

        def __exit__(self, *_: object) -> None:
            _release(self)

    def wait(self, timeout: float | None = None) -> bool:
        free_abandoned(but=self)
        try:
            return super().wait(timeout)
        except BaseException:  # an interrupt, perhaps just after wait() released the lock
            if not self._is_owned():  # type: ignore[attr-defined]
                self.acquire()
            raise


class AtomicLock(synchronize.Lock):
    """As AtomicCondition, for a lock between processes."""

    __enter__: Any = property(attrgetter("_semlock.__enter__"))
    __exit__: Any = property(attrgetter("_semlock.__exit__"))


class _FutureCondition(AtomicCondition):
    """The condition of a future. concurrent.futures.wait() and as_completed() acquire the
    conditions of several futures in turn.
    """

    def acquire(self, *how: object) -> bool:
        _acquired.add((self, threading.get_ident()))
        return self._lock.acquire(*how)  # type: ignore[attr-defined, no-any-return]

    def release(self) -> None:
        _release(self)


# Conditions, each with a thread that acquires or holds the condition. A thread that waits for the
# condition must not take the place of the thread that an interrupt left with it.
_acquired: Final[set[tuple[Any, int]]] = set()


def _release(condition: Any) -> None:
    condition._lock.release()
    # Else an interrupt left the condition taken, before this thread took it once more.
    if not condition._is_owned():
        _acquired.discard((condition, threading.get_ident()))


def free_abandoned(*locks: Any, but: object = None) -> None:
    """Frees conditions and locks that an interrupt left acquired by the thread, except `but`.
    Called before the thread waits.
    """
    for lock in locks:
        while lock._is_owned():
            lock.release()
    here = threading.get_ident()
    for condition, thread in list(_acquired):
        if thread == here and condition is not but:
            while condition._is_owned():
                condition._lock.release()
            _acquired.discard((condition, thread))


class _Waiters(list[Any]):
    """The waiters of a future, each with an event."""

    def append(self, waiter: object) -> None:
        event = getattr(waiter, "event", None)
        if type(event) is threading.Event and _has_plain_condition(event):
            make_event_atomic(event)
        super().append(waiter)


def _has_plain_condition(event: Any) -> bool:
    return type(event._cond) is threading.Condition


def make_future_atomic(future: Future[Any]) -> None:
    """Makes a future interrupt-safe, before anybody waits for the future.

    A thread may set the result meanwhile.
    """
    condition = future._condition
    condition.__class__ = _FutureCondition
    # The instance has the lock's own methods, and the instance comes before the class.
    del condition.acquire, condition.release
    future._waiters = _Waiters()


def make_event_atomic(event: Any) -> None:
    """Gives an event an atomic condition, before anybody uses the event."""
    event._cond = AtomicCondition()


def make_queue_atomic(queue: Any) -> None:
    """Makes both locks of a multiprocessing.SimpleQueue atomic."""
    for lock in (queue._rlock, queue._wlock):
        if type(lock) is synchronize.Lock:  # on Windows, _wlock is None
            lock.__class__ = AtomicLock


Handler = Callable[[int, Any], Any]

# The program's own handler, while ours defers its call. A worker forked meanwhile restores the
# handler.
_deferred: Handler | None = None


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Defers Ctrl-C to the end of the block. A second Ctrl-C interrupts: the block may hang."""
    handler = _python_handler()
    if handler is None or not _install(handler):
        yield
        return
    try:
        yield
    finally:
        _restore(handler)


def _python_handler() -> Handler | None:
    """The handler of SIGINT, if the thread is the main thread and no handler is deferred yet."""
    if _deferred is not None or threading.current_thread() is not threading.main_thread():
        return None
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        return handler
    return None


_came: Final[list[Any]] = []  # the frame at each interrupt


def _note(number: int, frame: object) -> None:
    _came.append(frame)
    if len(_came) > 1 and _deferred is not None:
        _deferred(number, frame)


def _install(handler: Handler) -> bool:
    global _deferred
    try:
        signal.signal(signal.SIGINT, _note)
    except ValueError:  # subinterpreters get no signals
        return False
    _deferred = handler
    return True


def _restore(handler: Handler) -> None:
    global _deferred
    _deferred = None
    signal.signal(signal.SIGINT, handler)
    frames = _came[:]
    _came.clear()
    if len(frames) == 1:
        handler(signal.SIGINT, frames[0])


def _restore_in_child() -> None:
    _came.clear()
    if _deferred is not None:
        _restore(_deferred)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restore_in_child)
