"""Where does the time go, in a dump and in a restore? By function, and for the import by module."""

from __future__ import annotations

import cProfile
import pstats
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import corpus
from ._answer import Answer, Table, main
from .environment import variables

_ROWS = 12
_NAMES = ("shallow", "deep", "wide", "service")


def _by_function(title: str, work: Callable[[], Any], runs: int) -> Table:
    work()
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(runs):
        work()
    profile.disable()
    stats: Any = pstats.Stats(profile)
    found = sorted(stats.stats.items(), key=lambda entry: -entry[1][2])
    table = Table(title, ["own time", "with what it calls", "calls a run", "function"])
    for (file, line, name), (_, calls, own, cumulative, _) in found[:_ROWS]:
        place = name if line == 0 else f"{Path(file).stem}.{name}"
        table.rows.append(
            [
                f"{own / stats.total_tt:.0%}",
                f"{cumulative / stats.total_tt:.0%}",
                f"{calls / runs:.0f}",
                place,
            ]
        )
    return table


def _by_module() -> Table:
    code = (
        "import sys, concurrent.futures.process, multiprocessing.pool\n"
        "print('--', file=sys.stderr)\n"
        "from keeptrace.concurrent import KeepTraceProcessPoolExecutor"
    )
    for _ in range(2):  # the first run writes the bytecode caches
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
            env=variables(),
        )
    table = Table(
        "Import of the executor over the stdlib's modules, by module", ["own time", "module"]
    )
    entries = [
        line.removeprefix("import time:").split("|")
        for line in done.stderr.partition("--\n")[2].splitlines()
        if line.startswith("import time:")
    ]
    for own, _, name in sorted(entries, key=lambda entry: -int(entry[0]))[:_ROWS]:
        table.rows.append([f"{int(own) / 1000:.1f} ms", name.strip()])
    return table


def run(quick: bool) -> Answer:
    from keeptrace.concurrent.crossing import from_bytes, to_bytes
    from keeptrace.core.options import Options

    options = Options()
    answer = Answer("profile", "Where does the time go?")
    answer.says.append(
        "By cProfile, which makes calls dearer than they are: read the shares as hints."
    )
    for name in _NAMES:
        exc = corpus.make(name)
        runs = 20 if quick or name in ("wide", "service") else 300
        answer.tables.append(
            _by_function(f"{name}: capture, to bytes", lambda exc=exc: to_bytes(exc, options), runs)
        )
        data = to_bytes(exc, options)
        if name in ("shallow", "service"):
            answer.tables.append(
                _by_function(
                    f"{name}: restore, from bytes", lambda data=data: from_bytes(data), runs
                )
            )
    answer.tables.append(_by_module())
    return answer


if __name__ == "__main__":
    main(run)
