"""Workers that died, and the facts about their deaths.

The parent of a dead worker reads the worker's black box (concurrent/deaths/black_box.py): the task
that was running, the exception of the initializer, and the Python stack that `faulthandler` wrote
while the process died.
"""

from __future__ import annotations

import os
import signal
import types
from collections.abc import Sequence
from typing import Any, Final

from ...core.errors import KeepTraceError
from ...core.signals import signal_name
from ..crossing import from_bytes, without_frames_of
from .black_box import box_of
from .fault_text import engine_files, stack_of, traceback_text, with_files
from .memory import MemoryNote, note_of


class WorkerDied(KeepTraceError):
    """A worker process ended while it ran the task, or all of the pool's did; `deaths` says which,
    how, at what, and where.

    If an initializer failed, what it raised is the `__cause__`.
    """

    def __init__(self, message: str, deaths: Sequence[WorkerDeath] = ()) -> None:
        super().__init__(message)
        self.deaths: list[WorkerDeath] = list(deaths)


class WorkerDeath:
    """How one worker ended.

    pid: its process id.
    exitcode: what it exited with, or minus the number of the signal that killed it; None if it is
        not known.
    signal: the signal's name, or None.
    tasks: the calls it was running, as text, bounded.
    stack: its Python stack at death, as a traceback to look at (without variables), where the
        signal left it the chance. With Options(memory_mark=...), of a worker that was killed above
        the mark: its last stack that was noted, with variables.
    text: all that faulthandler wrote, with the files of functions that crossed by value.
    memory: with a memory_mark, the memory it had when last seen, and its largest variables; or
        None.
    """

    __slots__ = ("exitcode", "memory", "pid", "signal", "stack", "tasks", "text")

    def __init__(
        self,
        pid: int,
        exitcode: int | None,
        tasks: Sequence[str] = (),
        text: str = "",
        memory: MemoryNote | None = None,
    ) -> None:
        self.pid: int = pid
        self.exitcode: int | None = exitcode
        self.signal: str | None = (
            signal_name(-exitcode) if exitcode is not None and exitcode < 0 else None
        )
        self.tasks: tuple[str, ...] = tuple(tasks)
        self.text: str = text
        self.memory: MemoryNote | None = memory
        self.stack: types.TracebackType | None = stack_of(text) or _noted_stack(memory)

    def __str__(self) -> str:
        doing = f" while it ran {', '.join(self.tasks)}" if self.tasks else ""
        memory = f"; {self.memory}" if self.memory is not None else ""
        return f"Worker {self.pid} {how_it_ended(self.exitcode)}{doing}{memory}."

    def __repr__(self) -> str:
        return f"<WorkerDeath: {self}>"

    def __eq__(self, other: object) -> bool:
        return self._facts() == other._facts() if isinstance(other, WorkerDeath) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._facts())

    def __reduce__(self) -> tuple[Any, ...]:
        return WorkerDeath, self._facts()

    def _facts(self) -> tuple[Any, ...]:
        return self.pid, self.exitcode, self.tasks, self.text, self.memory

    def note(self) -> str:
        """The death as a note under a printed traceback."""
        if self.stack is None:
            return str(self)
        when = "at death" if self.text else "before its death"
        stack = traceback_text(self.stack)
        lines = [f"{self}", f"Its Python stack {when} (most recent call last):", stack]
        if self.memory is not None and self.memory.largest:
            lines += ["Its largest variables:", *(f"  {each}" for each in self.memory.largest)]
        return "\n".join(lines)


def _noted_stack(memory: MemoryNote | None) -> types.TracebackType | None:
    if memory is None or not memory.frames:
        return None
    return without_frames_of(from_bytes(memory.frames).__traceback__, engine_files())


def how_it_ended(exitcode: int | None) -> str:
    """A phrase for an exit code; multiprocessing uses negative codes for signals."""
    if exitcode is None:
        return "is gone"
    if exitcode < 0:
        hint = (
            " (by hand, or by the system when memory ran out)"
            if exitcode == -getattr(signal, "SIGKILL", 0)
            else ""
        )
        return f"was killed by {signal_name(-exitcode)}{hint}"
    names = [
        name
        for name in dir(os)
        if name.startswith("EX_") and getattr(os, name) == exitcode and exitcode
    ]
    return f"exited with code {exitcode}{f' ({names[0]})' if names else ''}"


# Time to wait for the exit code of a process whose sentinel is ready: the system has the code
_EXIT_CODE: Final = 5.0


def death_of(process: Any, tasks: Sequence[str]) -> WorkerDeath:
    """The facts of an ended process of make_worker()."""
    process.join(_EXIT_CODE)
    box = box_of(process)
    if box is None:
        return WorkerDeath(process.pid, process.exitcode, tasks)
    text = with_files(box.last_words())
    return WorkerDeath(process.pid, process.exitcode, tasks, text, note_of(box))


def add_notes(
    error: BaseException, deaths: Sequence[WorkerDeath], failure: BaseException | None
) -> None:
    """Adds the facts to the caller's error as notes, which printed tracebacks show."""
    if failure is not None:
        error.__cause__ = failure
        error.add_note("The initializer of a worker failed: see the cause above.")
    for death in deaths:
        error.add_note(death.note())
