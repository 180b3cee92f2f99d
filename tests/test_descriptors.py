"""What a pool's workers cost their parent: file descriptors."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/fd"), reason="counts descriptors in /proc"
)

WORKERS = 3
POOLS = ("executor", "pool")


# Prints how many descriptors three workers cost more than one. It is a program of its own: in the
# process of the tests, what an earlier test has left may be closed between two counts.
COST = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor


def executor(make, workers, context):
    with make(workers, context) as pool:
        sleeping = [pool.submit(time.sleep, 0.5) for _ in range(workers)]
        assert len(pool._processes) == workers
        count = len(os.listdir("/proc/self/fd"))
        for each in sleeping:
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
    kind, method, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    context = multiprocessing.get_context(method)
    count, *makers = KINDS[kind]
    for make in makers:
        count(make, 1, context)  # starts what the engine keeps, as the fork server
        print(count(make, 1 + workers, context) - count(make, 1, context))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("kind", POOLS)
def test_descriptors_of_a_worker(kind: str, method: str) -> None:
    """A worker costs one descriptor more than the engine's own: the file that tells how it died."""
    command = [sys.executable, "-W", "ignore", "-c", COST, kind, method, str(WORKERS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    ours, theirs = map(int, done.stdout.split())
    assert ours == theirs + WORKERS


MANY = """
import multiprocessing, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor
context = multiprocessing.get_context("fork")
if sys.argv[1] == "executor":
    with KeepTraceProcessPoolExecutor(300, context) as pool:
        print(sum(pool.map(abs, range(600))), len(pool._processes))
else:
    with KeepTracePool(300, context=context) as pool:
        print(sum(pool.map(abs, range(600))), len(pool._pool))
"""


@pytest.mark.parametrize("kind", POOLS)
def test_three_hundred_workers(kind: str) -> None:
    """300 workers fit the usual limit of 1,024 descriptors, with what else a program has open."""
    done = subprocess.run(
        [sys.executable, "-c", MANY, kind], capture_output=True, text=True, timeout=50
    )
    assert (done.stdout, done.stderr) == ("179700 300\n", "")
