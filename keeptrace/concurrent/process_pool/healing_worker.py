"""The worker's side of an executor that replaces dead workers: takes tasks off its own line, runs
the tasks, and answers. (concurrent/process_pool/healing.py has the whole.)
"""

from __future__ import annotations

import logging
import select
import struct
import sys
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from os import getppid  # at once: a task may replace os.getppid
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ...core.hold import Holding, allow_stop, become_held, remember_pipes
from ...core.options import Options
from ..crossing import framed_exception, run_initializer, traceback_of
from ..deaths.black_box import ENDED, IDLE, JOB, RUNNING, STATE, BlackBox
from .pipes import Words, read_message

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

NUMBER: Final = struct.Struct("=q")  # the task's, before its pickle
NO_MORE: Final = b""  # a message to the worker: the end
READY: Final = b""  # the worker's first message

# Between two looks of a waiting worker for its parent. (milliseconds)
_LOOK: Final = 5_000


def work(
    box: BlackBox,
    options: Options,
    holding: Holding | None,
    line: Connection,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    most: int | None,
) -> None:
    """The main function of a worker.

    line: the worker's end.
    most: tasks after which the worker ends.
    """
    if holding is not None:
        remember_pipes()
        allow_stop()
    cross = framed_exception(options, sys.modules[__name__], holding=holding)
    try:
        run_initializer(initializer, initargs, options, box)
    except BaseException:  # as in the engine's worker; the parent reads the box
        logging.getLogger("concurrent.futures").critical("Exception in initializer:", exc_info=True)
        return
    wait = _waiter(line.fileno())
    box.words[STATE] = IDLE
    line.send_bytes(READY)
    completed = 0
    while most is None or completed < most:
        call = _next_call(line.fileno(), wait, box.words)
        if call is None:
            break
        fn, args, kwargs = call
        try:
            result = True, fn(*args, **kwargs)
        except BaseException as problem:
            result = False, cross(problem, traceback_of(problem))
        _reply(line, result, cross)
        become_held()
        box.words[STATE] = IDLE
        # The task's objects are freed before the worker waits.
        call = fn = args = kwargs = result = None  # type: ignore[assignment]
        completed += 1
    box.words[STATE] = ENDED


def _waiter(fd: int) -> Callable[[], bool]:
    """A function that waits for data. The function returns False if the parent is gone."""
    parent = getppid()
    poll = select.poll()
    poll.register(fd, select.POLLIN)

    def wait() -> bool:
        while not poll.poll(_LOOK):
            if getppid() != parent:
                return False
        return True

    return wait


def _next_call(fd: int, wait: Callable[[], bool], words: Words) -> Call | None:
    """The next task; None at the end, or without a parent."""
    try:
        if not wait():
            return None
        message = read_message(fd, wait)
    except (EOFError, OSError):  # the parent was killed
        return None
    if message == NO_MORE:
        return None
    # Noted first: unpickling runs the user's code, and the code may kill the worker.
    words[JOB] = NUMBER.unpack_from(message)[0] + 1
    words[STATE] = RUNNING
    try:
        call: Call = ForkingPickler.loads(memoryview(message)[NUMBER.size :])
    except BaseException as problem:
        problem.add_note(
            "keeptrace: raised in the worker, as the task's function and arguments were unpickled"
        )
        return _raise, (problem,), {}
    return call


def _raise(problem: BaseException) -> None:
    raise problem


def _reply(line: Connection, result: tuple[bool, Any], cross: Callable[..., Any]) -> None:
    try:
        message = ForkingPickler.dumps(result)
    except BaseException as problem:
        message = ForkingPickler.dumps((False, cross(problem, traceback_of(problem))))
    line.send_bytes(message)
