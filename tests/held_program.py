"""What tests of held processes run: a program whose tasks fail, and functions for its workers."""

from __future__ import annotations

import functools
import os
import signal
import sqlite3
import sys
import threading
import types
from collections.abc import Iterator
from multiprocessing import get_context
from typing import Any

import keeptrace
from keeptrace.concurrent import KeepTraceProcessPoolExecutor, keep_trace


def use_place(path: str) -> None:
    """A fork server that an earlier test has started has the environment of then."""
    os.environ["XDG_RUNTIME_DIR"] = path


def use_cuda(path: str) -> None:
    """A stand-in for a torch that has initialised CUDA."""
    use_place(path)
    torch: Any = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(is_initialized=lambda: True)
    sys.modules["torch"] = torch


def numbers() -> Iterator[int]:
    yield from range(100)


def parse(path: str) -> None:
    """Fails with live objects in its frame: a generator, a lock, a connection, an open file."""
    gen = numbers()
    next(gen)
    lock = threading.Lock()
    lock.acquire()
    database = sqlite3.connect(":memory:")
    database.execute("create table amounts (amount)")
    database.execute("insert into amounts values (42)")
    file = open(__file__)
    try:
        raise KeyError("amount")
    except KeyError as error:
        raise ValueError(f"no number in {path}") from error


parse_held = keep_trace(functools.partial(parse), hold=True)


def fail_otherwise(number: int) -> None:
    raise LookupError(number)


def double(number: int) -> int:
    return number * 2


def facts() -> dict[str, Any]:
    """What a worker has: modules of keeptrace, descriptors, threads."""
    return {
        "modules": [name for name in sys.modules if name.startswith("keeptrace.hold")],
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }


def main(method: str, then: str) -> None:
    context = get_context(method)
    with KeepTraceProcessPoolExecutor(2, context, hold=True) as pool:
        exc = pool.submit(parse, "orders-17.csv").exception()
        if then == "attach":
            print("ready", flush=True)
            keeptrace.attach(exc)
        assert list(pool.map(double, range(1000), chunksize=10)) == [2 * n for n in range(1000)]
    print("done", flush=True)
    if then == "die":
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
