"""What does a task cost in our pools, beside the same pool without us: when it succeeds, and when
it fails?

Each round runs a batch in the plain pool, in ours, and in a second plain one, in turn. Ours is
compared with the mean of the two. The second one is the control as well: its ratio to the first
would be 1 on a machine without noise, so it says how much of our ratio is noise.

On a shared machine the clock says little, so the targets are judged by the processor time of the
parent and the worker, with all their threads (on Linux, to the nanosecond).
"""

# ruff: noqa: F841  # unused locals are what these frames are to hold

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ._answer import Answer, Table, main
from ._measure import Spread, duration, spread
from ._plot import Figure

# A ratio of 1.02 takes this many rounds to be told from the machine's noise. (seconds a task that
# succeeds; one that fails)
_SUCCEEDS, _FAILS = 20.0, 5.0
_WORKERS = 1  # one worker and one parent on two cores: more would measure the scheduler
OURS, CONTROL = "keeptrace", "plain again"


_HOW = (
    "Medians a task, over rounds in which the plain pool, ours, and a second plain pool (the "
    "control) ran the same batch in turn; one worker. The ratio is to the mean of the two plain "
    "ones, the control's that of the two. By the clock first, then by the processor time of "
    "parent and worker. The failing task fails 5 frames deep with small locals, and its exception "
    "is taken in the parent: from us with all its frames."
)


def no_op(number: int) -> int:
    return number


def _innermost(number: int, path: str) -> int:
    doubled = number * 2
    raise ValueError("failing", doubled)


def _fourth(number: int, path: str) -> int:
    parts = ["a", "b"]
    return _innermost(number, path)


def _third(number: int, path: str) -> int:
    name = "orders"
    return _fourth(number, path)


def _second(number: int) -> int:
    options = {"strict": True}
    return _third(number, "orders-17.csv")


def fail(number: int) -> int:
    """Fails 5 frames deep, with small locals."""
    return _second(number)


# -- executors: concurrent.futures and loky


def _submit(pool: Any, count: int) -> None:
    for future in [pool.submit(no_op, number) for number in range(count)]:
        future.result()


def _map(pool: Any, count: int) -> None:
    for _ in pool.map(no_op, range(count), chunksize=100):
        pass


def _fail(pool: Any, count: int) -> None:
    for future in [pool.submit(fail, number) for number in range(count)]:
        assert future.exception() is not None


def _fail_one_by_one(pool: Any, count: int) -> None:
    for number in range(count):
        assert pool.submit(fail, number).exception() is not None


# -- multiprocessing.Pool


def _pool_apply(pool: Any, count: int) -> None:
    for result in [pool.apply_async(no_op, (number,)) for number in range(count)]:
        result.get()


def _pool_map(pool: Any, count: int) -> None:
    pool.map(no_op, range(count), chunksize=100)


def _pool_fail(pool: Any, count: int) -> None:
    for result in [pool.apply_async(fail, (number,)) for number in range(count)]:
        try:
            result.get()
        except ValueError:
            continue


# task -> what runs a batch of so many in a pool
_Tasks = dict[str, tuple[Callable[[Any, int], None], int]]
_EXECUTOR: _Tasks = {
    "no-op, submit": (_submit, 100),
    "no-op, map(chunksize=100)": (_map, 10_000),
    "failing": (_fail, 40),
    "failing, one at a time": (_fail_one_by_one, 30),
}
_POOL: _Tasks = {
    "no-op, apply_async": (_pool_apply, 100),
    "no-op, map(chunksize=100)": (_pool_map, 10_000),
    "failing": (_pool_fail, 40),
}


