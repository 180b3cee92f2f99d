"""What does each level of depth cost, in time and in size, for each pickler?"""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from typing import Any

from . import corpus, peers
from ._answer import Answer, Table, main
from ._measure import Failed, alternate, median, ratio, shown, size, times
from ._plot import Figure

DEPTHS = (0, 1, 2, 3, 5, 8, -1)
PICKLERS = ("none", "pickle", "cloudpickle", "dill")
_EXCEPTIONS = ("shallow", "deep", "wide", "nested", "service", "dataframe")
_QUICK = ("shallow", "wide", "service")


def run(quick: bool) -> Answer:
    from keeptrace.capture.capture import capture
    from keeptrace.core.options import Options

    def work(exc: BaseException, options: Options) -> bytes:
        return pickle.dumps(capture(exc, options), 5)

    answer = Answer("depth", "What does depth cost?")
    names = [name for name in (_QUICK if quick else _EXCEPTIONS) if not corpus.missing(name)]
    picklers = [
        name for name in PICKLERS if name in ("none", "pickle") or (not quick and find_spec(name))
    ]
    costs: dict[tuple[str, str], list[float | None]] = {}
    for name in names:
        exc = corpus.make(name)
        table = Table(
            f"{name}: {corpus.CORPUS[name].says}",
            [
                "depth",
                *(
                    f"{what}, pickler={pickler}"
                    for pickler in picklers
                    for what in ("time", "size")
                ),
            ],
        )
        for depth in DEPTHS:
            options = {
                pickler: Options(
                    depth=depth,
                    pickler=None if pickler == "none" else pickler,
                    include_source=False,
                )
                for pickler in picklers
            }
            runs = alternate(
                {
                    pickler: lambda exc=exc, chosen=chosen: work(exc, chosen)
                    for pickler, chosen in options.items()
                },
                0.02 if quick else 0.08,
            )
            cells = [str(depth)]
            for pickler in picklers:
                weight = len(work(exc, options[pickler]))
                cells += [shown(runs[pickler]), size(weight)]
                costs.setdefault((name, pickler), []).append(median(runs[pickler]))
                answer.numbers[f"{name}/{pickler}/{depth}/seconds"] = median(
                    runs[pickler]
                ) or float("nan")
                answer.numbers[f"{name}/{pickler}/{depth}/size"] = weight
                costs.setdefault((name, pickler + " size"), []).append(weight / 1e3)
            table.rows.append(cells)
        answer.tables.append(table)
        del exc
    for what, suffix, unit, scale in (("Time", "", "ms", 1e3), ("Size", " size", "kB", 1.0)):
        series = {
            name: [None if cost is None else cost * scale for cost in costs[name, "none" + suffix]]
            for name in names
        }
        answer.figures.append(
            Figure(
                f"depth-{what.lower()}",
                f"{what} of a capture against depth, pickler=None",
                "lines",
                list(DEPTHS),
                series,
                "depth",
                unit,
            )
        )
    if len(picklers) > 1:
        series = {
            pickler: [None if cost is None else cost * 1e3 for cost in costs["wide", pickler]]
            for pickler in picklers
        }
        answer.figures.append(
            Figure(
                "depth-picklers",
                "wide: time against depth, by pickler",
                "lines",
                list(DEPTHS),
                series,
                "depth",
                "ms",
            )
        )
    _against_the_floor(answer, quick)
    return answer


def _against_the_floor(answer: Answer, quick: bool) -> None:
    """wide, at depth -1 with pickler=pickle, against C pickle.dumps of the same locals; also with a stand-in beside every item."""
    from keeptrace.capture.capture import capture
    from keeptrace.core.options import Options

    exc = corpus.make("wide")
    kept = peers.picklable_locals(exc)
    settings: dict[str, dict[str, Any]] = {
        "default bounds": {},
        "max_items=-1, max_values=100,000": {"max_items": -1, "max_values": 100_000},
    }
    works = {
        name: lambda chosen=Options(depth=-1, pickler="pickle", include_source=False, **more): (
            capture(exc, chosen)
        )
        for name, more in settings.items()
    }
    runs = alternate({**works, "C pickle": lambda: pickle.dumps(kept, 5)}, 0.2 if quick else 1.0)
    table = Table(
        "wide, depth -1, pickler=pickle, against C pickle.dumps of the same locals",
        ["", "time", "ratio"],
    )
    for name, times_ in runs.items():
        found = ratio(times_, runs["C pickle"])
        table.rows.append([name, shown(times_), times(found.median if found else None)])
    answer.tables.append(table)
    found = ratio(runs["default bounds"], runs["C pickle"])
    if found is not None and not isinstance(runs["C pickle"], Failed):
        answer.numbers["wide/pickle/floor ratio"] = found.median


if __name__ == "__main__":
    main(run)
