"""What does a snapshot of a living process pause and weigh, and what does a process pay that leaves
a record when it dies?
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from ._answer import Answer, Table, main
from ._measure import duration, size, spread

THREADS = 50
TASKS = 900


async def _fetch(number: int) -> None:
    request = {"number": number, "url": f"https://example.org/{number}"}
    await asyncio.sleep(3600)
    assert request


async def _handle(number: int) -> None:
    attempt = 1
    await _fetch(number)
    assert attempt


async def _snapshots(rounds: int) -> dict[str, list[float]]:
    import keeptrace
    from keeptrace.format.process import roomy_options, snapshot_report

    tasks = [asyncio.create_task(_handle(number)) for number in range(TASKS)]
    await asyncio.sleep(0.1)
    found: dict[str, list[float]] = {"pause": [], "whole": [], "size": []}
    settings = roomy_options(None, {}, run_reprs=False)
    for _ in range(rounds + 1):
        file = io.BytesIO()
        begin = time.process_time()
        snapshot_report(sys._getframe(), threading.get_ident(), settings)
        found["pause"].append(time.process_time() - begin)
        begin = time.process_time()
        keeptrace.snapshot(file)
        found["whole"].append(time.process_time() - begin)
        found["size"].append(len(file.getvalue()))
    for task in tasks:
        task.cancel()
    return {name: runs[1:] for name, runs in found.items()}  # the first one imports


def _of_this_process(rounds: int) -> dict[str, list[float]]:
    go_on = threading.Event()

    def stand(number: int) -> None:
        doubled = 2 * number
        go_on.wait()
        assert doubled >= 0

    threads = [threading.Thread(target=stand, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        return asyncio.run(_snapshots(rounds))
    finally:
        go_on.set()


def _seconds_of_install(deaths: bool) -> float:
    """What install() and its end take in a fresh process."""
    code = (
        "import keeptrace, sys, time\n"
        "from keeptrace.hooks import deaths, install\n"
        "begin = time.process_time()\n"
        f"keeptrace.install(sys.argv[1], deaths={deaths})\n"
        "keeptrace.uninstall()\n"
        "print(time.process_time() - begin)"
    )
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            [sys.executable, "-c", code, directory],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
        )  # fmt: skip
    return float(done.stdout)


def run(quick: bool) -> Answer:
    answer = Answer("snapshots", "What does a snapshot cost?")
    rounds = 5 if quick else 20
    answer.says.append(
        f"A process of {THREADS} threads that wait and {TASKS} tasks of two coroutines each, "
        f"{rounds} snapshots by the thread that runs the event loop. The pause is the time for "
        "which that thread reads; hiding secrets and packing come after it, and another process "
        "that asked has them done by a thread of its own."
    )
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.snapshots", "--rounds", str(rounds)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    table = Table(
        f"Snapshot of {THREADS} threads and {TASKS} tasks", ["what", "median", "quartiles"]
    )
    for name, label in (("pause", "pause"), ("whole", "snapshot() as a whole")):
        runs = spread(found[name])
        quartiles = f"{duration(runs.low)} – {duration(runs.high)}"
        table.rows.append([label, duration(runs.median), quartiles])
        answer.numbers[name] = runs.median
    table.rows.append(["dump", size(found["size"][0]), ""])
    answer.numbers["size"] = found["size"][0]
    answer.tables.append(table)
    records = Table(
        "install() and uninstall(), processor time of a fresh process",
        ["what", "median", "quartiles"],
    )
    for deaths, label in ((False, "deaths=False"), (True, "deaths=True: a black box")):
        runs = spread([_seconds_of_install(deaths) for _ in range(rounds)])
        quartiles = f"{duration(runs.low)} – {duration(runs.high)}"
        records.rows.append([label, duration(runs.median), quartiles])
        answer.numbers[label] = runs.median
    answer.tables.append(records)
    return answer


if __name__ == "__main__":
    if "--rounds" in sys.argv:
        parser = argparse.ArgumentParser()
        parser.add_argument("--rounds", type=int)
        print(json.dumps(_of_this_process(parser.parse_args().rounds)))
    else:
        main(run)
