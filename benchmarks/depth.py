"""What does each level of depth cost, in time and in size, for each pickler?"""

from __future__ import annotations

import pickle
from collections.abc import Callable
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


# (exception, pickler) → milliseconds, and kilobytes, for each of DEPTHS
Costs = dict[tuple[str, str], list[float | None]]


def run(quick: bool) -> Answer:
    answer = Answer("depth", "What does depth cost?")
    names = _names(quick)
    picklers = [name for name in PICKLERS if _takes_part(name, quick)]
    seconds: Costs = {}
    sizes: Costs = {}
    for name in names:
        answer.tables.append(_table(answer, name, picklers, quick, seconds, sizes))
    title = "{} of a capture against depth, pickler=None"
    for what, costs, unit in (("Time", seconds, "ms"), ("Size", sizes, "kB")):
        series = {name: costs[name, "none"] for name in names}
        answer.figures.append(_figure(what.lower(), title.format(what), series, unit))
    if len(picklers) > 1:
        series = {pickler: seconds["wide", pickler] for pickler in picklers}
        title = "wide: time against depth, by pickler"
        answer.figures.append(_figure("picklers", title, series, "ms"))
    _against_the_floor(answer, quick)
    return answer


def _names(quick: bool) -> list[str]:
    """The exceptions to measure, without those whose library is missing."""
    chosen = _EXCEPTIONS
    if quick:
        chosen = _QUICK
    return [name for name in chosen if not corpus.missing(name)]


def _takes_part(pickler: str, quick: bool) -> bool:
    if pickler in ("none", "pickle"):
        return True
    return not quick and find_spec(pickler) is not None


def _table(
    answer: Answer, name: str, picklers: list[str], quick: bool, times_: Costs, sizes: Costs
) -> Table:
    """The table of an exception. Notes the numbers in the answer, and in `times_` and `sizes`."""
    exc = corpus.make(name)
    heads = [f"{what}, pickler={pickler}" for pickler in picklers for what in ("time", "size")]
    table = Table(f"{name}: {corpus.CORPUS[name].says}", ["depth", *heads])
    duration = 0.08
    if quick:
        duration = 0.02
    for depth in DEPTHS:
        works = {pickler: _work(exc, depth, pickler) for pickler in picklers}
        runs = alternate({**works}, duration)
        cells = [str(depth)]
        for pickler, work in works.items():
            weight = len(work())
            found = median(runs[pickler])
            cells += [shown(runs[pickler]), size(weight)]
            times_.setdefault((name, pickler), []).append(_milliseconds(found))
            sizes.setdefault((name, pickler), []).append(weight / 1e3)
            answer.numbers[f"{name}/{pickler}/{depth}/seconds"] = found or float("nan")
            answer.numbers[f"{name}/{pickler}/{depth}/size"] = weight
        table.rows.append(cells)
    return table


def _work(exc: BaseException, depth: int, pickler: str) -> Callable[[], bytes]:
    """Captures the exception, and pickles the report."""
    from keeptrace.capture.capture import capture
    from keeptrace.core.options import Options

    options = Options(depth=depth, include_source=False)
    if pickler != "none":
        options = options.replace(pickler=pickler)
    return lambda: pickle.dumps(capture(exc, options), 5)


def _milliseconds(seconds: float | None) -> float | None:
    if seconds is None:
        return None
    return seconds * 1e3


def _figure(name: str, title: str, series: dict[str, list[float | None]], unit: str) -> Figure:
    return Figure(f"depth-{name}", title, "lines", list(DEPTHS), series, "depth", unit)


def _against_the_floor(answer: Answer, quick: bool) -> None:
    """wide, at depth -1 with pickler=pickle, against C pickle.dumps of the same locals; also with a
    stand-in beside every item.
    """
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
    duration = 1.0
    if quick:
        duration = 0.2
    runs = alternate({**works, "C pickle": lambda: pickle.dumps(kept, 5)}, duration)
    table = Table(
        "wide, depth -1, pickler=pickle, against C pickle.dumps of the same locals",
        ["", "time", "ratio"],
    )
    for name, times_ in runs.items():
        found = ratio(times_, runs["C pickle"])
        share = None
        if found is not None:
            share = found.median
        table.rows.append([name, shown(times_), times(share)])
    answer.tables.append(table)
    found = ratio(runs["default bounds"], runs["C pickle"])
    if found is not None and not isinstance(runs["C pickle"], Failed):
        answer.numbers["wide/pickle/floor ratio"] = found.median


if __name__ == "__main__":
    main(run)
