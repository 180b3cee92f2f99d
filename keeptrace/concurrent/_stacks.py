"""What living workers are doing now: stacks() asks each by signal, and reads the answer from its black box (_worker.py)."""

from __future__ import annotations

import os
import pickle
import threading
import time
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from .._texts import printable
from ._black_box import ANSWER, MOST_TEXT, POSIX, SERVES, SERVES_LOCALS, SERVES_TEXT, box_of
from ._boundary import from_bytes, without_frames_of
from ._fault_text import engine_files, stack_of, traceback_text
from ._worker import ASK_LOCALS, ASK_TEXT, run_worker


class WorkerStack:
    """What one worker is doing now.

    pid: its process id. tasks: the calls it is running, as text; empty if it is idle. stack: the traceback of its main thread,
    which runs the tasks; None if it did not answer, and `why` says what kept it. threads: the tracebacks of its other Python
    threads by name; only told with locals=True.
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
        self.pid = pid
        self.tasks = tuple(tasks)
        self.stack = stack
        self.threads = threads or {}
        self.why = why

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


# Between two looks at the boxes. (seconds)
_LOOK: Final = 0.002
# A text that has not grown for so long, and does not end as stacks end, is taken as it is. (seconds)
_SETTLED: Final = 0.1
_asking: Final = threading.Lock()


def stacks_of(workers: Iterable[tuple[Any, Sequence[str]]], with_locals: bool, timeout: float) -> list[WorkerStack]:
    """What each worker, given as (process, what it is running), does now. Takes about `timeout` seconds at most."""
    deadline = time.monotonic() + timeout
    with _asking:
        asked = [_Question(process, tasks) for process, tasks in workers]
        if with_locals:
            _ask(asked, ASK_LOCALS, SERVES_LOCALS, _Question.has_locals, time.monotonic() + timeout / 2)
        _ask([one for one in asked if one.answer is None], ASK_TEXT, SERVES_TEXT, _Question.has_text, deadline)
        return [one.told(with_locals, timeout) for one in asked]


def _ask(asked: list[_Question], number: int | None, serves: int, look: Callable[[_Question], bool], deadline: float) -> None:
    waiting = [one for one in asked if number is not None and one.box is not None]
    for one in waiting:
        one.start()
    while waiting:
        waiting = [one for one in waiting if one.send(number, serves) and not look(one)]  # type: ignore[arg-type]  # None ends above
        if not waiting or time.monotonic() >= deadline:
            return
        time.sleep(_LOOK)


class _Question:
    """One worker that is asked for its stacks."""

    def __init__(self, process: Any, tasks: Sequence[str]) -> None:
        self.process = process
        self.tasks = tasks
        self.box: Any = box_of(process)
        self.answer: WorkerStack | None = None
        self.why = "its start has not got so far" if POSIX else "this system has no signals to ask by"
        self._start = self._seen = 0
        self._since = self._sent = 0.0

    def start(self) -> None:
        if self.box.size() > MOST_TEXT:
            self.box.clear()
        self._start = self._seen = self.box.size()
        self._since = self._sent = 0.0

    def send(self, number: int, serves: int) -> bool:
        """Sends the signal, once the worker takes it. Gives whether there can be an answer."""
        if self._sent or not self.box.words[SERVES] & serves:
            return True
        self._sent = self._since = time.monotonic()
        self.why = ""
        try:
            os.kill(self.process.pid, number)
        except OSError as problem:
            self.why = f"it is gone: {problem.strerror}"
        return not self.why

    def has_text(self) -> bool:
        size = self.box.size()
        now = time.monotonic()
        if size != self._seen:
            self._seen, self._since = size, now
        text = self.box.read(self._start)[0]
        if not text.endswith((" in <module>\n", "  ...\n")) and now - self._since < _SETTLED:
            return False
        stack = stack_of(text)
        if stack is None or (f" in {run_worker.__name__}\n" not in text and not text.endswith("  ...\n")):
            self.start()  # another thread took the signal: ask again
            return False
        self.answer = WorkerStack(self.process.pid, self.tasks, stack)
        return True

    def has_locals(self) -> bool:
        for kind, data in self.box.read(self._start)[1]:
            if kind == ANSWER:
                threads = {name: from_bytes(told).__traceback__ for name, told in pickle.loads(data)}
                stack = without_frames_of(threads.pop(None, None), engine_files())
                self.answer = WorkerStack(self.process.pid, self.tasks, stack, {name: tb for name, tb in threads.items() if tb})
                return True
        return False

    def told(self, with_locals: bool, timeout: float) -> WorkerStack:
        if self.answer is None:
            why = self.why or f"it did not answer within {timeout:g} seconds"
            return WorkerStack(self.process.pid, self.tasks, why=f"no stack: {why}")
        if with_locals and not self.answer.threads and self.answer.stack is not None and _has_no_locals(self.answer.stack):
            self.answer.why = "no variables: it is in C code, or has blocked the signal"
        return self.answer


def _has_no_locals(traceback: types.TracebackType) -> bool:
    return "<locals>" in traceback.tb_frame.f_locals
