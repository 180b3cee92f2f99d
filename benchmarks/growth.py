"""Does the cost grow as it should: linear in frames, in objects up to the bound, flat beyond it; flat in bytes?"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from typing import Any

from . import corpus
from ._answer import Answer, Table, main
from ._measure import alternate, median, shown
from ._plot import Figure


def run(quick: bool) -> Answer:
    from keeptrace.capture.capture import capture
    from keeptrace.core.options import Options

    default = Options(include_source=False)
    whole = Options(include_source=False, max_items=-1)
    answer = Answer("growth", "How does the cost grow with the exception?")
    ways: dict[str, Callable[[BaseException], Any]] = {
        "default": lambda exc: capture(exc, default),
        "max_items=-1": lambda exc: capture(exc, whole),
    }
    axes: list[tuple[str, Callable[[int], BaseException], list[int]]] = [
        ("frames", corpus.frames, [10, 30, 100, 300, 1_000] + ([] if quick else [3_000, 10_000])),
        (
            "objects",
            corpus.objects,
            [10, 30, 100, 300, 1_000, 3_000, 10_000] + ([] if quick else [30_000, 100_000]),
        ),
        (
            "bytes",
            corpus.of_bytes,
            [10**3, 10**4, 10**5, 10**6, 10**7] + ([] if quick else [10**8]),
        ),
    ]
    for what, make, counts in axes:
        times: dict[str, list[float | None]] = {name: [] for name in ways}
        table = Table(f"Capture, with the number of {what}", [what, *ways])
        for count in counts:
            exc = make(count)
            runs = alternate(
                {name: lambda exc=exc, way=way: way(exc) for name, way in ways.items()},
                0.03 if quick else 0.2,
            )
            table.rows.append([f"{count:,}", *(shown(runs[name]) for name in ways)])
            for name in ways:
                times[name].append(median(runs[name]))
                answer.numbers[f"{what}/{name}/{count}"] = median(runs[name]) or math.nan
            del exc
            gc.collect()
        answer.tables.append(table)
        series = {
            name: [None if value is None else value * 1e3 for value in values]
            for name, values in times.items()
        }
        answer.figures.append(
            Figure(
                f"growth-{what}",
                f"Capture against {what}",
                "lines",
                counts,
                series,
                what,
                "ms",
                logx=True,
            )
        )
    return answer


def exponent(numbers: dict[str, float], axis: str, first: int, last: int) -> float | None:
    """How the cost grows between two counts: 0 = flat, 1 = linear, 2 = quadratic. None if they were not measured."""
    low, high = numbers.get(f"{axis}/{first}"), numbers.get(f"{axis}/{last}")
    return None if not low or not high else math.log(high / low) / math.log(last / first)


if __name__ == "__main__":
    main(run)
