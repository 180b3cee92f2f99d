"""A program that runs out of memory in the workers of a pool, and in its own function that dumps."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import traceback
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from keeptrace import dump, load
from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor, keep_trace


class ShortageError(MemoryError):
    """A library's own kind of MemoryError."""


def fill(kind: str) -> None:
    """Takes all memory that there is, down to the last small object."""
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), resource.RLIM_INFINITY))
    held: list[Any] = []
    block = 16 << 20
    while block >= 64:
        try:
            held.append(bytearray(block))
        except MemoryError:
            block //= 2
    if kind == "a subclass":
        raise ShortageError("full")
    while True:
        held.append([None] * 10)


traced = keep_trace(fill)


def dumped(kind: str, path: str) -> None:
    try:
        fill(kind)
    except MemoryError as exc:
        dump(exc, path, include_source=False)


def answer(way: str, kind: str) -> BaseException | None:
    if way == "executor":
        with KeepTraceProcessPoolExecutor(1) as pool:
            return pool.submit(fill, kind).exception(30)
    if way == "pool":
        with KeepTracePool(1) as engine:
            try:
                engine.apply_async(fill, (kind,)).get(30)
            except BaseException as exc:
                return exc
    with ProcessPoolExecutor(1) as stock:
        if way == "keep_trace":
            return stock.submit(traced, kind).exception(30)
        with tempfile.NamedTemporaryFile() as file:
            stock.submit(dumped, kind, file.name).result(30)
            return load(file.name)


if __name__ == "__main__":
    found = answer(*sys.argv[1:])
    frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(found.__traceback__)]
    print(json.dumps([type(found).__name__, isinstance(found, MemoryError), frames[-1:]]))
