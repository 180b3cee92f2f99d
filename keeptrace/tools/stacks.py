"""The stack of another process with a black box, also while the process hangs in C code.

keeptrace stacks 4711 ── SIGURG ──▶ faulthandler, in C, whatever the main thread does
                      ◀── its box ── the Python stack of the main thread, as text
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

from ..concurrent.deaths.fault_text import stack_of
from ..core.clock import monotonic, sleep
from ..core.errors import KeepTraceError
from ..core.processes import is_alive
from ..core.signals import signal_name, state_of
from ..store.boxes import ASKED, Box, box_of, name_has_pid
from .asking import check_process

# Between two looks into the box. (seconds)
_LOOK = 0.005
# A stack is whole after this time without growth. (seconds)
_SETTLED = 0.1
_NO_BOX = (
    "process {pid} keeps no black box: start it with keeptrace run, or let it call "
    "keeptrace.install(directory); give that directory with --dir"
)


class ProcessStack(NamedTuple):
    """The stack of the main thread of a process."""

    command: str
    stack: TracebackType


def stack_of_process(pid: int, directory: str, timeout: float) -> ProcessStack:
    """The stack of a process's main thread.

    directory: searched for the box if the system does not list the files of the process.
    timeout: seconds to wait for the answer.

    Raises KeepTraceError with the reason if the process gives no stack, and OSError.
    """
    check_process(pid)
    path, box = _found(pid, directory)
    number = box.facts.stack
    state = state_of(pid)
    if number is None or (state is not None and not state.catches(number)):
        raise KeepTraceError(
            f"process {pid} cannot be asked for its stack: the program uses the signal"
        )
    if state is not None and state.blocks(number):
        raise KeepTraceError(f"process {pid} has blocked the signal {signal_name(number)}")
    with open(path, "ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        file.write(ASKED.encode())
        try:
            os.kill(pid, number)
            text = _awaited(path, before + len(ASKED), box, timeout)
        finally:
            _forget(file.fileno(), before, box)
    stack = stack_of(text)
    if stack is None:
        raise KeepTraceError(f"process {pid} has no Python stack now")
    return ProcessStack(box.facts.command, stack)


def _found(pid: int, directory: str) -> tuple[str, Box]:
    for path in _candidates(pid, directory):
        try:
            box = box_of(path)
        except OSError:  # removed just now
            continue
        if box is None or box.facts.pid != pid:
            continue
        if is_alive(pid, box.facts.start):
            return path, box
    raise KeepTraceError(_NO_BOX.format(pid=pid))


def _candidates(pid: int, directory: str) -> Iterator[str]:
    """Files that may be the box of a process: its open files, and files in the directory."""
    opened = f"/proc/{pid}/fd"
    try:
        for name in os.listdir(opened):
            try:
                yield os.readlink(os.path.join(opened, name))
            except OSError:  # closed just now
                continue
    except OSError:  # not of this system
        pass
    if os.path.isdir(directory):
        for name in os.listdir(directory):
            if name_has_pid(name, pid):
                yield os.path.join(directory, name)


def _awaited(path: str, start: int, box: Box, timeout: float) -> str:
    """The text that faulthandler has added, when complete."""
    deadline = monotonic() + timeout
    seen, since = 0, monotonic()
    while True:
        with open(path, "rb") as file:
            file.seek(start)
            text = file.read()
        if len(text) != seen:
            seen, since = len(text), monotonic()
        elif text and monotonic() - since > _SETTLED:
            return text.decode("ascii", "replace")
        if not is_alive(box.facts.pid, box.facts.start):
            raise KeepTraceError(f"process {box.facts.pid} has ended")
        if monotonic() > deadline:
            raise KeepTraceError(
                f"process {box.facts.pid} did not answer within {timeout:g} seconds"
            )
        sleep(_LOOK)


def _forget(file: int, size: int, box: Box) -> None:
    """Removes question and answer from the box, unless the process has died meanwhile."""
    if is_alive(box.facts.pid, box.facts.start):
        os.ftruncate(file, size)
