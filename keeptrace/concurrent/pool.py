"""KeepTracePool, of task_pool/pool.py (for an unknown engine, of unknown.py), and contexts with our
classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from multiprocessing import get_context as _engine_context
from typing import TYPE_CHECKING, Any

from ..core.hold import Hold
from ..core.options import Options
from .engines import missing
from .process import PROCESSES, KeepTraceProcess

if TYPE_CHECKING or not missing("pool"):
    from .task_pool.pool import KeepTracePool
else:
    from .unknown import PlainPool as KeepTracePool

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
else:
    BaseContext = object  # get_context() adds the context class of the start method

__all__ = ["KeepTracePool", "get_context"]


class KeepTraceContext(BaseContext):
    """A multiprocessing context whose Pool and Process are keeptrace's."""

    Process: type[KeepTraceProcess]

    def Pool(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        *,
        trace: Options | None = None,
        hold: Hold | bool | None = None,
    ) -> KeepTracePool:
        """A KeepTracePool of the context's start method. Takes the arguments of KeepTracePool."""
        return KeepTracePool(
            processes, initializer, initargs, maxtasksperchild, self, trace=trace, hold=hold
        )

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
    made: KeepTraceContext = keeping_context(_engine_context(method), KeepTraceContext, PROCESSES)
    return made


def keeping_context(context: Any, ours: type, processes: Mapping[str, type]) -> Any:
    """A context like the engine's, of a class derived from ours and from the engine's.

    processes: start method → our class. Raises ValueError for another start method.
    """
    kind = type(context)
    start_method = context.get_start_method()
    if start_method not in processes:
        # another library registered this start method with the engine
        raise ValueError(
            f"cannot find context for {start_method!r}: keeptrace knows {', '.join(processes)}"
        )
    extras = {"Process": processes[start_method], "PlainProcess": kind.Process}
    return type(f"KeepTrace{kind.__name__}", (ours, kind), extras)()
