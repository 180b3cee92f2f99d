"""Python stacks of workers: faulthandler's text → traceback without variables → printable text."""

from __future__ import annotations

import re
import sys
import traceback
import types
from collections.abc import Iterator
from typing import Final, TypeAlias

from ...core.nodes import sequence
from ...core.report import FORMAT
from ...core.texts import printable
from ...restore.policy import POOL
from ...restore.restore import restore
from ..crossing import without_frames_of
from ..origins import file_of_place
from .worker import run_worker

# Compiled at use: every worker imports the module, and few read a text.
_THREAD: Final = r"^(?:Current thread|Thread|Stack) .*\(most recent call first\):$"
_LINE: Final = r'^  File "(.*)", line (\d+|\?\?\?) in (.*)$'
_DYNAMIC_LINE: Final = r'(?m)^  File "<dynamic-code>", line (\d+) in (.*)$'
_CURRENT: Final = r"^Current thread "
_ESCAPE: Final = r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}"


_Stack: TypeAlias = list[tuple[str, int | None, str]]


def _stacks_in(text: str) -> Iterator[_Stack]:
    """The frames (file, line, function) of each thread, innermost first."""
    found: _Stack | None = None
    for line in text.splitlines():
        match = re.match(_LINE, line)
        if match and found is not None:
            file, number, name = map(_unescape, match.groups())
            found.append((file, _line_of(number), name))
        elif re.match(_THREAD, line):
            if found:
                yield found
            found = []
        elif found:
            yield found
            found = None
    if found:
        yield found


def _line_of(number: str) -> int | None:
    if number.isdigit():
        return int(number)
    return None  # "???"


def _unescape(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        digits = match[0][2:]
        return chr(int(digits, 16))

    return re.sub(_ESCAPE, character, text)


def with_files(text: str) -> str:
    """A worker's text, with the files of functions that the parent sent the worker by value."""
    try:
        return re.sub(_DYNAMIC_LINE, _line_with_file, text)
    except Exception:  # another thread changes a module: only source lines are missing then
        return text


def _line_with_file(match: re.Match[str]) -> str:
    line, name = match.groups()
    file = file_of_place(_unescape(name), int(line))
    if file is None:
        return match[0]
    return f'  File "{file}", line {line} in {name}'.encode("ascii", "backslashreplace").decode()


def stack_of(text: str) -> types.TracebackType | None:
    """The stack of the thread that died or answers, from faulthandler's text, as a traceback; None
    without a stack.
    """
    # Newer threads stand before the thread that died.
    current = re.search(_CURRENT, text, re.M)
    if current is not None:
        text = text[current.start() :]
    frames = next(_stacks_in(text), None)
    if not frames:
        return None
    return _below_worker(_restored(frames[::-1]))


def _restored(frames: _Stack) -> types.TracebackType | None:
    unknown = {"<locals>": "not known: only the stack was left"}
    codes = [
        {
            "file": file,
            "name": name,
            "qualname": name,
            "line": line or 1,
            "args": [0, 0, 0],
            "flags": 3,
            "names": [],
        }
        for file, line, name in frames
    ]
    places = [[line, None, None, None] for _, line, _ in frames]
    frame_records = [
        {"code": index, "globals": 0, "locals": unknown, "at": place}
        for index, place in enumerate(places)
    ]
    record = {
        "type": 0,
        "args": [0],
        "fields": {},
        "attributes": {},
        "cause": None,
        "context": None,
        "suppress": False,
        "traceback": [[index, place] for index, place in enumerate(places)],
    }
    report = {
        "format": FORMAT,
        "python": "",
        "exceptions": [record],
        "frames": frame_records,
        "codes": codes,
        "globals": [{}],
        "types": [["builtins", "Exception", []]],
        "values": [sequence("tuple", [])],
        "sources": {},
        "live": None,
        "cuts": {},
    }
    return restore(report, POOL).__traceback__


# Modules with frames between run_worker() and the task.
_BETWEEN: Final = (
    "concurrent.futures.process",
    "concurrent.futures.thread",
    "threading",
    "multiprocessing.pool",
    "multiprocessing.process",
    "multiprocessing.queues",
    "multiprocess.pool",
    "multiprocess.process",
    "multiprocess.queues",
    "loky.process_executor",
    "joblib.externals.loky.process_executor",
    "joblib.parallel",
    "keeptrace.concurrent.process",
    "keeptrace.concurrent.deaths.worker",
    "keeptrace.concurrent.process_pool.worker",
    "keeptrace.concurrent.process_pool.of_loky",
    "keeptrace.concurrent.process_pool.queues",
    "keeptrace.concurrent.process_pool.healing_worker",
    "keeptrace.concurrent.task_pool.worker",
    "keeptrace.concurrent.torch.worker",
    "keeptrace.concurrent.torch.ranks",
    "torch.utils.data._utils.worker",
    "torch.multiprocessing.spawn",
    "torchdata.stateful_dataloader.worker",
)


def engine_files() -> frozenset[str]:
    loaded = [sys.modules[name] for name in _BETWEEN if name in sys.modules]
    return frozenset(str(module.__file__) for module in loaded)


def _below_worker(stack: types.TracebackType | None) -> types.TracebackType | None:
    """The task's part of a worker's stack; the engine's part if no task runs; the whole stack if
    run_worker() is not in the stack.
    """
    entry = stack
    start = stack
    file = run_worker.__code__.co_filename
    while entry is not None:
        code = entry.tb_frame.f_code
        if code.co_filename == file and code.co_name == run_worker.__name__:
            # The innermost entry counts: another worker's task may have forked the worker.
            start = entry.tb_next or start
        entry = entry.tb_next
    return without_frames_of(start, engine_files())


def traceback_text(stack: types.TracebackType | None) -> str:
    """A traceback's frames in Python's format, but printable."""
    frames = traceback.extract_tb(stack)
    for index, frame in enumerate(frames):
        if not (frame.filename.isprintable() and frame.name.isprintable()):
            frames[index] = _printable_frame(frame)
    text = "".join(frames.format())
    return printable(text.rstrip("\n"), keep="\n")


def _printable_frame(frame: traceback.FrameSummary) -> traceback.FrameSummary:
    return traceback.FrameSummary(
        printable(frame.filename),
        frame.lineno,
        printable(frame.name),
        lookup_line=False,
        line=frame.line,  # the source line, found by the true name of the file
    )
