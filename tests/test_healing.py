"""Executors that replace the workers that die: each death costs one task, and nothing hangs."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import weakref
from concurrent.futures import CancelledError, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pool_tasks as tasks
import pytest
from waiting import ends, until

from keeptrace import Options
from keeptrace.concurrent import KeepTraceProcessPoolExecutor, WorkerDied
from keeptrace.core.errors import OptionError

METHODS = [
    method
    for method in ("fork", "spawn", "forkserver")
    if method in multiprocessing.get_all_start_methods()
]
LIMIT = 60  # for what ought to come at once (seconds)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX alone")


def healing(
    method: str = METHODS[0], workers: int = 2, **arguments: Any
) -> KeepTraceProcessPoolExecutor:
    context = multiprocessing.get_context(method)
    return KeepTraceProcessPoolExecutor(workers, context, on_death="replace", **arguments)


def pids(pool: Any) -> set[int]:
    return set(pool._processes)


def line_of_worker() -> Any:
    """In a task: the worker's end of its line."""
    frame: Any = sys._getframe()
    while "line" not in frame.f_locals or frame.f_code.co_name != "work":
        frame = frame.f_back
    return frame.f_locals["line"]


def die_within_result(size: int) -> None:
    """Sends a part of a message, and dies."""
    os.write(line_of_worker().fileno(), (1000).to_bytes(4, "big")[:size] + b"x" * (size - 4))
    os.kill(os.getpid(), signal.SIGKILL)


def die_after_result() -> None:
    """Sends a whole answer, and dies before it is ready for another task."""
    line_of_worker().send_bytes(pickle.dumps((True, "whole")))
    os.kill(os.getpid(), signal.SIGKILL)


def close_all_descriptors() -> None:
    os.closerange(3, 1000)
    time.sleep(LIMIT)


def note(file: str) -> int:
    with open(file, "a") as opened:
        opened.write("x")
    return os.getpid()


class KillsAtArrival:
    def __reduce__(self) -> Any:
        return os._exit, (5,)


class CannotLeave:
    def __reduce__(self) -> Any:
        raise RuntimeError("cannot leave")


@pytest.mark.parametrize("method", METHODS)
def test_a_death_costs_its_own_task(method: str) -> None:
    """The task whose worker died gets a WorkerDied that is a BrokenProcessPool; all others are answered, and the pool goes on."""
    with healing(method, initializer=tasks.no_faulthandler) as pool:
        before = [pool.submit(tasks.double, number) for number in range(10)]
        lost = [pool.submit(tasks.die, how) for how in ("SIGKILL", "SIGSEGV", "7", "0")]
        failing = pool.submit(tasks.divide, 5)
        after = [pool.submit(tasks.double, number) for number in range(10)]
        assert [future.result(LIMIT) for future in before + after] == [*range(0, 20, 2)] * 2
        errors: list[Any] = [future.exception(LIMIT) for future in lost]
        assert isinstance(failing.exception(LIMIT), ZeroDivisionError)
        assert pool.submit(tasks.double, 4).result(LIMIT) == 8
    for error, exitcode, how in zip(errors, (-9, -11, 7, 0), ("SIGKILL", "SIGSEGV", "7", "0")):
        assert isinstance(error, WorkerDied) and isinstance(error, BrokenProcessPool)
        (death,) = error.deaths
        assert (death.exitcode, death.tasks) == (exitcode, (f"die({how!r})",))
        assert str(death) == str(error)
    assert errors[1].deaths[0].stack is not None and "in die" in errors[1].__notes__[0]
    assert str(pickle.loads(pickle.dumps(errors[0]))) == str(errors[0])


def test_a_chunk_is_one_task() -> None:
    """Of map() with chunks, those of other chunks arrive."""
    with healing() as pool:
        results = pool.map(tasks.die_if_three, range(12), chunksize=3)
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(WorkerDied, match=r"die_if_three\(3\)"):
            next(results)
        assert list(pool.map(tasks.double, range(12), chunksize=3)) == [*range(0, 24, 2)]


