"""KeepTracePool: multiprocessing.Pool whose tasks' exceptions arrive with their frames, and whose dead workers are told of.

    parent                                                     workers
    _Traffic.put(): task, (job, index) ─▶ inqueue ─▶ _work(): the engine's worker(), rewritten: whatever is raised is that
    _Traffic.get(): result, (job, index) ◀─ outqueue ◀─        task's result, and its black box knows what it is at

- Every message ends in its (job, index), behind the pickle. So one that cannot be unpickled, at either end, is the failure
  of that task alone. The engine's worker or its parent would die of it, and the caller wait for ever.
- The engine replaces a worker that ended, by calling Pool.Process: there the dead one is examined first. Its task, if it had
  one, gets a WorkerDied; a lock of the queues that it held is set free; if it died within a message, or could not even start
  (its initializer raised), then no task can be trusted to arrive, and all of them get the WorkerDied: the pool is broken.
- The engine's thread that replaces workers would end of one that cannot be started (there is no memory, or the interpreter is
  about to end, as Python 3.12 has it), and whoever waits or closes the pool then waits for ever. Here the pool is broken.
- A broken pool starts no more workers and takes no more tasks. It is closed as any other.
- A pool that is terminated is stopped in the same way first: the engine waits for locks that it has killed the holder of,
  and for the rest of a message of such a one.

The states that decide this are in _black_box.py; _EXAMINE below is the table.
"""

from __future__ import annotations

import io
import os
import select
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from multiprocessing import connection
from multiprocessing import get_context as _engine_context
from multiprocessing import pool as engine
from multiprocessing.pool import IMapIterator, MapResult, Pool
from multiprocessing.reduction import ForkingPickler
from os import getppid  # at once: a task may replace it
from queue import SimpleQueue
from typing import Any, Final

from .._clock import monotonic, sleep
from .._options import Options, make_options
from .._render import Renderer
from ._black_box import (
    ENDED,
    IDLE,
    INDEX,
    JOB,
    POSIX,
    READING,
    RUNNING,
    SENDING,
    STARTING,
    STATE,
    WAITING,
    BlackBox,
    box_of,
)
from ._boundary import crossing, from_bytes, run_initializer, to_bytes, traceback_of
from ._calls import describe_calls
from ._deaths import WorkerDeath, WorkerDied, add_notes, death_of
from ._interrupts import AtomicCondition, free_abandoned, interrupts_deferred, make_event_atomic, make_queue_atomic
from ._pipes import drain, read_message, take_lock
from ._stacks import WorkerStack, stacks_of
from ._worker import make_worker
from .process import PROCESSES

_TRAILER: Final = struct.Struct("=qq")  # the job and the index of a message; its pickle comes before
_WAKE: Final = b""  # a message to the thread of results: look into _Traffic.told
_FOR_NOBODY: Final = (None, None, None)  # what that thread then gives the engine, which looks for the job in vain, and asks again
_NO_MORE: Final = b"-"  # a message to a worker: there are no more tasks

# Workers that end in a row before they could take a task: more is a loop, as of a __main__ that cannot be imported. (workers)
_MOST_FAILED_STARTS: Final = 3
# How much longer each further one waits, where other workers work. (seconds)
_SLOWER: Final = 0.05
# For how long nobody may claim a lock that cannot be had, before it counts as left behind by a dead worker. (seconds)
_ORPHANED: Final = 2.0
# For a lock that others use. (seconds)
_AGAIN: Final = 0.05
# For a result that a worker may have sent before it died: the time until the thread of results has seen it. (seconds)
_ARRIVES: Final = 1.0
# For all workers to end when they are asked to; then they are killed. (seconds)
_ENDS: Final = 5.0
# In the message of a result that cannot be pickled. (characters)
_MOST_RESULT: Final = 1_000


def _pack(item: Any, job: int, index: int) -> bytes:
    file = io.BytesIO()
    ForkingPickler(file).dump(item)
    file.write(_TRAILER.pack(job, index))
    return file.getvalue()


# --------------------------------------------------------------------------------------------------------------------
# The worker.


