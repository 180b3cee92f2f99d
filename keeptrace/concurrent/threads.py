"""KeepTraceThreadPoolExecutor and, from Python 3.14 on, KeepTraceInterpreterPoolExecutor.

In threads, exceptions are what they were, frames and chain and all: what is ours is the name, to
switch executors by it, and what the engine loses: an exception that is false as a truth value
(before 3.14 the engine takes it for "none"), and what an initializer raised. Between interpreters,
exceptions cross as they do between processes (concurrent/crossing.py)."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import thread as engine
from concurrent.futures.thread import BrokenThreadPool, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from ..core.errors import KeepTraceError
from ..core.options import Options, make_options
from .crossing import from_bytes, set_traceback, to_bytes, traceback_of, without_frames_of

P = ParamSpec("P")
T = TypeVar("T")


class _Future(Future[Any]):
    """A future whose exception is raised whatever its truth value is."""

    def _Future__get_result(self) -> Any:  # the engine's Future calls it by this name
        if self._exception is None:
            return self._result
        try:
            raise self._exception
        finally:
            del self  # breaks the cycle of the exception, its traceback, this frame


class ExplainingThreadPool(ThreadPoolExecutor):
    """A thread pool that says why it broke, and has no truth value decide what was raised."""

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
        """Called by the engine where it caught what the initializer raised."""
        self._broken_by = cause = sys.exception()
        if cause is not None:
            set_traceback(
                cause,
                without_frames_of(traceback_of(cause), frozenset((str(engine.__file__), __file__))),
            )
        with self._shutdown_lock:
            self._broken: Any = "A thread initializer failed, the thread pool is not usable anymore"
            while True:
                try:
                    item = self._work_queue.get_nowait()
                except queue.Empty:
                    return
                if item is not None:
                    told = getattr(self, "BROKEN", BrokenThreadPool)(self._broken)
                    told.__cause__ = cause
                    item.future.set_exception(told)


class KeepTraceThreadPoolExecutor(ExplainingThreadPool):
    """A ThreadPoolExecutor to take the place of the other executors: same exceptions, same options.

    All arguments are those of concurrent.futures.ThreadPoolExecutor, and mean the same.

    trace: checked as the other executors do; within one process nothing is captured, the exceptions
        are the originals.
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


if sys.version_info >= (3, 14):
    from concurrent import interpreters
    from concurrent.futures import interpreter as interpreter_engine

    class _Raised(Exception):
        """Tells the engine's side of the interpreters that a task failed; what it raised is on the
        queue.
        """

    def _call(
        results: Any,
        options: Options,
        fn: Callable[..., Any],
        args: Iterable[Any],
        kwargs: dict[str, Any],
    ) -> Any:
        """Runs in the worker's interpreter. Stands for the engine's do_call()."""
        try:
            return fn(*args, **kwargs)
        except BaseException as problem:
            set_traceback(problem, without_frames_of(traceback_of(problem), frozenset((__file__,))))
            results.put(to_bytes(problem, options))
        raise _Raised

    class _WorkerContext(interpreter_engine.WorkerContext):
        """The engine's, but tasks are called by _call()."""

        options: Options

        def run(self, task: Any) -> Any:
            try:
                return self.interp.call(_call, self.results, self.options, *task)
            except interpreters.ExecutionFailed as failed:
                if (
                    failed.excinfo.type.__name__ != _Raised.__name__
                ):  # it did not come as far as _call()
                    raise
            raise from_bytes(self.results.get())

    class KeepTraceInterpreterPoolExecutor(
        ExplainingThreadPool, interpreter_engine.InterpreterPoolExecutor
    ):
        """An InterpreterPoolExecutor whose tasks' exceptions arrive with their whole chain, and
        their frames and variables.

        All arguments are those of concurrent.futures.InterpreterPoolExecutor, and mean the same.

        trace: what to keep of a failing task (keeptrace.Options).
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
            options = make_options(trace)
            super().__init__(max_workers, thread_name_prefix, initializer, initargs)
            create = self._create_worker_context

            def create_context() -> Any:
                made = create()
                made.options = options
                return made

            self._create_worker_context = create_context

        @classmethod
        def prepare_context(cls, initializer: Any, initargs: Any) -> Any:
            return _WorkerContext.prepare(initializer, initargs)

else:

    def __getattr__(name: str) -> Any:
        if name == "KeepTraceInterpreterPoolExecutor":
            raise KeepTraceError("KeepTraceInterpreterPoolExecutor needs Python 3.14 or newer")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
