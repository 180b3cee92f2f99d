"""Workers that die and workers that hang: what their parent can say about them.

Each worker has a black box: an anonymous file (in memory on Linux) that the parent makes and the worker inherits.

    one page, mapped by both        what was written to it, in order
    [state | job | index | serves]  [the initializer's failure] [faulthandler's text] [answers to stacks()] ...

- The worker writes into the page what it is at: a store into memory for each task, nothing that could fail or wait.
- When a worker is gone, its parent reads the box: which task it was running, what its initializer raised, and the Python
  stack that `faulthandler` wrote while the process died of SIGSEGV, SIGABRT, SIGBUS, SIGFPE or SIGILL. A faulthandler
  that the user enabled is left alone; its text goes where the user wanted it.
- stacks() asks the living by signal, so that an idle worker costs nothing: no thread of ours, no waiting. One signal is
  answered in C by faulthandler, also while the worker is in C code that holds the GIL; the other in Python, with variables.
- The file has no name: nothing is left behind, however parent or worker end.
- Where there are no such files and signals (Windows) a death is told by its exit code alone, and stacks() says so.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import pickle
import re
import signal
import struct
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from .._errors import KeepTraceError
from .._options import Options
from .._render import Renderer
from .._report import FORMAT
from .._restore import POOL, restore
from ._boundary import from_bytes, to_bytes, without_frames_of

POSIX: Final = os.name == "posix"

# The words of a box's page, 64 bits each, written by the worker alone.
STATE, JOB, INDEX, SERVES = range(4)

# STATE: what the worker is at. In READING and SENDING it may have moved a part of a message; in these two and in WAITING
# it holds the queue's lock.
STARTING, IDLE, WAITING, READING, RUNNING, SENDING, ENDED = range(7)

# SERVES: which signals it answers.
_SERVES_TEXT, _SERVES_LOCALS = 1, 2

_PAGE: Final = mmap.PAGESIZE
# The system ignores SIGURG where nobody handles it, so one that arrives too early or too late harms nobody; few programs use it.
_ASK_TEXT: Final[int | None] = getattr(signal, "SIGURG", None)
# A real-time signal, which no library is known to use; macOS has none, but one that is ignored by default.
_ASK_LOCALS: Final[int | None] = getattr(signal, "SIGRTMAX", None) or getattr(signal, "SIGINFO", None)

_RECORD: Final = struct.Struct("=cQ")  # after a NUL, which faulthandler never writes: the kind, the size of what follows
_FAILURE, _ANSWER = b"F", b"A"

# The largest text of faulthandler that is read: ~100 threads of 100 frames. (bytes)
_MOST_TEXT: Final = 1 << 20
# Calls of a chunk that are told one by one; the others are counted. (calls)
_MOST_CALLS: Final = 3
# An argument in the description of a call: enough to recognise a path or an id. (characters)
_MOST_ARGUMENT: Final = 60
# Arguments of one call that are told. (arguments)
_MOST_ARGUMENTS: Final = 6


class WorkerDied(KeepTraceError):
    """A worker process ended while it ran the task, or all of the pool's did; `deaths` says which, how, at what, and where.

    If an initializer failed, what it raised is the `__cause__`.
    """

    def __init__(self, message: str, deaths: Sequence[WorkerDeath] = ()) -> None:
        super().__init__(message)
        self.deaths = list(deaths)


# --------------------------------------------------------------------------------------------------------------------
# The black box.


def _make_file() -> int:
    """A file without a name, of one page, whose writers append."""
    import fcntl

    fd = _nameless()
    os.ftruncate(fd, _PAGE)
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)
    return fd


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create("keeptrace", os.MFD_CLOEXEC)
        except OSError:  # a sandbox that forbids it
            pass
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class BlackBox:
    """One worker's. It travels to the worker in the arguments of its process."""

    __slots__ = ("__weakref__", "_fd", "_map", "words")

    def __init__(self, fd: int | None = None) -> None:
        self._fd = -1
        self._map: mmap.mmap | None = None
        self.words: Any = [0] * len(("STATE", "JOB", "INDEX", "SERVES"))
        if not POSIX:
            return
        self._fd = _make_file() if fd is None else fd
        self._map = mmap.mmap(self._fd, _PAGE)
        self.words = memoryview(self._map).cast("Q")

    def __reduce__(self) -> tuple[Any, ...]:
        if self._fd < 0:
            return BlackBox, ()
        from multiprocessing.reduction import DupFd

        return _inherited, (DupFd(self._fd),)

    def close(self) -> None:
        """Frees the file. The words keep their last values, as numbers."""
        if self._map is not None:
            words = self.words
            self.words = list(words[: SERVES + 1])
            words.release()
            self._map.close()
            self._map = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    __del__ = close

    # -- in the worker

    def put(self, failure: bytes) -> None:
        """Keeps what the worker's initializer raised."""
        self._write(_FAILURE, failure)

    def answer(self, data: bytes) -> None:
        self._write(_ANSWER, data)

    def _write(self, kind: bytes, data: bytes) -> None:
        if self._fd >= 0:
            left = memoryview(b"\0" + _RECORD.pack(kind, len(data)) + data)
            while left:
                left = left[os.write(self._fd, left) :]

    def serve(self, options: Options) -> None:
        """Makes the process that calls it, a worker, write its last words and answer to stacks()."""
        global _served
        if self._fd < 0 or threading.current_thread() is not threading.main_thread():
            return
        inherited = _served is not None  # forked from a worker: its handlers are ours to move
        _served = (self, options)
        if inherited or not faulthandler.is_enabled():
            faulthandler.enable(self._fd)
        if _ASK_TEXT is not None and signal.getsignal(_ASK_TEXT) == signal.SIG_DFL:
            faulthandler.register(_ASK_TEXT, self._fd, all_threads=False)  # reading other threads' frames from C is not safe
            self.words[SERVES] |= _SERVES_TEXT
        if _ASK_LOCALS is not None and (inherited or signal.getsignal(_ASK_LOCALS) == signal.SIG_DFL):
            signal.signal(_ASK_LOCALS, _answer)
            self.words[SERVES] |= _SERVES_LOCALS

    # -- in the parent

    def size(self) -> int:
        return os.fstat(self._fd).st_size if self._fd >= 0 else _PAGE

    def clear(self) -> None:
        """Drops what was written, as answers that were read."""
        if self._fd >= 0:
            os.ftruncate(self._fd, _PAGE)

    def read(self, start: int = _PAGE) -> tuple[str, list[tuple[bytes, bytes]]]:
        """What was written from `start` on: faulthandler's text, and the records that are complete."""
        data = os.pread(self._fd, self.size() - start, start) if self._fd >= 0 else b""
        text, records = b"", []
        while data:
            plain, mark, data = data.partition(b"\0")
            text += plain
            if not mark or len(data) < _RECORD.size:
                break
            kind, size = _RECORD.unpack_from(data)
            record = data[_RECORD.size : _RECORD.size + size]
            if len(record) < size:
                break
            records.append((kind, record))
            data = data[_RECORD.size + size :]
        return text[-_MOST_TEXT:].decode("ascii", "replace"), records

    def failure(self) -> bytes | None:
        """What the worker's initializer raised, for from_bytes()."""
        return next((data for kind, data in self.read()[1] if kind == _FAILURE), None)

    def last_words(self) -> str:
        """What faulthandler wrote as the process died; empty if it died silently."""
        text = self.read()[0]
        start = text.rfind("Fatal Python error: ")
        return text[start:] if start >= 0 else ""


