"""Does the cost grow as it should: linear in frames, in objects up to the bound, flat beyond it;
flat in bytes?
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from functools import partial

from . import corpus
from ._answer import Answer, Table, main
from ._measure import alternate, median, shown
from ._plot import Figure

# what grows → what makes an exception of a size; the sizes; further sizes of a full run
_AXES: dict[str, tuple[Callable[[int], BaseException], list[int], list[int]]] = {
    "frames": (corpus.frames, [10, 30, 100, 300, 1_000], [3_000, 10_000]),
    "objects": (corpus.objects, [10, 30, 100, 300, 1_000, 3_000, 10_000], [30_000, 100_000]),
    "bytes": (corpus.of_bytes, [10**3, 10**4, 10**5, 10**6, 10**7], [10**8]),
}


def run(quick: bool) -> Answer:
    answer = Answer("growth", "How does the cost grow with the exception?")
    for what, (make, counts, further) in _AXES.items():
        if quick:
            seconds = 0.03
        else:
            seconds = 0.2
            counts = [*counts, *further]
        _measure(answer, what, make, counts, seconds)
    return answer


def _ways() -> dict[str, Callable[[BaseException], object]]:
    from keeptrace.capture.capture import capture
    from keeptrace.core.options import Options

    default = Options(include_source=False)
    whole = Options(include_source=False, max_items=-1)
    return {
        "default": lambda exc: capture(exc, default),
        "max_items=-1": lambda exc: capture(exc, whole),
    }


def _measure(
    answer: Answer,
    what: str,
    make: Callable[[int], BaseException],
    counts: list[int],
    seconds: float,
) -> None:
    """Adds the table and the figure of captures against the number of frames, objects or bytes."""
    ways = _ways()
    times: dict[str, list[float | None]] = {name: [] for name in ways}
    table = Table(f"Capture, with the number of {what}", [what, *ways])
    for count in counts:
        exc = make(count)
        runs = alternate({name: partial(way, exc) for name, way in ways.items()}, seconds)
        table.rows.append([f"{count:,}", *(shown(runs[name]) for name in ways)])
        for name in ways:
            found = median(runs[name])
            times[name].append(found)
            answer.numbers[f"{what}/{name}/{count}"] = found or math.nan
        del exc, runs
        gc.collect()
    answer.tables.append(table)
    answer.figures.append(
        Figure(
            f"growth-{what}",
            f"Capture against {what}",
            "lines",
            counts,
            {name: [_milliseconds(value) for value in values] for name, values in times.items()},
            what,
            "ms",
            logx=True,
        )
    )


def _milliseconds(seconds: float | None) -> float | None:
    if seconds is None:
        return None
    return seconds * 1e3


def exponent(numbers: dict[str, float], axis: str, first: int, last: int) -> float | None:
    """How the cost grows between two counts: 0 = flat, 1 = linear, 2 = quadratic. None if they were
    not measured.
    """
    low, high = numbers.get(f"{axis}/{first}"), numbers.get(f"{axis}/{last}")
    return None if not low or not high else math.log(high / low) / math.log(last / first)


if __name__ == "__main__":
    main(run)
