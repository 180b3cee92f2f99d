"""Options(memory_mark=...): what a worker leaves of its memory for the case that the kernel kills
it.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

import pool_tasks as tasks
import pytest
from memory_kills import (
    LIMIT,
    MORE,
    check,
    fill,
    go_above_and_below,
    kill_a_process,
    kill_above_the_mark,
    kill_below_the_mark_again,
    kill_in_a_pool,
    mark,
    noted,
)
from waiting import until

from keeptrace import OptionError, Options
from keeptrace.concurrent import KeepTraceProcessPoolExecutor
from keeptrace.concurrent.deaths import memory as _memory
from keeptrace.concurrent.deaths.black_box import MOST_NOTE, BlackBox
from keeptrace.concurrent.deaths.memory import mark_of, memory_limit
from keeptrace.concurrent.deaths.sizes import about_size
from keeptrace.core import FREE_THREADED

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/statm"), reason="resident memory of the moment"
)


def in_a_fresh_process(function: Any, *arguments: str) -> None:
    """Calls it where little memory is taken: what the tests before have freed, a forked worker
    would fill first.
    """
    code = f"import memory_kills; memory_kills.{function.__name__}(*{arguments!r})"
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    command = [sys.executable, "-W", "ignore", "-c", code]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, timeout=110)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("on_death", ["break", "replace"])
def test_killed_above_the_mark(method: str, on_death: str, tmp_path: Path) -> None:
    """The death of a worker that the kernel kills has the stack with its variables, what it had,
    and the largest variables.
    """
    in_a_fresh_process(kill_above_the_mark, method, on_death, str(tmp_path / "ready"))


def test_pool_and_process(tmp_path: Path) -> None:
    """The same of a KeepTracePool and of a KeepTraceProcess."""
    in_a_fresh_process(kill_in_a_pool, str(tmp_path / "pool"))
    in_a_fresh_process(kill_a_process, str(tmp_path / "process"))


def test_loky(tmp_path: Path) -> None:
    """The same of loky's executor."""
    loky = pytest.importorskip("keeptrace.concurrent.loky")
    ready = str(tmp_path / "ready")
    with loky.KeepTraceLokyExecutor(1, trace=mark("loky")) as pool:
        future = pool.submit(fill, MORE, ready)
        until(lambda: os.path.exists(ready), LIMIT)
        (process,) = pool._processes.values()
        until(lambda: noted(process), LIMIT)
        os.kill(process.pid, signal.SIGKILL)
        check(future.exception(LIMIT).deaths[0], ready)


def test_below_the_mark_again(tmp_path: Path) -> None:
    """A worker that gave its memory back, or runs another task, is not told to have died of an
    older stack.
    """
    in_a_fresh_process(kill_below_the_mark_again, str(tmp_path / "ready"))


@pytest.mark.skipif(
    FREE_THREADED, reason="a free-threaded Python keeps the memory that it frees for itself"
)
def test_a_worker_that_survives(tmp_path: Path) -> None:
    """A worker above the mark goes on with its task; the note is dropped when the memory is given
    back.
    """
    in_a_fresh_process(go_above_and_below, str(tmp_path / "go"))


def test_without_a_mark_nobody_watches() -> None:
    """Without the option a worker has one thread, and its death says nothing of memory."""
    with KeepTraceProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        assert pool.submit(threading.active_count).result(LIMIT) == 1
        error: Any = pool.submit(tasks.die, "SIGKILL").exception(LIMIT)
    assert error.deaths[0].memory is None and "resident" not in str(error.deaths[0])


def test_notes_of_a_box() -> None:
    """A note takes the place of the one before, and leaves what else is in the box alone."""
    box = BlackBox()
    box.open()
    box.put(b"failure")
    assert box.noted() == b""
    for data in (b"one", b"x" * MOST_NOTE, b"three"):
        box.note(data)
        assert box.noted() == data and box.failure() == b"failure"
    box.drop_note()
    assert box.noted() == b"" and box.failure() == b"failure"
    box.close()
    assert box.noted() == b""


def test_limits_of_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least limit of the groups around a process counts, in both versions of control groups."""
    monkeypatch.setattr(_memory, "_CGROUPS", str(tmp_path))
    for path, text in {
        "memory.max": "max",
        "outer/memory.max": "5000",
        "outer/inner/memory.max": "max",
        "memory/memory.limit_in_bytes": str((1 << 63) - 4096),
        "memory/outer/memory.limit_in_bytes": "7000",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + "\n")
    limits = list(_memory._limits_above(str(tmp_path), "/outer/inner", "memory.max"))
    assert limits == [5000]
    first = list(_memory._limits_above(str(tmp_path / "memory"), "/outer", "memory.limit_in_bytes"))
    assert first == [7000, (1 << 63) - 4096]
    assert list(_memory._limits_above(str(tmp_path), "/../elsewhere", "memory.max")) == []


def test_marks() -> None:
    """Bytes, or a fraction of what there may be."""
    assert mark_of(Options()) is None and mark_of(Options(memory_mark=1000)) == 1000
    assert mark_of(Options(memory_mark=0.5)) == memory_limit() // 2
    assert pickle.loads(pickle.dumps(Options(memory_mark=0.5))).memory_mark == 0.5
    for wrong in (0, -1, 0.0, 1.0, 1.5, True, "1 GB"):
        with pytest.raises(OptionError, match="memory_mark"):
            Options(memory_mark=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (bytes(10**6), 10**6, 1.1 * 10**6),
        ([bytes(1000)] * 1000, 10**6, 1.2 * 10**6),
        ({number: "x" * 1000 for number in range(1000)}, 10**6, 1.3 * 10**6),
        (deque([[("y" * 100,)] * 10] * 100), 10**5, 5 * 10**5),
        (set(), 1, 1000),
    ],
    ids=["bytes", "list", "dict", "nested", "empty"],
)
def test_sizes(value: Any, least: float, most: float) -> None:
    """About what a value takes."""
    assert least <= about_size(value) <= most


def test_sizes_of_what_refers_to_itself() -> None:
    """Circles have an end."""
    circle: list[Any] = []
    circle.append(circle)
    assert about_size(circle) < 10_000
