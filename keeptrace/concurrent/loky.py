"""Loky's executors, with tasks whose exceptions arrive with their frames: KeepTraceLokyExecutor,
get_reusable_executor.

The rest is loky's own: see loky's documentation. concurrent/process_pool/of_loky.py has our part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from ..core.errors import missing_extra
from ..core.hold import Hold, make_holding
from ..core.options import Options, make_options
from .process_pool.of_loky import adopt, initialization, is_adopted
from .process_pool.on_death import Healing, OnDeath, check_on_death
from .process_pool.shared import stacks as _stacks

try:
    from loky import process_executor, reusable_executor
except ImportError:
    raise missing_extra("keeptrace.concurrent.loky", "loky", "loky") from None

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future
    from concurrent.futures.process import BrokenProcessPool

    from .deaths.dead import WorkerDeath

    class ProcessPoolExecutor(Executor):
        """Loky's class, with type hints."""

        def __init__(self, max_workers: int | None = None, **arguments: object) -> None: ...

        _max_workers: int

        def shutdown(  # type: ignore[override]
            self, wait: bool = True, kill_workers: bool = False
        ) -> None: ...

    class TerminatedWorkerError(BrokenProcessPool):
        """Loky's class, with the facts about the workers that died."""

        deaths: list[WorkerDeath]

else:
    from loky import ProcessPoolExecutor
    from loky.process_executor import TerminatedWorkerError

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["KeepTraceLokyExecutor", "TerminatedWorkerError", "get_reusable_executor"]


class KeepTraceLokyExecutor(ProcessPoolExecutor):
    """A loky.ProcessPoolExecutor whose tasks' exceptions arrive with their whole chain, and their
    frames and variables.

    Takes the arguments of loky.ProcessPoolExecutor, with the same meaning.

    trace: what to keep of a failing task (keeptrace.Options).
    hold: True or a keeptrace.Hold keeps processes of failed tasks alive, for keeptrace.attach().
    on_death: "replace": the death of a worker costs only its own task, and another worker takes the
        dead worker's place (docs/pools.md). "break" (the default): as in loky.
    max_deaths: as for KeepTraceProcessPoolExecutor.

    After a death, tasks get a TerminatedWorkerError with an attribute `deaths`: a list of
    WorkerDeath."""

    stacks = _stacks

    if TYPE_CHECKING:

        def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]: ...

    def __init__(
        self,
        max_workers: int | None = None,
        job_reducers: dict[type, Any] | None = None,
        result_reducers: dict[type, Any] | None = None,
        timeout: float | None = None,
        context: object = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        env: dict[str, str] | None = None,
        *,
        trace: Options | None = None,
        hold: Hold | bool | None = None,
        on_death: OnDeath = "break",
        max_deaths: int | None = None,
    ) -> None:
        check_on_death(on_death, max_deaths)
        options, healing = make_options(trace), Healing(on_death, max_deaths)
        make_holding(hold)  # raises OptionError at once for a wrong `hold`
        super().__init__(
            max_workers=max_workers,
            job_reducers=job_reducers,
            result_reducers=result_reducers,
            timeout=timeout,
            context=context,
            env=env,
            **initialization(options, hold, healing, initializer, initargs),
        )
        adopt(self, process_executor, options, hold, healing)


def get_reusable_executor(
    max_workers: int | None = None,
    context: object = None,
    timeout: float | None = 10,
    kill_workers: bool = False,
    reuse: bool | Literal["auto"] = "auto",
    job_reducers: dict[type, Any] | None = None,
    result_reducers: dict[type, Any] | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    env: dict[str, str] | None = None,
    *,
    trace: Options | None = None,
    hold: Hold | bool | None = None,
    on_death: OnDeath = "break",
    max_deaths: int | None = None,
) -> KeepTraceLokyExecutor:
    """loky.get_reusable_executor, for executors whose tasks' exceptions arrive with their frames.

    Takes loky's arguments, with the same meaning. `trace`, `hold`, `on_death`, `max_deaths` and
    stacks(): as for KeepTraceLokyExecutor.
    Loky keeps an executor for each thread, and replaces an executor without frames, or with other
    options."""
    check_on_death(on_death, max_deaths)
    options, healing = make_options(trace), Healing(on_death, max_deaths)
    make_holding(hold)
    if reuse is True and not is_adopted(reusable_executor._executor_storage.executor):
        reuse = "auto"
    executor = reusable_executor.get_reusable_executor(
        max_workers=max_workers,
        context=context,
        timeout=timeout,
        kill_workers=kill_workers,
        reuse=reuse,
        job_reducers=job_reducers,
        result_reducers=result_reducers,
        env=env,
        **initialization(options, hold, healing, initializer, initargs),
    )
    adopted: KeepTraceLokyExecutor = adopt(executor, process_executor, options, hold, healing)
    return adopted
