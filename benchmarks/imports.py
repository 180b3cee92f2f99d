"""What does importing us add to a program with the standard library's pools, and to an empty
program?
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from ._answer import Answer, Table, main
from ._measure import duration, spread
from .environment import variables

_ENGINES = (
    "import concurrent.futures.process, multiprocessing, multiprocessing.pool, "
    "multiprocessing.connection, multiprocessing.queues"
)

# what is measured -> what was imported before, what is timed
_CASES = {
    "stdlib: concurrent.futures.process and multiprocessing.pool": ("", _ENGINES),
    "keeptrace.concurrent, over the stdlib's": (_ENGINES, "import keeptrace.concurrent"),
    "keeptrace.concurrent and its executor, over the stdlib's": (
        _ENGINES,
        "from keeptrace.concurrent import KeepTraceProcessPoolExecutor",
    ),
    "the same, over the stdlib's and typing": (
        f"{_ENGINES}, typing",
        "from keeptrace.concurrent import KeepTraceProcessPoolExecutor",
    ),
    "keeptrace alone": ("", "import keeptrace"),
    "keeptrace.dumps, the function": ("", "from keeptrace import dumps"),
    "tblib.pickling_support": ("", "import tblib.pickling_support"),
    "pydumpling": ("", "import pydumpling"),
    "coredumpy": ("", "import coredumpy"),
    "debuglater": ("", "import debuglater"),
}
TARGET = "keeptrace.concurrent and its executor, over the stdlib's"


def _seconds(before: str, timed: str) -> float | None:
    code = "\n".join(
        (
            before,
            "import time",
            "begin = time.process_time()",
            timed,
            "print(time.process_time() - begin)",
        )
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        check=False,
        env=variables(),
    )
    return float(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def run(quick: bool) -> Answer:
    answer = Answer("imports", "What does importing cost?")
    answer.says.append(
        "Each in fresh processes, in turn; what is named “over” was imported before the clock "
        "started."
    )
    times: dict[str, list[float]] = {name: [] for name in _CASES}
    order = [
        name for name in _CASES if _seconds(*_CASES[name]) is not None
    ]  # the first run writes the bytecode caches
    draw = random.Random(17)
    for _ in range(5 if quick else 15):
        draw.shuffle(order)
        for name in order:
            took = _seconds(*_CASES[name])
            if took is not None:
                times[name].append(took)
    table = Table("Import", ["what", "median", "quartiles"])
    for name, runs in times.items():
        if not runs:
            table.rows.append([name, "not installed", ""])
            continue
        found = spread(runs)
        table.rows.append(
            [name, duration(found.median), f"{duration(found.low)} – {duration(found.high)}"]
        )
        answer.numbers[name] = found.median
    answer.tables.append(table)
    return answer


if __name__ == "__main__":
    main(run)
