"""mpi4py.futures: tasks whose exceptions arrive at the master with their frames, variables and
original chain.

    with KeepTraceMPIPoolExecutor() as pool:     # mpiexec -n 9 python -m mpi4py.futures script.py
        pool.submit(task).exception()

- Every worker runs the initializer, on any machine. Our initializer replaces two functions of
  mpi4py in the worker: _format_exc() formats an exception as text, _wrap_exc() joins exception and
  text for sending. No task is wrapped, and a successful task takes mpi4py's own path.
- mpi4py catches every exception in its worker. Unpicklable arguments and results fail their own
  task, and the errors of pickling arrive in the same way.
- MPI.pickle, the pickler of mpi4py, decides which objects stay live. Set it to dill or cloudpickle
  for more.
- `python -m mpi4py.futures` shares its workers between all executors of the program: the options of
  the newest executor hold.
- If a rank dies, MPI aborts the whole job, the master included, so no process is left to report to.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..core.errors import missing_extra
from ..core.options import Options, make_options
from ..live.keeping import Dumps, dumps_of
from .crossing import from_bytes, to_bytes
from .engines import missing
from .worker_frames import without_modules

try:
    from mpi4py import MPI
    from mpi4py.futures import MPICommExecutor, MPIPoolExecutor
except ImportError:
    raise missing_extra("keeptrace.concurrent.mpi", "mpi4py", "mpi") from None

__all__ = ["KeepTraceMPICommExecutor", "KeepTraceMPIPoolExecutor"]

# Modules with frames between a worker's start and the task.
_ENGINE: Final = ("mpi4py.",)
_set_traceback: Final = BaseException.__dict__["__traceback__"].__set__


class KeepTraceMPIPoolExecutor(MPIPoolExecutor):  # type: ignore[misc]  # see pyproject.toml
    """An mpi4py.futures.MPIPoolExecutor whose tasks' exceptions arrive with their whole chain, and
    their frames and variables.

    Takes the arguments of mpi4py.futures.MPIPoolExecutor, with the same meaning.

    trace: what to keep of a failing task (keeptrace.Options).
    """

    def __init__(
        self,
        max_workers: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        *,
        trace: Options | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(max_workers, **_initialization(trace, initializer, initargs), **kwargs)


class KeepTraceMPICommExecutor(MPICommExecutor):  # type: ignore[misc]  # see pyproject.toml
    """An mpi4py.futures.MPICommExecutor whose tasks' exceptions arrive with their whole chain, and
    their frames and variables.

    Takes the arguments of mpi4py.futures.MPICommExecutor, with the same meaning.

    trace: what to keep of a failing task (keeptrace.Options).
    """

    def __init__(
        self,
        comm: object = None,
        root: int = 0,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        trace: Options | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(comm, root, **_initialization(trace, initializer, initargs), **kwargs)


def _initialization(
    trace: Options | None, initializer: Callable[..., object] | None, initargs: Iterable[Any]
) -> dict[str, Any]:
    """Arguments that let workers start in start_worker(). Raises TypeError as mpi4py does."""
    if initializer is not None and not callable(initializer):
        raise TypeError("initializer must be a callable")
    return {
        "initializer": start_worker,
        "initargs": (make_options(trace), initializer, tuple(initargs)),
    }


def start_worker(
    options: Options, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> None:
    """Runs first in every worker."""
    if not missing("mpi"):
        _send_frames(options)
    if initializer is None:
        return
    try:
        initializer(*initargs)
    except BaseException:  # mpi4py reports a failed initializer without its exception
        sys.stderr.write("keeptrace: the initializer of an MPI worker failed:\n")
        traceback.print_exc()
        raise


def _send_frames(options: Options) -> None:
    from mpi4py.futures import _core

    dumps = dumps_of(MPI.pickle.dumps)

    def wrap_exc(exc: BaseException, told: None) -> _SentException:
        return _send(exc, options, dumps)

    setattr(_core, "_format_exc", _no_text)
    setattr(_core, "_wrap_exc", wrap_exc)


def _no_text(exc: BaseException, comm: object) -> None:
    """Replaces mpi4py's function that formats tracebacks."""


class _SentException(Exception):
    """Takes the place of an exception in a worker's message, and unpickles as the exception."""

    def __reduce__(self) -> tuple[Callable[[bytes], BaseException], tuple[Any, ...]]:
        return from_bytes, self.args


def _send(exc: BaseException, options: Options, dumps: Dumps) -> _SentException:
    _set_traceback(exc, without_modules(exc.__traceback__, _ENGINE))
    data = to_bytes(exc, options, dumps)
    _set_traceback(exc, None)  # the frames hold all variables of the task
    return _SentException(data)
