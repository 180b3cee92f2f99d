"""What does a task cost with Ray, beside Ray without us: when it succeeds, and when it fails?

A process connects to a single Ray, and the hook is set for all workers of the Ray. So each Ray has
a process of its own, which runs a batch on demand; the rounds are as in dask.py, with a control.
Ray's own processes work all the time, so only the clock counts.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any, NamedTuple

from . import pool
from ._answer import HERE, Answer, Table, main
from ._measure import duration, spread
from .pool import CONTROL, OURS

_HOW = (
    "Medians a task by the clock, over rounds in which a plain Ray, one with keeptrace, and a "
    "second plain one (the control) ran the same batch in turn, each with one processor. The "
    "ratio is to the mean of the two plain ones, the control's that of the two. The failing task "
    "fails 5 frames deep, and its exception is taken: from us with all its frames."
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


class _Served(NamedTuple):
    """A Ray in a process of its own, and the pipe to the process."""

    pipe: Any
    process: Any

    def batch(self, task: str) -> float:
        """Seconds a task, in one batch."""
        self.pipe.send(task)
        return float(self.pipe.recv())


def _start(names: Iterable[str]) -> dict[str, _Served]:
    context = multiprocessing.get_context("spawn")
    rays = {}
    for name in names:
        pipe, end = context.Pipe()
        process = context.Process(target=_serve, args=(end, name == OURS))
        process.start()
        end.close()
        rays[name] = _Served(pipe, process)
    return rays


def _times(rays: dict[str, _Served], task: str, seconds: float) -> dict[str, list[float]]:
    """Seconds a task, one a round and Ray."""
    for _ in range(3):
        for served in rays.values():
            served.batch(task)  # starts the worker, and lets it import
    times: dict[str, list[float]] = {name: [] for name in rays}
    order = list(rays)
    draw = random.Random(17)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        draw.shuffle(order)
        for name in order:
            times[name].append(rays[name].batch(task))
    return times


def run(quick: bool) -> Answer:
    answer = Answer("ray", "What does a task cost with Ray?")
    if not find_spec("ray"):
        answer.says.append("Not measured: ray is not installed here.")
        return answer
    import ray

    answer.says.append(f"ray {ray.__version__}. {_HOW}")
    os.environ["PYTHONPATH"] = str(HERE.parent)  # for the processes that are started
    table = Table("A task", ["task", "plain", "keeptrace", "ratio", "control", "rounds"])
    rays = _start(("plain", OURS, CONTROL))
    try:
        for task in _TASKS:
            times = _times(rays, task, 3 if quick else 30)
            table.rows.append(
                [
                    task,
                    duration(spread(times["plain"]).median),
                    duration(spread(times[OURS]).median),
                    *pool.compared(answer, f"{task}/clock", times),
                    str(len(times[OURS])),
                ]
            )
    finally:
        for served in rays.values():
            served.pipe.send(None)
        for served in rays.values():
            served.process.join(60)
            served.process.kill()  # one that hangs in its shutdown
    answer.tables.append(table)
    return answer


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    main(run)
