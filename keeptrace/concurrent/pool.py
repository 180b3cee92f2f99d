"""KeepTracePool, of task_pool/pool.py (for an unknown engine, of unknown.py), and contexts with our
classes.
"""

from __future__ import annotations

from multiprocessing import get_context as _engine_context
from typing import TYPE_CHECKING

from .contexts import KeepingContext, keeping_context
from .engines import missing
from .process import PROCESSES, KeepTraceProcess

if TYPE_CHECKING or not missing("pool"):
    from .task_pool.pool import KeepTracePool
else:
    from .unknown import PlainPool as KeepTracePool

__all__ = ["KeepTracePool", "get_context"]


class KeepTraceContext(KeepingContext[KeepTracePool]):
    """A multiprocessing context whose Pool and Process are keeptrace's."""

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
    """The multiprocessing context of a start method, with our Pool and our Process.

    method: "fork", "spawn", "forkserver", or None for the system's default.

    Raises ValueError for a method that the system does not have.
    """
    return keeping_context(_engine_context(method), KeepTraceContext, PROCESSES)
