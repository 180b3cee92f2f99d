"""KeepTracePool, of task_pool/pool.py (for an unknown engine, of unknown.py), and contexts with our
classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
        """A KeepTracePool of this start method. All arguments are those of KeepTracePool."""
        return KeepTracePool(
            processes, initializer, initargs, maxtasksperchild, self, trace=trace, hold=hold
        )

    def get_context(  # type: ignore[override]  # the engine's has types by start method
        self, method: str | None = None
    ) -> KeepTraceContext:
        """This context, or the context of another start method."""
        if method is None:
            return self
        return get_context(method)


def get_context(method: str | None = None) -> KeepTraceContext:
    """The multiprocessing context of a start method, with our Pool and our Process in it.

    method: "fork", "spawn", "forkserver", or None for the system's default.

    Raises ValueError for a method that this system does not have.
    """
    context: Any = _engine_context(method)
    kind = type(context)
    start_method = context.get_start_method()
    if start_method not in PROCESSES:
        # another library registered this start method with multiprocessing
        raise ValueError(
            f"cannot find context for {start_method!r}: keeptrace knows {', '.join(PROCESSES)}"
        )
    extras = {"Process": PROCESSES[start_method], "PlainProcess": kind.Process}
    made: KeepTraceContext = type(f"KeepTrace{kind.__name__}", (KeepTraceContext, kind), extras)()
    return made
