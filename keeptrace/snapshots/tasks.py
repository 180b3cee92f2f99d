"""The tasks of asyncio in all loops, and the frames of the tasks' coroutines.

The running threads lead to their loops; before Python 3.14, asyncio also has sets of all tasks.
From 3.14 on, the module searches all objects for loops of foreign classes. The module reads only
tasks of asyncio's own classes and of subclasses: a foreign task would run the program's code.
"""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ..capture.facts import facts_of_code
from ..capture.locals import read_locals
from ..core.raw import loaded
from .threads import Stack

# Coroutines in a chain of awaits; a longer chain is a recursion. (frames)
_MOST_FRAMES: Final = 2_000
# A set of tasks may change during the copying. (attempts, as many as asyncio makes)
_ATTEMPTS: Final = 1_000
# For each kind of coroutine: the attributes with the frame and with the awaited object.
_KINDS: Final[dict[type, tuple[str, str]]] = {
    types.CoroutineType: ("cr_frame", "cr_await"),
    types.GeneratorType: ("gi_frame", "gi_yieldfrom"),
    types.AsyncGeneratorType: ("ag_frame", "ag_await"),
}
# Objects of C code between a coroutine and an awaited coroutine, without an attribute for either.
_WRAPPERS: Final = frozenset(
    {"async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper"}
)
# Functions of the standard library that run a loop; `self` is the loop or the runner.
_RUN_LOOPS: Final = frozenset({"run_forever", "run_until_complete", "run"})


class Task(NamedTuple):
    """A task with name, state and frames, the innermost frame first."""

    task: Any
    name: str
    state: str
    frames: list[types.FrameType]


def tasks_of(stacks: list[Stack]) -> list[Task]:
    """The unfinished tasks of this process."""
    if "asyncio" not in sys.modules:
        return []
    found: dict[int, Any] = {}
    loops: dict[int, Any] = {}
    for task in _remembered():
        found[id(task)] = task
    for loop in (*_running_loops(stacks), *_loops_of_others()):
        loops[id(loop)] = loop
    all_tasks = sys.modules["asyncio"].all_tasks
    for loop in loops.values():
        for task in all_tasks(loop):
            found[id(task)] = task
    tasks = []
    for task in found.values():
        read = _read(task, stacks)
        if read is not None:
            tasks.append(read)
    return tasks


def class_of(future: object) -> Any:
    """A task's class in asyncio; None for any other object."""
    for module, name in (("_asyncio", "Task"), ("asyncio.tasks", "_PyTask")):
        cls = loaded(module, name)
        if isinstance(cls, type) and issubclass(type(future), cls):
            return cls
    return None


def _remembered() -> list[Any]:
    """The tasks in asyncio's sets. From Python 3.14 on the sets have foreign tasks only."""
    tasks: list[Any] = []
    for name in ("_all_tasks", "_scheduled_tasks", "_eager_tasks"):
        known: Iterable[Any] | None = loaded("asyncio.tasks", name)
        if known is not None:
            tasks += _copied(known)
    return tasks


def _copied(tasks: Iterable[Any]) -> list[Any]:
    for _ in range(_ATTEMPTS):
        try:
            return list(tasks)
        except RuntimeError:  # another thread changed the set
            continue
    return []


def _running_loops(stacks: Iterable[Stack]) -> list[Any]:
    """The loops that threads run now."""
    base: Any = loaded("asyncio.events", "AbstractEventLoop")
    if base is None:
        return []
    runner = loaded("asyncio.runners", "Runner")
    loops = []
    for stack in stacks:
        for frame in stack.frames:
            owner = _self_of(frame)
            if runner is not None and type(owner) is runner:
                owner = vars(owner).get("_loop")
            if issubclass(type(owner), base):
                loops.append(owner)
    return loops


def _self_of(frame: types.FrameType) -> object:
    """The variable `self` of a function that may run a loop; None in any other frame."""
    code = frame.f_code
    if code.co_name not in _RUN_LOOPS or "self" not in code.co_varnames:
        return None
    return variables_of(frame).get("self")


def variables_of(frame: types.FrameType) -> dict[Any, Any]:
    """A copy of a frame's variables."""
    is_traced = sys.gettrace() is not None or sys.getprofile() is not None
    return read_locals(frame, facts_of_code(frame.f_code), is_traced)


def _loops_of_others() -> list[Any]:
    """Loops of foreign classes: C code may run such a loop without a frame (uvloop)."""
    base = loaded("asyncio.events", "AbstractEventLoop")
    if base is None or sys.version_info < (3, 14):  # _remembered() has the tasks
        return []
    own = loaded("asyncio.base_events", "BaseEventLoop")
    classes = {cls for cls in type.__subclasses__(base) if cls is not own}
    if not classes:
        return []
    loops = []
    for each in gc.get_objects():
        if not classes.isdisjoint(type(each).__mro__):
            loops.append(each)
    return loops


def _read(task: object, stacks: list[Stack]) -> Task | None:
    """A task of asyncio; None for a task that has ended, and for a foreign task."""
    cls = class_of(task)
    if cls is None or cls.done(task):
        return None
    coroutine = cls.get_coro(task)
    frames = _frames_inwards(coroutine)[::-1]
    running = _stack_within(frames, stacks)
    if running is not None:
        state = "running"
        frames = running
    elif _waits(task):
        state = "waiting"
    else:
        state = "ready"
    return Task(task, str(cls.get_name(task)), state, frames)


def _waits(task: object) -> bool:
    return object.__getattribute__(task, "_fut_waiter") is not None


def _stack_within(
    frames: list[types.FrameType], stacks: list[Stack]
) -> list[types.FrameType] | None:
    """The frames of the thread that runs a coroutine, from the coroutine inwards."""
    if not frames:
        return None
    for stack in stacks:
        for at, frame in enumerate(stack.frames):
            if frame is frames[-1]:
                return stack.frames[: at + 1]
    return None


def _frames_inwards(awaited: object) -> list[types.FrameType]:
    """The frames of a coroutine and of the awaited coroutines, the outermost first."""
    frames: list[types.FrameType] = []
    while awaited is not None and len(frames) < _MOST_FRAMES:
        kind = _KINDS.get(type(awaited))
        if kind is None:
            awaited = _within(awaited)
            continue
        frame = getattr(awaited, kind[0])
        if frame is None:
            break
        frames.append(frame)
        awaited = getattr(awaited, kind[1])
    return frames


def _within(wrapper: object) -> object:
    """The coroutine behind a wrapper of C code."""
    if type(wrapper).__name__ not in _WRAPPERS:
        return None
    held = gc.get_referents(wrapper)
    return next((each for each in held if type(each) in _KINDS), None)
