"""Loky's executor that replaces the workers that die, where its queues allow that."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import loky_tasks
import pool_tasks as tasks
import pytest
from own_loky import own_loky
from waiting import ends, until

from keeptrace import OptionError
from keeptrace.concurrent import WorkerDied
from keeptrace.concurrent.deaths.black_box import STATE, TAKEN, WAITING

pytest.importorskip("loky")
from keeptrace.concurrent.loky import (
    KeepTraceLokyExecutor,
    TerminatedWorkerError,
    get_reusable_executor,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX alone")

LIMIT = 60  # for what ought to come at once (seconds)


@pytest.fixture(autouse=True, scope="module")
def lokys_own_workers() -> Iterator[None]:
    with own_loky():
        yield


def healing(workers: int = 2, **arguments: Any) -> Any:
    return KeepTraceLokyExecutor(workers, on_death="replace", **arguments)


@pytest.fixture(scope="module")
def one() -> Iterator[Any]:
    """A pool of one worker, which outlives the deaths of several tests."""
    with healing(1) as pool:
        yield pool


@pytest.fixture(scope="module")
def two() -> Iterator[Any]:
    """The same, of two workers."""
    with healing() as pool:
        yield pool


def states(pool: Any) -> dict[int, int]:
    """What each worker is at."""
    return {
        pid: process._keeptrace_box.words[STATE] for pid, process in list(pool._processes.items())
    }


def test_a_death_costs_its_own_task() -> None:
    """The task whose worker died gets a WorkerDied that is loky's error, too; the others are answered, and the pool goes on."""
    with healing(initializer=tasks.no_faulthandler) as pool:
        before = [pool.submit(tasks.double, number) for number in range(10)]
        lost = [pool.submit(tasks.die, how) for how in ("SIGKILL", "7")]
        failing = pool.submit(tasks.divide, 5)
        after = [pool.submit(tasks.double, number) for number in range(10)]
        assert [future.result(LIMIT) for future in before + after] == [*range(0, 20, 2)] * 2
        errors: list[Any] = [future.exception(LIMIT) for future in lost]
        assert isinstance(failing.exception(LIMIT), ZeroDivisionError)
        assert pool.submit(tasks.double, 4).result(LIMIT) == 8
        until(lambda: len(pool._processes) == 2)
    for error, exitcode, how in zip(errors, (-9, 7), ("SIGKILL", "7")):
        assert isinstance(error, WorkerDied) and isinstance(error, TerminatedWorkerError)
        (death,) = error.deaths
        assert (death.exitcode, death.tasks) == (exitcode, (f"die({how!r})",))


def test_the_reusable_executor() -> None:
    """get_reusable_executor() has the option too, and one without it is another executor."""
    pool: Any = get_reusable_executor(2, on_death="replace", initializer=tasks.no_faulthandler)
    try:
        before = [pool.submit(tasks.double, number) for number in range(10)]
        assert isinstance(pool.submit(tasks.die, "7").exception(LIMIT), WorkerDied)
        assert [future.result(LIMIT) for future in before] == [*range(0, 20, 2)]
        same = get_reusable_executor(2, on_death="replace", initializer=tasks.no_faulthandler)
        assert same is pool and same.submit(tasks.double, 4).result(LIMIT) == 8
        other: Any = get_reusable_executor(2, initializer=tasks.no_faulthandler)
        assert other is not pool and pool._flags.shutdown
        error = other.submit(tasks.die, "7").exception(LIMIT)
        assert isinstance(error, TerminatedWorkerError) and not isinstance(error, WorkerDied)
    finally:
        get_reusable_executor().shutdown()
    with pytest.raises(OptionError, match="max_deaths"):
        get_reusable_executor(1, on_death="replace", max_deaths=-1)


@pytest.mark.parametrize("timeout", [None, 30])
def test_killed_while_they_wait(timeout: float | None) -> None:
    """A worker that waits with the lock of the queue of tasks costs nothing when it is killed; nor does one that waits for the lock."""
    with healing(timeout=timeout) as pool:
        for has_lock in (True, False):
            assert pool.submit(tasks.double, 1).result(LIMIT) == 2
            until(lambda: len(states(pool)) == 2 and WAITING in states(pool).values())
            found = states(pool).items()
            chosen = next(pid for pid, state in found if (state == WAITING) == has_lock)
            os.kill(chosen, signal.SIGKILL)
            until(lambda: chosen not in pool._processes)
        assert list(pool.map(tasks.double, range(8))) == [*range(0, 16, 2)]


