"""Pools and processes of multiprocess, the fork of multiprocessing that pickles with dill."""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

multiprocess = pytest.importorskip("multiprocess")

import pool_tasks
import traced_tasks as tasks
from picklers import needs_functions_by_value

import keeptrace.concurrent.multiprocess as ours
from keeptrace import OptionError, Options
from keeptrace.concurrent import WorkerDied
from keeptrace.concurrent.deaths.calls import describe_call

METHODS = [
    method
    for method in ("fork", "spawn", "forkserver")
    if method in multiprocess.get_all_start_methods()
]


@pytest.fixture(params=METHODS, scope="module")
def pool(request: pytest.FixtureRequest) -> Any:
    with ours.get_context(request.param).Pool(2, pool_tasks.no_faulthandler) as pool:
        yield pool


def test_frames_and_cause(pool: Any) -> None:
    """What a task raises arrives with its frames, variables and chain; the pool goes on."""
    with pytest.raises(BaseException) as info:
        pool.map(tasks.chained, [5, 5])
    tasks.check_chained(info.value, 5)
    assert pool.map(tasks.double, range(4)) == [0, 2, 4, 6]


@needs_functions_by_value
def test_functions_that_only_dill_pickles(pool: Any) -> None:
    """Closures cross as with multiprocess's own pool, and arguments of exceptions stay live."""
    bound = 3

    class Local:
        def __init__(self) -> None:
            self.bound = bound

    def fail(number: int) -> None:
        raise ValueError(number * bound, Local())

    assert pool.map(lambda number: number + bound, [1]) == [4]
    assert pool.starmap(lambda a, b: a * b, [(2, bound)]) == [6]
    with pytest.raises(ValueError) as info:
        pool.apply(fail, (2,))
    number, local = info.value.args
    assert number == 6 and local.bound == 3
    with pytest.raises(ValueError):
        list(pool.imap(fail, [2]))


def test_killed_worker(pool: Any) -> None:
    """The task of a killed worker tells which worker, how and where; the pool goes on."""
    with pytest.raises(WorkerDied) as info:
        pool.apply_async(pool_tasks.die, ["SIGSEGV"]).get(50)
    (death,) = info.value.deaths
    assert death.signal == "SIGSEGV" and death.tasks == ("die('SIGSEGV')",)
    assert death.stack is not None and death.stack.tb_frame.f_code.co_name == "die"
    assert pool.apply(tasks.double, (4,)) == 8


def test_result_that_does_not_pickle(pool: Any) -> None:
    """It is the failure of its own task."""
    with pytest.raises(multiprocess.pool.MaybeEncodingError):
        pool.apply(pool_tasks.give_generator)
    assert pool.apply(tasks.double, (4,)) == 8


def test_timeout_is_the_engines(pool: Any) -> None:
    """Results are multiprocess's own, with its own errors."""
    result = pool.apply_async(os.getpid)
    assert isinstance(result, multiprocess.pool.ApplyResult) and result.get(50) > 0


@pytest.mark.parametrize("method", METHODS)
def test_processes(method: str) -> None:
    """exception() of a process tells what it raised, or how it was killed."""
    context = ours.get_context(method)
    process = context.Process(target=tasks.chained, args=(5,))
    killed = context.Process(target=pool_tasks.die, args=("SIGSEGV",))
    for each in (process, killed):
        each.start()
    for each in (process, killed):
        each.join(50)
    exc = process.exception()
    tasks.check_chained(exc, 5)
    assert traceback.extract_tb(exc.__traceback__)[0].name == "chained"
    death = killed.exception()
    assert isinstance(death, WorkerDied) and death.deaths[0].tasks == ("die('SIGSEGV')",)


def test_install() -> None:
    """Pools that others make are ours, until it is undone."""
    before = multiprocess.pool.Pool
    with ours.install(trace=Options(depth=2)):
        with multiprocess.Pool(1) as pool:
            assert isinstance(pool, ours.KeepTracePool)
            assert isinstance(pool, multiprocess.pool.Pool)
            with pytest.raises(BaseException) as info:
                pool.apply(tasks.chained, (5,))
        tasks.check_chained(info.value, 5)
    assert multiprocess.pool.Pool is before
    with pytest.raises(OptionError):
        ours.install(trace=3)  # type: ignore[arg-type]
    assert multiprocess.pool.Pool is before


DATASETS = """
import faulthandler
import keeptrace.concurrent.multiprocess
from datasets import Dataset, disable_progress_bars

def fail(row):
    local = row["x"] * 2
    if local == 26:
        raise LookupError(local)

def die(row):
    if row["x"] == 13:
        faulthandler._sigsegv()

if __name__ == "__main__":
    disable_progress_bars()
    keeptrace.concurrent.multiprocess.install()
    rows = Dataset.from_dict({"x": list(range(20))})
    try:
        rows.map(fail, num_proc=2)
    except LookupError as exc:
        entry = exc.__traceback__
        while entry.tb_next is not None:
            entry = entry.tb_next
        print(entry.tb_frame.f_locals["local"])
    try:
        rows.map(die, num_proc=2)
    except RuntimeError as exc:
        print(exc.deaths[0].tasks, exc.__cause__.deaths == exc.deaths)
        print(*exc.__notes__)
"""


@pytest.mark.engines
def test_datasets(tmp_path: Path) -> None:
    """Dataset.map(num_proc=2) raises the function's exception with its frames, and says how a
    worker died.
    """
    pytest.importorskip("datasets")
    (tmp_path / "program.py").write_text(DATASETS)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
    )
    first, second, *rest = done.stdout.splitlines()
    assert (first, second) == ("26", "('die(rank=1, offset=10)',) True"), done.stderr
    assert "faulthandler._sigsegv()" in "\n".join(rest)


def test_description_of_a_job_of_datasets() -> None:
    """A death names the user's function and its part of the dataset, not what datasets runs."""

    def runner() -> None: ...

    runner.__module__ = "datasets.utils.py_utils"
    runner.__qualname__ = "_write_generator_to_queue"
    job = {"shard": object(), "function": tasks.double, "rank": 1, "offset": 10}
    assert describe_call(runner, (None, None, job), {}) == "double(rank=1, offset=10)"
    assert describe_call(runner, (), {}) == "_write_generator_to_queue()"
