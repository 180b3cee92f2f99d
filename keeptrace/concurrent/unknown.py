"""Pools for unknown versions of an engine: the engine's own pool, with each task wrapped as by
keeptrace.concurrent.wrap(). concurrent/engines.py decides when they are used.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.context import BaseContext
from multiprocessing.pool import Pool
from typing import Any, NoReturn, ParamSpec, TypeVar

from ..core.errors import KeepTraceError
from ..core.hold import Hold, Holding, make_holding
from ..core.options import Options, make_options
from .decorator import traced_task

P = ParamSpec("P")
T = TypeVar("T")


class _Plain:
    _trace: Options
    _holding: Holding | None = None

    def stacks(self, locals: bool = False, timeout: float = 5.0) -> NoReturn:
        """Not available. Raises KeepTraceError."""
        raise KeepTraceError(
            "stacks() needs an engine that this keeptrace knows: see the warning at its start"
        )


class PlainProcessPoolExecutor(_Plain, ProcessPoolExecutor):
    """Takes the place of KeepTraceProcessPoolExecutor. Breaks when a worker dies."""

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        trace: Options | None = None,
        on_death: str = "break",
        max_deaths: int | None = None,
    ) -> None:
        self._trace = make_options(trace)
        super().__init__(
            max_workers, mp_context, initializer, initargs, max_tasks_per_child=max_tasks_per_child
        )

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(traced_task(fn, self._trace, self._holding), *args, **kwargs)


class PlainLokyExecutor(_Plain):
    """Put before the class of a finished loky executor."""

    def submit(self, fn: Callable[..., object], *args: object, **kwargs: object) -> object:
        task = traced_task(fn, self._trace, self._holding)
        return super().submit(task, *args, **kwargs)  # type: ignore[misc]  # loky's comes after


class PlainTaskPool(_Plain):
    """Put before the class Pool of an engine."""

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: object = None,
        *,
        trace: Options | None = None,
        hold: Hold | bool | None = None,
    ) -> None:
        self._trace = make_options(trace)
        self._holding = make_holding(hold)
        super().__init__(  # type: ignore[call-arg]  # the engine's class comes after
            processes, initializer, initargs, maxtasksperchild, context
        )


def _traced(name: str) -> Callable[..., object]:
    """The method of the engine's pool, for a traced function."""

    @functools.wraps(getattr(Pool, name))
    def traced(
        self: PlainTaskPool, func: Callable[..., object], *args: object, **kwargs: object
    ) -> object:
        method = getattr(super(PlainTaskPool, self), name)
        task = traced_task(func, self._trace, self._holding)
        found: object = method(task, *args, **kwargs)
        return found

    return traced


for _name in (
    "apply_async",
    "map",
    "map_async",
    "starmap",
    "starmap_async",
    "imap",
    "imap_unordered",
):
    setattr(PlainTaskPool, _name, _traced(_name))


class PlainPool(PlainTaskPool, Pool):
    """Takes the place of KeepTracePool."""
