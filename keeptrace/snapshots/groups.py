"""The classes of a snapshot: exceptions, because every reader of a dump knows exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final

_HOME: Final = "keeptrace"  # the public module of the classes


class ThreadStack(Exception):
    """A thread of a snapshot. `__traceback__` is the thread's stack.

    name: the thread's name. ident: the thread's `threading.get_ident()`. native_id: the system's
        number of the thread, or None.
    """

    def __init__(self, text: str, name: str, ident: int, native_id: int | None) -> None:
        super().__init__(text)
        self.name: str = name
        self.ident: int = ident
        self.native_id: int | None = native_id


class TaskStack(Exception):
    """An asyncio task of a snapshot. `__traceback__` is the stack of the task's coroutines.

    name: the task's name. state: "running", "waiting" or "ready". awaits, awaited_by: names of
        tasks.
    """

    def __init__(
        self, text: str, name: str, state: str, awaits: Sequence[str], awaited_by: Sequence[str]
    ) -> None:
        super().__init__(text)
        self.name: str = name
        self.state: str = state
        self.awaits: tuple[str, ...] = tuple(awaits)
        self.awaited_by: tuple[str, ...] = tuple(awaited_by)


class Snapshot(ExceptionGroup[ThreadStack | TaskStack]):
    """A process at a moment: `exceptions` has the threads, then the tasks in the order of a tree.

    pid: the process's number. A snapshot from a dump also has pause: the seconds for which taking
    the snapshot stopped the calling thread.
    """

    pid: int = 0


_CLASSES: Final = (ThreadStack, TaskStack, Snapshot)
for _cls in _CLASSES:
    _cls.__module__ = _HOME
# The names in reports and views.
SNAPSHOT: Final = f"{_HOME}.{Snapshot.__name__}"


def put_stack(member: ThreadStack | TaskStack, stack: TracebackType | None) -> None:
    """Gives a member its stack."""
    member.__traceback__ = stack
