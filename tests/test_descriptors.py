"""What a pool's workers cost their parent: file descriptors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/fd"), reason="counts descriptors in /proc"
)

WORKERS = 2
POOLS = ("executor", "pool")


# Prints how many descriptors further workers cost than one. It is a program of its own: in the
# process of the tests, what an earlier test has left may be closed between two counts.
COST = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor


def executor(make, workers, context):
    with make(workers, context) as pool:
        # each waits until somebody writes to the pipe
        waiting = [pool.submit(os.open, PIPE, os.O_RDONLY) for _ in range(workers)]
        assert len(pool._processes) == workers
        count = len(os.listdir("/proc/self/fd"))
        with open(PIPE, "w"):
            for each in waiting:
                each.result(30)
    return count


def pool(make, workers, context):
    with make(workers, context=context) as pool:
        return len(os.listdir("/proc/self/fd"))


def stock_pool(workers, context):
    return context.Pool(workers)


KINDS = {
    "executor": (executor, KeepTraceProcessPoolExecutor, ProcessPoolExecutor),
    "pool": (pool, KeepTracePool, stock_pool),
}

if __name__ == "__main__":
    kind, method, workers, PIPE = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    os.mkfifo(PIPE)
    context = multiprocessing.get_context(method)
    count, *makers = KINDS[kind]
    for make in makers:
        count(make, 1, context)  # starts what the engine keeps, as the fork server
        print(count(make, 1 + workers, context) - count(make, 1, context))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("kind", POOLS)
def test_descriptors_of_a_worker(kind: str, method: str, tmp_path: Path) -> None:
    """A worker costs one descriptor more than the engine's own: the file that tells how it died."""
    command = [sys.executable, "-W", "ignore", "-c", COST, kind, method, str(WORKERS)]
    command.append(str(tmp_path / "pipe"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    ours, theirs = map(int, done.stdout.split())
    assert ours == theirs + WORKERS


# A third of the usual limit of 1,024 descriptors, for a third of the workers.
MANY = """
import multiprocessing, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (341, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor
context = multiprocessing.get_context("fork")
if sys.argv[1] == "executor":
    with KeepTraceProcessPoolExecutor(100, context) as pool:
        print(sum(pool.map(abs, range(200))), len(pool._processes))
else:
    with KeepTracePool(100, context=context) as pool:
        print(sum(pool.map(abs, range(200))), len(pool._pool))
"""


@pytest.mark.parametrize("kind", POOLS)
def test_three_hundred_workers(kind: str) -> None:
    """300 workers fit the usual limit of 1,024 descriptors, with what else a program has open."""
    done = subprocess.run(
        [sys.executable, "-c", MANY, kind], capture_output=True, text=True, timeout=50
    )
    assert (done.stdout, done.stderr) == ("19900 100\n", "")