@pytest.mark.parametrize("method", METHODS[:2])
def test_deaths_in_a_row_break_the_pool(method: str) -> None:
    """Workers that die one after the other are replaced up to a bound; then the pool breaks as the engine's, and says why."""
    with healing(method, 1, max_deaths=2) as pool:
        assert isinstance(pool.submit(tasks.die, "7").exception(LIMIT), WorkerDied)
        assert isinstance(pool.submit(tasks.die, "7").exception(LIMIT), WorkerDied)
        assert pool.submit(tasks.double, 1).result(LIMIT) == 2  # from here on they are counted anew
        futures = [pool.submit(tasks.die, "7") for _ in range(5)]
        errors: list[Any] = [future.exception(LIMIT) for future in futures]
        assert [isinstance(error, WorkerDied) for error in errors] == [True] * 2 + [False] * 3
        assert all(type(error) is BrokenProcessPool for error in errors[2:])
        assert "3 workers died one after the other" in str(errors[2].__cause__)
        assert errors[4].deaths[0].exitcode == 7
        with pytest.raises(BrokenProcessPool, match="exited with code 7"):
            pool.submit(tasks.double, 1)


def test_the_bound_is_three_for_each_worker() -> None:
    """By default six deaths in a row are survived by a pool of two, and seven are not."""
    with healing(workers=2) as pool:
        futures = [pool.submit(tasks.die, "7") for _ in range(12)]
        wait(futures, LIMIT)
        kinds = [isinstance(future.exception(0), WorkerDied) for future in futures]
        assert 5 <= sum(kinds) <= 6  # two may have died at once, as it broke


@pytest.mark.parametrize("how", [tasks.end_at_start, tasks.touch_and_die])
def test_workers_that_cannot_start(how: Any, tmp_path: Path) -> None:
    """An initializer that raises breaks the pool at once, with its exception as the cause; one that ends the worker, at the bound."""
    raises = how is tasks.touch_and_die
    with healing(workers=1, initializer=how, initargs=(str(tmp_path),) if raises else ()) as pool:
        error = pool.submit(tasks.double, 1).exception(LIMIT)
        assert type(error) is BrokenProcessPool
        if raises:
            assert isinstance(error.__cause__, tasks.Refused)
            assert error.__cause__.__traceback__.tb_frame.f_locals["folder"] == str(tmp_path)  # type: ignore[union-attr]
            assert len(os.listdir(tmp_path)) == 1
        else:
            assert "4 workers died" in str(error.__cause__)


@pytest.mark.parametrize("method", METHODS)
def test_killed_while_they_wait(method: str) -> None:
    """Idle workers that are killed cost no task; others take their places."""
    with healing(method, 2) as pool:
        assert list(pool.map(tasks.double, range(8))) == [*range(0, 16, 2)]
        killed = pids(pool)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert list(pool.map(tasks.double, range(8))) == [*range(0, 16, 2)]
        until(lambda: not pids(pool) & killed)


@pytest.mark.skipif("fork" not in METHODS, reason="all workers are there at once")
def test_a_task_that_was_not_begun_is_not_lost(tmp_path: Path) -> None:
    """A task that a worker was sent, and had not taken when it was killed, runs on another, once."""
    file = tmp_path / "ran"
    with healing("fork", 2) as pool:
        pool.submit(tasks.double, 1).result(LIMIT)
        until(lambda: len(pool._crew.each()) == 2 and all(w.is_ready for w in pool._crew.each()))
        stopped = sorted(pids(pool))
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        futures = [pool.submit(note, str(file)) for _ in range(2)]
        until(lambda: all(worker.task is not None for worker in pool._crew.each()))
        os.kill(stopped[0], signal.SIGKILL)
        by_others = {futures[0].result(LIMIT) if futures[0].done() else 0}
        wait(futures, LIMIT, return_when="FIRST_COMPLETED")
        os.kill(stopped[1], signal.SIGCONT)
        assert stopped[0] not in by_others | {future.result(LIMIT) for future in futures}
    assert file.read_text() == "xx"


@pytest.mark.parametrize("size", [2, 4, 500])
def test_died_within_a_result(size: int) -> None:
    """Of a result that arrived in part nothing is taken, and it hurts nobody."""
    with healing() as pool:
        future = pool.submit(die_within_result, size)
        others = [pool.submit(tasks.double, number) for number in range(20)]
        assert isinstance(future.exception(LIMIT), WorkerDied)
        assert [other.result(LIMIT) for other in others] == [*range(0, 40, 2)]