def _stdlib_executor(context: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    from concurrent.futures import ProcessPoolExecutor

    from keeptrace.concurrent import KeepTraceProcessPoolExecutor

    return lambda: ProcessPoolExecutor(
        _WORKERS, mp_context=context
    ), lambda: KeepTraceProcessPoolExecutor(_WORKERS, mp_context=context)


def _stdlib_pool(context: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    from keeptrace.concurrent.pool import KeepTracePool

    return lambda: context.Pool(_WORKERS), lambda: KeepTracePool(_WORKERS, context=context)


def _loky(context: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    from loky.process_executor import ProcessPoolExecutor

    from keeptrace.concurrent.loky import KeepTraceLokyExecutor

    return lambda: ProcessPoolExecutor(_WORKERS), lambda: KeepTraceLokyExecutor(_WORKERS)


def _methods() -> list[str]:
    return [
        method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()
    ]


# context → what makes the plain pool, and what makes ours
_Makers = Callable[[Any], tuple[Callable[[], Any], Callable[[], Any]]]


def _engines(quick: bool) -> list[tuple[str, str, _Makers, _Tasks]]:
    found: list[tuple[str, str, _Makers, _Tasks]] = [
        ("ProcessPoolExecutor", method, _stdlib_executor, _EXECUTOR) for method in _methods()
    ]
    if not quick:
        found += [("Pool", method, _stdlib_pool, _POOL) for method in _methods()]
        if find_spec("loky"):
            found.append(("loky", "loky", _loky, _EXECUTOR))
    return found


def _close(pool: Any) -> None:
    if hasattr(pool, "shutdown"):
        pool.shutdown()
    else:
        pool.close()
        pool.join()


def _processor_time(pool: Any) -> float:
    """Seconds that this process and the pool's workers have used so far; of the workers 0 where the
    system does not say.
    """
    workers = (
        list(pool._processes)
        if hasattr(pool, "_processes") and isinstance(pool._processes, dict)
        else [one.pid for one in pool._pool]
    )
    used = 0
    for pid in workers:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            used += int(thread.read_text().split()[0])
    return time.process_time() + used / 1e9


# The columns of a task's row.
MEASURED = [
    *("task", "plain", "keeptrace", "ratio", "control"),
    *("ratio, processor", "control, processor", "rounds"),
]


class Runs(NamedTuple):
    """Seconds a task, one a round and pool."""

    clock: dict[str, list[float]]
    processor: dict[str, list[float]]


def rounds(
    pools: dict[str, Any],
    run: Callable[[Any, int], None],
    count: int,
    seconds: float,
    processor_time: Callable[[Any], float] = _processor_time,
) -> Runs:
    """Runs a batch of `count` tasks in each pool in turn, for so many seconds."""
    times: dict[str, list[float]] = {name: [] for name in pools}
    used: dict[str, list[float]] = {name: [] for name in pools}
    order = list(pools)
    draw = random.Random(17)
    for pool in pools.values():
        run(pool, count)  # starts the worker, and lets it import
    end = time.monotonic() + seconds
    gc.collect()
    gc.disable()
    try:
        while time.monotonic() < end or len(times[OURS]) < 5:
            draw.shuffle(order)
            for name in order:
                before = processor_time(pools[name])
                begin = time.perf_counter()
                run(pools[name], count)
                times[name].append((time.perf_counter() - begin) / count)
                used[name].append((processor_time(pools[name]) - before) / count)
            gc.collect()
    finally:
        gc.enable()
    return Runs(times, used)


def against_plain(times: dict[str, list[float]]) -> dict[str, Spread]:
    """Ours against the mean of the two plain pools, and the control: the second against the
    first.
    """
    rounds = list(zip(times[OURS], times["plain"], times[CONTROL]))
    return {
        OURS: spread([ours / ((one + other) / 2) for ours, one, other in rounds]),
        CONTROL: spread([other / one for _, one, other in rounds]),
    }


def compared(answer: Answer, key: str, times: dict[str, list[float]]) -> list[str]:
    """The cells of a ratio and of its control. Notes both numbers in the answer, under the key."""
    cells = []
    for name, found in against_plain(times).items():
        cells.append(f"{found.median:.3f} ({found.low:.2f}–{found.high:.2f})")
        place = key
        if name == CONTROL:
            place += "/control"
        answer.numbers[place] = found.median
    return cells


def _seconds(task: str, quick: bool) -> float:
    if quick:
        return 0.8
    if "failing" in task:
        return _FAILS
    return _SUCCEEDS


def _pools(method: str, makers: _Makers) -> dict[str, Any]:
    """The pools to compare. Raises ImportError if a library is missing."""
    context = None
    if method != "loky":
        context = multiprocessing.get_context(method)
    plain, ours = makers(context)
    return {"plain": plain(), OURS: ours(), CONTROL: plain()}


def measured(answer: Answer, key: str, runs: Runs) -> list[str]:
    """The cells of a task's row, from the plain pool's time on."""
    return [
        duration(spread(runs.clock["plain"]).median),
        duration(spread(runs.clock[OURS]).median),
        *compared(answer, f"{key}/clock", runs.clock),
        *compared(answer, f"{key}/processor", runs.processor),
        str(len(runs.clock[OURS])),
    ]


def _label(engine: str, method: str, task: str) -> str:
    label = f"{engine} {method}: {task.replace('(chunksize=100)', '')}"
    return label.replace("ProcessPoolExecutor", "Executor")


def run(quick: bool) -> Answer:
    # fork beside threads: that is what these pools do
    warnings.simplefilter("ignore", DeprecationWarning)
    python = "{}.{}".format(*sys.version_info)
    answer = Answer("pool", "What does a task cost in a pool?")
    answer.says.append(_HOW)
    table = Table(f"Python {python}", ["engine", "start", *MEASURED])
    shares: dict[str, list[float | None]] = {OURS: [], CONTROL: []}
    labels = []
    for engine, method, makers, tasks in _engines(quick):
        try:
            pools = _pools(method, makers)
        except ImportError as problem:
            answer.says.append(f"Left out: {engine} ({problem}).")
            continue
        for task, (batch, count) in tasks.items():
            runs = rounds(pools, batch, count, _seconds(task, quick))
            cells = measured(answer, f"{engine}/{method}/{task}", runs)
            table.rows.append([engine, method, task, *cells])
            labels.append(_label(engine, method, task))
            for name, found in against_plain(runs.processor).items():
                shares[name].append(found.median)
        for pool in pools.values():
            _close(pool)
    answer.tables.append(table)
    # one plot a kind of task would hide that they belong together; the engines' names are short
    # enough for one
    series = {"keeptrace / plain": shares[OURS], "plain / plain": shares[CONTROL]}
    answer.figures.append(
        Figure(
            f"pool-{python}",
            f"Processor time of a task, as a part of the plain pool's (Python {python})",
            "bars",
            labels,
            series,
            logy=False,
        )
    )
    return answer


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    main(run)