def _work(
    box: BlackBox,
    options: Options,
    inqueue: Any,
    outqueue: Any,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    most: int | None,
    wrap: bool,
) -> None:
    """The main function of a worker. Stands for multiprocessing.pool.worker()."""
    inqueue._writer.close()
    outqueue._reader.close()
    words = box.words
    fd = inqueue._reader.fileno()
    wait = _waiter(fd)
    parent = getppid()
    cross = crossing(options, engine, sys.modules[__name__])
    run_initializer(initializer, initargs, options, box)
    words[STATE] = IDLE
    completed = 0
    while most is None or completed < most:
        message = _receive(inqueue, fd, wait, words, parent)
        if message is None:
            break
        try:
            _, _, func, args, kwds = ForkingPickler.loads(message)
            message = None
            result = True, _MAPPERS.get(id(func), func)(*args, **kwds)
        except BaseException as problem:  # the engine's catches Exception, and the others end the worker and hang the caller
            result = False, cross(problem, traceback_of(problem))
        _reply(outqueue, words, result, cross, parent)
        message = func = args = kwds = result = None  # type: ignore[assignment]  # what the task held is free while the worker waits
        completed += 1
    words[STATE] = ENDED


def _map(task: tuple[Callable[[Any], Any], Iterable[Any]]) -> list[Any]:
    func, items = task
    return [func(item) for item in items]


def _starmap(func: Callable[..., Any], items: Iterable[Sequence[Any]]) -> list[Any]:
    return [func(*item) for item in items]


# The engine's pass a StopIteration of the task's on to list(), which takes it for the end, and loses the rest of the chunk.
_MAPPERS: Final[dict[int, Callable[..., Any]]] = {
    id(engine.mapstar): _map,  # type: ignore[attr-defined]
    id(engine.starmapstar): lambda task: _starmap(*task),  # type: ignore[attr-defined]
}


def _waiter(fd: int) -> Callable[[], Any]:
    """A function that waits until there is something to read, and the descriptor made not to wait itself.

    So a worker that is killed while it waits has not taken a part of a message along.
    """
    if not POSIX:
        return lambda: True
    os.set_blocking(fd, False)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return poll.poll


def _receive(inqueue: Any, fd: int, wait: Callable[[], Any], words: Any, parent: int) -> bytes | None:
    """The next message, or None: there are no more, or no parent. Leaves job and index in the words.

    Not `with` the lock, as in _reply(): a worker that is interrupted within a message keeps it, as one that is killed there
    does, and the parent sees to it. Else another one would take the message's rest for one.
    """
    if not take_lock(inqueue._rlock, parent):
        return None
    words[STATE] = WAITING
    try:
        wait()  # not read at once: a worker that is killed while there is nothing to read has taken no part of a message
        words[STATE] = READING
        message = read_message(fd, wait) if POSIX else inqueue._reader.recv_bytes()
    except (EOFError, OSError):  # the parent was killed
        message = b""
    is_task = len(message) > _TRAILER.size
    if is_task:
        words[JOB], words[INDEX] = _TRAILER.unpack_from(message, len(message) - _TRAILER.size)
    words[STATE] = RUNNING if is_task else IDLE
    inqueue._rlock.release()
    return message if is_task else None


def _reply(outqueue: Any, words: Any, result: tuple[bool, Any], cross: Callable[..., Any], parent: int) -> None:
    job, index = words[JOB], words[INDEX]
    try:
        message = _pack((job, index, result), job, index)
    except BaseException as problem:
        text = Renderer(_MOST_RESULT, run_reprs=False)(result[1])
        failure = engine.MaybeEncodingError(problem, _Shown(text))  # type: ignore[attr-defined]  # not in its __all__
        failure.__cause__ = problem
        message = _pack((job, index, (False, cross(failure, None))), job, index)
    if outqueue._wlock is None:  # Windows, where messages are whole
        outqueue._writer.send_bytes(message)
        words[STATE] = IDLE
        return
    if not take_lock(outqueue._wlock, parent):
        raise BrokenPipeError("the parent is gone")
    words[STATE] = SENDING
    try:
        outqueue._writer.send_bytes(message)
    except OSError:  # the parent was killed, and the others are to see it, too
        outqueue._wlock.release()
        raise
    words[STATE] = IDLE
    outqueue._wlock.release()


