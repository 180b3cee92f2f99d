"""KeepTraceThreadPoolExecutor.

Threads share memory, so exceptions keep frames and chain by themselves. The module adds a name, for
programs that switch executors, and repairs two losses of the engine: an exception that is false as
a truth value (lost before 3.14), and the exception of an initializer. interpreters.py has the pool
of interpreters.
"""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import thread as engine
from concurrent.futures.thread import BrokenThreadPool, ThreadPoolExecutor
from typing import Any, NoReturn, ParamSpec, TypeVar

from ..core.errors import KeepTraceError
from ..core.options import Options, make_options
from .crossing import set_traceback, traceback_of, without_frames_of
from .engines import missing

P = ParamSpec("P")
T = TypeVar("T")


class _Future(Future[Any]):
    """A future that raises its exception even if the exception is false as a truth value."""

    def _Future__get_result(self) -> object:  # Future's private name for the method
        if self._exception is None:
            return self._result
        try:
            raise self._exception
        finally:
            del self  # breaks the cycle of exception, traceback and frame


class ExplainingThreadPool(ThreadPoolExecutor):
    """A thread pool whose error names the cause of a break, and that raises exceptions that are
    false as truth values.
    """

    _broken_by: BaseException | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        try:
            future = super().submit(fn, *args, **kwargs)
        except BrokenThreadPool as problem:
            problem.__cause__ = self._broken_by
            raise
        if sys.version_info < (3, 14):
            future.__class__ = _Future
        return future

    def _initializer_failed(self) -> None:
        """Called by the engine after catching the initializer's exception."""
        self._broken_by = cause = sys.exception()
        if cause is not None:
            own = frozenset((str(engine.__file__), __file__))
            set_traceback(cause, without_frames_of(traceback_of(cause), own))
        if missing("threads"):
            super()._initializer_failed()
            return
        with self._shutdown_lock:
            self._broken: Any = "A thread initializer failed, the thread pool is not usable anymore"
            self._tell_waiting_tasks(cause)

    def _tell_waiting_tasks(self, cause: BaseException | None) -> None:
        broken: type[BrokenThreadPool] = getattr(self, "BROKEN", BrokenThreadPool)
        while True:
            try:
                item = self._work_queue.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                error = broken(self._broken)
                error.__cause__ = cause
                item.future.set_exception(error)


class KeepTraceThreadPoolExecutor(ExplainingThreadPool):
    """A ThreadPoolExecutor in place of other executors: same exceptions, same options.

    Takes the arguments of concurrent.futures.ThreadPoolExecutor, with the same meaning.

    trace: checked, but not used: within a process the exceptions are the originals.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        trace: Options | None = None,
    ) -> None:
        make_options(trace)
        super().__init__(max_workers, thread_name_prefix, initializer, initargs)


if sys.version_info < (3, 14):

    def __getattr__(name: str) -> NoReturn:
        if name == "KeepTraceInterpreterPoolExecutor":
            raise KeepTraceError("KeepTraceInterpreterPoolExecutor needs Python 3.14 or newer")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
