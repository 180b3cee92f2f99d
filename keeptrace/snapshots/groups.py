"""The classes of a snapshot: exceptions, because every reader of a dump knows exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final

_HOME: Final = "keeptrace"  # the module under which users and readers of dumps meet the classes


class ThreadStack(Exception):
    """What one thread was doing; its `__traceback__` is the thread's stack.

    name: of the thread. ident: its `threading.get_ident()`. native_id: the system's number, or
        None.
    """

    def __init__(self, text: str, name: str, ident: int, native_id: int | None) -> None:
        super().__init__(text)
        self.name: str = name
        self.ident: int = ident
        self.native_id: int | None = native_id


class TaskStack(Exception):
    """What one asyncio task was doing; its `__traceback__` is the stack of its coroutines.

    name: of the task. state: "running", "waiting" or "ready". awaits, awaited_by: names of tasks.
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
    """A process as it was: `exceptions` has its threads, then its tasks in the order of their tree.

    pid: of the process. A snapshot that a dump gave back has also pause: the seconds for which the
    thread that took the snapshot was stopped.
    """

    pid: int = 0


_CLASSES: Final = (ThreadStack, TaskStack, Snapshot)
for _cls in _CLASSES:
    _cls.__module__ = _HOME
# As reports and views name them.
SNAPSHOT: Final = f"{_HOME}.{Snapshot.__name__}"
NAMES: Final = frozenset(f"{_HOME}.{cls.__name__}" for cls in _CLASSES)


def put_stack(member: ThreadStack | TaskStack, stack: TracebackType | None) -> None:
    """Gives a member its stack."""
    member.__traceback__ = stack
