"""Attributes that the executors of the standard library and of loky share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..deaths.stacks import WorkerStack


def stacks(self: Any, locals: bool = False, timeout: float = 5.0) -> list[WorkerStack]:
    """The present stacks of all workers, without stopping the workers.

    locals: also the variables, and the stacks of the workers' other threads.
    timeout: seconds to wait for the answers. The `why` of a worker without an answer has the
        reason.
    """
    from ..deaths.stacks import stacks_of

    processes = self._processes or {}
    workers = [(process, self._tasks_of(process)) for process in list(processes.values())]
    return stacks_of(workers, locals, timeout)


def manager_attribute(adopt: Callable[[Any, Any], None]) -> property:
    """The property `_executor_manager_thread` of an executor.

    The engine sets the attribute before starting the thread: adopt(executor, thread).
    """

    def manager_of(self: object) -> object:
        return self.__dict__.get("_executor_manager_thread")

    def set_manager(self: object, manager: object) -> None:
        if manager is not None:
            adopt(self, manager)
        self.__dict__["_executor_manager_thread"] = manager

    return property(manager_of, set_manager)
