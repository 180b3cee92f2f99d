"""Contexts of multiprocessing, and of forks of multiprocessing, with our Pool and our Process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..core.hold import Hold
from ..core.options import Options

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

    from .task_pool.pool import KeepingPool
else:
    BaseContext = object  # keeping_context() adds the context class of the start method

PoolT = TypeVar("PoolT", bound="KeepingPool")
ContextT = TypeVar("ContextT", bound="BaseContext")


class KeepingContext(Generic[PoolT], BaseContext):
    """A base put before the engine's context class. A subclass names our pool of the engine."""

    _pool_class: type[PoolT]

    def Pool(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        *,
        trace: Options | None = None,
        hold: Hold | bool | None = None,
    ) -> PoolT:
        """A KeepTracePool of the context's start method. Takes the arguments of KeepTracePool."""
        return self._pool_class(
            processes, initializer, initargs, maxtasksperchild, self, trace=trace, hold=hold
        )


def keeping_context(
    context: BaseContext, ours: type[ContextT], processes: Mapping[str, type]
) -> ContextT:
    """A context like the engine's, of a class derived from ours and from the engine's.

    processes: start method → our class. Raises ValueError for another start method.
    """
    kind: Any = type(context)
    start_method = context.get_start_method()
    if start_method not in processes:
        # another library registered this start method with the engine
        raise ValueError(
            f"cannot find context for {start_method!r}: keeptrace knows {', '.join(processes)}"
        )
    extras = {"Process": processes[start_method], "PlainProcess": kind.Process}
    made: ContextT = type(f"KeepTrace{kind.__name__}", (ours, kind), extras)()
    return made
