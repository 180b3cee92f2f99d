"""The worker's side of KeepTracePool: reads tasks, runs them, sends results.
concurrent/task_pool/pool.py shows the whole.

Every message ends in its (job, index), behind the pickle. The worker notes its state in its black
box.
"""

from __future__ import annotations

import io
import os
import select
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from os import getppid  # at once: a task may replace os.getppid
from typing import TYPE_CHECKING, Any, Final

from ...capture.reprs import Renderer
from ...core.hold import Holding, remember_pipes
from ...core.options import Options
from ...live.keeping import bounded
from ..crossing import framed_exception, run_initializer, traceback_of
from ..deaths.black_box import (
    ENDED,
    IDLE,
    INDEX,
    JOB,
    POSIX,
    READING,
    RUNNING,
    SENDING,
    STATE,
    WAITING,
    BlackBox,
)
from ..engines import PoolEngine, pool_engine
from ..process_pool.pipes import Queue, Words, read_message, take_lock

if TYPE_CHECKING:
    from multiprocessing.reduction import ForkingPickler

TRAILER: Final = struct.Struct("=qq")  # the job and the index of a message, behind its pickle

# The error for an unpicklable result shows so much of the result. (characters)
_MOST_RESULT: Final = 1_000


def pack(pickler: type[ForkingPickler], item: object, job: int, index: int) -> bytes:
    """The item as a message. pickler: the engine's class."""
    file = io.BytesIO()
    pickler(file).dump(item)
    file.write(TRAILER.pack(job, index))
    return file.getvalue()


def work(
    box: BlackBox,
    options: Options,
    holding: Holding | None,
    package: str,
    inqueue: Queue,
    outqueue: Queue,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    most: int | None,
    wrap: bool,
) -> None:
    """The main function of a worker. Stands for multiprocessing.pool.worker().

    package: the engine's name: multiprocessing, or a fork of multiprocessing.
    """
    engine = pool_engine(package)
    loads, mappers = engine.pickler.loads, _mappers(engine)
    inqueue._writer.close()
    outqueue._reader.close()
    words = box.words
    fd = inqueue._reader.fileno()
    wait = _waiter(fd)
    parent = getppid()
    if holding is not None:
        remember_pipes()
    cross = framed_exception(options, engine.pool, sys.modules[__name__], holding=holding)
    cross.dumps = staticmethod(bounded(engine.pickler))
    run_initializer(initializer, initargs, options, box)
    words[STATE] = IDLE
    completed = 0
    while most is None or completed < most:
        message = _receive(inqueue, fd, wait, words, parent)
        if message is None:
            break
        try:
            _, _, func, args, kwds = loads(message)
            message = None
            result = True, mappers.get(id(func), func)(*args, **kwds)
        # The engine catches only an Exception; a BaseException kills the worker, and the caller
        # blocks forever.
        except BaseException as problem:
            result = False, cross(problem, traceback_of(problem))
        _reply(engine, outqueue, words, result, cross, parent)
        # The task's objects are freed before the worker waits.
        message = func = args = kwds = result = None  # type: ignore[assignment]
        completed += 1
    words[STATE] = ENDED


def _map(task: tuple[Callable[[Any], Any], Iterable[Any]]) -> list[Any]:
    func, items = task
    return [func(item) for item in items]


def _starmap(func: Callable[..., Any], items: Iterable[Sequence[Any]]) -> list[Any]:
    return [func(*item) for item in items]


def _mappers(engine: PoolEngine) -> dict[int, Callable[..., Any]]:
    """Replacements of the engine's functions for chunks, by id. The engine's functions call tasks
    within list(): a task's StopIteration would end the list, and lose the rest of the chunk.
    """
    return {
        id(engine.pool.mapstar): _map,
        id(engine.pool.starmapstar): lambda task: _starmap(*task),
    }


def _waiter(fd: int) -> Callable[[], Any]:
    """Makes the descriptor non-blocking. Returns a function that waits for data.

    So a worker killed while waiting has read no part of a message.
    """
    if not POSIX:
        return lambda: True
    os.set_blocking(fd, False)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return poll.poll


def _receive(
    inqueue: Queue, fd: int, wait: Callable[[], Any], words: Words, parent: int
) -> bytes | None:
    """The next message; None at the end, or without a parent. Leaves job and index in the words.

    Without `with`, as in _reply(): a worker interrupted or killed within a message keeps the lock,
    and the parent frees the lock. Otherwise another worker would read the rest as a message.
    """
    if not take_lock(inqueue._rlock, parent):
        return None
    words[STATE] = WAITING
    try:
        # waits before reading: a worker killed while waiting has read no part
        wait()
        words[STATE] = READING
        if POSIX:
            message = read_message(fd, wait)
        else:
            message = inqueue._reader.recv_bytes()
    except (EOFError, OSError):  # the parent is gone; the other workers must notice, too
        message = b""
    if len(message) <= TRAILER.size:
        words[STATE] = IDLE
        inqueue._rlock.release()
        return None
    words[JOB], words[INDEX] = TRAILER.unpack_from(message, len(message) - TRAILER.size)
    words[STATE] = RUNNING
    inqueue._rlock.release()
    return message


def _reply(
    engine: PoolEngine,
    outqueue: Queue,
    words: Words,
    result: tuple[bool, Any],
    cross: Callable[..., Any],
    parent: int,
) -> None:
    job, index = words[JOB], words[INDEX]
    try:
        message = pack(engine.pickler, (job, index, result), job, index)
    except BaseException as problem:
        text = Renderer(_MOST_RESULT, run_reprs=False)(result[1])
        failure = engine.pool.MaybeEncodingError(problem, _FixedRepr(text))
        failure.__cause__ = problem
        message = pack(engine.pickler, (job, index, (False, cross(failure, None))), job, index)
    if outqueue._wlock is None:  # Windows writes messages whole
        outqueue._writer.send_bytes(message)
        words[STATE] = IDLE
        return
    if not take_lock(outqueue._wlock, parent):
        raise BrokenPipeError("the parent is gone")
    words[STATE] = SENDING
    try:
        outqueue._writer.send_bytes(message)
    except OSError:  # the parent was killed; the other workers must notice, too
        outqueue._wlock.release()
        raise
    words[STATE] = IDLE
    outqueue._wlock.release()


class _FixedRepr:
    """Has the text as its repr."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text
