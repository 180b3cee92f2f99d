"""The current stacks of living workers: stacks() sends each worker a signal, and reads the answer
from the worker's black box (concurrent/deaths/worker.py).
"""

from __future__ import annotations

import os
import pickle
import threading
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from ...core.clock import monotonic, sleep
from ...core.signals import signal_name, state_of
from ...core.texts import printable
from ..crossing import from_bytes, without_frames_of
from .black_box import ANSWER, ASK_LOCALS, ASK_TEXT, MOST_TEXT, NOT_YET, POSIX, TAKEN, box_of
from .fault_text import engine_files, stack_of, traceback_text, with_files
from .worker import run_worker


class WorkerStack:
    """The present state of a worker.

    pid: the worker's process id.
    tasks: the running calls, as text; empty for an idle worker.
    stack: the traceback of the main thread, the thread for tasks; None without an answer, and `why`
        has the reason.
    threads: the tracebacks of the worker's other Python threads by name; only with locals=True.
    """

    __slots__ = ("pid", "stack", "tasks", "threads", "why")

    def __init__(
        self,
        pid: int,
        tasks: Sequence[str],
        stack: types.TracebackType | None = None,
        threads: dict[str, types.TracebackType] | None = None,
        why: str | None = None,
    ) -> None:
        self.pid: int = pid
        self.tasks: tuple[str, ...] = tuple(tasks)
        self.stack: types.TracebackType | None = stack
        self.threads: dict[str, types.TracebackType] = threads or {}
        self.why: str | None = why

    def __str__(self) -> str:
        lines = [f"Worker {self.pid}: {', '.join(self.tasks) or 'idle'}"]
        if self.why:
            lines.append(f"  ({self.why})")
        if self.stack is not None:
            lines.append(traceback_text(self.stack))
        for name, stack in self.threads.items():
            lines += [f"Thread {printable(name)} of worker {self.pid}:", traceback_text(stack)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<WorkerStack of {self.pid}: {', '.join(self.tasks) or 'idle'}>"


_TAKEN: Final = "the program uses the signal by which it would be asked, or has reset it"

# Between two looks at the boxes. (seconds)
_LOOK: Final = 0.002
# We read a text without the usual end of a stack when the text has not grown for so long. (seconds)
_SETTLED: Final = 0.1
_asking: Final = threading.Lock()


def stacks_of(
    workers: Iterable[tuple[Any, Sequence[str]]], with_locals: bool, timeout: float
) -> list[WorkerStack]:
    """The current stack of each worker. Takes about `timeout` seconds at most.

    workers: (process, running calls).
    """
    deadline = monotonic() + timeout
    with _asking:
        asked = [_Question(process, tasks) for process, tasks in workers]
        by_locals = [question for question in asked if with_locals or question.only_by_locals()]
        _ask(by_locals, ASK_LOCALS, _Question.has_locals, monotonic() + timeout / 2)
        for question in by_locals:
            question.note_no_locals()
        _ask(asked, ASK_TEXT, _Question.has_text, deadline)
        return [question.told(with_locals, timeout) for question in asked]


def _ask(
    asked: list[_Question], way: int, look: Callable[[_Question], bool], deadline: float
) -> None:
    """Asks all workers without an answer. way: the word of the box with the signal."""
    waiting = [question for question in asked if question.is_open()]
    for question in waiting:
        question.start()
    while waiting:
        waiting = [question for question in waiting if question.send(way) and not look(question)]
        if not waiting or monotonic() >= deadline:
            return
        sleep(_LOOK)


class _Question:
    """The question to a worker, and its answer."""

    def __init__(self, process: Any, tasks: Sequence[str]) -> None:
        self.process = process
        self.tasks = tasks
        self.box: Any = box_of(process)
        self.answer: WorkerStack | None = None
        self.why = "this system has no signals to ask by"
        if POSIX:
            self.why = "its start has not got so far"
        self._why_no_locals = ""
        self._start = self._seen = 0
        self._since = self._sent = 0.0

    def is_open(self) -> bool:
        """Whether the worker can answer, and has not answered yet."""
        return POSIX and self.box is not None and self.answer is None

    def start(self) -> None:
        if self.box.size() > MOST_TEXT:
            self.box.clear()
        self._start = self._seen = self.box.size()
        self._since = self._sent = 0.0

    def send(self, way: int) -> bool:
        """Sends the signal once the worker handles the signal. Returns whether an answer is
        possible.
        """
        number = self.box.words[way]
        if self._sent or number == NOT_YET:
            return True
        if number == TAKEN:
            self.why = _TAKEN
            return False
        state = state_of(self.process.pid)
        if state is not None and state.blocks(number):
            self.why = f"it has blocked the signal {signal_name(number)}"
            return True  # perhaps for a moment
        # C code took the signal, or another program runs in the worker's place.
        if state is not None and not state.catches(number):
            self.why = _TAKEN
            return False
        return self._kill(number)

    def _kill(self, number: int) -> bool:
        self._sent = self._since = monotonic()
        self.why = ""
        try:
            os.kill(self.process.pid, number)
        except OSError as problem:
            self.why = f"it is gone: {problem.strerror}"
        return not self.why

    def has_text(self) -> bool:
        size = self.box.size()
        now = monotonic()
        if size != self._seen:
            self._seen, self._since = size, now
        text = self.box.read(self._start)[0]
        if not text.endswith((" in <module>\n", "  ...\n")) and now - self._since < _SETTLED:
            return False
        stack = stack_of(with_files(text))
        is_of_main = f" in {run_worker.__name__}\n" in text or text.endswith("  ...\n")
        if stack is None or not is_of_main:
            self.start()  # another thread took the signal: ask again
            return False
        self.answer = WorkerStack(self.process.pid, self.tasks, stack)
        return True

    def has_locals(self) -> bool:
        for kind, data in self.box.read(self._start)[1]:
            if kind == ANSWER:
                threads = {
                    name: from_bytes(told).__traceback__ for name, told in pickle.loads(data)
                }
                stack = without_frames_of(threads.pop(None, None), engine_files())
                self.answer = WorkerStack(
                    self.process.pid,
                    self.tasks,
                    stack,
                    {name: tb for name, tb in threads.items() if tb},
                )
                return True
        return False

    def only_by_locals(self) -> bool:
        """Whether the program uses the first signal, but not the second."""
        return self.box is not None and self.box.words[ASK_TEXT] == TAKEN

    def note_no_locals(self) -> None:
        """Keeps the reason for no variables; asking for the text may change `why`."""
        if self.answer is None:
            self._why_no_locals = self.why

    def told(self, with_locals: bool, timeout: float) -> WorkerStack:
        if self.answer is None:
            why = self.why or f"it did not answer within {timeout:g} seconds"
            return WorkerStack(self.process.pid, self.tasks, why=f"no stack: {why}")
        if not with_locals:
            self.answer.threads = {}
        elif not self.answer.threads and _has_no_locals(self.answer.stack):
            self.answer.why = f"no variables: {self._why_no_locals or 'it is in C code'}"
        return self.answer


def _has_no_locals(traceback: types.TracebackType | None) -> bool:
    return traceback is not None and "<locals>" in traceback.tb_frame.f_locals
