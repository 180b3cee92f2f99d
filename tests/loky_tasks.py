"""Tasks by which workers of loky die at a chosen step; a module of its own, so that workers need
not import pytest.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from typing import Any

from keeptrace.concurrent.deaths.black_box import STATE
from keeptrace.concurrent.process_pool import healing_loky, pipes

LIMIT = 60  # for what ought to come at once (seconds)


def set_state_and_die(state: int) -> None:
    """Dies as a worker that is at something else than a task."""
    from keeptrace.concurrent.deaths import worker

    assert worker._served is not None
    worker._served.box.words[STATE] = state
    os.kill(os.getpid(), signal.SIGKILL)


def queue(name: str) -> Any:
    """A queue of the worker that runs this."""
    frame: Any = sys._getframe()
    while frame.f_code.co_name != "_process_worker":
        frame = frame.f_back
    return frame.f_locals[name]


def keep_the_lock_and_die() -> None:
    """Dies with the lock of the queue of tasks, before it has said so."""
    assert queue("call_queue")._rlock.acquire(True, LIMIT)
    os.kill(os.getpid(), signal.SIGKILL)


def answer_in_part(size: int, part: int) -> bytes:
    """Makes the worker die when so many bytes of its result are sent."""
    writer = queue("result_queue")._writer

    class Dying(type(writer)):  # type: ignore[misc]
        def _send_bytes(self, message: Any) -> None:
            left = memoryview(struct.pack("!i", len(message)) + bytes(message))[:part]
            while left:
                left = left[os.write(self.fileno(), left) :]
            os.kill(os.getpid(), signal.SIGKILL)

    writer.__class__ = Dying
    return bytes(size)


def read_in_part(part: int) -> int:
    """Makes the worker die when it has read so many bytes of its next task, or all; 0 stands for
    all.
    """

    def read_message(fd: int) -> None:
        left = part
        if not part:
            pipes.read_message(fd)
        while left:
            left -= len(os.read(fd, left))
        os.kill(os.getpid(), signal.SIGKILL)

    healing_loky.read_message = read_message  # type: ignore[attr-defined]
    return os.getpid()


def die_at_the_next_task() -> int:
    """Makes the worker die before it reads the first byte of its next task."""

    def read_message(fd: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    healing_loky.read_message = read_message  # type: ignore[attr-defined]
    return os.getpid()
