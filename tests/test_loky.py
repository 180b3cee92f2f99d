"""Loky's executors with frames."""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future

import pytest

loky = pytest.importorskip("loky")

import pool_tasks
import traced_tasks as tasks
from own_loky import own_loky
from test_deaths import killed_as_they_leave
from traced_tasks import check_chained

from keeptrace import Options
from keeptrace.concurrent.loky import KeepTraceLokyExecutor, get_reusable_executor
from keeptrace.concurrent.process_pool import queues as _queues


@pytest.fixture(autouse=True, scope="module")
def lokys_own_workers():
    with own_loky():
        yield


@pytest.fixture(scope="module")
def pool():
    with KeepTraceLokyExecutor(1) as executor:
        yield executor


@pytest.fixture
def reusable():
    """Ends the reusable executor that a test leaves behind."""
    yield
    loky.get_reusable_executor(kill_workers=True).shutdown(
        wait=True, kill_workers=True
    )  # also one with a task that hangs


def test_is_the_engines_own(pool):
    """It is a loky executor with loky futures, and results come as ever."""
    assert isinstance(pool, loky.ProcessPoolExecutor)
    future = pool.submit(tasks.double, 4)
    assert future.result() == 8 and type(future) is loky.Future and isinstance(future, Future)
    assert list(pool.map(tasks.double, range(7), chunksize=3)) == list(range(0, 14, 2))


def test_objects_of_nameless_classes_stay_live(pool):
    """Loky pickles classes by value; objects of such classes on an exception come back as objects
    of that very class.
    """

    class Cargo:
        weight = 3

    class Overload(Exception):
        pass

    def carry():
        raise Overload(Cargo())

    exc = pool.submit(carry).exception()
    assert (
        type(exc).__name__ == "Overload" and type(exc.args[0]) is Cargo and exc.args[0].weight == 3
    )


def test_failing_initializer_is_told():
    """The broken pool's errors have what the initializer raised as their cause, with its frames;
    each future has its own.
    """
    with KeepTraceLokyExecutor(1, initializer=tasks.refuse, initargs=("no entry",)) as pool:
        futures = [pool.submit(tasks.double, number) for number in range(2)]
        errors = [future.exception(timeout=60) for future in futures]
        assert (
            all(isinstance(error, loky.BrokenProcessPool) for error in errors)
            and errors[0] is not errors[1]
        )
        for error in errors:
            assert (
                repr(error.__cause__) == "RuntimeError('no entry')"
                and "initializer" in error.__notes__[0]
            )
            assert tasks.frames(error.__cause__)["refuse"].f_locals == {"word": "no entry"}


def test_initializer_runs_and_is_checked():
    """The user's initializer runs in the workers; what is none is refused as loky does."""
    with KeepTraceLokyExecutor(1, initializer=tasks.accept, initargs=("come in",)) as pool:
        assert pool.submit(tasks.double, 1).result() == 2
    with pytest.raises(TypeError, match="initializer must be a callable"):
        KeepTraceLokyExecutor(1, initializer=3)


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "SIGABRT", "70", "0"])
def test_killed_worker(how, capfd):
    """A worker that dies breaks the pool as it does loky's; every future's own error says which,
    how, at what and where.
    """
    with KeepTraceLokyExecutor(1) as pool:
        errors = [
            future.exception(timeout=60)
            for future in [pool.submit(pool_tasks.die, how), pool.submit(tasks.double, 1)]
        ]
        with pytest.raises(loky.process_executor.TerminatedWorkerError, match="exit codes") as info:
            pool.submit(tasks.double, 1)
    assert (
        all(isinstance(error, loky.process_executor.TerminatedWorkerError) for error in errors)
        and errors[0] is not errors[1]
    )
    for error in (*errors, info.value):
        (death,) = error.deaths
        assert death.tasks == (f"die({how!r})",)
        assert death.exitcode == (int(how) if how.isdigit() else -getattr(signal, how))
        assert str(death) in error.__notes__[0]
        assert (death.stack is not None) == (how in ("SIGSEGV", "SIGABRT"))
    if death.stack is not None:
        assert death.stack.tb_frame.f_code.co_name == "die" and "in die" in errors[0].__notes__[0]
        assert (
            "Fatal Python error" in capfd.readouterr().err
        )  # where loky's message says that it is


