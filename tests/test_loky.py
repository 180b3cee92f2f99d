"""Loky's executors with frames."""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

import os
import signal
from concurrent.futures import Future

import pytest

loky = pytest.importorskip("loky")

import traced_tasks as tasks
from traced_tasks import check_chained

from keeptrace import Options
from keeptrace.concurrent.loky import KeepTraceLokyExecutor, get_reusable_executor


@pytest.fixture(scope="module")
def pool():
    with KeepTraceLokyExecutor(1) as executor:
        yield executor


@pytest.fixture
def reusable():
    """Ends the reusable executor that a test leaves behind."""
    yield
    loky.get_reusable_executor().shutdown(wait=True, kill_workers=True)


def refuse(word):
    raise RuntimeError(word)


def accept(word):
    pass


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def test_is_the_engines_own(pool):
    """It is a loky executor with loky futures, and results come as ever."""
    assert isinstance(pool, loky.ProcessPoolExecutor)
    future = pool.submit(tasks.double, 4)
    assert future.result() == 8 and type(future) is loky.Future and isinstance(future, Future)
    assert list(pool.map(tasks.double, range(7), chunksize=3)) == list(range(0, 14, 2))


def test_objects_of_nameless_classes_stay_live(pool):
    """Loky pickles classes by value; objects of such classes on an exception come back as objects of that very class."""
    class Cargo:
        weight = 3

    class Overload(Exception):
        pass

    def carry():
        raise Overload(Cargo())

    exc = pool.submit(carry).exception()
    assert type(exc).__name__ == "Overload" and type(exc.args[0]) is Cargo and exc.args[0].weight == 3


def test_failing_initializer_is_told():
    """The broken pool's errors have what the initializer raised as their cause, with its frames; each future has its own."""
    with KeepTraceLokyExecutor(1, initializer=refuse, initargs=("no entry",)) as pool:
        futures = [pool.submit(tasks.double, number) for number in range(2)]
        errors = [future.exception(timeout=60) for future in futures]
        assert all(isinstance(error, loky.BrokenProcessPool) for error in errors) and errors[0] is not errors[1]
        for error in errors:
            assert repr(error.__cause__) == "RuntimeError('no entry')" and "initializer" in error.__notes__[0]
            assert tasks.frames(error.__cause__)["refuse"].f_locals == {"word": "no entry"}


def test_initializer_runs_and_is_checked():
    """The user's initializer runs in the workers; what is none is refused as loky does."""
    with KeepTraceLokyExecutor(1, initializer=accept, initargs=("come in",)) as pool:
        assert pool.submit(tasks.double, 1).result() == 2
    with pytest.raises(TypeError, match="initializer must be a callable"):
        KeepTraceLokyExecutor(1, initializer=3)


def test_killed_worker():
    """A worker that dies breaks the pool as it does loky's, and every future has an error of its own."""
    with KeepTraceLokyExecutor(1) as pool:
        errors = [future.exception(timeout=60) for future in [pool.submit(die), pool.submit(tasks.double, 1)]]
        assert all(isinstance(error, loky.process_executor.TerminatedWorkerError) for error in errors)
        assert errors[0] is not errors[1] and "SIGKILL" in str(errors[0])


def test_options():
    """trace= says what is kept."""
    with KeepTraceLokyExecutor(1, trace=Options(depth=0)) as pool:
        exc = pool.submit(tasks.chained, 5).exception()
        assert exc.__traceback__ is None and "chained" in "".join(exc.__notes__)


def test_reusable_executor(reusable):
    """It is used again while its arguments are the same, resized, and never confused with loky's own."""
    stock = loky.get_reusable_executor(1)
    stock.submit(tasks.double, 1).result()
    ours = get_reusable_executor(1, reuse=True, initializer=accept, initargs=("a",))
    assert ours is not stock
    check_chained(ours.submit(tasks.chained, 5).exception(), 5)
    assert get_reusable_executor(1, initializer=accept, initargs=("a",)) is ours
    assert get_reusable_executor(2, initializer=accept, initargs=("a",)) is ours
    check_chained(ours.submit(tasks.chained, 6).exception(), 6)
    other = get_reusable_executor(2, initializer=accept, initargs=("a",), trace=Options(depth=5))
    assert other is not ours
    assert type(loky.get_reusable_executor(1).submit(tasks.chained, 5).exception().__cause__).__name__ == "_RemoteTraceback"
