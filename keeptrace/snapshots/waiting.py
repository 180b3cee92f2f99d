"""The graph of tasks that wait for one another: edges, the order of a tree, the tree as text.

Since Python 3.14 asyncio keeps the edges (`_asyncio_awaited_by`). On older Pythons, this module
finds the edges in the variables of gather(), shield(), wait(), wait_for() and TaskGroup.
"""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

from ..core.raw import loaded
from .tasks import Task, class_of, variables_of

# Futures between a task and an awaited task: gather() of gather() of ...
_MOST_FUTURES: Final = 10_000
# Lines of the tree's text. The snapshot has all tasks as members, in the same order. (lines)
_MOST_LINES: Final = 200
# Deeper levels have the indent of this level. (levels)
_MOST_INDENT: Final = 20

# The variables of a function, by name.
_Variables: TypeAlias = dict[str, Any]


def _futures_of_wait(variables: _Variables) -> object:
    return variables.get("fs")


def _future_of_wait_for(variables: _Variables) -> object:
    return [variables.get("fut")]


def _tasks_of_group(variables: _Variables) -> object:
    return vars(variables["self"]).get("_tasks")


# Functions of asyncio that wait for tasks: (file, name) → finds the tasks among the variables.
_WAITING: Final[dict[tuple[str, str], Callable[[_Variables], object]]] = {
    ("tasks.py", "_wait"): _futures_of_wait,
    ("tasks.py", "wait_for"): _future_of_wait_for,
    # A patch release of 3.12 and of 3.13 moved the waiting from __aexit__ into _aexit.
    ("taskgroups.py", "__aexit__"): _tasks_of_group,
    ("taskgroups.py", "_aexit"): _tasks_of_group,
}


class Waiting:
    """The edges between waiting and awaited tasks. Numbers are indexes into the given tasks."""

    def __init__(self, tasks: list[Task]) -> None:
        self.awaits: list[list[int]] = [[] for _ in tasks]
        self.awaited_by: list[list[int]] = [[] for _ in tasks]
        self._tasks = tasks
        self._index: dict[int, int] = {}
        for at, task in enumerate(tasks):
            self._index[id(task.task)] = at
        for task in tasks:
            for awaited in _awaited(task):
                self._add(task.task, awaited)
            for waiter in _set_of(task.task, "_asyncio_awaited_by"):
                self._add(waiter, task.task)

    def _add(self, waiter: object, awaited: object) -> None:
        """Adds an edge between two of the given tasks."""
        at = self._index.get(id(waiter))
        other = self._index.get(id(awaited))
        if at is None or other is None:
            return
        if other not in self.awaits[at]:
            self.awaits[at].append(other)
            self.awaited_by[other].append(at)

    def tree(self) -> list[tuple[int, int]]:
        """Every task once, with a level: each task is below its first waiter.

        Tasks without a waiter come first; then circles of waiting tasks.
        """
        order = sorted(range(len(self._tasks)), key=self._rank)
        roots = [at for at in order if not self.awaited_by[at]]
        levels: dict[int, int] = {}
        for root in (*roots, *order):
            self._add_levels(root, levels)
        return list(levels.items())

    def _add_levels(self, root: int, levels: dict[int, int]) -> None:
        """Adds a task and the tasks below that have no level yet, in the order of the tree."""
        waiting = [(root, 0)]
        while waiting:
            at, level = waiting.pop()
            if at in levels:
                continue
            levels[at] = level
            for other in sorted(self.awaits[at], key=self._rank, reverse=True):
                waiting.append((other, level + 1))

    def _rank(self, at: int) -> tuple[int, str]:
        """The key for sorting: Task-2 comes before Task-10."""
        name = self._tasks[at].name
        return len(name), name

    def names(self, numbers: Iterable[int]) -> list[str]:
        return [self._tasks[at].name for at in numbers]


def tree_text(tasks: list[Task], rows: list[tuple[int, int]]) -> str:
    """The tree of tasks: each below a waiting task, with coroutine and state."""
    lines = [f"{len(tasks)} tasks, each below the task that awaits it:"]
    for at, level in rows[:_MOST_LINES]:
        task = tasks[at]
        levels = min(level, _MOST_INDENT) + 1
        indent = "  " * levels
        place = ""
        if task.frames:
            code = task.frames[-1].f_code
            place = f": {code.co_qualname}"
        lines.append(f"{indent}{task.name}{place} ({task.state})")
    if len(rows) > _MOST_LINES:
        lines.append(f"  ... {len(rows) - _MOST_LINES} more")
    return "\n".join(lines)


def _awaited(task: Task) -> Iterator[Any]:
    """The tasks awaited by a task, also through futures without a task."""
    waiting = [_raw(task.task, "_fut_waiter")]
    if task.frames and task.state != "running":
        waiting += _held_by(task.frames[0])
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_FUTURES:
        future = waiting.pop()
        if future is None or id(future) in seen:
            continue
        seen.add(id(future))
        if class_of(future) is not None:
            yield future
        else:
            waiting += _behind(future)


def _held_by(frame: types.FrameType) -> list[Any]:
    """The awaited tasks in the variables of a waiting function of asyncio's."""
    file = os.path.basename(frame.f_code.co_filename)
    find_tasks = _WAITING.get((file, frame.f_code.co_name))
    if find_tasks is None:
        return []
    module = frame.f_globals.get("__name__", "")
    if not module.startswith("asyncio."):
        return []
    return _listed(find_tasks(variables_of(frame)))


def _behind(future: object) -> list[Any]:
    """The futures behind a future of gather() or shield()."""
    gathering = loaded("asyncio.tasks", "_GatheringFuture")
    if gathering is not None and type(future) is gathering:
        return _listed(_raw(future, "_children"))
    found = []
    for callback, _context in _listed(_raw(future, "_callbacks")):
        if type(callback) is types.FunctionType and callback.__module__ == "asyncio.tasks":
            names = callback.__code__.co_freevars
            cells = dict(zip(names, callback.__closure__ or ()))
            if "inner" in cells:  # the future that shield() protects
                found.append(cells["inner"].cell_contents)
    return found


def _raw(owner: object, name: str) -> object:
    """An attribute, read without the owner's own __getattribute__; None if absent."""
    try:
        return object.__getattribute__(owner, name)
    except AttributeError:
        return None


def _set_of(owner: object, name: str) -> list[Any]:
    return _listed(_raw(owner, name))


def _listed(found: Any) -> list[Any]:
    """A copy of a list, set or tuple of asyncio's. Another thread may change a set meanwhile."""
    if type(found) not in (list, set, tuple, frozenset):
        return []
    try:
        return list(found)
    except RuntimeError:
        return []