class _Shown:
    """Has the text for its repr."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


# --------------------------------------------------------------------------------------------------------------------
# The parent.


class _NoWorker:
    """Stands for a worker that a broken pool does not start."""

    name = ""
    daemon = True
    pid = exitcode = None

    def start(self) -> None: ...
    def terminate(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...

    def is_alive(self) -> bool:
        return False


class _Place:
    """In the engine's list: a worker's process, which the engine names and starts, or no worker."""

    def __init__(self, process: Any, traffic: _Traffic) -> None:
        self.process = process
        self._traffic = traffic

    def start(self) -> None:
        self.process.name, self.process.daemon = self.name, self.daemon
        if not self._traffic.start(self.process):
            self.process = _NoWorker()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.process, name)


class _Traffic:
    """What goes between the pool and its workers. Knows the pool's parts, not the pool, which may be collected."""

    def __init__(self, options: Options, inqueue: Any, outqueue: Any) -> None:
        self._options = options
        self._inqueue = inqueue
        self._outqueue = outqueue
        self._fd = outqueue._reader.fileno()
        self.workers: list[Any] = []
        self._failed_starts = 0
        self._told: SimpleQueue[Any] = SimpleQueue()  # for the thread of results: what no worker sent, and None, the engine's sentinel
        self._turn = threading.RLock()  # to look at the workers, to have a lock of theirs, or to free those of dead ones
        self.sent: dict[tuple[int, int], Any] = {}  # (job, index) → the task, until its result is there
        self.cache: dict[int, Any] = {}  # the engine's: job → who waits for it
        self._over = False  # the thread of results has had the sentinel
        self.open = False  # the constructor has started all workers
        self.ending = False  # nothing is worth waiting for any more
        self._sending = 0  # the ident of the thread of tasks, while it may wait for room in the pipe
        self.broken: Callable[[], WorkerDied] | None = None  # makes the error that every task gets

    # -- in the engine's thread of tasks

    def put(self, task: Any) -> None:
        """Sends a task, or has it answered. Raises nothing: the engine's thread would answer, and so may that of results."""
        if task is None:
            self._send(_NO_MORE)
            return
        job, index, func, args, _ = task
        if self.broken is not None:
            self._tell(_FOR_NOBODY)
        elif func is engine._helper_reraises_exception:  # type: ignore[attr-defined]
            self._tell((job, index, (False, args[0])))  # the iterable raised: the exception is here already, with its frames
        else:
            try:
                message = _pack(task, job, index)
            except BaseException as problem:
                self._tell((job, index, (False, problem)))
                return
            self.sent[job, index] = task
            self._send(message)

    def _send(self, message: bytes) -> None:
        self._sending = threading.get_ident()  # before it asks if the pool is broken: stop() sees the one, or this sees the other
        try:
            if self.broken is None:
                self._inqueue._writer.send_bytes(message)
        finally:
            self._sending = 0

    # -- in the engine's thread of results

    def get(self) -> Any:
        """The next result, or None: the end. Raises nothing but EOFError and OSError, when the pipe is closed."""
        while self.broken is None:
            if not self._told.empty():
                return self._next_told()
            try:
                message = read_message(self._fd, self._is_whole) if POSIX else self._outqueue._reader.recv_bytes()
            except EOFError:
                if self.broken is None:
                    raise
                break
            if self.broken is not None:
                break
            return self._result(message) if len(message) > _TRAILER.size else _FOR_NOBODY
        if POSIX:
            drain(self._fd)  # the engine does not go on before there is nothing left
        self._fail_all()
        told = None if self._over else self._next_told()
        self._fail_all()
        return told

    def _next_told(self) -> Any:
        told = self._told.get()
        self._over = self._over or told is None
        return told

    def _is_whole(self) -> bool:
        return self.broken is None

    def _result(self, message: bytes) -> Any:
        key = _TRAILER.unpack_from(message, len(message) - _TRAILER.size)
        self.sent.pop(key, None)
        try:
            found = ForkingPickler.loads(message)
        except BaseException as problem:
            problem.add_note("keeptrace: raised in the parent, as the task's result was unpickled")
            return *key, (False, problem)
        succeeded, value = found[2]
        # by its type: isinstance() may ask the exception itself, which may raise
        if not succeeded and issubclass(type(value), StopIteration) and isinstance(self.cache.get(key[0]), IMapIterator):
            told = RuntimeError("a task raised StopIteration")  # as a generator would; else the loop over imap() just ended
            told.__cause__ = value
            return *key, (False, told)
        return found

    def _fail_all(self) -> None:
        assert self.broken is not None
        for waiting in list(self.cache.values()):
            outcome = False, self.broken()
            if isinstance(waiting, IMapIterator):
                with waiting._cond:  # type: ignore[attr-defined]
                    waiting._unsorted.clear()  # type: ignore[attr-defined]
                    waiting._length = waiting._index + 1  # type: ignore[attr-defined]
                waiting._set(waiting._index, outcome)  # type: ignore[attr-defined]
            else:
                if isinstance(waiting, MapResult):
                    waiting._number_left = 1  # type: ignore[attr-defined]
                waiting._set(0, outcome)

    # -- in the engine's thread of workers, and at first in the constructor

    def start_worker(self, context: Any, *, target: Any, args: tuple[Any, ...]) -> Any:
        """A new worker's process, not started. Stands for Pool.Process(); the engine calls it when another worker has ended."""
        self.examine()
        return _Place(make_worker(getattr(type(context), "PlainProcess", context.Process), self._options, _work, args), self)

    def start(self, process: Any) -> bool:
        """Starts a worker's process, unless the pool is broken, and breaks it if that cannot be done."""
        box = box_of(process)
        assert box is not None
        with self._turn:
            if self.broken is None:
                try:
                    process.start()
                    self.workers.append(process)
                    return True
                except Exception as problem:
                    if not self.open:
                        box.close()
                        raise
                    message = "a worker in place of one that ended could not be started: see the cause above"
                    self._break(message, [], to_bytes(problem, self._options))
        box.close()
        return False

    def examine(self) -> None:
        """Looks at the workers that have ended."""
        with self._turn:
            while self.broken is None and (process := next((each for each in self.workers if each.exitcode is not None), None)):
                self._examine(process)

    def _examine(self, process: Any) -> None:
        self.workers.remove(process)
        box = box_of(process)
        assert box is not None
        if POSIX and box.words[STATE] != ENDED:  # without shared words nothing is known
            if box.words[STATE] != STARTING:
                self._failed_starts = 0
            _EXAMINE[box.words[STATE]](self, process, box)
            self._free_orphan(self._inqueue._rlock, (WAITING, READING))
            self._free_orphan(self._outqueue._wlock, (SENDING,))
        box.close()

    def _died_at_start(self, process: Any, box: BlackBox) -> None:
        failure = box.failure()
        if failure is not None:
            self._break("the initializer of the pool's workers failed: see the cause above", [], failure)
            return
        self._failed_starts += 1
        if self._failed_starts < _MOST_FAILED_STARTS:
            return
        if any(box_of(other).words[STATE] != STARTING for other in self.workers):  # type: ignore[union-attr]
            sleep(min(_SLOWER * self._failed_starts, 1.0))  # others work; this one is tried again and again, but slowly
            return
        death = death_of(process, ())
        self._break(f"the pool's workers end before they can take a task: {death} See what they wrote to stderr.", [death], None)

    def _died_idle(self, process: Any, box: BlackBox) -> None:
        pass

    def _died_waiting(self, process: Any, box: BlackBox) -> None:
        _free(self._inqueue._rlock)

    def _died_running(self, process: Any, box: BlackBox) -> None:
        job, index = key = box.words[JOB], box.words[INDEX]
        if (task := self.sent.pop(key, None)) is None:
            return
        death = death_of(process, _tasks(task))
        error = WorkerDied(str(death), [death])
        if death.stack is not None:
            error.add_note(death.note())
        self._free_orphan(self._outqueue._wlock, (SENDING,))  # it may have had it itself
        self._tell((job, index, (False, error)))

    def _died_sending(self, process: Any, box: BlackBox) -> None:
        key = box.words[JOB], box.words[INDEX]
        deadline = monotonic() + _ARRIVES
        while key in self.sent and monotonic() < deadline and not self.ending:
            sleep(0.01)
        if key in self.sent:
            self._died_within(process, box)
        else:  # the message was whole
            _free(self._outqueue._wlock)

    def _died_within(self, process: Any, box: BlackBox) -> None:
        task = self.sent.get((box.words[JOB], box.words[INDEX]))
        death = death_of(process, _tasks(task) if task and box.words[STATE] == SENDING else ())
        self._break(f"a worker died within a message, the pool's queues are not usable any more: {death}", [death], None)

    def _free_orphan(self, lock: Any, states: tuple[int, ...]) -> None:
        """Frees a lock that a worker may have held as it died, between taking it and saying so."""
        deadline = monotonic() + _ORPHANED
        while not lock.acquire(False):
            if self.broken is not None or self.ending:
                return
            if any(box_of(process).words[STATE] in states for process in self.workers):  # type: ignore[union-attr]
                return
            if monotonic() > deadline:
                break
            sleep(0.01)
        lock.release()

    def _break(self, message: str, deaths: list[WorkerDeath], cause: bytes | None) -> None:
        """From now on every task gets the error; no worker is left."""

        def error() -> WorkerDied:
            told = WorkerDied(message, deaths)
            if cause is not None:
                told.__cause__ = from_bytes(cause)
            add_notes(told, [death for death in deaths if death.stack], None)
            return told

        self.stop(error)

    def stop(self, error: Callable[[], WorkerDied]) -> None:
        """Ends all workers, and has the engine's threads go on without them."""
        with self._turn:
            if self.broken is None:
                self._stop(error)

    def _stop(self, error: Callable[[], WorkerDied]) -> None:
        for process in self.workers:
            if process.exitcode is None:
                process.terminate()
        deadline = monotonic() + _ENDS
        for process in self.workers:
            process.join(max(0.0, deadline - monotonic()))
            if process.exitcode is None:
                process.kill()
                process.join()
        self.broken = error
        self.workers.clear()
        self.sent.clear()
        self._make_room()
        self._inqueue._reader.close()
        writer = self._outqueue._writer
        if not POSIX:
            writer.send_bytes(_WAKE)
            return
        _free(self._outqueue._wlock)
        os.set_blocking(writer.fileno(), False)
        try:
            os.write(writer.fileno(), bytes(16))  # wakes whoever reads, be it within a message
        except BlockingIOError:  # the pipe is full, and so nobody waits
            pass
        os.set_blocking(writer.fileno(), True)

    def _make_room(self) -> None:
        """For the thread of tasks, until it waits no more: other processes that were forked may have the pipe's end as well."""
        if not POSIX:
            return
        while self._sending not in (0, threading.get_ident()):  # this thread: the pool is collected there
            drain(self._inqueue._reader.fileno())
            sleep(0.001)

    # -- in whatever thread

    def tell_end(self, _: None) -> None:
        """Stands for the put() of the queue of results, by which the engine sends its sentinel. It would wait for a dead worker's lock."""
        self._tell(None)

    def _tell(self, what: Any) -> None:
        """Tells the thread of results."""
        self._told.put(what)
        while not self._wake():
            self.examine()  # whoever has the lock may have died

    def _wake(self) -> bool:
        """Has the thread of results look into what it is told. False if others used the pipe."""
        writer, lock = self._outqueue._writer, self._outqueue._wlock
        with self._turn:
            if self.broken is not None or self.ending:
                return True
            if lock is None:
                writer.send_bytes(_WAKE)
                return True
            if not lock.acquire(True, _AGAIN):
                return False
            room = select.poll()
            room.register(writer, select.POLLOUT)
            if room.poll(0):  # else there are messages, and it looks after each
                writer.send_bytes(_WAKE)
            lock.release()
            return True

    def tasks_of(self, process: Any) -> list[str]:
        """The calls that a worker is running."""
        box = box_of(process)
        if box is None or box.words[STATE] not in (RUNNING, SENDING):
            return []
        task = self.sent.get((box.words[JOB], box.words[INDEX]))
        return _tasks(task) if task else []


