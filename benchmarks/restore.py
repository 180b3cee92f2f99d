"""What does restoring take, a frame: when all is new, and when the same code was restored
before?
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import corpus
from ._answer import Answer, Table, main
from ._measure import alternate, duration, median, shown, spread
from ._plot import Figure
from .environment import variables

_NAMES = (
    "shallow",
    "deep",
    "very deep",
    "wide",
    "nested",
    "service",
    "dataframe",
    "chained",
    "grouped",
)
_QUICK = ("shallow", "deep", "very deep", "service")

_FIRST = """
import pickle, sys, time
report = pickle.loads(sys.stdin.buffer.read())
from keeptrace.restore.policy import KNOWN; from keeptrace.restore.restore import restore
begin = time.process_time()
restore(report, KNOWN)
print(time.process_time() - begin)
"""


def _forget() -> None:
    """Empties the restorer's caches: what is restored next is new to it."""
    from keeptrace.restore import classes, code, files, sources, standins

    rooms = (classes, code, files, sources, standins)
    for found in [value for room in rooms for value in vars(room).values()]:
        if callable(getattr(found, "cache_clear", None)):
            found.cache_clear()


def _first_of_a_process(report: Any, runs: int) -> list[float]:
    data = pickle.dumps(report)
    root = Path(__file__).parents[1]
    return [
        float(
            subprocess.run(
                [sys.executable, "-c", _FIRST],
                input=data,
                capture_output=True,
                check=True,
                cwd=root,
                env=variables(),
            ).stdout
        )
        for _ in range(runs + 1)
    ][1:]  # the very first one compiles modules


def run(quick: bool) -> Answer:
    from keeptrace.capture.capture import capture
    from keeptrace.core.options import Options
    from keeptrace.restore.policy import KNOWN
    from keeptrace.restore.restore import restore

    options = Options(include_source=False)
    answer = Answer("restore", "What does restoring take?")
    answer.says.append(
        "Warm: the same exception was restored before. Cold: the restorer's caches are empty. "
        "First: in a process that has just imported the restorer, and imports what it needs. A "
        "frame: the time by the number of frames, with the values in it."
    )
    table = Table(
        "Restore",
        [
            "exception",
            "frames",
            "values",
            "warm",
            "cold",
            "first",
            "warm, a frame",
            "cold, a frame",
        ],
    )
    warm_series: list[float | None] = []
    cold_series: list[float | None] = []
    names = [name for name in (_QUICK if quick else _NAMES) if not corpus.missing(name)]
    for name in names:
        report: Any = capture(corpus.make(name), options)

        def cold(report: Any = report) -> BaseException:
            _forget()
            return restore(report, KNOWN)

        # each in rounds of its own: a cold run would leave the warm one without its caches
        warm = alternate(
            {"warm": lambda report=report: restore(report, KNOWN)}, 0.1 if quick else 0.5
        )["warm"]
        colds = alternate({"cold": cold}, 0.1 if quick else 0.5)["cold"]
        first = _first_of_a_process(report, 2 if quick else 7)
        count = len(report["frames"])
        warm_median, cold_median = median(warm), median(colds)
        assert warm_median is not None and cold_median is not None
        a_frame = [duration(warm_median / count), duration(cold_median / count)]
        first_median = duration(spread(first).median)
        table.rows.append(
            [
                name,
                str(count),
                str(len(report["values"])),
                shown(warm),
                shown(colds),
                first_median,
                *a_frame,
            ]
        )
        answer.numbers[f"{name}/warm"] = warm_median
        answer.numbers[f"{name}/cold"] = cold_median
        answer.numbers[f"{name}/frames"] = count
        warm_series.append(warm_median * 1e3)
        cold_series.append(cold_median * 1e3)
    answer.tables.append(table)
    answer.figures.append(
        Figure(
            "restore",
            "Restore, milliseconds",
            "bars",
            names,
            {"warm": warm_series, "cold": cold_series},
            ylabel="ms",
        )
    )
    return answer


if __name__ == "__main__":
    main(run)
