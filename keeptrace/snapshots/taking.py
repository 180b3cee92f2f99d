"""Takes a snapshot: threads and tasks become an exception group."""

from __future__ import annotations

import os
from types import FrameType
from typing import Final

from ..core.texts import counted
from .groups import Snapshot, TaskStack, ThreadStack, put_stack
from .tasks import tasks_of
from .threads import members_of, stacks_of_threads, traceback_of
from .waiting import Waiting, tree_text

# Names in the text of a task; the attributes have all names. (names)
_MOST_NAMES: Final = 5


def take(here: FrameType | None, ident: int, helper: int, *, with_caller: bool = True) -> Snapshot:
    """The snapshot of this process; see threads.py for the arguments.

    with_caller: False leaves out the caller's thread, unless the process has no other.
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
        relations = _told("awaits", awaits) + _told("awaited by", awaited_by)
        text = f"{task.name} ({task.state}){relations}"
        member = TaskStack(text, task.name, task.state, awaits, awaited_by)
        put_stack(member, traceback_of(task.frames))
        members.append(member)
    if not with_caller and len(members) > 1:
        del members[0]
    pid = os.getpid()
    count_of_threads = counted(len(members) - len(rows), "thread")
    count_of_tasks = counted(len(rows), "task")
    made = Snapshot(f"process {pid}: {count_of_threads}, {count_of_tasks}", members)
    made.pid = pid
    if rows:
        made.add_note(tree_text(tasks, rows))
    return made


def _told(relation: str, names: list[str]) -> str:
    if not names:
        return ""
    few = ", ".join(names[:_MOST_NAMES])
    text = f", {relation} {few}"
    more = len(names) - _MOST_NAMES
    if more > 0:
        text += f" and {more} more"
    return text
