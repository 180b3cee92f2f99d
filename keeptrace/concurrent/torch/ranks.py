"""spawn() and start_processes(), as torch's: but the exception of a rank is the cause of torch's
error, and the error explains the death of a rank.

    rank                                          parent
    run_worker(): the black box                   join(): torch's join() raises
      └▶ torch's _wrap(): the rank's function       └▶ ProcessRaisedException from the exception,
           raises: the box keeps the exception           ProcessExitedException with `deaths`
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

import torch.multiprocessing
from torch.multiprocessing.spawn import ProcessContext, ProcessException

from ...core.hold import Hold, make_holding, remember_pipes
from ...core.options import Options, make_options
from ...core.texts import one_line
from ..crossing import from_bytes, set_traceback, to_bytes, traceback_of
from ..deaths.black_box import BlackBox, failure_of
from ..deaths.calls import describe_call
from ..deaths.dead import WorkerDeath, death_of
from ..deaths.worker import run_worker
from ..engines import missing
from ..foreign import Way

# torch's environment variable: 1 starts the ranks of a fork server in parallel.
_PARALLEL: Final = "TORCH_MP_PARALLEL_START"
_code_of: Final = SystemExit.__dict__["code"].__get__


class KeepTraceProcessContext(ProcessContext):  # type: ignore[misc]  # see pyproject.toml
    """A torch.multiprocessing.ProcessContext with more facts in its errors.

    join() raises torch's errors: a ProcessRaisedException has the exception of the rank, with its
    frames, as `__cause__`; a ProcessExitedException has `deaths`, with the ranks' ends and stacks.
    """

    def __init__(
        self, processes: Sequence[Any], error_files: Sequence[str], calls: Sequence[str]
    ) -> None:
        super().__init__(processes, error_files)
        self._calls = calls

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits for the ranks. True if all have ended, False if not after `timeout` seconds.

        grace_period: after a failure, seconds for the remaining ranks to end by themselves.
        """
        try:
            return bool(super().join(timeout, grace_period))
        except ProcessException as error:
            self._explain(error)
            raise

    def _explain(self, error: ProcessException) -> None:
        failed = self.processes[error.error_index]
        failure = failure_of(failed)
        if failure is not None:
            error.__cause__ = from_bytes(failure)
        error.deaths = [self._death_of(rank) for rank in self._dead_ranks(error.error_index)]
        for death in error.deaths:
            error.add_note(death.note())
        for rank, process in enumerate(self.processes):
            if process is failed:
                continue
            failure = failure_of(process)
            if failure is not None:
                exc = from_bytes(failure)
                error.add_note(f"Rank {rank} raised {type(exc).__name__}: {one_line(str(exc))}")

    def _dead_ranks(self, first: int) -> list[int]:
        """The dead ranks, `first` before all others. Leaves out ranks that ended by themselves, and
        ranks terminated by torch after a failure.

        first: the rank of torch's own error.
        """
        ranks = [first, *(rank for rank in range(len(self.processes)) if rank != first)]
        return [rank for rank in ranks if self._is_dead(rank, first)]

    def _is_dead(self, rank: int, first: int) -> bool:
        process = self.processes[rank]
        if rank != first and process.exitcode in _BY_TORCH:
            return False
        return process.exitcode != 0 and failure_of(process) is None

    def _death_of(self, rank: int) -> WorkerDeath:
        return death_of(self.processes[rank], [f"rank {rank}, {self._calls[rank]}"])


# Exit codes of ranks terminated or killed by torch.
_BY_TORCH: Final = (-15, -9)


def spawn(
    fn: Callable[..., object],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
    *,
    trace: Options | None = None,
    hold: Hold | bool | None = None,
) -> KeepTraceProcessContext | None:
    """torch.multiprocessing.spawn, with the rank's exception as the `__cause__` of errors.

    Takes the arguments of torch.multiprocessing.spawn, with the same meaning.

    trace: what to keep of a failure (keeptrace.Options).
    hold: True or a keeptrace.Hold keeps a copy of the rank alive at a failure, for
        keeptrace.attach().

    Raises torch's ProcessRaisedException or ProcessExitedException if a rank failed, and
    OptionError for a wrong option.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method, trace=trace, hold=hold)


def start_processes(
    fn: Callable[..., object],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
    *,
    trace: Options | None = None,
    hold: Hold | bool | None = None,
) -> KeepTraceProcessContext | None:
    """torch.multiprocessing.start_processes, as spawn() of this module, for every start method.

    trace and hold mean the same as there.
    """
    way = Way(make_options(trace), make_holding(hold))
    if missing("torch ranks"):
        plain = torch.multiprocessing.start_processes
        return plain(fn, args, nprocs, join, daemon, start_method)  # type: ignore[no-any-return]
    started = _Ranks(fn, args, start_method, daemon, way).start_all(nprocs)
    context = KeepTraceProcessContext(
        [process for process, _ in started],
        [file for _, file in started],
        [describe_call(fn, (rank, *args), {}) for rank in range(nprocs)],
    )
    if not join:
        return context
    while not context.join():
        pass
    return None


class _Ranks:
    """Starts ranks, each with a black box."""

    def __init__(
        self,
        fn: Callable[..., object],
        args: tuple[Any, ...],
        method: str,
        daemon: bool,
        way: Way,
    ) -> None:
        self._fn = fn
        self._args = args
        self._context: Any = get_context(method)
        self._is_parallel = method == "forkserver" and os.environ.get(_PARALLEL) == "1"
        self._daemon = daemon
        self._way = way

    def start_all(self, count: int) -> list[tuple[Any, str]]:
        if not self._is_parallel or count == 0:
            return [self._start(rank) for rank in range(count)]
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(self._start, range(count)))

    def _start(self, rank: int) -> tuple[Any, str]:
        """The process, and the file for torch's text of its exception."""
        with tempfile.NamedTemporaryFile(prefix="pytorch-errorfile-", suffix=".pickle") as file:
            error_file = file.name  # only a free name: torch takes an existing file for a failure
        box = BlackBox()
        call = (self._way, self._fn, rank, self._args, error_file)
        process = self._context.Process(
            target=run_worker, args=(box, self._way.options, _run, call), daemon=self._daemon
        )
        process._keeptrace_box = box
        process.start()
        return process, error_file


def _run(
    box: BlackBox,
    options: Options,
    way: Way,
    fn: Callable[..., object],
    rank: int,
    args: tuple[Any, ...],
    error_file: str,
) -> None:
    from torch.multiprocessing.spawn import _wrap

    if way.holding is not None:
        remember_pipes()
    _wrap(partial(_call, box, way, fn), rank, args, error_file)


def _call(box: BlackBox, way: Way, fn: Callable[..., object], rank: int, *args: object) -> None:
    try:
        fn(rank, *args)
    except KeyboardInterrupt:  # torch's parent ends a rank so
        raise
    except BaseException as exc:
        traceback = traceback_of(exc)
        set_traceback(exc, traceback and traceback.tb_next)  # without our own frame
        # by type, because isinstance() may run code of the exception, and the code may raise
        if not (issubclass(type(exc), SystemExit) and _code_of(exc) in (None, 0)):
            box.put(to_bytes(exc, way.options, holding=way.holding))
        raise
