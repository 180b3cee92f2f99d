"""KeepTraceProcess: a multiprocessing.Process whose exception reaches the parent with frames."""

from __future__ import annotations

import multiprocessing
import multiprocessing.context as engine
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ..core.hold import Hold, make_holding, remember_pipes
from ..core.options import Options, make_options
from .crossing import from_bytes, set_traceback, to_bytes, traceback_of, without_frames_of
from .deaths.black_box import BlackBox
from .deaths.calls import describe_call
from .deaths.dead import WorkerDied, death_of
from .deaths.worker import run_worker
from .engines import missing

_code_of: Final = SystemExit.__dict__["code"].__get__
_FILES: Final = frozenset((__file__, run_worker.__code__.co_filename))


class KeepingProcess:
    """A base put before a process class of multiprocessing, or of a fork of multiprocessing: the
    process keeps the exception of run() for its parent.

    We wrap `run()`, because `_bootstrap` swallows exceptions. The child puts the exception into its
    black box, and the parent reads the box.
    """

    _kind = "process"  # in the tables of engines.py

    def __init__(
        self,
        *args: object,
        trace: Options | None = None,
        hold: Hold | bool | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._trace = make_options(trace)
        self._holding = make_holding(hold, is_pool=False)
        self._keeptrace_box: BlackBox | None = None
        self._call: str | None = None

    def start(self) -> None:
        if not missing(self._kind):
            process: Any = self
            self._keeptrace_box = BlackBox()
            if process._target is not None:
                self._call = describe_call(process._target, process._args, process._kwargs)
        super().start()  # type: ignore[misc]

    def _bootstrap(self, *args: object, **kwargs: object) -> object:
        """Runs in the child. The engine's method calls run(), perhaps of a subclass."""
        if self._keeptrace_box is None:
            return super()._bootstrap(*args, **kwargs)  # type: ignore[misc]
        if self._holding is not None:
            remember_pipes()
        self.run: Callable[[], None] = partial(_run, self, self.run)
        try:
            return super()._bootstrap(*args, **kwargs)  # type: ignore[misc]
        finally:
            del self.run

    def exception(self) -> BaseException | None:
        """The exception of run() in the process, with its frames; None if run() returned, or called
        sys.exit() with success.

        For a process that was killed, or that called os._exit() with an error, a WorkerDied says
        so. Raises ValueError if the process was not started or has not ended: call join() first.
        """
        process: Any = self
        if process.pid is None:
            raise ValueError("the process was not started")
        if process.exitcode is None:
            raise ValueError("the process has not ended: call join() first")
        if self._keeptrace_box is not None:
            raised = self._keeptrace_box.failure()
            if raised is not None:
                return from_bytes(raised)
        if process.exitcode == 0:
            return None
        calls: tuple[str, ...] = ()
        if self._call is not None:
            calls = (self._call,)
        death = death_of(process, calls)
        error = WorkerDied(str(death), [death])
        if death.stack is not None:
            error.add_note(death.note())
        return error

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        if self._keeptrace_box is not None:
            self._keeptrace_box.close()


def _run(process: KeepingProcess, run: Callable[[], None]) -> None:
    box = process._keeptrace_box
    assert box is not None  # _bootstrap() has checked
    try:
        run_worker(box, process._trace, _call, (run,))
    except BaseException as problem:
        traceback = without_frames_of(traceback_of(problem), _files_of(process))
        set_traceback(problem, traceback)
        # by type, because isinstance() may run code of the exception, and the code may raise
        is_exit = issubclass(type(problem), SystemExit)
        if not is_exit or _code_of(problem) not in (None, 0):
            box.put(to_bytes(problem, process._trace, holding=process._holding))
        raise


def _files_of(process: KeepingProcess) -> frozenset[str]:
    """The files of the frames between the process's start and its target."""
    homes = [cls.__module__ for cls in type(process).__mro__ if cls.__name__ == "BaseProcess"]
    return _FILES.union([str(sys.modules[home].__file__) for home in homes])


def _call(box: BlackBox, options: Options, run: Callable[[], None]) -> None:
    run()


class KeepTraceProcess(KeepingProcess, multiprocessing.Process):
    """A multiprocessing.Process with exception(): after the end, the process's exception with its
    frames.

    Takes the arguments of multiprocessing.Process, with the same meaning. trace: what to keep
    (keeptrace.Options). hold: True or a keeptrace.Hold keeps a failed process alive, for
    keeptrace.attach(). For another start method, use
    keeptrace.concurrent.get_context(method).Process."""


class SpawnProcess(KeepingProcess, engine.SpawnProcess):
    """KeepTraceProcess, started by spawn."""


# start method → its process class
PROCESSES: dict[str, Any] = {"spawn": SpawnProcess}

if sys.platform != "win32":

    class ForkProcess(KeepingProcess, engine.ForkProcess):
        """KeepTraceProcess, started by fork."""

    class ForkServerProcess(KeepingProcess, engine.ForkServerProcess):
        """KeepTraceProcess, started by forkserver."""

    PROCESSES.update(fork=ForkProcess, forkserver=ForkServerProcess)