def _inherited(fd: Any) -> BlackBox:
    return BlackBox(fd.detach())


_served: tuple[BlackBox, Options] | None = None


def run_worker(box: BlackBox, options: Options, target: Callable[..., object], args: tuple[Any, ...]) -> None:
    """The target of a worker's process: target(box, options, *args)."""
    box.serve(options)
    try:
        target(box, options, *args)
    except BrokenPipeError:  # the parent is gone; an initializer's has been kept
        if box.failure() is not None:
            raise
        sys.exit(1)


def make_worker(process: Callable[..., Any], options: Options, target: Callable[..., object], args: tuple[Any, ...]) -> Any:
    """A process (of the class or function `process`) that will run the target with a box, which box_of() gives."""
    box = BlackBox()
    made = process(target=run_worker, args=(box, options, target, args))
    made._keeptrace_box = box
    return made


def box_of(process: Any) -> BlackBox | None:
    found = getattr(process, "_keeptrace_box", None)
    return found if isinstance(found, BlackBox) else None


def failure_of(process: Any) -> bytes | None:
    """What the initializer of a worker raised, for from_bytes()."""
    box = box_of(process)
    return box.failure() if box is not None else None


# --------------------------------------------------------------------------------------------------------------------
# The dead.


class WorkerDeath:
    """How one worker ended.

    pid: its process id. exitcode: what it exited with, or minus the number of the signal that killed it; None if it is not known.
    signal: the signal's name, or None. tasks: the calls it was running, as text, bounded. stack: its Python stack at death, as a
    traceback to look at (without variables), where the signal left it the chance. text: all that faulthandler wrote.
    """

    __slots__ = ("exitcode", "pid", "signal", "stack", "tasks", "text")

    def __init__(self, pid: int, exitcode: int | None, tasks: Sequence[str] = (), text: str = "") -> None:
        self.pid = pid
        self.exitcode = exitcode
        self.signal = signal_name(-exitcode) if exitcode is not None and exitcode < 0 else None
        self.tasks = tuple(tasks)
        self.text = text
        self.stack = stack_of(text)

    def __str__(self) -> str:
        doing = f" while it ran {', '.join(self.tasks)}" if self.tasks else ""
        return f"Worker {self.pid} {how_it_ended(self.exitcode)}{doing}."

    def __repr__(self) -> str:
        return f"<WorkerDeath: {self}>"

    def __eq__(self, other: object) -> bool:
        return self._facts() == other._facts() if isinstance(other, WorkerDeath) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._facts())

    def __reduce__(self) -> tuple[Any, ...]:
        return WorkerDeath, self._facts()

    def _facts(self) -> tuple[Any, ...]:
        return self.pid, self.exitcode, self.tasks, self.text

    def note(self) -> str:
        """The death as a note under a printed traceback."""
        return str(self) if self.stack is None else f"{self}\nIts Python stack at death (most recent call last):\n{_print(self.stack)}"


