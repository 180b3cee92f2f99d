"""KeepTracePool: multiprocessing.Pool whose tasks' exceptions arrive with their frames, and whose
errors explain the deaths of workers.

    parent                                       workers
    Traffic.put(): task, (job, index) ─▶ inqueue ─▶ work(): the engine's worker(), rewritten:
    Traffic.get(): result, (job, index) ◀─ outqueue ◀─        every exception is a result

- Every message ends in its (job, index), behind the pickle. A failure to unpickle a message, at
  either end, fails only the message's task. In the engine's pool the worker or the parent's thread
  dies, and the caller blocks forever.
- The engine replaces a dead worker by calling Pool.Process. We examine the dead worker first: we
  give its task a WorkerDied, and release any queue lock of the worker. A worker that died within a
  message, or during its initializer, breaks the pool: messages may be lost, so all tasks get the
  WorkerDied.
- If a new worker cannot be started (no memory, or the interpreter exits on Python 3.12), the
  engine's thread dies, and close() and join() block forever. Our pool breaks instead.
- A broken pool starts no workers and takes no tasks. Close a broken pool as usual.
- terminate() first stops the pool like a broken pool, since the engine can block on a lock, or
  within a message, of a worker killed by the engine.

worker.py has the worker's side, traffic.py the messages, workers.py the deaths of workers.

KeepingPool is for multiprocessing and for forks of multiprocessing: a subclass names its package.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from multiprocessing.pool import INIT, RUN, TERMINATE, Pool
from typing import TYPE_CHECKING, Any, TypeVar

from ...core.hold import Hold, make_holding
from ...core.options import Options, make_options
from ..deaths.dead import WorkerDied
from ..deaths.stacks import WorkerStack, stacks_of
from ..engines import PoolEngine, pool_engine
from ..process_pool.interrupts import (
    AtomicCondition,
    free_abandoned,
    interrupts_deferred,
    make_event_atomic,
    make_queue_atomic,
)
from .traffic import Traffic

if TYPE_CHECKING:
    from multiprocessing.pool import AsyncResult, IMapIterator
    from typing import Self

    _EnginePool = Pool
else:
    _EnginePool = object  # a subclass adds the engine's class

S = TypeVar("S")
T = TypeVar("T")


class _Cache(dict[int, Any]):
    """A base put before the class of the engine's table: job → result object. Makes each result
    object safe before anybody waits or answers.

    - An interrupt leaves no lock taken that the result thread needs.
    - An error of a callback would kill an engine's thread in the parent: we print the error through
      threading.excepthook instead.
    """

    newest: Any = None  # the main thread's newest job

    def __setitem__(self, job: int, result: Any) -> None:
        if hasattr(result, "_cond"):  # of imap()
            result._cond = AtomicCondition()
        else:
            make_event_atomic(result._event)
            if result._callback:
                result._callback = partial(_call_back, result._callback)
            if result._error_callback:
                result._error_callback = partial(_call_back, result._error_callback)
        if threading.get_ident() == threading.main_thread().ident:
            self.newest = job
        super().__setitem__(job, result)

    def forget_newest(self, before: object) -> None:
        """Drops the main thread's newest job after `before`: an interrupt came before the pool sent
        its tasks.
        """
        if (
            threading.current_thread() is threading.main_thread()
            and self.newest != before
            and self.newest in self
        ):
            del self[self.newest]


@cache
def _cache_of(engine: PoolEngine) -> type:
    return type("_Cache", (_Cache, engine.pool._PoolCache), {})


def _call_back(callback: Callable[[Any], object], value: object) -> None:
    try:
        callback(value)
    except BaseException:  # the results of the other tasks must arrive in any case
        threading.excepthook(
            threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
        )


class KeepingPool(_EnginePool):
    """A base put before the class Pool of an engine."""

    _package: str  # the engine's
    _state = INIT  # for the engine's __del__, if the constructor fails

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: object = None,
        *,
        trace: Options | None = None,
        hold: Hold | bool | None = None,
    ) -> None:
        self._trace = make_options(trace)
        self._holding = make_holding(hold)
        with interrupts_deferred():  # an interrupt would leave started workers behind
            super().__init__(processes, initializer, initargs, maxtasksperchild, context)

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        """The engine's method wakes a thread of the pool. At exit the thread and the modules that
        the method needs may be gone, above all in a free-threaded Python.
        """
        if not is_finalizing():
            super().__del__()

    def _setup_queues(self) -> None:
        super()._setup_queues()  # type: ignore[misc]
        queues = self._inqueue, self._outqueue  # type: ignore[attr-defined]
        engine = pool_engine(self._package)
        self._traffic = traffic = Traffic(engine, self._trace, self._holding, *queues)
        self._quick_put = traffic.put
        self._quick_get = traffic.get
        self._outqueue.put = traffic.tell_end  # type: ignore[attr-defined]
        setattr(self, "Process", traffic.start_worker)  # the engine goes on from here
        terminate = super()._terminate_pool  # type: ignore[misc]
        self._terminate_pool = partial(_terminate, traffic, terminate)

    def _repopulate_pool(self) -> None:
        make_queue_atomic(self._change_notifier)  # type: ignore[attr-defined]
        self._cache: Any
        self._cache.__class__ = _cache_of(pool_engine(self._package))
        self._traffic.cache = self._cache
        super()._repopulate_pool()  # type: ignore[misc]
        self._traffic.open = True

    def apply_async(
        self,
        func: Callable[..., T],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},  # as in the engine
        callback: Callable[[T], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> AsyncResult[T]:
        before = self._cache.newest
        try:
            return super().apply_async(func, args, kwds, callback, error_callback)
        except BaseException:
            self._cache.forget_newest(before)
            raise

    def imap(
        self, func: Callable[[S], T], iterable: Iterable[S], chunksize: int | None = 1
    ) -> IMapIterator[T]:
        before = self._cache.newest
        try:
            return super().imap(func, iterable, chunksize)
        except BaseException:
            self._cache.forget_newest(before)
            raise

    def imap_unordered(
        self, func: Callable[[S], T], iterable: Iterable[S], chunksize: int | None = 1
    ) -> IMapIterator[T]:
        before = self._cache.newest
        try:
            return super().imap_unordered(func, iterable, chunksize)
        except BaseException:
            self._cache.forget_newest(before)
            raise

    def _map_async(
        self,
        func: Callable[..., object],
        iterable: Any,
        mapper: Callable[..., object],
        chunksize: int | None = None,
        *callbacks: object,
        **more: object,
    ) -> object:
        if chunksize is None:
            # The engine divides by the number of workers, and the number is 0 after all have died.
            if not hasattr(iterable, "__len__"):
                iterable = list(iterable)
            chunksize = -(-len(iterable) // (self._processes * 4))  # type: ignore[attr-defined]
        before = self._cache.newest
        try:
            start = super()._map_async  # type: ignore[misc]
            return start(func, iterable, mapper, chunksize, *callbacks, **more)
        except BaseException:
            self._cache.forget_newest(before)
            raise

    def __enter__(self) -> Self:
        # Not our own check: a program may enter a broken pool, and must leave the block.
        super()._check_running()  # type: ignore[misc]
        return self

    def _check_running(self) -> None:
        super()._check_running()  # type: ignore[misc]
        if self._traffic.broken is not None:
            raise self._traffic.broken()

    def close(self) -> None:
        # an interrupt would close the pool without telling its threads
        with interrupts_deferred():
            super().close()

    def join(self) -> None:
        """Waits for the workers to end. Unlike the engine's, our join() does not deadlock if a
        worker is killed meanwhile.
        """
        free_abandoned()
        if self._state != RUN:
            self._worker_handler.join()  # type: ignore[attr-defined]
            while workers := list(self._traffic.workers):
                pool_engine(self._package).wait([worker.sentinel for worker in workers])
                with interrupts_deferred():  # an interrupt would leave a worker half-examined
                    self._traffic.examine()
        super().join()

    def stacks(self, locals: bool = False, timeout: float = 5.0) -> list[WorkerStack]:
        """The present stacks of all workers, without stopping the workers.

        locals: also the variables, and the stacks of the workers' other threads.
        timeout: seconds to wait for the answers. The `why` of a worker without an answer has the
            reason.
        """
        return stacks_of(
            [(process, self._traffic.tasks_of(process)) for process in list(self._traffic.workers)],
            locals,
            timeout,
        )

    @staticmethod
    def _help_stuff_finish(inqueue: object, task_handler: object, size: int) -> None:
        """The engine's method makes room for the thread of tasks.

        A stopped pool has made room already.
        """


class KeepTracePool(KeepingPool, Pool):
    """A multiprocessing.Pool whose tasks' exceptions arrive with their whole chain, and their
    frames and variables.

    Takes the arguments of multiprocessing.Pool, with the same meaning.

    context: a multiprocessing context that starts the processes.
    trace: what to keep of a failing task (keeptrace.Options).
    hold: True or a keeptrace.Hold keeps processes of failed tasks alive, for keeptrace.attach().

    A task whose worker dies raises WorkerDied, and the pool goes on with another worker. If an
    initializer fails, all tasks raise WorkerDied with its exception as the cause.
    """

    _package = "multiprocessing"


def _terminate(traffic: Traffic, terminate: Callable[..., None], *args: object) -> None:
    """Wraps the engine's method. A broken pool is stopped already."""
    free_abandoned()
    with interrupts_deferred():  # a half-terminated pool could not be terminated again
        _terminate_all(traffic, terminate, *args)


def _terminate_all(traffic: Traffic, terminate: Callable[..., None], *args: Any) -> None:
    _, _, outqueue, _, change_notifier, worker_handler, task_handler, _, _ = args
    worker_handler._state = task_handler._state = TERMINATE
    traffic.ending = True
    change_notifier.put(None)
    if worker_handler is not threading.current_thread():
        worker_handler.join()
    traffic.cache = {}  # waiting callers get no error, as in the engine's pool
    traffic.stop(_terminated)
    terminate(*args)
    del outqueue.put  # a cycle would keep the pipes open until the next collection of garbage


def _terminated() -> WorkerDied:
    return WorkerDied("the pool was terminated", [])
