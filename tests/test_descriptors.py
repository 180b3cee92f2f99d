"""What a pool's workers cost their parent: file descriptors."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/fd"), reason="counts descriptors in /proc"
)

WORKERS = 3


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def cost_of_workers(make: Any, context: Any) -> int:
    """The descriptors that three workers cost more than one."""
    counts = []
    for workers in (1, 1 + WORKERS):
        gc.collect()
        before = open_descriptors()
        with make(workers, context) as pool:
            if hasattr(pool, "submit"):
                waiting = [pool.submit(time.sleep, 0.5) for _ in range(workers)]
                assert len(pool._processes) == workers
                counts.append(open_descriptors() - before)
                for each in waiting:
                    each.result(30)
            else:
                counts.append(open_descriptors() - before)
    return counts[1] - counts[0]


POOLS = {
    "executor": (KeepTraceProcessPoolExecutor, ProcessPoolExecutor),
    "pool": (
        lambda workers, context: KeepTracePool(workers, context=context),
        lambda workers, context: context.Pool(workers),
    ),
}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("kind", POOLS)
def test_descriptors_of_a_worker(kind: str, method: str) -> None:
    """A worker costs one descriptor more than the engine's own: the file that tells how it died."""
    context = multiprocessing.get_context(method)
    ours, theirs = (cost_of_workers(make, context) for make in POOLS[kind])
    assert ours <= theirs + WORKERS


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