def test_died_after_a_result() -> None:
    """A result that arrived whole counts, whatever became of its worker."""
    with healing() as pool:
        assert pool.submit(die_after_result).result(LIMIT) == "whole"
        assert pool.submit(tasks.double, 1).result(LIMIT) == 2


@pytest.mark.skipif("fork" not in METHODS, reason="all workers are there at once")
def test_large_messages_block_nobody() -> None:
    """A worker that does not read the large task it is sent holds up no other; killed, it costs nothing."""
    with healing("fork", 2) as pool:
        pool.submit(tasks.double, 1).result(LIMIT)
        until(lambda: len(pool._crew.each()) == 2 and all(w.is_ready for w in pool._crew.each()))
        stopped = max(pids(pool))
        os.kill(stopped, signal.SIGSTOP)
        large = [pool.submit(len, bytes(20_000_000)) for _ in range(2)]
        wait(large, LIMIT, return_when="FIRST_COMPLETED")
        assert [pool.submit(tasks.double, n).result(LIMIT) for n in range(9)] == [*range(0, 18, 2)]
        os.kill(stopped, signal.SIGKILL)
        assert [future.result(LIMIT) for future in large] == [20_000_000] * 2
        assert len(pool.submit(tasks.big, 20).result(LIMIT)) == 20 << 20


def test_descriptors_that_a_task_closed() -> None:
    """A worker that nobody can reach any more is ended."""
    with healing() as pool:
        future = pool.submit(close_all_descriptors)
        assert pool.submit(tasks.double, 1).result(LIMIT) == 2
        assert isinstance(future.exception(LIMIT), WorkerDied)
        assert pool.submit(tasks.double, 1).result(LIMIT) == 2


def test_what_cannot_be_pickled_fails_its_task() -> None:
    """Arguments and results that cannot leave or arrive; arguments that end the worker as they arrive are that task's death."""
    with healing(initializer=tasks.no_faulthandler) as pool:
        leaving = pool.submit(tasks.take, CannotLeave())
        arriving = pool.submit(tasks.take, tasks.CannotArrive())
        generator = pool.submit(tasks.give_generator)
        result = pool.submit(tasks.give_unarriving)
        killing = pool.submit(tasks.take, KillsAtArrival())
        assert "cannot leave" in str(leaving.exception(LIMIT))
        assert "raised in the worker" in arriving.exception(LIMIT).__notes__[0]  # type: ignore[union-attr]
        assert "generator" in str(generator.exception(LIMIT))
        assert "raised in the parent" in result.exception(LIMIT).__notes__[0]  # type: ignore[union-attr]
        assert isinstance(killing.exception(LIMIT), WorkerDied)
        assert pool.submit(tasks.double, 1).result(LIMIT) == 2


def test_few_tasks_for_each_worker() -> None:
    """With max_tasks_per_child a worker that has done its tasks ends well, and its end counts as no death."""
    with healing("spawn", 1, max_tasks_per_child=2, max_deaths=0) as pool:
        found = [pool.submit(tasks.pid).result(LIMIT) for _ in range(5)]
        assert len(set(found)) == 3 and found[0] == found[1] != found[2]
        assert type(pool.submit(tasks.die, "7").exception(LIMIT)) is BrokenProcessPool


def test_shutdown_with_deaths(tmp_path: Path) -> None:
    """shutdown() waits for what was submitted, though workers die meanwhile; with cancel_futures what was not begun is cancelled."""
    pool = healing()
    futures = [pool.submit(tasks.die_if_three, number % 5) for number in range(20)]
    assert ends(pool.shutdown, LIMIT)
    assert sum(isinstance(future.exception(0), WorkerDied) for future in futures) == 4

    pool, busy = healing(workers=1), tmp_path / "busy"
    running = pool.submit(tasks.wait_for, str(busy))
    until(busy.exists)
    futures = [pool.submit(tasks.double, number) for number in range(5)]
    pool.shutdown(wait=False, cancel_futures=True)
    until(lambda: all(future.cancelled() for future in futures))
    busy.unlink()
    assert running.result(LIMIT) is None
    with pytest.raises(CancelledError):
        futures[0].result(LIMIT)


