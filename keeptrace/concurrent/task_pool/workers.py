"""KeepTracePool's worker processes, in the parent: started, examined after their end, stopped.
concurrent/task_pool/pool.py shows the whole.

The meaning of a worker's death depends on the worker's state: _EXAMINE below is the table.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ...core.clock import monotonic, sleep
from ...core.hold import Holding
from ...core.options import Options
from ..crossing import from_bytes, to_bytes
from ..deaths.black_box import (
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
from ..deaths.calls import describe_calls
from ..deaths.dead import WorkerDeath, WorkerDied, add_notes, death_of
from ..deaths.worker import make_worker
from ..engines import PoolEngine
from ..process_pool.pipes import Lock, Queue, drain
from .worker import work

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

# The engine's form of a task: job, index, function, args, kwds.
Task: TypeAlias = tuple[int, int, Callable[..., object], tuple[Any, ...], dict[str, Any]]

WAKE: Final = b""  # a message to the thread of results: look into Traffic's _told

# Workers in a row that may end before taking a task; after more, we assume an endless loop, such as
# of a __main__ that cannot be imported. (workers)
_MOST_FAILED_STARTS: Final = 3
# Added wait for each further start, while other workers work. (seconds)
_SLOWER: Final = 0.05
# Seconds a lock may stay taken with no live owner before we release it.
_ORPHANED: Final = 2.0
# Time for the result thread to read a result sent just before a worker's death. (seconds)
_ARRIVES: Final = 1.0
# Time for all workers to end on request; we kill slower workers. (seconds)
_ENDS: Final = 5.0
# The newest deaths are kept; a pool may run forever. (deaths)
_MOST_DEATHS: Final = 10


class _NoWorker:
    """Stands for a worker that a broken pool did not start."""

    name = ""
    daemon = True
    pid = exitcode = None

    def start(self) -> None: ...
    def terminate(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...

    def is_alive(self) -> bool:
        return False


class _Place:
    """An entry of the engine's list: a worker's process or no worker. The engine names and starts
    the entry.
    """

    def __init__(self, process: BaseProcess, traffic: Workers) -> None:
        self.process: BaseProcess | _NoWorker = process
        self._traffic = traffic

    def start(self) -> None:
        self.process.name, self.process.daemon = self.name, self.daemon
        if not self._traffic.start(self.process):  # type: ignore[arg-type]  # called once
            self.process = _NoWorker()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.process, name)


class Workers:
    """The pool's workers and their tasks.

    Refers to the pool's parts, but not to the pool, so that the pool can be collected.
    """

    def __init__(
        self,
        engine: PoolEngine,
        options: Options,
        holding: Holding | None,
        inqueue: Queue,
        outqueue: Queue,
    ) -> None:
        self._engine = engine
        self._options = options
        self._holding = holding
        self._inqueue = inqueue
        self._outqueue = outqueue
        self.workers: list[BaseProcess] = []
        self._failed_starts = 0
        # Guards the list of workers and the locks of the queues.
        self._turn = threading.RLock()
        self.sent: dict[tuple[int, int], Task] = {}  # (job, index) → a task without a result
        self.deaths: deque[WorkerDeath] = deque(maxlen=_MOST_DEATHS)  # of workers with a task
        self.open = False  # the constructor has started all workers
        self.ending = False  # the pool is being terminated: wait for nothing
        self.broken: Callable[[], WorkerDied] | None = None  # makes the error for every task
        self._sending = 0  # ident of the task thread while a full pipe may block the thread

    def _tell(self, result: object) -> None:
        """Hands a result to the thread of results."""
        raise NotImplementedError

    # -- in the engine's thread of workers, and at first in the constructor

    def start_worker(self, context: Any, *, target: object, args: tuple[Any, ...]) -> _Place:
        """A new worker's process, not started. Replaces Pool.Process(): the engine calls
        Pool.Process() after the end of a worker.
        """
        self.examine()
        make = getattr(type(context), "PlainProcess", context.Process)
        work_args = (self._holding, self._engine.package, *args)
        return _Place(make_worker(make, self._options, work, work_args), self)

    def start(self, process: BaseProcess) -> bool:
        """Starts a worker's process, unless the pool is broken; a failing start breaks the pool."""
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
                    message = (
                        "a worker in place of one that ended could not be started: see the cause"
                        " above"
                    )
                    self._break(message, [], to_bytes(problem, self._options))
        box.close()
        return False

    def examine(self) -> None:
        """Examines all ended workers."""
        with self._turn:
            while self.broken is None:
                process = self._next_ended()
                if process is None:
                    return
                self._examine(process)

    def _next_ended(self) -> BaseProcess | None:
        for process in self.workers:
            if process.exitcode is not None:
                return process
        return None

    def _examine(self, process: BaseProcess) -> None:
        self.workers.remove(process)
        box = box_of(process)
        assert box is not None
        if POSIX and box.words[STATE] != ENDED:  # Windows has no shared words
            if box.words[STATE] != STARTING:
                self._failed_starts = 0
            _EXAMINE[box.words[STATE]](self, process, box)
            self._free_orphan(self._inqueue._rlock, (WAITING, READING))
            self._free_orphan(self._outqueue._wlock, (SENDING,))
        box.close()

    def _died_at_start(self, process: BaseProcess, box: BlackBox) -> None:
        failure = box.failure()
        if failure is not None:
            self._break(
                "the initializer of the pool's workers failed: see the cause above", [], failure
            )
            return
        self._failed_starts += 1
        if self._failed_starts < _MOST_FAILED_STARTS:
            return
        if any(_state_of(other) != STARTING for other in self.workers):
            # Other workers work, so the engine may start new workers again and again, but slowly.
            sleep(min(_SLOWER * self._failed_starts, 1.0))
            return
        death = death_of(process, ())
        self._break(
            f"the pool's workers end before they can take a task: {death} See what they wrote to"
            " stderr.",
            [death],
            None,
        )

    def _died_idle(self, process: BaseProcess, box: BlackBox) -> None:
        pass

    def _died_waiting(self, process: BaseProcess, box: BlackBox) -> None:
        _free(self._inqueue._rlock)

    def _died_running(self, process: BaseProcess, box: BlackBox) -> None:
        job, index = key = box.words[JOB], box.words[INDEX]
        task = self.sent.pop(key, None)
        if task is None:
            return
        death = death_of(process, self._tasks(task))
        self.deaths.append(death)
        error = WorkerDied(str(death), [death])
        if death.stack is not None:
            error.add_note(death.note())
        # the worker may have held the lock itself
        self._free_orphan(self._outqueue._wlock, (SENDING,))
        self._tell((job, index, (False, error)))

    def _died_sending(self, process: BaseProcess, box: BlackBox) -> None:
        key = box.words[JOB], box.words[INDEX]
        deadline = monotonic() + _ARRIVES
        while key in self.sent and monotonic() < deadline and not self.ending:
            sleep(0.01)
        if key in self.sent:
            self._died_within(process, box)
        else:  # the message was whole
            _free(self._outqueue._wlock)

    def _died_within(self, process: BaseProcess, box: BlackBox) -> None:
        task = self.sent.get((box.words[JOB], box.words[INDEX]))
        calls: list[str] = []
        if task and box.words[STATE] == SENDING:
            calls = self._tasks(task)
        death = death_of(process, calls)
        self._break(
            f"a worker died within a message, the pool's queues are not usable any more: {death}",
            [death],
            None,
        )

    def _free_orphan(self, lock: Lock | None, states: tuple[int, ...]) -> None:
        """Frees the lock of a worker that died between taking the lock and noting its new state."""
        assert lock is not None  # on POSIX
        deadline = monotonic() + _ORPHANED
        while not lock.acquire(False):
            if self.broken is not None or self.ending:
                return
            if any(_state_of(process) in states for process in self.workers):
                return
            if monotonic() > deadline:
                break
            sleep(0.01)
        lock.release()

    def _break(self, message: str, deaths: list[WorkerDeath], cause: bytes | None) -> None:
        """Breaks the pool: ends all workers, and gives every task the error."""

        def error() -> WorkerDied:
            told = WorkerDied(message, deaths)
            if cause is not None:
                told.__cause__ = from_bytes(cause)
            add_notes(told, [death for death in deaths if death.stack], None)
            return told

        self.stop(error)

    def stop(self, error: Callable[[], WorkerDied]) -> None:
        """Ends all workers, and lets the engine's threads go on without them."""
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
            writer.send_bytes(WAKE)
            return
        _free(self._outqueue._wlock)
        os.set_blocking(writer.fileno(), False)
        try:
            os.write(writer.fileno(), bytes(16))  # wakes a blocked reader, even within a message
        except BlockingIOError:  # the pipe is full, so nobody is blocked in reading
            pass
        os.set_blocking(writer.fileno(), True)

    def _make_room(self) -> None:
        """Drains the pipe until the task thread is unblocked. Closing our end alone may not unblock
        the thread, because other forked processes may hold the end, too.
        """
        if not POSIX:
            return
        # We are the task thread itself if the garbage collector collects the pool in that thread.
        while self._sending not in (0, threading.get_ident()):
            drain(self._inqueue._reader.fileno())
            sleep(0.001)

    def tasks_of(self, process: BaseProcess) -> list[str]:
        """The current calls of a worker."""
        box = box_of(process)
        if box is None or box.words[STATE] not in (RUNNING, SENDING):
            return []
        task = self.sent.get((box.words[JOB], box.words[INDEX]))
        if task:
            return self._tasks(task)
        return []

    def _tasks(self, task: Task) -> list[str]:
        _, _, func, args, kwds = task
        engine = self._engine.pool
        if func is engine.mapstar:
            mapped, items = args[0]
            return describe_calls([(mapped, (item,), {}) for item in items])
        if func is engine.starmapstar:
            mapped, items = args[0]
            return describe_calls([(mapped, _as_args(item), {}) for item in items])
        return describe_calls([(func, args, kwds)])


def _as_args(item: object) -> tuple[object, ...]:
    if type(item) is tuple:
        return item
    return (item,)


_EXAMINE: Final[dict[int, Callable[[Workers, BaseProcess, BlackBox], None]]] = {
    STARTING: Workers._died_at_start,
    IDLE: Workers._died_idle,
    WAITING: Workers._died_waiting,
    READING: Workers._died_within,
    RUNNING: Workers._died_running,
    SENDING: Workers._died_sending,
}


def _state_of(process: object) -> int:
    box = box_of(process)
    assert box is not None
    return int(box.words[STATE])


def _free(lock: Lock | None) -> None:
    """Frees a lock without a living owner."""
    assert lock is not None  # on POSIX
    lock.acquire(False)
    lock.release()
