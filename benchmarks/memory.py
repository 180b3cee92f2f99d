"""How much memory does a dump take at its peak, beside what the exception itself holds?"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

from . import corpus, peers
from ._answer import Answer, Table, main
from ._measure import OutOfTime, at_most, size
from ._plot import Figure

_NAMES = ("shallow", "very deep", "wide", "big", "dataframe", "service")
_QUICK = ("wide", "big", "service")
_PATIENCE = 10.0  # seconds; tracemalloc makes everything two to four times as slow


def _peak(name: str, peer_name: str) -> dict[str, object]:
    """In a process of its own: the most memory that Python allocated at once during the dump, above
    what was there before.
    """
    peer = peers.by_name(peer_name)
    peer.dump(peer.prepare(corpus.make("chained")))  # imports and caches are not the dump's
    exc = corpus.make(name)
    prepared = peer.prepare(exc)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        with at_most(_PATIENCE):
            peer.dump(prepared)
    except OutOfTime:
        return {"failed": f"over {_PATIENCE:.0f} s"}
    except BaseException as problem:  # whatever the peer raises
        return {"failed": f"fails: {type(problem).__name__}"}
    return {"peak": tracemalloc.get_traced_memory()[1] - before}


def _asked(name: str, peer: str) -> dict[str, Any]:
    """The answer of _peak(), in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", "--of", name, peer],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    if done.returncode:
        return {"failed": "its process died"}
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def run(quick: bool) -> Answer:
    answer = Answer("memory", "How much memory does it take?")
    answer.says.append(
        "The most memory that Python allocated at once during a dump (tracemalloc), each in a "
        "fresh process."
    )
    all_peers = peers.all_peers()[0] + ([] if quick else peers.apart())
    names = [name for name in (_QUICK if quick else _NAMES) if not corpus.missing(name)]
    table = Table("Peak", ["exception", *(peer.label for peer in all_peers)])
    series: dict[str, list[float | None]] = {peer.label: [] for peer in all_peers}
    for name in names:
        cells = [name]
        for peer in all_peers:
            told = _asked(name, peer.name)
            if "peak" in told:
                answer.numbers[f"{name}/{peer.name}"] = told["peak"]
                series[peer.label].append(told["peak"] / 1e6)
                cells.append(size(told["peak"]))
            else:
                series[peer.label].append(None)
                cells.append(told["failed"])
        table.rows.append(cells)
    answer.tables.append(table)
    answer.figures.append(
        Figure("memory", "Peak memory of a dump, megabytes", "bars", names, series, ylabel="MB")
    )
    return answer


if __name__ == "__main__":
    if "--of" in sys.argv:
        parser = argparse.ArgumentParser()
        parser.add_argument("--of", nargs=2)
        print(json.dumps(_peak(*parser.parse_args().of)))
    else:
        main(run)