def test_shutdown_with_cancelled_tasks_alone(tmp_path: Path) -> None:
    """Tasks that are cancelled one by one, while all workers are busy, do not keep the pool from its end."""
    pool, busy = healing(workers=1), tmp_path / "busy"
    running = pool.submit(tasks.wait_for, str(busy))
    until(busy.exists)
    assert all(pool.submit(tasks.double, number).cancel() for number in range(5))
    manager = pool._executor_manager_thread
    pool.shutdown(wait=False)
    busy.unlink()
    assert running.result(LIMIT) is None
    manager.join(LIMIT)
    assert not manager.is_alive()


def test_collected_with_tasks_on_their_way() -> None:
    """A pool that nobody has any more does its tasks, replaces its workers, and ends; nothing is left in this process."""
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else None
    pool = healing()
    futures = [pool.submit(tasks.die_if_three, number % 5) for number in range(20)]
    manager, reference = pool._executor_manager_thread, weakref.ref(pool)
    del pool
    gc.collect()
    assert reference() is None
    wait(futures, LIMIT)
    assert sum(isinstance(future.exception(0), WorkerDied) for future in futures) == 4
    manager.join(LIMIT)
    assert not manager.is_alive()
    del manager, futures
    gc.collect()
    if before is not None:
        until(lambda: len(os.listdir("/proc/self/fd")) <= before)


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "pool.shutdown(wait=False)"])
@pytest.mark.parametrize("method", METHODS)
def test_program_that_ends(method: str, end: str, tmp_path: Path) -> None:
    """A program that ends without a shutdown waits for its tasks as with the engine's pool, and leaves no worker."""
    if method == "fork" and sys.version_info[:2] == (3, 12):
        pytest.skip("Python 3.12 forks no process once the program has ended: the pool breaks")
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(f"""
        import multiprocessing, os, time
        from keeptrace.concurrent import KeepTraceProcessPoolExecutor

        def work(number):
            time.sleep(0.05)
            if number % 4 == 2:
                os._exit(1)
            os.write(1, b"%d\\n" % number)  # print() writes twice

        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            pool = KeepTraceProcessPoolExecutor(2, context, on_death="replace")
            futures = [pool.submit(work, number) for number in range(10)]
            {end}
        """)
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=90)
    assert sorted(map(int, done.stdout.split())) == [n for n in range(10) if n % 4 != 2]
    assert (done.returncode, done.stderr) == (3 if "3" in end else 0, "")


def test_stacks_and_frames(tmp_path: Path) -> None:
    """Running workers tell their stacks, and exceptions arrive with the task's frames alone, by the pool's options."""
    with healing(workers=1, trace=Options(depth=1)) as pool:
        running = pool.submit(tasks.wait_for, str(tmp_path / "here"))
        until((tmp_path / "here").exists)
        (told,) = pool.stacks()
        assert "wait_for" in told.tasks[0] and told.stack is not None
        assert told.stack.tb_frame.f_code.co_name == "wait_for"
        (tmp_path / "here").unlink()
        running.result(LIMIT)
        exc = pool.submit(tasks.divide, 7).exception(LIMIT)
        assert exc is not None and exc.__traceback__ is not None
        assert exc.__traceback__.tb_frame.f_locals["total"] == 7


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python 3.14 and newer")
def test_kill_workers(tmp_path: Path) -> None:
    """Workers that are killed by the pool's own method are not replaced."""
    pool = healing()
    futures = [pool.submit(tasks.wait_for, str(tmp_path / str(n))) for n in range(2)]
    until(lambda: all((tmp_path / str(n)).exists() for n in range(2)))
    manager = pool._executor_manager_thread
    pool.kill_workers()  # type: ignore[attr-defined]
    assert all(isinstance(future.exception(LIMIT), BrokenProcessPool) for future in futures)
    manager.join(LIMIT)
    assert not manager.is_alive()


def test_arguments_are_checked() -> None:
    """What is not known is an error that says what is."""
    with pytest.raises(OptionError, match="on_death"):
        KeepTraceProcessPoolExecutor(1, on_death="heal")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="max_deaths"):
        KeepTraceProcessPoolExecutor(1, on_death="replace", max_deaths=-1)
