"""What does a task cost with Ray, beside Ray without us: when it succeeds, and when it fails?

A process connects to a single Ray, and the hook is set for all workers of the Ray. So each Ray has a process of its own,
which runs a batch on demand; the rounds are as in dask.py, with a control. Ray's own processes work all the time, so only the
clock counts.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from . import pool
from ._answer import HERE, Answer, Table, main
from ._measure import duration, spread
from .pool import CONTROL, OURS

_HOW = (
    "Medians a task by the clock, over rounds in which a plain Ray, one with keeptrace, and a second plain one (the control) ran the same "
    "batch in turn, each with one processor. The ratio is to the mean of the two plain ones, the control's that of the two. The failing "
    "task fails 5 frames deep, and its exception is taken: from us with all its frames."
)


def _succeed(ray: Any, remote: Any, count: int) -> None:
    ray.get([remote.remote(number) for number in range(count)])


def _fail(ray: Any, remote: Any, count: int) -> None:
    for reference in [remote.remote(number) for number in range(count)]:
        try:
            ray.get(reference)
        except ValueError:
            continue


_TASKS: dict[str, tuple[Callable[[int], Any], Callable[[Any, Any, int], None], int]] = {
    "no-op": (pool.no_op, _succeed, 50),
    "failing": (pool.fail, _fail, 20),
}


def _serve(pipe: Any, ours: bool) -> None:
    """Runs one Ray: for each name of a task, the seconds that its batch took, a task."""
    import ray

    import keeptrace.concurrent.ray

    init = keeptrace.concurrent.ray.init if ours else ray.init
    env = {"env_vars": {"PYTHONPATH": str(HERE.parent)}}
    init(
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env=env,
    )
    remotes = {task: ray.remote(function) for task, (function, _, _) in _TASKS.items()}
    for task in iter(pipe.recv, None):
        _, run_batch, count = _TASKS[task]
        begin = time.perf_counter()
        run_batch(ray, remotes[task], count)
        pipe.send((time.perf_counter() - begin) / count)
    ray.shutdown()


def run(quick: bool) -> Answer:
    answer = Answer("ray", "What does a task cost with Ray?")
    if not find_spec("ray"):
        answer.says.append("Not measured: ray is not installed here.")
        return answer
    import ray

    answer.says.append(f"ray {ray.__version__}. {_HOW}")
    os.environ["PYTHONPATH"] = str(HERE.parent)  # for the processes that are started
    table = Table("A task", ["task", "plain", "keeptrace", "ratio", "control", "rounds"])
    context = multiprocessing.get_context("spawn")
    names = ["plain", OURS, CONTROL]
    pipes, processes = {}, []
    for name in names:
        pipes[name], end = context.Pipe()
        processes.append(context.Process(target=_serve, args=(end, name == OURS)))
        processes[-1].start()
        end.close()

    def batch(name: str, task: str) -> float:
        pipes[name].send(task)
        return float(pipes[name].recv())

    draw = random.Random(17)
    try:
        for task in _TASKS:
            times: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(3):
                for name in names:
                    batch(name, task)  # starts the worker, and lets it import
            end_of_it = time.monotonic() + (3 if quick else 30)
            while time.monotonic() < end_of_it:
                draw.shuffle(names)
                for name in names:
                    times[name].append(batch(name, task))
            row = [
                task,
                duration(spread(times["plain"]).median),
                duration(spread(times[OURS]).median),
            ]
            for name, found in pool._against_plain(times).items():
                row.append(f"{found.median:.3f} ({found.low:.2f}–{found.high:.2f})")
                answer.numbers[f"{task}/clock" + ("" if name == OURS else "/control")] = (
                    found.median
                )
            table.rows.append([*row, str(len(times[OURS]))])
    finally:
        for pipe in pipes.values():
            pipe.send(None)
        for process in processes:
            process.join(60)
            process.kill()  # one that hangs in its shutdown
    answer.tables.append(table)
    return answer


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    main(run)