_EXAMINE: Final[dict[int, Callable[[_Traffic, Any, BlackBox], None]]] = {
    STARTING: _Traffic._died_at_start,
    IDLE: _Traffic._died_idle,
    WAITING: _Traffic._died_waiting,
    READING: _Traffic._died_within,
    RUNNING: _Traffic._died_running,
    SENDING: _Traffic._died_sending,
}


def _free(lock: Any) -> None:
    """Frees a lock that nobody living holds."""
    lock.acquire(False)
    lock.release()


def _tasks(task: Any) -> list[str]:
    _, _, func, args, kwds = task
    if func is engine.mapstar:  # type: ignore[attr-defined]
        return describe_calls([(args[0][0], (item,), {}) for item in args[0][1]])
    if func is engine.starmapstar:  # type: ignore[attr-defined]
        return describe_calls([(args[0][0], item if type(item) is tuple else (item,), {}) for item in args[0][1]])
    return describe_calls([(func, args, kwds)])


class _Cache(engine._PoolCache):  # type: ignore[name-defined, misc]
    """The engine's: job → who waits for it. Each of these is made safe here as it is put in, before anybody waits or answers.

    - An interrupt leaves no lock behind that the thread of results waits for.
    - A callback that raises would end that thread: the error is told as those of threads are.
    """

    newest: Any = None  # the job that the main thread has begun last

    def __setitem__(self, job: int, result: Any) -> None:
        if isinstance(result, IMapIterator):
            result._cond = AtomicCondition()  # type: ignore[attr-defined]
        else:
            make_event_atomic(result._event)
            if result._callback:
                result._callback = partial(_call_back, result._callback)
            if result._error_callback:
                result._error_callback = partial(_call_back, result._error_callback)
        if threading.get_ident() == threading.main_thread().ident:
            self.newest = job
        super().__setitem__(job, result)

    def forget_newest(self, before: Any) -> None:
        """Drops the job that the main thread has begun after `before`: an interrupt came before its tasks were handed over."""
        if threading.current_thread() is threading.main_thread() and self.newest != before and self.newest in self:
            del self[self.newest]