def test_nothing_left_behind():
    """Neither threads, processes nor file descriptors stay after a pool broke while large tasks
    waited; with loky's own, they do.
    """
    with KeepTraceLokyExecutor(1) as pool:  # what the start method itself keeps open
        pool.submit(tasks.double, 1).result(timeout=60)
    del pool
    gc.collect()
    threads, open_files = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    others = set(
        multiprocessing.active_children()
    )  # a reusable executor, of a test before, keeps its workers for a while
    for _ in range(2):
        with KeepTraceLokyExecutor(1) as pool:
            futures = [pool.submit(pool_tasks.die, "SIGKILL", "x" * 1_000_000) for _ in range(5)]
            assert all(future.exception(timeout=60).deaths for future in futures)
        del pool, futures
    for thread in set(threading.enumerate()) - threads:
        thread.join(20)
        assert not thread.is_alive()
    gc.collect()
    assert (
        len(os.listdir("/proc/self/fd")) <= open_files
        and set(multiprocessing.active_children()) <= others
    )


def test_death_in_a_chunk():
    """A worker that dies in a chunk of map() is told with the chunk's calls."""
    with KeepTraceLokyExecutor(1) as pool:
        with pytest.raises(loky.process_executor.TerminatedWorkerError) as info:
            list(pool.map(pool_tasks.die_if_three, range(8), chunksize=4))
    assert info.value.deaths[0].tasks == (
        "die_if_three(0)",
        "die_if_three(1)",
        "die_if_three(2)",
        "1 more of this chunk",
    )


def test_unpickling_costs_one_task(pool):
    """Arguments or results that cannot be unpickled are their task's failure; loky's own executor
    breaks as a whole.
    """
    bad = [
        pool.submit(pool_tasks.take, pool_tasks.CannotArrive()),
        pool.submit(pool_tasks.give_unarriving),
    ]
    assert [type(future.exception(timeout=60)) for future in bad] == [ValueError, ValueError]
    assert ["unpickled" in future.exception().__notes__[0] for future in bad] == [True, True]
    assert pool.submit(tasks.double, 4).result(timeout=60) == 8


def test_workers_that_end_after_a_timeout():
    """Idle workers end after `timeout` seconds, and new ones trace as well."""
    with KeepTraceLokyExecutor(1, timeout=0.05) as pool:
        first = pool.submit(os.getpid).result(timeout=60)
        while pool._processes:
            time.sleep(0.01)
        assert pool.submit(os.getpid).result(timeout=60) != first
        check_chained(pool.submit(tasks.chained, 5).exception(timeout=60), 5)


def test_stacks(tmp_path, reusable):
    """stacks() tells what a worker does, with its variables on request, of both kinds of executors."""
    file = tmp_path / "here"
    for pool in (KeepTraceLokyExecutor(1), get_reusable_executor(1)):
        future = pool.submit(pool_tasks.hang, str(file))
        while not file.exists():
            time.sleep(0.01)
        (busy,) = pool.stacks(locals=True)
        assert (
            busy.tasks[0].startswith("hang(")
            and busy.stack.tb_frame.f_locals["secret"] == "seen"
            and "helper" in busy.threads
        )
        assert pool.stacks()[0].stack.tb_frame.f_code.co_name == "hang"
        file.unlink()
        assert future.result(timeout=60) == "seen"
        assert pool.stacks()[0].tasks == ()
        pool.shutdown()


def test_options():
    """trace= says what is kept."""
    with KeepTraceLokyExecutor(1, trace=Options(depth=0)) as pool:
        exc = pool.submit(tasks.chained, 5).exception()
        assert exc.__traceback__ is None and "chained" in "".join(exc.__notes__)


def test_reusable_executor(reusable):
    """It is used again while its arguments are the same, resized, and never confused with loky's
    own.
    """
    stock = loky.get_reusable_executor(1)
    stock.submit(tasks.double, 1).result()
    ours = get_reusable_executor(1, reuse=True, initializer=tasks.accept, initargs=("a",))
    assert ours is not stock
    check_chained(ours.submit(tasks.chained, 5).exception(), 5)
    assert get_reusable_executor(1, initializer=tasks.accept, initargs=("a",)) is ours
    assert get_reusable_executor(2, initializer=tasks.accept, initargs=("a",)) is ours
    check_chained(ours.submit(tasks.chained, 6).exception(), 6)
    other = get_reusable_executor(
        2, initializer=tasks.accept, initargs=("a",), trace=Options(depth=5)
    )
    assert other is not ours
    assert (
        type(loky.get_reusable_executor(1).submit(tasks.chained, 5).exception().__cause__).__name__
        == "_RemoteTraceback"
    )


def test_killed_as_the_pool_shuts_down(tmp_path, monkeypatch):
    """shutdown() ends, though a worker is killed meanwhile that has the lock of the tasks. loky's
    own waits for ever.
    """
    monkeypatch.setattr(_queues, "_ENDS", 0.2)
    killed_as_they_leave(KeepTraceLokyExecutor(2), tmp_path / "busy")