def test_died_with_the_lock() -> None:
    """A lock that a dead worker took before it could say so breaks the executor: nothing waits for ever."""
    with healing(1) as pool:
        future = pool.submit(loky_tasks.keep_the_lock_and_die)
        assert isinstance(future.exception(LIMIT), BrokenProcessPool)
        assert ends(pool.shutdown, LIMIT)


@pytest.mark.parametrize("size, part", [(20_000_000, 10_000_000), (10_000, 3), (10_000, 5_000)])
def test_died_within_a_result(size: int, part: int, two: Any) -> None:
    """A worker that dies as it sends a result, of which a part has arrived, costs that task alone."""
    lost = two.submit(loky_tasks.answer_in_part, size, part)
    others = [two.submit(tasks.double, number) for number in range(10)]
    error = lost.exception(LIMIT)
    assert isinstance(error, WorkerDied) and error.deaths[0].signal == "SIGKILL"
    assert "died as it sent the result" in error.__notes__[0]
    assert [future.result(LIMIT) for future in others] == [*range(0, 20, 2)]
    assert two.submit(tasks.double, 4).result(LIMIT) == 8


@pytest.mark.parametrize(
    "size, part", [(2_000_000, 1_000_000), (10, 3), (100_000, 50_000), (10, 0), (2_000_000, 0)]
)
def test_died_within_a_task(size: int, part: int, one: Any) -> None:
    """A task of which a worker had read a part, or all, when it died runs on the next worker."""
    dying = one.submit(loky_tasks.read_in_part, part).result(LIMIT)
    sizes = [one.submit(len, bytes(size + number)) for number in range(10)]
    assert [future.result(LIMIT) for future in sizes] == [size + number for number in range(10)]
    assert one.submit(tasks.double, 4).result(LIMIT) == 8
    assert dying not in one._processes


def test_died_before_the_first_byte_of_a_task(one: Any) -> None:
    """A worker that has read nothing when it dies costs nothing: no task runs twice."""
    dying = one.submit(loky_tasks.die_at_the_next_task).result(LIMIT)
    numbers = [one.submit(tasks.double, number) for number in range(10)]
    assert [future.result(LIMIT) for future in numbers] == [*range(0, 20, 2)]
    assert dying not in one._processes


def test_died_with_a_task_that_nobody_knows() -> None:
    """If nobody can tell which task a dead worker had read, the executor breaks, as loky's."""
    with healing() as pool:
        error = pool.submit(loky_tasks.set_state_and_die, TAKEN).exception(LIMIT)
        assert isinstance(error, TerminatedWorkerError) and not isinstance(error, WorkerDied)
        assert error.deaths[0].signal == "SIGKILL"


def test_deaths_in_a_row_break_the_pool() -> None:
    """Workers that die one after the other are replaced up to the bound."""
    with healing(1, max_deaths=2) as pool:
        futures = [pool.submit(tasks.die, "7") for _ in range(5)]
        wait(futures, LIMIT)
        kinds = [isinstance(future.exception(0), WorkerDied) for future in futures]
        assert kinds == [True, True, False, False, False]


def test_an_initializer_that_raises(tmp_path: Any) -> None:
    """It breaks the executor at once, with its exception as the cause."""
    with healing(1, initializer=tasks.touch_and_die, initargs=(str(tmp_path),)) as pool:
        error = pool.submit(tasks.double, 1).exception(LIMIT)
        assert isinstance(error.__cause__, tasks.Refused)


def test_workers_that_end_by_themselves() -> None:
    """Idle workers end after their timeout as loky's, and that is no death."""
    with healing(timeout=0.3, max_deaths=0) as pool:
        assert pool.submit(tasks.double, 1).result(LIMIT) == 2
        until(lambda: not pool._processes)
        assert pool.submit(tasks.double, 2).result(LIMIT) == 4


def test_shutdown_with_deaths() -> None:
    """shutdown() waits for what was submitted, though workers die meanwhile."""
    pool = healing()
    futures = [pool.submit(tasks.die_if_three, number % 5) for number in range(20)]
    assert ends(pool.shutdown, LIMIT)
    assert sum(isinstance(future.exception(0), WorkerDied) for future in futures) == 4
    assert sum(future.exception(0) is None for future in futures) == 16


def test_arguments_are_checked() -> None:
    """What is not known is an error that says what is."""
    with pytest.raises(OptionError, match="on_death"):
        KeepTraceLokyExecutor(1, on_death="heal")  # type: ignore[arg-type]
