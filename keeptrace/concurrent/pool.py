"""KeepTracePool (see concurrent/task_pool/pool.py;

where its engine is not known, see concurrent/engines.py), and contexts that have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from multiprocessing import get_context as _engine_context
from typing import TYPE_CHECKING, Any

from ..core.options import Options
from .engines import missing
from .process import PROCESSES

if TYPE_CHECKING or not missing("pool"):
    from .task_pool.pool import KeepTracePool
else:
    from .unknown import PlainPool as KeepTracePool

__all__ = ["KeepTracePool", "get_context"]


class _Tracing:
    """What a multiprocessing context is given."""

    def Pool(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        *,
        trace: Options | None = None,
    ) -> KeepTracePool:
        return KeepTracePool(processes, initializer, initargs, maxtasksperchild, self, trace=trace)

    def get_context(self, method: str | None = None) -> Any:
        return self if method is None else get_context(method)


def get_context(method: str | None = None) -> Any:
    """The multiprocessing context of a start method (None: the default one), with our Pool and our
    Process in it.

    Raises ValueError for a method that this system does not have.
    """
    context: Any = _engine_context(method)
    kind = type(context)
    start_method = context.get_start_method()
    if (
        start_method not in PROCESSES
    ):  # one that another library has registered with multiprocessing
        raise ValueError(
            f"cannot find context for {start_method!r}: keeptrace knows {', '.join(PROCESSES)}"
        )
    extras = {"Process": PROCESSES[start_method], "PlainProcess": kind.Process}
    return type(f"KeepTrace{kind.__name__}", (_Tracing, kind), extras)()
