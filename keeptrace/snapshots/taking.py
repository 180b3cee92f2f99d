"""Taking a snapshot: threads and tasks become one exception group."""

from __future__ import annotations

import os
from types import FrameType
from typing import Final

from .groups import Snapshot, TaskStack, ThreadStack, put_stack
from .tasks import tasks_of
from .threads import members_of, stacks_of_threads, traceback_of
from .waiting import Waiting, tree_text

# Names in a sentence about a task; the attributes have all. (names)
_MOST_NAMES: Final = 5


def take(here: FrameType | None, ident: int, helper: int, *, with_caller: bool = True) -> Snapshot:
    """The snapshot of this process; see threads.py for the arguments.

    with_caller: False leaves out the caller's thread, unless there is nothing else.
    """
    stacks = stacks_of_threads(here, ident, helper)
    tasks = tasks_of(stacks)
    waiting = Waiting(tasks)
    rows = waiting.tree()
    members: list[ThreadStack | TaskStack] = [*members_of(stacks)]
    for at, _ in rows:
        awaits = waiting.names(waiting.awaits[at])
        awaited_by = waiting.names(waiting.awaited_by[at])
        task = tasks[at]
        text = (
            f"{task.name} ({task.state}){_told('awaits', awaits)}{_told('awaited by', awaited_by)}"
        )
        members.append(TaskStack(text, task.name, task.state, awaits, awaited_by))
        put_stack(members[-1], traceback_of(task.frames))
    if not with_caller and len(members) > 1:
        del members[0]
    threads = _counted(len(members) - len(rows), "thread")
    made = Snapshot(f"process {os.getpid()}: {threads}, {_counted(len(rows), 'task')}", members)
    made.pid = os.getpid()
    if rows:
        made.add_note(tree_text(tasks, rows))
    return made


def _told(relation: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f", {relation} {', '.join(names[:_MOST_NAMES])}{more}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
