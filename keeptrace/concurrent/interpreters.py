"""KeepTraceInterpreterPoolExecutor, for Python 3.14 and newer: tasks run in other interpreters.

Exceptions cross between interpreters as between processes (concurrent/crossing.py). The engine puts
a failed task's exception on a queue; we put the bytes of the report there. For an unknown engine
(concurrent/engines.py), wrap() wraps each task instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, ParamSpec, TypeVar

from ..core.options import Options, make_options
from .crossing import from_bytes, set_traceback, to_bytes, traceback_of, without_frames_of
from .engines import missing
from .threads import ExplainingThreadPool

P = ParamSpec("P")
T = TypeVar("T")

if sys.version_info >= (3, 14):
    from concurrent import interpreters
    from concurrent.futures import Future
    from concurrent.futures import interpreter as engine

    from .decorator import traced_task

    class _TaskFailed(Exception):
        """Signals a failed task to the engine's side; the exception is on the queue."""

    def _call(
        results: object,
        options: Options,
        fn: Callable[..., Any],
        args: Iterable[Any],
        kwargs: dict[str, Any],
    ) -> object:
        """Runs in the worker's interpreter. Stands for the engine's do_call()."""
        try:
            return fn(*args, **kwargs)
        except BaseException as problem:
            set_traceback(problem, without_frames_of(traceback_of(problem), frozenset((__file__,))))
            results.put(to_bytes(problem, options))
        raise _TaskFailed

    @cache
    def _context_class() -> type:
        """The engine's context of a worker, but _call() calls the tasks."""

        class FramedWorkerContext(engine.WorkerContext):
            options: Options

            def run(self, task: object) -> object:
                try:
                    return self.interp.call(_call, self.results, self.options, *task)
                except interpreters.ExecutionFailed as failed:
                    if failed.excinfo.type.__name__ != _TaskFailed.__name__:
                        raise  # the call failed before _call() began
                raise from_bytes(self.results.get())

        return FramedWorkerContext

    class KeepTraceInterpreterPoolExecutor(ExplainingThreadPool, engine.InterpreterPoolExecutor):
        """An InterpreterPoolExecutor whose tasks' exceptions arrive with their whole chain, and
        their frames and variables.

        Takes the arguments of concurrent.futures.InterpreterPoolExecutor, with the same meaning.

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
            options = self._trace = make_options(trace)
            super().__init__(max_workers, thread_name_prefix, initializer, initargs)
            if missing("interpreters"):
                return
            create = self._create_worker_context

            def create_context() -> object:
                made = create()
                made.options = options
                return made

            self._create_worker_context = create_context

        @classmethod
        def prepare_context(cls, initializer: object, initargs: object) -> object:
            if missing("interpreters"):
                return super().prepare_context(initializer, initargs)
            return _context_class().prepare(initializer, initargs)

        def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
            if missing("interpreters"):
                fn = traced_task(fn, self._trace)
            return super().submit(fn, *args, **kwargs)
