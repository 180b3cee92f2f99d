"""What do a task and ten thousand failures cost with Dask, beside Dask without us?

Each round runs a batch in a plain cluster, in one with keeptrace, and in a second plain one (the
control), in turn; see pool.py, which does the same for pools. The clusters have one worker process;
scheduler and client are in this process.

The scheduler's memory is that of a scheduler in a process of its own, asked by itself, before the
tasks and after they have failed, while the client still holds them all.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import corpus, pool
from ._answer import HERE, Answer, Table, main
from ._measure import size
from .pool import CONTROL, OURS

_HOW = (
    "Medians a task, over rounds in which a plain cluster, one with keeptrace, and a second plain "
    "one (the control) ran the same batch in turn; one worker process each. The ratio is to the "
    "mean of the two plain ones, the control's that of the two. By the clock, then by the "
    "processor time of worker, scheduler and client. The failing task fails 5 frames deep, and "
    "its exception is taken."
)
_HOW_MEMORY = (
    "Growth of the resident memory of a scheduler in a process of its own, by tasks that failed "
    "and are held by the client; each of them with another argument. *Reports* is what all of "
    "them would take if each were kept in full; *kept* is what is kept of them. Allowed is 1.2 "
    "times the plain scheduler's growth, and the reports."
)


def fail_in_a_service(number: int) -> None:
    """Fails 8 frames deep, with large locals."""
    raise corpus.make("service")


# -- the cost of a task


def _succeed(client: Any, count: int) -> None:
    client.gather(client.map(pool.no_op, range(count), pure=False))


def _fail(client: Any, count: int) -> None:
    for future in client.map(pool.fail, range(count), pure=False):
        assert future.exception() is not None


_TASKS: dict[str, tuple[Callable[[Any, int], None], int]] = {
    "no-op": (_succeed, 50),
    "failing": (_fail, 20),
}


def _processor_time(pid: int) -> float:
    """Seconds that this process and a worker have used so far; of the worker 0 where the system
    does not say.
    """
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return time.process_time() + sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def _measure_tasks(answer: Answer, quick: bool) -> None:
    from distributed import Client, LocalCluster

    from keeptrace.concurrent.dask import install

    table = Table("A task", pool.MEASURED)
    with ExitStack() as stack:
        clients: dict[str, Any] = {}
        for name in ("plain", OURS, CONTROL):
            cluster = LocalCluster(
                n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50
            )
            stack.enter_context(cluster)
            clients[name] = stack.enter_context(Client(cluster, set_as_default=False))
        install(clients[OURS])
        pids = {id(client): _pid_of_worker(client) for client in clients.values()}
        for task, (run_batch, count) in _TASKS.items():
            runs = pool.rounds(
                clients,
                run_batch,
                count,
                3 if quick else 30,
                lambda client: _processor_time(pids[id(client)]),
            )
            table.rows.append([task, *pool.measured(answer, task, runs)])
    answer.tables.append(table)


def _pid_of_worker(client: Any) -> int:
    return int(next(iter(client.run(os.getpid).values())))


# -- the memory of a scheduler


def _resident() -> int:
    """Bytes of this process that are in memory, after the garbage collector has run."""
    import gc

    import psutil  # comes with distributed

    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _kept(dask_scheduler: Any) -> tuple[int, int]:
    """Bytes of all failed tasks' exceptions: if each were kept in full, and as they are kept."""
    failed = [task for task in dask_scheduler.tasks.values() if task.exception]
    messages = [
        message for task in failed for message in (task.exception, task.traceback) if message
    ]
    frames = [frame for message in messages for frame in message.frames]
    return sum(len(frame) for frame in frames), sum(
        {id(frame): len(frame) for frame in frames}.values()
    )


def _memory_of(fail: Callable[[int], Any], count: int, ours: bool) -> tuple[int, int, int]:
    """Growth of the scheduler, bytes of the reports in full, and as kept."""
    from distributed import Client, wait
    from distributed.deploy.subprocess import SubprocessCluster

    from keeptrace.concurrent.dask import install

    given = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
    with SubprocessCluster(**given) as cluster, Client(cluster) as client:
        if ours:
            install(client)
        wait(
            client.map(fail, range(20), pure=False)
        )  # what the first failures import is not the tasks' memory
        before = client.run_on_scheduler(_resident)
        futures = client.map(fail, range(count), pure=False)
        wait(futures)
        grown = client.run_on_scheduler(_resident) - before
        in_full, kept = client.run_on_scheduler(_kept)
        assert all(future.status == "error" for future in futures)
    return grown, in_full, kept


def _measure_memory(answer: Answer, quick: bool) -> None:
    count = 1_000 if quick else 10_000
    table = Table(
        f"{count:,} failing tasks", ["locals", "plain", "keeptrace", "reports", "kept", "allowed"]
    )
    for name, fail in {"small": pool.fail, "large": fail_in_a_service}.items():
        plain, *_ = _memory_of(fail, count, ours=False)
        grown, in_full, kept = _memory_of(fail, count, ours=True)
        allowed = 1.2 * plain + in_full
        table.rows.append(
            [name, *(size(number) for number in (plain, grown, in_full, kept, allowed))]
        )
        for key, number in {
            "plain": plain,
            "keeptrace": grown,
            "reports": in_full,
            "kept": kept,
            "allowed": allowed,
        }.items():
            answer.numbers[f"memory/{name}/{key}"] = number
    answer.tables.append(table)


def run(quick: bool) -> Answer:
    answer = Answer("dask", "What does a task cost with Dask, and what do ten thousand failures?")
    if not find_spec("distributed"):
        answer.says.append("Not measured: distributed is not installed here.")
        return answer
    import distributed

    answer.says += [f"distributed {distributed.__version__}. {_HOW}", _HOW_MEMORY]
    os.environ["PYTHONPATH"] = str(HERE.parent)  # for the processes that are started
    _measure_tasks(answer, quick)
    _measure_memory(answer, quick)
    return answer


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    main(run)
