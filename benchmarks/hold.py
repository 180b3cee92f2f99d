"""What does it cost to hold a failed process, by its resident memory?"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from multiprocessing import get_context

import keeptrace
from keeptrace.concurrent import KeepTraceProcessPoolExecutor

from ._answer import Answer, Table, main
from ._measure import duration, spread
from .pool import fail

# (bytes of memory that the worker has touched)
_MEMORY = {"0": 0, "100 MB": 100_000_000, "1 GB": 1_000_000_000}


_ballast: list[bytearray] = []


def _fill(size: int) -> None:
    """Gives the worker so much resident memory: a page that was never written to costs a fork
    nothing.
    """
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
        kept = keep(exc, Holding(Hold(how="fork"), ""))
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


def run(quick: bool) -> Answer:
    answer = Answer("hold", "What does it cost to hold a failed process?")
    if not hasattr(os, "fork"):
        answer.says.append("Not measured: this system cannot fork.")
        return answer
    warnings.simplefilter("ignore", DeprecationWarning)
    answer.says.append(
        "By the clock, what a failing task waits until its worker goes on: it forks twice, and "
        "each fork copies the tables of its memory. A failure of a kind that is held already "
        "costs no fork. Medians with their quartiles."
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
    return answer


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    main(run)
