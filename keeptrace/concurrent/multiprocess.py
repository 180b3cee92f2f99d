"""Pools and processes of multiprocess, the fork of multiprocessing with dill's pickler: exceptions
arrive with their frames, and deaths are explained.

    from keeptrace.concurrent.multiprocess import KeepTracePool     # multiprocess.Pool
    keeptrace.concurrent.multiprocess.install()    # for libraries that make their own pools:
    dataset.map(function, num_proc=8)              # Hugging Face datasets, pathos

We put the classes of task_pool/ and process.py before multiprocess's own.

datasets looks at the process ids of its pool, and raises an error without a cause when an id
changes. When the error leaves the pool's `with` block, the pool adds its workers' deaths.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any, Final

from ..core.errors import missing_extra
from ..core.hold import Hold, make_holding
from ..core.options import Options, make_options
from ..core.raw import ABSENT, stored
from .contexts import KeepingContext, keeping_context
from .crossing import traceback_of
from .deaths.dead import WorkerDeath, WorkerDied, add_notes
from .engines import missing
from .process import KeepingProcess
from .worker_frames import module_of

try:
    import multiprocess
    import multiprocess.pool
except ImportError:
    raise missing_extra(
        "keeptrace.concurrent.multiprocess", "multiprocess", "multiprocess"
    ) from None

_IS_KNOWN: Final = not (missing("multiprocess pool") or missing("pool"))
if TYPE_CHECKING or _IS_KNOWN:
    from .task_pool.pool import KeepingPool
else:
    from .unknown import PlainTaskPool as KeepingPool

if TYPE_CHECKING:
    import multiprocessing.context as engine
    from multiprocessing import Process as _Process
    from multiprocessing.pool import Pool as _Pool
else:
    engine = multiprocess.context
    _Process, _Pool = multiprocess.Process, multiprocess.pool.Pool

__all__ = ["KeepTracePool", "KeepTraceProcess", "get_context", "install"]

# Packages that report a worker's death without a cause.
_TELL_NO_CAUSE: Final = ("datasets.",)


class KeepTracePool(KeepingPool, _Pool):
    """A multiprocess.Pool whose tasks' exceptions arrive with their whole chain, and their frames
    and variables.

    Takes the arguments of multiprocess.Pool, with the same meaning. trace, hold, stacks() and the
    death of a worker: as for keeptrace.concurrent.KeepTracePool.
    """

    _package = "multiprocess"

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if exc is not None and _IS_KNOWN and _tells_no_cause(exc):
            self._traffic.examine()  # the error may be quicker than the thread that starts workers
            _explain(exc, list(self._traffic.deaths))
        super().__exit__(exc_type, exc, traceback)


def _tells_no_cause(exc: BaseException) -> bool:
    traceback = traceback_of(exc)
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None or stored(exc, "deaths") is not ABSENT:
        return False
    return module_of(traceback.tb_frame).startswith(_TELL_NO_CAUSE)


def _explain(exc: BaseException, deaths: list[WorkerDeath]) -> None:
    if deaths and exc.__cause__ is None:
        exc.__cause__ = WorkerDied(str(deaths[-1]), deaths)
        exc.deaths = deaths  # type: ignore[attr-defined]
        add_notes(exc, deaths, None)


class _KeepingProcess(KeepingProcess):
    _kind = "multiprocess process"


class KeepTraceProcess(_KeepingProcess, _Process):
    """A multiprocess.Process with exception(): after the end, the process's exception with its
    frames.

    trace, hold: as for keeptrace.concurrent.KeepTraceProcess.
    """


class SpawnProcess(_KeepingProcess, engine.SpawnProcess):
    """KeepTraceProcess, started by spawn."""


# start method → process class
_PROCESSES: Final[dict[str, type]] = {"spawn": SpawnProcess}

if sys.platform != "win32":

    class ForkProcess(_KeepingProcess, engine.ForkProcess):
        """KeepTraceProcess, started by fork."""

    class ForkServerProcess(_KeepingProcess, engine.ForkServerProcess):
        """KeepTraceProcess, started by forkserver."""

    _PROCESSES.update(fork=ForkProcess, forkserver=ForkServerProcess)


class KeepTraceContext(KeepingContext[KeepTracePool]):
    """A context of multiprocess whose Pool and Process are keeptrace's."""

    Process: type[KeepTraceProcess]
    _pool_class = KeepTracePool

    def get_context(  # type: ignore[override]  # the engine's has types by start method
        self, method: str | None = None
    ) -> KeepTraceContext:
        """The context itself, or the context of another start method."""
        if method is None:
            return self
        return get_context(method)


def get_context(method: str | None = None) -> KeepTraceContext:
    """The multiprocess context of a start method, with our Pool and our Process.

    method: "fork", "spawn", "forkserver", or None for the system's default.

    Raises ValueError for a method that the system does not have.
    """
    context = multiprocess.get_context(method)
    return keeping_context(context, KeepTraceContext, _PROCESSES)


class Installed:
    """The changes of install(). undo(), or the end of the `with` block, puts back the earlier
    state.
    """

    def __init__(self, made: type) -> None:
        self._made = made
        self._before = multiprocess.pool.Pool
        multiprocess.pool.Pool = made

    def undo(self) -> None:
        """Lets multiprocess make the earlier pools again; a later install() stays."""
        if multiprocess.pool.Pool is self._made:
            multiprocess.pool.Pool = self._before

    def __enter__(self) -> Installed:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.undo()


def install(*, trace: Options | None = None, hold: Hold | bool | None = None) -> Installed:
    """From now on multiprocess.Pool() makes KeepTracePools, also for libraries such as Hugging Face
    datasets (`dataset.map(function, num_proc=8)`) and pathos.

    trace, hold: as for KeepTracePool.

    Returns a context manager that undoes install(). Raises OptionError for a wrong option.
    """
    make_options(trace)
    make_holding(hold)  # raises OptionError at once for a wrong `hold`

    def make(self: KeepTracePool, *args: Any, **more: Any) -> None:
        KeepTracePool.__init__(self, *args, **{"trace": trace, "hold": hold, **more})

    return Installed(type("KeepTracePool", (KeepTracePool,), {"__init__": make}))
