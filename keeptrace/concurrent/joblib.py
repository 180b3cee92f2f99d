"""A joblib backend whose tasks' exceptions arrive with their frames. Importing this module
registers the backend as "keeptrace".

    import keeptrace.concurrent.joblib
    with joblib.parallel_config(backend="keeptrace"):     # also trace=Options(...), and the
        model.fit(...)                                    # arguments of joblib's loky backend

The backend is joblib's own loky backend, with joblib's batches, memory mapping, nested calls and
n_jobs=1. We add:

- concurrent/process_pool/of_loky.py adopts the executor; _prepare below is its workers'
  initializer.
- joblib removes the traceback of an exception before raising; survive() of
  concurrent/undo.py brings the traceback back.
- In a worker, nested calls run in threads. joblib replaces __cause__ by text even in threads, where
  nothing crosses a border; _Kept replaces joblib's class for exceptions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import missing_extra
from ..core.hold import Hold, make_holding
from ..core.options import Options, make_options
from .engines import missing
from .process_pool.breaking import Calls
from .process_pool.of_loky import adopt, initialization
from .process_pool.on_death import Healing, OnDeath, check_on_death
from .undo import survive

try:
    from joblib import register_parallel_backend
    from joblib._parallel_backends import LokyBackend
    from joblib.externals.loky import process_executor
    from joblib.parallel import BatchedCalls
except ImportError:
    raise missing_extra("keeptrace.concurrent.joblib", "joblib", "joblib") from None

__all__ = ["KeepTraceBackend"]


class KeepTraceBackend(LokyBackend):  # type: ignore[misc]  # joblib has no type hints
    """joblib's loky backend, with tasks whose exceptions arrive with their frames.

    trace: what to keep of a failing task (keeptrace.Options).
    hold: True or a keeptrace.Hold keeps processes of failed tasks alive, for keeptrace.attach().
    on_death, max_deaths: as for KeepTraceLokyExecutor. Parallel still ends at its first error: the
        death of an idle worker costs nothing, any other death costs the call.

    Takes all other arguments of joblib's loky backend.
    """

    def __init__(
        self,
        *,
        trace: Options | None = None,
        hold: Hold | bool | None = None,
        on_death: OnDeath = "break",
        max_deaths: int | None = None,
        **arguments: object,
    ) -> None:
        super().__init__(**arguments)
        self._trace = make_options(trace)
        make_holding(hold)  # raises OptionError at once for a wrong `hold`
        self._hold = hold
        check_on_death(on_death, max_deaths)
        self._healing = Healing(on_death, max_deaths)

    def configure(
        self,
        n_jobs: int = 1,
        parallel: object = None,
        prefer: str | None = None,
        require: str | None = None,
        *,
        trace: Options | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        **arguments: object,
    ) -> int:
        """joblib calls this before each Parallel call, and after a failed call."""
        if trace is not None:
            self._trace = make_options(trace)
        initializer = initializer or self.backend_kwargs.get("initializer")
        initargs = initargs or self.backend_kwargs.get("initargs", ())
        ours = self._trace, self._hold, self._healing
        start = initialization(*ours, _prepare, (initializer, initargs))
        workers: int = super().configure(n_jobs, parallel, prefer, require, **arguments, **start)
        adopt(self._workers, process_executor, *ours, _calls_of)
        return workers

    def retrieve_result_callback(self, out: Any) -> object:
        """The result of a task's future; raises its exception."""
        if not out.cancelled():
            exc = out.exception()
            if exc is not None:
                survive(exc, overwriting=False, wiping=True)
        return super().retrieve_result_callback(out)


def _calls_of(function: Any) -> Calls | None:
    if type(function) is not BatchedCalls:
        return None
    calls: Calls = function.items
    return calls


def _prepare(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    """Runs in each worker."""
    if not missing("joblib nested"):
        from joblib import _utils

        _utils._ExceptionWithTraceback = _Kept
    if initializer is not None:
        initializer(*initargs)


class _Kept:
    """Carries an exception unchanged between threads."""

    def __init__(self, exc: BaseException) -> None:
        self._exc = exc

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        survive(self._exc, overwriting=False, wiping=True)
        return _same, (self._exc,)


def _same(exc: BaseException) -> BaseException:
    return exc


register_parallel_backend("keeptrace", KeepTraceBackend)
