"""Pools for unknown versions of an engine: the engine's own pool, with each task wrapped as by
keeptrace.concurrent.wrap(). concurrent/engines.py decides when they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from multiprocessing.pool import Pool
from typing import Any

from ..core.errors import KeepTraceError
from ..core.hold import Hold, Holding, make_holding
from ..core.options import Options, make_options
from .decorator import traced_task


class _Plain:
    _trace: Options
    _holding: Holding | None = None

    def stacks(self, locals: bool = False, timeout: float = 5.0) -> Any:
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

    def submit(self, fn: Callable[..., Any], /, *args: object, **kwargs: object) -> Any:
        return super().submit(traced_task(fn, self._trace, self._holding), *args, **kwargs)


class PlainLokyExecutor(_Plain):
    """Put before the class of a finished loky executor."""

    def submit(self, fn: Callable[..., Any], *args: object, **kwargs: object) -> Any:
        task = traced_task(fn, self._trace, self._holding)
        return super().submit(task, *args, **kwargs)  # type: ignore[misc]  # loky's comes after


class PlainPool(_Plain, Pool):
    """Takes the place of KeepTracePool."""

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
        super().__init__(processes, initializer, initargs, maxtasksperchild, context)

    def apply_async(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return super().apply_async(traced_task(func, self._trace, self._holding), *args, **kwargs)

    def map(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return super().map(traced_task(func, self._trace, self._holding), *args, **kwargs)

    def map_async(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return super().map_async(traced_task(func, self._trace, self._holding), *args, **kwargs)

    def starmap(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return super().starmap(traced_task(func, self._trace, self._holding), *args, **kwargs)

    def starmap_async(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return super().starmap_async(traced_task(func, self._trace, self._holding), *args, **kwargs)

    def imap(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return super().imap(traced_task(func, self._trace, self._holding), *args, **kwargs)

    def imap_unordered(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return super().imap_unordered(
            traced_task(func, self._trace, self._holding), *args, **kwargs
        )
