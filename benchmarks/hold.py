"""What does it cost to hold a failed process, by its resident memory; and what does `hold=True` cost a task that succeeds?"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from multiprocessing import get_context
from typing import Any

import keeptrace
from keeptrace.concurrent import KeepTraceProcessPoolExecutor

from ._answer import Answer, Table, main
from ._measure import duration, spread
from .pool import CONTROL, OURS, _against_plain, _rounds, _submit, fail

# (bytes of memory that the worker has touched)
_MEMORY = {"0": 0, "100 MB": 100_000_000, "1 GB": 1_000_000_000}
_TASKS = 100  # a round


_ballast: list[bytearray] = []


def _fill(size: int) -> None:
    """Gives the worker so much resident memory: a page that was never written to costs a fork nothing."""
    ballast = bytearray(size)
    ballast[::4096] = b"x" * len(range(0, size, 4096))
    _ballast.append(ballast)


def _hold_once() -> float:
    """Seconds by the clock until the worker goes on: the task waits for so long."""
    from keeptrace.core.hold import Hold, Holding
    from keeptrace.hold.keeping import keep

    try:
        fail(1)
    except ValueError as exc:
        begin = time.perf_counter()
        kept = keep(exc, Holding(Hold(how="fork")))
        took = time.perf_counter() - begin
        assert kept.is_held
    return took


def _held(size: int, times: int) -> list[float]:
    with KeepTraceProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(_fill, size).result()
        found = []
        for _ in range(times + 1):
            found.append(pool.submit(_hold_once).result())
            keeptrace.release(all=True)
    return found[1:]  # the first one imports


def _succeeding(answer: Answer, seconds: float) -> None:
    context = get_context("fork")
    pools: dict[str, Any] = {
        "plain": KeepTraceProcessPoolExecutor(1, context),
        OURS: KeepTraceProcessPoolExecutor(1, context, hold=True),
        CONTROL: KeepTraceProcessPoolExecutor(1, context),
    }
    runs = _rounds(pools, _submit, _TASKS, seconds)
    for pool in pools.values():
        pool.shutdown()
    table = Table("A task that succeeds", ["", "without hold", "hold=True", "ratio", "control"])
    for way, times in (("clock", runs.clock), ("processor", runs.processor)):
        found = _against_plain(times)
        plain, ours = (duration(spread(times[name]).median) for name in ("plain", OURS))
        ratios = [f"{found[name].median:.3f}" for name in (OURS, CONTROL)]
        table.rows.append([way, plain, ours, *ratios])
        answer.numbers[f"succeeds/{way}"] = found[OURS].median
        answer.numbers[f"succeeds/{way}/control"] = found[CONTROL].median
    answer.tables.append(table)


def run(quick: bool) -> Answer:
    answer = Answer("hold", "What does it cost to hold a failed process?")
    if not hasattr(os, "fork"):
        answer.says.append("Not measured: this system cannot fork.")
        return answer
    warnings.simplefilter("ignore", DeprecationWarning)
    answer.says.append(
        "By the clock, what a failing task waits until its worker goes on: it forks twice, and each fork copies the tables of its "
        "memory. A failure of a kind that is held already costs no fork. Medians with their quartiles."
    )
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_RUNTIME_DIR"] = place  # nobody else's held processes are released
        table = Table("Holding", ["resident memory of the worker", "median", "quartiles"])
        for name, size in _MEMORY.items():
            found = spread(_held(size, 10 if quick else 50))
            quartiles = f"{duration(found.low)} – {duration(found.high)}"
            table.rows.append([name, duration(found.median), quartiles])
            answer.numbers[name] = found.median
        answer.tables.append(table)
    _succeeding(answer, 3 if quick else 20)
    return answer


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    main(run)
