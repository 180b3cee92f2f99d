"""Ctrl-C at any moment: the pool ends, with its workers. interrupted.py tries many programs; here
is a part of it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import interrupted
import pytest
from soak import in_session
from waiting import ends, until

from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor
from keeptrace.concurrent.process_pool import interrupts

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/stat"), reason="looks for processes in /proc"
)


@pytest.mark.parametrize("kind", ["executor:fork", "pool:fork"])
def test_interrupt_at_a_step(kind: str) -> None:
    """An interrupt at every 37th step of a pool's life, from construction to shutdown: all of these
    lives end. (interrupted.py)
    """
    tried, hung = interrupted.hanging_steps(kind, every=37)
    assert tried > 10 and hung == []


@pytest.mark.parametrize("is_taken_again", [False, True])
def test_a_condition_that_an_interrupt_left_taken(is_taken_again: bool) -> None:
    """The thread that was interrupted frees it before the thread waits, also if it has taken the
    condition once more meanwhile, and if another thread waits for it.
    """
    future: Future[int] = Future()
    interrupts.make_future_atomic(future)
    future._condition.acquire()
    if is_taken_again:
        assert not future.done()
        future._condition.acquire()
        future._condition.release()

    def take() -> None:
        future._condition.acquire()
        future._condition.release()

    thread = threading.Thread(target=take)
    thread.start()
    until(lambda: thread.ident in [ident for _, ident in interrupts._acquired])
    interrupts.free_abandoned()
    assert ends(thread.join)


class InterruptedLock:
    """A lock whose owner is interrupted as it has just taken the lock."""

    def __init__(self, lock: Any) -> None:
        self._is_owned, self.release = lock._is_owned, lock.release
        self._acquire = lock.acquire

    def __enter__(self) -> None:
        self._acquire()
        raise KeyboardInterrupt

    def __exit__(self, *exc_info: object) -> None: ...


def test_interrupted_within_shutdown() -> None:
    """An executor whose shutdown() is interrupted, and that nobody calls again, ends all the same."""
    pool = KeepTraceProcessPoolExecutor(1, multiprocessing.get_context("fork"))
    assert pool.submit(abs, -1).result(30) == 1
    manager: Any = pool._executor_manager_thread
    lock = pool._shutdown_lock
    pool._shutdown_lock = InterruptedLock(lock)
    with pytest.raises(KeyboardInterrupt):
        pool.shutdown()
    is_left = lock._is_owned()
    while lock._is_owned():  # else pytest would never end
        lock.release()
    del pool
    assert ends(manager.join) and not is_left


@pytest.mark.parametrize("kind", ["executor", "loky"])
def test_worker_interrupted_within_a_result(kind: str) -> None:
    """A worker gets Ctrl-C with a part of a large result sent: the pool breaks. Another message
    within that one would hang it.
    """
    if kind == "loky":
        pytest.importorskip("loky")
        from keeptrace.concurrent.loky import KeepTraceLokyExecutor

        pool: Any = KeepTraceLokyExecutor(1)
    else:
        pool = KeepTraceProcessPoolExecutor(1, multiprocessing.get_context("fork"))
    held = threading.Event()
    first = pool.submit(os.getpid)
    pid = first.result(30)
    again = pool.submit(interrupted.slow, 1)
    again.add_done_callback(lambda _: held.wait(20))  # nobody reads meanwhile
    large = pool.submit(bytes, 10_000_000)
    until(lambda: "pipe_write" in Path(f"/proc/{pid}/wchan").read_text() or at_write(pid))
    os.kill(pid, signal.SIGINT)
    time.sleep(0.2)
    held.set()
    assert isinstance(large.exception(20), BrokenProcessPool)
    assert ends(pool.shutdown)


def at_write(pid: int) -> bool:
    """The process waits in a system call for a pipe: its number is that of write()."""
    try:
        return Path(f"/proc/{pid}/syscall").read_text().split()[0] == "1"
    except OSError:  # not permitted here: the time has to do
        time.sleep(0.5)
        return True


ORPHANS = """
import multiprocessing, time
from keeptrace.concurrent import KeepTracePool
from keeptrace.concurrent.deaths.black_box import WAITING, box_of
pool = KeepTracePool(2, context=multiprocessing.get_context("fork"))
pool.map(abs, [1, 2])
workers = pool._traffic.workers
while not (holders := [worker.pid for worker in workers if box_of(worker).words[0] == WAITING]):
    time.sleep(0.01)
print(holders[0], flush=True)
time.sleep(60)
"""


def test_lock_of_a_dead_worker_without_a_parent() -> None:
    """A worker waits for a lock that a killed one held, and the parent, who would free it, is
    killed, too: the worker ends.
    """
    program = subprocess.Popen(
        [sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, start_new_session=True
    )
    assert program.stdout is not None
    with program.stdout:
        holder = int(program.stdout.readline())
    program.send_signal(signal.SIGSTOP)
    os.kill(holder, signal.SIGKILL)
    program.kill()
    program.wait()
    until(lambda: not in_session(program.pid), 60)


def work(number: int) -> int:
    if number < 0:
        raise ValueError(number)
    return number


@pytest.mark.parametrize("end", [LookupError, KeyboardInterrupt])
def test_callback_that_raises(end: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback or error_callback that raises is told as a thread's error is. All results arrive,
    and the pool can be closed.
    """

    def callback(value: Any) -> None:
        raise end(value)

    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))
    pool = KeepTracePool(2, context=multiprocessing.get_context("fork"))
    assert pool.apply_async(work, (1,), callback=callback).get(20) == 1
    with pytest.raises(ValueError):
        pool.apply_async(work, (-1,), error_callback=callback).get(20)
    assert pool.map_async(work, range(4), callback=callback).get(20) == [0, 1, 2, 3]
    with pytest.raises(ValueError):
        pool.starmap_async(work, [(-1,)], error_callback=callback).get(20)
    assert pool.apply_async(work, (5,)).get(20) == 5
    pool.close()
    assert ends(pool.join) and told == [end] * 4