def _print(stack: types.TracebackType | None) -> str:
    import traceback

    return "".join(traceback.format_tb(stack)).rstrip("\n")


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a signal that this Python has no name for
        return f"signal {number}"


def how_it_ended(exitcode: int | None) -> str:
    """A phrase for an exit code as multiprocessing has it: negative for a signal."""
    if exitcode is None:
        return "is gone"
    if exitcode < 0:
        hint = " (by hand, or by the system when memory ran out)" if exitcode == -getattr(signal, "SIGKILL", 0) else ""
        return f"was killed by {signal_name(-exitcode)}{hint}"
    names = [name for name in dir(os) if name.startswith("EX_") and getattr(os, name) == exitcode and exitcode]
    return f"exited with code {exitcode}{f' ({names[0]})' if names else ''}"


# Time to wait for the exit code of a process whose sentinel says that it is gone: the system has it already. (seconds)
_EXIT_CODE: Final = 5.0


def death_of(process: Any, tasks: Sequence[str]) -> WorkerDeath:
    """The facts of a process of make_worker() that has ended."""
    process.join(_EXIT_CODE)
    box = box_of(process)
    return WorkerDeath(process.pid, process.exitcode, tasks, box.last_words() if box else "")


def add_notes(error: BaseException, deaths: Sequence[WorkerDeath], failure: BaseException | None) -> None:
    """Puts what is known where the printed traceback of the caller's error shows it."""
    if failure is not None:
        error.__cause__ = failure
        error.add_note("The initializer of a worker failed: see the cause above.")
    for death in deaths:
        error.add_note(death.note())


# -- faulthandler's text

# Compiled when they are used: every worker imports this file, and few read a text.
_THREAD: Final = r"^(?:Current thread|Thread|Stack) .*\(most recent call first\):$"
_LINE: Final = r'^  File "(.*)", line (\d+|\?\?\?) in (.*)$'
_ESCAPE: Final = r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}"


def _stacks_in(text: str) -> Iterator[list[tuple[str, int | None, str]]]:
    """Each thread's frames (file, line, function), innermost first; the thread that died or was asked is the first."""
    found: list[tuple[str, int | None, str]] | None = None
    for line in text.splitlines():
        match = re.match(_LINE, line)
        if match and found is not None:
            file, number, name = match.groups()
            found.append((_unescape(file), int(number) if number.isdigit() else None, _unescape(name)))
        elif re.match(_THREAD, line):
            if found:
                yield found
            found = []
        elif found:
            yield found
            found = None
    if found:
        yield found


def _unescape(text: str) -> str:
    return re.sub(_ESCAPE, lambda match: chr(int(match[0][2:], 16)), text)


def stack_of(text: str) -> types.TracebackType | None:
    """The first stack in faulthandler's text, as a traceback; None if there is none."""
    frames = next(_stacks_in(text), None)
    if not frames:
        return None
    return _below_worker(_restored(frames[::-1]))


def _restored(frames: list[tuple[str, int | None, str]]) -> types.TracebackType | None:
    unknown = {"<locals>": "not known: only the stack was left"}
    codes = [
        {"file": file, "name": name, "qualname": name, "line": line or 1, "args": [0, 0, 0], "flags": 3, "names": []}
        for file, line, name in frames
    ]
    places = [[line, None, None, None] for _, line, _ in frames]
    record = {
        "type": 0, "args": [0], "fields": {}, "attributes": {}, "cause": None, "context": None, "suppress": False,
        "traceback": [[index, place] for index, place in enumerate(places)],
    }  # fmt: skip
    report = {
        "format": FORMAT, "python": "", "exceptions": [record], "codes": codes, "globals": [{}], "types": [["builtins", "Exception", []]],
        "frames": [{"code": index, "globals": 0, "locals": unknown, "at": place} for index, place in enumerate(places)],
        "values": [["tuple", 0, []]], "sources": {}, "live": None, "cuts": {},
    }  # fmt: skip
    return restore(report, POOL).__traceback__


