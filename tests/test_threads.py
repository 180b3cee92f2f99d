"""The thread pool, to be switched with the other executors; the interpreter pool of Python 3.14."""

from __future__ import annotations

import os
import sys
import traceback
from concurrent.futures import as_completed
from concurrent.futures.thread import BrokenThreadPool, ThreadPoolExecutor
from typing import Any

import pool_tasks as tasks
import pytest

import keeptrace.concurrent
from keeptrace import KeepTraceError, OptionError
from keeptrace.concurrent import KeepTraceThreadPoolExecutor

needs_interpreters = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="interpreter pools came with Python 3.14"
)
KINDS = [
    "KeepTraceThreadPoolExecutor",
    pytest.param("KeepTraceInterpreterPoolExecutor", marks=needs_interpreters),
]


# an interpreter does not inherit what pytest added
FIND = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})"


def executor(kind: str, workers: int, then: str = "", **kwargs: Any) -> Any:
    return getattr(keeptrace.concurrent, kind)(
        workers, initializer=exec, initargs=(f"{FIND}\n{then}",), **kwargs
    )


def test_falsy_exception_in_a_map() -> None:
    """Before Python 3.14 the engine's map() takes an exception that is false as a truth value for
    none.
    """
    with KeepTraceThreadPoolExecutor(1) as pool, pytest.raises(tasks.Falsy):
        list(pool.map(lambda _: tasks.falsy(), [1]))


@pytest.mark.parametrize("kind", KINDS)
def test_failing_initializer(kind: str, tmp_path: Any) -> None:
    """What the initializer raised is the cause of the error that tasks get, and that submit()
    raises afterwards.
    """
    with executor(
        kind, 1, f"import pool_tasks; pool_tasks.touch_and_die({str(tmp_path)!r})"
    ) as pool:
        error = pool.submit(tasks.double, 1).exception(30)
        with pytest.raises(BrokenThreadPool) as later:
            pool.submit(tasks.double, 1)
    assert isinstance(error, BrokenThreadPool)
    for told in (error, later.value):
        assert type(told.__cause__) is tasks.Refused
        assert "touch_and_die" in [
            frame.f_code.co_name for frame, _ in traceback.walk_tb(told.__cause__.__traceback__)
        ]


def test_same_as_the_stdlibs() -> None:
    """It is a ThreadPoolExecutor: waiting, cancelling and the exceptions themselves are unchanged."""
    problem = ValueError("the very same")

    def fail() -> None:
        raise problem

    with KeepTraceThreadPoolExecutor(2, "mine") as pool:
        assert isinstance(pool, ThreadPoolExecutor)
        assert pool.submit(fail).exception(10) is problem
        assert sorted(
            future.result()
            for future in as_completed(pool.submit(tasks.double, number) for number in range(5))
        ) == [0, 2, 4, 6, 8]
        assert (
            pool.submit(lambda: __import__("threading").current_thread().name)
            .result()
            .startswith("mine")
        )
    with pytest.raises(OptionError):
        KeepTraceThreadPoolExecutor(trace="deep")  # type: ignore[arg-type]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="there it is")
def test_no_interpreters_here() -> None:
    """On older Pythons the name says which Python it needs."""
    from keeptrace.concurrent import threads

    with pytest.raises(KeepTraceError, match=r"3\.14"):
        threads.KeepTraceInterpreterPoolExecutor
    assert not hasattr(keeptrace.concurrent, "KeepTraceInterpreterPoolExecutor")
