"""Dead workers, and the facts about their deaths.

The parent of a dead worker reads the worker's black box (concurrent/deaths/black_box.py): the
running task, the exception of the initializer, and the Python stack that `faulthandler` wrote
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
    """A worker process ended while running the task, or all workers of the pool ended. `deaths` has
    the facts: process, signal or exit code, tasks and stacks.

    If an initializer failed, its exception is the `__cause__`.
    """

    def __init__(self, message: str, deaths: Sequence[WorkerDeath] = ()) -> None:
        super().__init__(message)
        self.deaths: list[WorkerDeath] = list(deaths)


class WorkerDeath:
    """How a worker ended.

    pid: the worker's process id.
    exitcode: its exit code, or minus the number of the fatal signal; None if unknown.
    signal: the signal's name, or None.
    tasks: the running calls, as text, bounded.
    stack: the Python stack at death, as a traceback to look at (without variables), if the signal
        let faulthandler write. With Options(memory_mark=...), for a worker killed above the mark:
        the last noted stack, with variables.
    text: the whole text of faulthandler, with the files of functions that crossed by value.
    memory: with a memory_mark, the last seen memory and the largest variables; or None.
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
        self.signal: str | None = None
        if exitcode is not None and exitcode < 0:
            self.signal = signal_name(-exitcode)
        self.tasks: tuple[str, ...] = tuple(tasks)
        self.text: str = text
        self.memory: MemoryNote | None = memory
        self.stack: types.TracebackType | None = stack_of(text) or _noted_stack(memory)

    def __str__(self) -> str:
        told = f"Worker {self.pid} {how_it_ended(self.exitcode)}"
        if self.tasks:
            told += f" while it ran {', '.join(self.tasks)}"
        if self.memory is not None:
            told += f"; {self.memory}"
        return f"{told}."

    def __repr__(self) -> str:
        return f"<WorkerDeath: {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WorkerDeath):
            return NotImplemented
        return self._facts() == other._facts()

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
        when = "before its death"  # from a note of the memory
        if self.text:
            when = "at death"
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
        told = f"was killed by {signal_name(-exitcode)}"
        if exitcode == -getattr(signal, "SIGKILL", 0):
            told += " (by hand, or by the system when memory ran out)"
        return told
    told = f"exited with code {exitcode}"
    name = _name_of_code(exitcode)
    if name is not None:
        told += f" ({name})"
    return told


def _name_of_code(exitcode: int) -> str | None:
    """The name of an exit code in the module os, such as EX_USAGE."""
    if exitcode == 0:
        return None
    for name in dir(os):
        if name.startswith("EX_") and getattr(os, name) == exitcode:
            return name
    return None


# Time to wait for the exit code of a process with a ready sentinel. (seconds)
_EXIT_CODE: Final = 5.0


def death_of(process: Any, tasks: Sequence[str]) -> WorkerDeath:  # any engine's process
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
    """Adds the facts to the caller's error as notes; printed tracebacks show notes."""
    if failure is not None:
        error.__cause__ = failure
        error.add_note("The initializer of a worker failed: see the cause above.")
    for death in deaths:
        error.add_note(death.note())
