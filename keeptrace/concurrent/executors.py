"""KeepTraceProcessPoolExecutor: concurrent.futures.ProcessPoolExecutor whose tasks' exceptions arrive with their frames."""

from __future__ import annotations

import signal
from concurrent.futures import process as engine
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from multiprocessing.context import BaseContext
from typing import Any, Callable

from .._options import Options, make_options
from ._boundary import crossing, from_bytes, run_initializer


def _start_worker(
    options: Options, failures: Any, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> None:
    """Runs first in every worker."""
    engine._ExceptionWithTraceback = crossing(options, engine)  # type: ignore[attr-defined]
    run_initializer(initializer, initargs, options, failures, engine)


class KeepTraceProcessPoolExecutor(ProcessPoolExecutor):
    """A ProcessPoolExecutor whose tasks' exceptions arrive with their whole chain, and their frames and variables.

    All arguments are those of concurrent.futures.ProcessPoolExecutor, and mean the same.

    trace: what to keep of a failing task (keeptrace.Options).
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        trace: Options | None = None,
    ) -> None:
        options = make_options(trace)
        super().__init__(max_workers, mp_context, initializer, initargs, max_tasks_per_child=max_tasks_per_child)
        self._failures: Any = self._mp_context.SimpleQueue()  # what initializers raised  # type: ignore[attr-defined]
        # the engine has checked the user's own initializer; now ours takes its place, and runs it
        self._initargs = (options, self._failures, initializer, initargs)
        self._initializer = _start_worker

    def _start_executor_manager_thread(self) -> None:
        starts = self._executor_manager_thread is None  # type: ignore[has-type]
        super()._start_executor_manager_thread()  # type: ignore[misc]
        if starts:
            manager: Any = self._executor_manager_thread  # type: ignore[has-type]
            manager.__class__ = _ManagerThread  # it runs already; its methods are looked up when they are called
            manager.failures = self._failures


class _ManagerThread(engine._ExecutorManagerThread):  # type: ignore[name-defined, misc]
    """The engine's own, but when a worker is gone every future gets an error of its own, which says what is known."""

    def terminate_broken(self, *cause: Any) -> None:
        reason = _first_failure(self.failures)
        deaths = [_how_it_ended(process) for process in self.processes.values() if process.exitcode is not None]
        for item in self.pending_work_items.values():
            item.future = _Broken(item.future, reason, deaths)
        super().terminate_broken(*cause)


class _Broken:
    """A future that is being told that its pool broke. One exception shared by all of them would garble their tracebacks."""

    def __init__(self, future: Any, reason: bytes | None, deaths: list[str]) -> None:
        self._future = future
        self._reason = reason
        self._deaths = deaths

    def set_exception(self, shared: BaseException) -> None:
        told = BrokenProcessPool(*shared.args)
        told.__cause__ = shared.__cause__
        if self._reason is not None:
            told.__cause__ = from_bytes(self._reason)
            told.add_note("The initializer of a worker failed: see the cause above.")
        for death in self._deaths:
            told.add_note(death)
        self._future.set_exception(told)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._future, name)


def _first_failure(failures: Any) -> bytes | None:
    try:
        return failures.get() if failures._reader.poll(0) else None  # type: ignore[no-any-return]
    except (OSError, EOFError):  # closed with the pool, or the worker died while it wrote
        return None


def _how_it_ended(process: Any) -> str:
    code = process.exitcode
    if code >= 0:
        return f"Worker {process.pid} exited with code {code}."
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a signal that this Python has no name for
        name = f"signal {-code}"
    return f"Worker {process.pid} was killed by {name}."