def _call_back(callback: Callable[[Any], object], value: Any) -> None:
    try:
        callback(value)
    except BaseException:  # whatever it is, the other tasks' results are to arrive
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))


class KeepTracePool(Pool):
    """A multiprocessing.Pool whose tasks' exceptions arrive with their whole chain, and their frames and variables.

    All arguments are those of multiprocessing.Pool, and mean the same.

    context: a multiprocessing context that starts the processes. trace: what to keep of a failing task (keeptrace.Options).

    A task whose worker dies raises WorkerDied, and the pool goes on with another worker. If an initializer fails, all tasks
    raise WorkerDied with its exception as the cause.
    """

    _state = engine.INIT  # for the engine's __del__, if the constructor fails

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: Any = None,
        *,
        trace: Options | None = None,
    ) -> None:
        self._trace = make_options(trace)
        with interrupts_deferred():  # else workers are left that nobody has
            super().__init__(processes, initializer, initargs, maxtasksperchild, context)

    def _setup_queues(self) -> None:
        super()._setup_queues()  # type: ignore[misc]
        self._traffic = traffic = _Traffic(self._trace, self._inqueue, self._outqueue)  # type: ignore[attr-defined]
        self._quick_put = traffic.put
        self._quick_get = traffic.get
        self._outqueue.put = traffic.tell_end  # type: ignore[attr-defined]
        self.Process = traffic.start_worker  # type: ignore[method-assign, assignment]  # the engine takes it from here
        self._terminate_pool = partial(_terminate, traffic, super()._terminate_pool)  # type: ignore[misc]

    def _repopulate_pool(self) -> None:
        make_queue_atomic(self._change_notifier)  # type: ignore[attr-defined]
        self._cache: Any
        self._cache.__class__ = _Cache
        self._traffic.cache = self._cache
        super()._repopulate_pool()  # type: ignore[misc]
        self._traffic.open = True

    def apply_async(
        self, func: Any, args: Any = (), kwds: Any = {}, callback: Any = None, error_callback: Any = None  # noqa: B006  # as the engine's
    ) -> Any:
        before = self._cache.newest
        try:
            return super().apply_async(func, args, kwds, callback, error_callback)
        except BaseException:
            self._cache.forget_newest(before)
            raise

    def imap(self, func: Any, iterable: Any, chunksize: int | None = 1) -> Any:
        before = self._cache.newest
        try:
            return super().imap(func, iterable, chunksize)
        except BaseException:
            self._cache.forget_newest(before)
            raise

    def imap_unordered(self, func: Any, iterable: Any, chunksize: int | None = 1) -> Any:
        before = self._cache.newest
        try:
            return super().imap_unordered(func, iterable, chunksize)
        except BaseException:
            self._cache.forget_newest(before)
            raise

    def _map_async(self, func: Any, iterable: Any, mapper: Any, chunksize: int | None = None, *callbacks: Any, **more: Any) -> Any:
        if chunksize is None:  # the engine divides by the workers that it counts now: none, if all of them have just died
            if not hasattr(iterable, "__len__"):
                iterable = list(iterable)
            chunksize = -(-len(iterable) // (self._processes * 4))  # type: ignore[attr-defined]
        before = self._cache.newest
        try:
            return super()._map_async(func, iterable, mapper, chunksize, *callbacks, **more)  # type: ignore[misc]
        except BaseException:
            self._cache.forget_newest(before)
            raise

    def __enter__(self) -> KeepTracePool:
        super()._check_running()  # type: ignore[misc]  # a broken pool is entered: it has to be left, too
        return self

    def _check_running(self) -> None:
        super()._check_running()  # type: ignore[misc]
        if self._traffic.broken is not None:
            raise self._traffic.broken()

    def close(self) -> None:
        with interrupts_deferred():  # else the pool is closed, and its threads not told
            super().close()

    def join(self) -> None:
        """As the engine's, which waits for ever if a worker is killed as it takes leave."""
        free_abandoned()
        if self._state != engine.RUN:
            self._worker_handler.join()  # type: ignore[attr-defined]
            while workers := list(self._traffic.workers):
                connection.wait([worker.sentinel for worker in workers])
                with interrupts_deferred():  # half-examined, a worker would be forgotten
                    self._traffic.examine()
        super().join()

    def stacks(self, locals: bool = False, timeout: float = 5.0) -> list[WorkerStack]:
        """What every worker is doing now, without stopping it.

        locals: also the variables, and the stacks of the workers' other threads. timeout: seconds to wait for the answers;
        a worker that does not give any is listed all the same, and its `why` says so.
        """
        return stacks_of([(process, self._traffic.tasks_of(process)) for process in list(self._traffic.workers)], locals, timeout)

    @staticmethod
    def _help_stuff_finish(inqueue: Any, task_handler: Any, size: int) -> None:
        """The engine's makes room for the thread of tasks. A pool that was stopped has that behind it."""


def _terminate(traffic: _Traffic, terminate: Callable[..., None], *args: Any) -> None:
    """The engine's, which finds a pool that was stopped before."""
    free_abandoned()
    with interrupts_deferred():  # half-terminated, it could not be terminated again
        _terminate_all(traffic, terminate, *args)


def _terminate_all(traffic: _Traffic, terminate: Callable[..., None], *args: Any) -> None:
    _, _, outqueue, _, change_notifier, worker_handler, task_handler, _, _ = args
    worker_handler._state = task_handler._state = engine.TERMINATE
    traffic.ending = True
    change_notifier.put(None)
    if worker_handler is not threading.current_thread():
        worker_handler.join()
    traffic.cache = {}  # as with the engine's, nobody is told
    traffic.stop(_terminated)
    terminate(*args)
    del outqueue.put  # a cycle: the pipes would be open until the next collection of garbage


def _terminated() -> WorkerDied:
    return WorkerDied("the pool was terminated", [])


# --------------------------------------------------------------------------------------------------------------------
# Contexts.


class _Tracing:
    """What a multiprocessing context is given."""

    def Pool(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        *,
        trace: Options | None = None,
    ) -> KeepTracePool:
        return KeepTracePool(processes, initializer, initargs, maxtasksperchild, self, trace=trace)

    def get_context(self, method: str | None = None) -> Any:
        return self if method is None else get_context(method)


def get_context(method: str | None = None) -> Any:
    """The multiprocessing context of a start method (None: the default one), with our Pool and our Process in it.

    Raises ValueError for a method that this system does not have.
    """
    context: Any = _engine_context(method)
    kind = type(context)
    start_method = context.get_start_method()
    if start_method not in PROCESSES:  # one that another library has registered with multiprocessing
        raise ValueError(f"cannot find context for {start_method!r}: keeptrace knows {', '.join(PROCESSES)}")
    extras = {"Process": PROCESSES[start_method], "PlainProcess": kind.Process}
    return type(f"KeepTrace{kind.__name__}", (_Tracing, kind), extras)()
