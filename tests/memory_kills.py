"""Workers that are killed above their mark of memory; a module of its own, so that processes need
not import pytest.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
import traceback
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pool_tasks as tasks
from waiting import until

from keeptrace import Options
from keeptrace.concurrent import KeepTracePool, KeepTraceProcess, KeepTraceProcessPoolExecutor
from keeptrace.concurrent.crossing import from_bytes
from keeptrace.concurrent.deaths.memory import note_of, resident_memory
from keeptrace.concurrent.deaths.sizes import size_text

LIMIT = 60  # for what ought to come at once (seconds)
MORE = 100_000_000  # what a task takes above the mark (bytes)


def mark(method: str = "fork") -> Options:
    """A mark that a worker passes when it takes MORE: a forked one begins with this process's
    memory.
    """
    begins_with = resident_memory()
    if method != "fork":
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            begins_with = pool.submit(resident_memory).result(LIMIT)
    return Options(memory_mark=begins_with + MORE // 2)


class Guarded:
    """Tells if its code is run."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.rows = [bytes(1000) for _ in range(20_000)]

    def __sizeof__(self) -> int:
        Path(self.file).touch()
        return 0

    __repr__ = __len__ = __sizeof__  # type: ignore[assignment]


def fill(count: int, ready: str) -> None:
    rows = [bytes(range(256)) * 40 for _ in range(count // 10_240)]
    tables = {"orders": rows, "count": count}
    guarded = Guarded(ready + ".run")
    Path(ready).touch()
    time.sleep(LIMIT)
    del rows, tables, guarded


def fill_only(count: int) -> int:
    rows = [bytes(range(256)) * 40 for _ in range(count // 10_240)]
    time.sleep(0.5)
    return len(rows)


def noted(process: Any) -> bool:
    """Whether the worker has written what it leaves, and fill() had all of its variables."""
    found = note_of(process._keeptrace_box)
    if found is None or "guarded" not in {each.name for each in found.largest}:
        return False
    frames = traceback.walk_tb(from_bytes(found.frames).__traceback__)
    return any("guarded" in frame.f_locals for frame, _ in frames)


def check(death: Any, ready: str) -> None:
    assert death.signal == "SIGKILL"
    frames = [frame for frame, _ in traceback.walk_tb(death.stack)]
    assert frames[0].f_code.co_name == "fill"
    assert frames[0].f_locals["tables"]["count"] == MORE
    assert len(frames[0].f_locals["rows"]) == MORE // 10_240
    assert death.memory.resident > MORE and death.memory.limit >= death.memory.resident
    assert f"it had {size_text(death.memory.resident)} resident of a limit of " in str(death)
    largest = death.memory.largest
    assert {each.name for each in largest[:2]} == {"rows", "tables"}
    rows = next(each for each in largest if each.name == "rows")
    assert (rows.function, rows.type, rows.length) == ("fill", "list", MORE // 10_240)
    assert 0.9 * MORE < rows.size < 1.3 * MORE
    assert "guarded in fill: Guarded, about 2" in death.note()
    assert "Its Python stack before its death" in death.note() and "in fill" in death.note()
    assert not os.path.exists(ready + ".run")
    assert pickle.loads(pickle.dumps(death)) == death


def kill_above_the_mark(method: str, on_death: Any, ready: str) -> None:
    context = multiprocessing.get_context(method)
    with KeepTraceProcessPoolExecutor(1, context, on_death=on_death, trace=mark(method)) as pool:
        future = pool.submit(fill, MORE, ready)
        until(lambda: os.path.exists(ready), LIMIT)
        process: Any = next(iter((pool._processes or {}).values()))
        until(lambda: noted(process), LIMIT)
        os.kill(process.pid, signal.SIGKILL)
        error: Any = future.exception(LIMIT)
    assert isinstance(error, BrokenProcessPool)
    check(error.deaths[0], ready)
    assert error.deaths[0].tasks[0].startswith("fill(")


def kill_in_a_pool(ready: str) -> None:
    with KeepTracePool(1, context=multiprocessing.get_context("fork"), trace=mark()) as pool:
        waiting = pool.apply_async(fill, (MORE, ready))
        (process,) = pool._traffic.workers
        until(lambda: noted(process), LIMIT)
        os.kill(process.pid, signal.SIGKILL)
        try:
            waiting.get(LIMIT)
        except Exception as error:
            assert "resident of a limit" in str(error)
            check(error.deaths[0], ready)  # type: ignore[attr-defined]
        else:
            raise AssertionError("the task did not fail")


def kill_a_process(ready: str) -> None:
    alone = KeepTraceProcess(target=fill, args=(MORE, ready), trace=mark())
    alone.start()
    until(lambda: noted(alone), LIMIT)
    alone.kill()
    alone.join()
    check(alone.exception().deaths[0], ready)  # type: ignore[union-attr]


def kill_below_the_mark_again(file: str) -> None:
    context, ready = multiprocessing.get_context("fork"), Path(file)
    with KeepTraceProcessPoolExecutor(1, context, on_death="replace", trace=mark()) as pool:
        assert pool.submit(fill_only, MORE).result(LIMIT) == MORE // 10_240
        future = pool.submit(tasks.wait_for, str(ready))
        until(ready.exists, LIMIT)
        (process,) = (pool._processes or {}).values()
        process.kill()
        error: Any = future.exception(LIMIT)
    (death,) = error.deaths
    assert death.stack is None and death.memory.largest == () and "resident of" in str(death)


def fill_until(count: int, go: str) -> int:
    data = bytearray(count)  # the system gets one large block back at once
    data[::4096] = bytes(len(data[::4096]))
    until(lambda: os.path.exists(go), LIMIT)
    return len(data)


def go_above_and_below(go: str) -> None:
    context = multiprocessing.get_context("fork")
    with KeepTraceProcessPoolExecutor(1, context, trace=mark()) as pool:
        future = pool.submit(fill_until, MORE, go)
        (process,) = (pool._processes or {}).values()
        box: Any = process._keeptrace_box  # type: ignore[attr-defined]
        until(lambda: (note := note_of(box)) is not None and note.largest, LIMIT)
        note: Any = note_of(box)
        (data,) = (each for each in note.largest if each.name == "data")
        assert (data.function, data.length) == ("fill_until", MORE)
        Path(go).touch()
        assert future.result(LIMIT) == MORE
        until(lambda: box.noted() == b"", LIMIT)
        assert pool.submit(fill_only, 10).result(LIMIT) == 0