# Modules whose frames are between run_worker() and the task's.
_BETWEEN: Final = (
    "concurrent.futures.process", "concurrent.futures.thread", "multiprocessing.pool", "multiprocessing.process",
    "multiprocessing.queues", "threading", "loky.process_executor", "joblib.externals.loky.process_executor", "joblib.parallel",
    *(f"{__package__}.{name}" for name in ("executors", "pool", "process", "_deaths", "_loky", "_queues")),
)  # fmt: skip


def _engine_files() -> frozenset[str]:
    return frozenset(str(sys.modules[name].__file__) for name in _BETWEEN if name in sys.modules)


def _below_worker(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """The part of a worker's stack that is the task's; the engine's where it runs none; all where it has no such part."""
    entry, start = traceback, traceback
    while entry is not None:
        code = entry.tb_frame.f_code
        if code.co_filename == __file__ and code.co_name == run_worker.__name__:
            start = entry.tb_next or start  # the innermost one: a worker can be forked by another's task
        entry = entry.tb_next
    return without_frames_of(start, _engine_files())


# -- what it was running


def describe_call(fn: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    """The call as short text; none of the user's code is run for it."""
    render = Renderer(_MOST_ARGUMENT, run_reprs=False)
    told = [_short(render, value) for value in args[:_MOST_ARGUMENTS]]
    told += [f"{name}={_short(render, value)}" for name, value in list(kwargs.items())[: _MOST_ARGUMENTS - len(told)]]
    if len(args) + len(kwargs) > len(told):
        told.append("...")
    return f"{_name_of(render, fn)}({', '.join(told)})"


def _short(render: Renderer, value: Any) -> str:
    try:
        return render(value)
    except Exception as problem:  # a value that changes while it is read
        return f"<{type(value).__name__}: {type(problem).__name__}>"


def _name_of(render: Renderer, fn: Any) -> str:
    if isinstance(fn, type):
        return str(type.__dict__["__qualname__"].__get__(fn))
    if type(fn) in (types.FunctionType, types.BuiltinFunctionType):
        return str(fn.__qualname__)
    if type(fn) is types.MethodType and type(fn.__func__) is types.FunctionType:
        return str(fn.__func__.__qualname__)
    return f"partial({_name_of(render, fn.func)})" if type(fn) is partial else _short(render, fn)


def describe_calls(calls: Sequence[tuple[Any, Sequence[Any], dict[str, Any]]]) -> list[str]:
    """Several calls that make up one task, as the first ones and a count."""
    told = [describe_call(*call) for call in calls[:_MOST_CALLS]]
    left = len(calls) - len(told)
    return [*told, f"{left} more of this chunk"] if left else told


# --------------------------------------------------------------------------------------------------------------------
# The living.


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
            lines.append(_print(self.stack))
        for name, stack in self.threads.items():
            lines += [f"Thread {name} of worker {self.pid}:", _print(stack)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<WorkerStack of {self.pid}: {', '.join(self.tasks) or 'idle'}>"


def _answer(signum: int, frame: types.FrameType | None) -> None:
    """Runs in a worker's main thread, between two bytecodes of whatever it does, when the parent asks for its stacks."""
    if _served is None or frame is None:
        return
    box, options = _served
    quiet = options.replace(run_reprs=False)  # the task stands in the middle of anything; its code must not be run now
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    here = threading.get_ident()
    told = []
    for ident, top in sys._current_frames().items():
        name = None if ident == here else names.get(ident, f"{ident:#x}")
        told.append((name, _frames_to_bytes(frame if ident == here else top, quiet)))
    box.answer(pickle.dumps(told))


def _frames_to_bytes(frame: types.FrameType | None, options: Options) -> bytes:
    carrier = Exception()
    traceback: types.TracebackType | None = None
    while frame is not None and frame.f_code is not run_worker.__code__:
        traceback = types.TracebackType(traceback, frame, frame.f_lasti, frame.f_lineno or 1)
        frame = frame.f_back
    carrier.__traceback__ = traceback
    try:
        return to_bytes(carrier, options)
    finally:
        carrier.__traceback__ = None


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
            _ask(asked, _ASK_LOCALS, _SERVES_LOCALS, _Question.has_locals, time.monotonic() + timeout / 2)
        _ask([one for one in asked if one.answer is None], _ASK_TEXT, _SERVES_TEXT, _Question.has_text, deadline)
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
        if self.box.size() > _MOST_TEXT:
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
            if kind == _ANSWER:
                threads = {name: from_bytes(told).__traceback__ for name, told in pickle.loads(data)}
                stack = without_frames_of(threads.pop(None, None), _engine_files())
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
