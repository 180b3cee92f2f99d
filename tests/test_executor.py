"""KeepTraceProcessPoolExecutor is the standard library's in everything but this: exceptions arrive
whole, and break nothing.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
import os
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from concurrent.futures import (
    FIRST_EXCEPTION,
    CancelledError,
    Future,
    ProcessPoolExecutor,
    as_completed,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from executor_tasks import (
    NeedsArguments,
    chained,
    divide,
    double,
    fail_with_many_kinds,
    keywords,
    own_modules,
    pid,
    raise_it,
    raise_oddly,
    ready,
    set_up,
    set_up_badly,
    sleep,
    sleep_or_fail,
    slow_pid,
    wait_for,
)

import keeptrace
from keeptrace import Options
from keeptrace.concurrent import KeepTraceProcessPoolExecutor

METHODS = ["fork", "spawn", "forkserver"]
WAIT = 40  # seconds; a pool that hangs fails the test, it does not hold it up


@pytest.fixture(scope="module", params=METHODS)
def pool(request: pytest.FixtureRequest) -> Iterator[KeepTraceProcessPoolExecutor]:
    """One pool a start method for all tests that leave it whole; so it also shows that they do."""
    with KeepTraceProcessPoolExecutor(2, get_context(request.param)) as made:
        while len({*made.map(slow_pid, range(4))}) < 2:  # both workers are up
            pass
        yield made


# -- the standard library's interface


def test_is_the_standard_librarys() -> None:
    """It is one of them, and takes the same arguments, and then its own."""
    assert issubclass(KeepTraceProcessPoolExecutor, ProcessPoolExecutor)
    theirs, ours = (
        list(inspect.signature(cls.__init__).parameters)
        for cls in (ProcessPoolExecutor, KeepTraceProcessPoolExecutor)
    )
    assert ours == [*theirs, "trace", "on_death", "max_deaths", "hold"]
    with pytest.raises(TypeError):
        KeepTraceProcessPoolExecutor(initializer=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        KeepTraceProcessPoolExecutor(0)
    with pytest.raises(keeptrace.OptionError, match="Options"):
        KeepTraceProcessPoolExecutor(trace={"depth": 3})  # type: ignore[arg-type]


def test_submit(pool: KeepTraceProcessPoolExecutor) -> None:
    """submit() passes all arguments on, also those that are named as its own parameters."""
    assert pool.submit(double, 4).result(WAIT) == 8
    assert pool.submit(keywords, 1, self=2, fn=3).result(WAIT) == ((1,), {"self": 2, "fn": 3})
    assert isinstance(pool, ProcessPoolExecutor) and pool.submit(pid).result(WAIT) != os.getpid()


@pytest.mark.parametrize("chunksize", [1, 3, 100])
def test_map(pool: KeepTraceProcessPoolExecutor, chunksize: int) -> None:
    """map() keeps the order, whatever the chunks, and raises in the place of the failing element."""
    assert list(pool.map(double, range(20), chunksize=chunksize, timeout=WAIT)) == [
        2 * number for number in range(20)
    ]
    found = pool.map(divide, [1, 2, 3], [1, 0, 1], chunksize=1, timeout=WAIT)
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError) as info:
        next(found)
    assert _innermost(info.value).f_locals["total"] == 2


@pytest.mark.skipif(sys.version_info < (3, 14), reason="map() has no buffersize before 3.14")
def test_map_with_buffersize(pool: KeepTraceProcessPoolExecutor) -> None:
    """With buffersize map() takes no more of an endless input than it may have in work."""
    taken = []

    def numbers() -> Iterator[int]:
        for number in range(10**9):
            taken.append(number)
            yield number

    found = pool.map(double, numbers(), buffersize=3)  # type: ignore[call-arg]
    assert [next(found) for _ in range(5)] == [0, 2, 4, 6, 8]
    assert len(taken) < 12


def test_map_in_chunks_fails_with_the_frames(pool: KeepTraceProcessPoolExecutor) -> None:
    """Also within a chunk the failing call's own variables arrive."""
    with pytest.raises(ZeroDivisionError) as info:
        list(pool.map(divide, range(10), [1] * 5 + [0] * 5, chunksize=10, timeout=WAIT))
    assert _innermost(info.value).f_locals == {"total": 5, "parts": 0, "rows": [5, 5, 5]}


def test_timeouts(pool: KeepTraceProcessPoolExecutor) -> None:
    """result(), exception() and map() give up in time, and the task goes on."""
    future = pool.submit(sleep, 0.4)
    for ask in (future.result, future.exception):
        with pytest.raises(concurrent.futures.TimeoutError):
            ask(timeout=0.01)
    with pytest.raises(concurrent.futures.TimeoutError):
        next(pool.map(sleep, [0.2], timeout=0.01))
    assert future.result(WAIT) == 0.4


def test_cancel(pool: KeepTraceProcessPoolExecutor) -> None:
    """A future that waits can be cancelled, one that runs cannot."""
    running = [pool.submit(sleep, 0.2) for _ in range(2)]
    waiting = [pool.submit(sleep, 0.2) for _ in range(8)]
    assert waiting[-1].cancel() and waiting[-1].cancelled()
    with pytest.raises(CancelledError):
        waiting[-1].result()
    assert not any(future.cancel() for future in running if future.running())
    for future in waiting:
        future.cancel()
    assert pool.submit(double, 1).result(WAIT) == 2


def test_wait_and_as_completed(pool: KeepTraceProcessPoolExecutor) -> None:
    """wait(FIRST_EXCEPTION) returns at the first failure; as_completed yields in the order of
    ending.
    """
    slow = pool.submit(sleep, 0.7)
    failing = pool.submit(sleep_or_fail, 0.01)
    done, waiting = wait([slow, failing], timeout=WAIT, return_when=FIRST_EXCEPTION)
    assert (done, waiting) == ({failing}, {slow})
    assert list(as_completed([slow, failing], timeout=WAIT)) == [failing, slow]


def test_callbacks(pool: KeepTraceProcessPoolExecutor) -> None:
    """A callback sees the restored exception, and a callback that raises harms nobody."""
    seen: list[Any] = []
    told = threading.Event()

    def look(future: Future[Any]) -> None:
        seen.append(future.exception())
        told.set()

    future = pool.submit(divide, 1, 0)
    future.add_done_callback(lambda future: 1 / 0)
    future.add_done_callback(look)
    assert told.wait(WAIT)
    assert seen[0] is future.exception() and _innermost(seen[0]).f_code.co_name == "divide"
    assert pool.submit(double, 1).result(WAIT) == 2


def test_asyncio(pool: KeepTraceProcessPoolExecutor) -> None:
    """run_in_executor gives results, and the exception with its worker's frames and its cause."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(pool, double, 3) == 6
        with pytest.raises(ValueError) as info:
            await loop.run_in_executor(pool, chained, 9)
        assert _innermost(info.value).f_locals == {"total": 9}
        assert type(info.value.__cause__) is ZeroDivisionError
        assert _innermost(info.value.__cause__).f_locals["rows"] == [9, 9, 9]
        failures = await asyncio.gather(
            *(loop.run_in_executor(pool, divide, number, 0) for number in range(4)),
            return_exceptions=True,
        )
        assert [_innermost(failure).f_locals["total"] for failure in failures] == [0, 1, 2, 3]  # type: ignore[arg-type]

    asyncio.run(main())


@pytest.mark.parametrize("method", METHODS)
def test_initializer(method: str) -> None:
    """The initializer runs first in every worker, with its arguments."""
    with KeepTraceProcessPoolExecutor(1, get_context(method), set_up, ("yes",)) as pool:
        assert pool.submit(ready).result(WAIT) == "yes"
        assert _innermost(_failure(pool, divide, 1, 0)).f_locals["rows"] == [1, 1, 1]


@pytest.mark.parametrize("method", METHODS)
def test_failing_initializer(method: str) -> None:
    """What an initializer raised is the cause of the BrokenProcessPool that every task gets, with
    its frames and variables.
    """
    with KeepTraceProcessPoolExecutor(1, get_context(method), set_up_badly, ("no",)) as pool:
        futures = [pool.submit(ready)]
        failures = [future.exception(WAIT) for future in futures]
        with pytest.raises(BrokenProcessPool):
            pool.submit(ready).result(WAIT)
    for failure in failures:
        assert isinstance(failure, BrokenProcessPool)
        cause = failure.__cause__
        assert type(cause) is NeedsArguments and cause.code == 5
        assert _innermost(cause).f_locals == {"value": "no", "local": "no!"}
    assert len({id(failure) for failure in failures}) == len(failures)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_max_tasks_per_child(method: str) -> None:
    """Workers are replaced after so many tasks, failing ones among them, and the new ones trace as
    well.
    """
    with KeepTraceProcessPoolExecutor(1, get_context(method), max_tasks_per_child=2) as pool:
        pids = []
        for number in range(3):
            pids.append(pool.submit(pid).result(WAIT))
            assert _innermost(_failure(pool, divide, number, 0)).f_locals["total"] == number
    assert len(set(pids)) == 3
    with pytest.raises(ValueError):
        KeepTraceProcessPoolExecutor(1, get_context("fork"), max_tasks_per_child=2)


def test_shutdown_waits() -> None:
    """shutdown() lets the tasks end; then nothing can be submitted."""
    pool = KeepTraceProcessPoolExecutor(1, get_context("fork"))
    futures = [pool.submit(sleep, 0.05) for _ in range(3)] + [pool.submit(divide, 1, 0)]
    pool.shutdown()
    assert all(future.done() for future in futures)
    assert isinstance(futures[-1].exception(), ZeroDivisionError)
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(double, 1)
    pool.shutdown()


def test_shutdown_without_waiting(tmp_path: Path) -> None:
    """shutdown(wait=False) returns at once, and the tasks end nevertheless."""
    pool = KeepTraceProcessPoolExecutor(1, get_context("fork"))
    file = tmp_path / "go on"
    futures = [pool.submit(wait_for, str(file)), pool.submit(divide, 1, 0)]
    pool.shutdown(wait=False)
    assert not futures[0].done()
    file.touch()
    assert futures[0].result(WAIT) == str(file)
    assert isinstance(futures[1].exception(WAIT), ZeroDivisionError)


def test_shutdown_that_cancels() -> None:
    """shutdown(cancel_futures=True) drops what has not begun."""
    pool = KeepTraceProcessPoolExecutor(1, get_context("fork"))
    futures = [pool.submit(sleep, 0.1) for _ in range(10)]
    pool.shutdown(cancel_futures=True)
    assert futures[0].result(WAIT) == 0.1 and futures[-1].cancelled()


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in 3.14")
@pytest.mark.parametrize("end", ["terminate_workers", "kill_workers"])
def test_ending_the_workers(end: str) -> None:
    """3.14's terminate_workers() and kill_workers() end the tasks, which get a BrokenProcessPool."""
    pool = KeepTraceProcessPoolExecutor(1, get_context("fork"))
    future = pool.submit(sleep, 60)
    while not future.running():
        time.sleep(0.01)
    getattr(pool, end)()
    assert isinstance(future.exception(WAIT), BrokenProcessPool)


def test_nothing_stays_behind() -> None:
    """When the pool is gone, so are its processes and threads, also when tasks failed."""
    threads = set(threading.enumerate())
    pool = KeepTraceProcessPoolExecutor(2, get_context("fork"))
    for number in range(4):
        _failure(pool, divide, number, 0)
    processes = list(pool._processes.values())  # type: ignore[attr-defined]
    pool.shutdown()
    assert all(process.exitcode is not None for process in processes)
    assert (
        set(threading.enumerate()) <= threads
    )  # some were of the tests before, and may have ended


def test_waking_a_manager_that_ends() -> None:
    """The manager thread of a pool that broke closes its pipe while the program's end wakes it:
    nobody writes to a closed pipe.
    """
    wakeup: Any = KeepTraceProcessPoolExecutor(1)._executor_manager_thread_wakeup  # type: ignore[attr-defined]
    writer, writing, written = wakeup._writer, threading.Event(), []

    class Slow:
        close = writer.close

        def send_bytes(self, data: bytes) -> None:
            writing.set()
            time.sleep(0.1)
            writer.send_bytes(data)
            written.append(data)

    wakeup._writer = Slow()
    thread = threading.Thread(target=wakeup.wakeup)
    thread.start()
    assert writing.wait(WAIT)
    wakeup.close()
    thread.join()
    assert written and wakeup._closed


# -- what arrives


def _innermost(exc: BaseException | None) -> Any:
    entry: Any = BaseException.__dict__["__traceback__"].__get__(exc)
    while entry.tb_next is not None:
        entry = entry.tb_next
    return entry.tb_frame


def _failure(pool: ProcessPoolExecutor, task: Callable[..., Any], *args: Any) -> Any:
    return pool.submit(task, *args).exception(WAIT)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_failing_task_imports_nothing_of_ours(method: str) -> None:
    """A worker has loaded all that captures before its first task: a task may leave it no
    descriptors, or no path.
    """
    with KeepTraceProcessPoolExecutor(1, get_context(method)) as pool:
        before = pool.submit(own_modules).result(WAIT)
        exc = pool.submit(fail_with_many_kinds, __file__).exception(WAIT)
        after = pool.submit(own_modules).result(WAIT)
    assert type(exc).__name__ == "Unpicklable"
    assert after == before


def test_one_continuous_traceback(pool: KeepTraceProcessPoolExecutor) -> None:
    """`raise` out of result() shows the parent's frames, then the worker's; the cause is the
    original one.
    """
    with pytest.raises(ValueError) as info:
        pool.submit(chained, 3).result(WAIT)
    names = [entry.name for entry in traceback.extract_tb(info.value.__traceback__)]
    assert names[0] == "test_one_continuous_traceback" and names[-1] == "chained"
    assert [name for name in names if name in ("chained", "_process_worker", "_work", "work")] == [
        "chained"
    ]
    cause = info.value.__cause__
    assert type(cause) is ZeroDivisionError and [
        entry.name for entry in traceback.extract_tb(cause.__traceback__)
    ] == ["chained", "divide"]
    assert "RemoteTraceback" not in "".join(traceback.format_exception(info.value))
    assert info.value.__context__ is cause


def test_raising_from_it(pool: KeepTraceProcessPoolExecutor) -> None:
    """A restored exception can be raised again, wrapped, and asked for many times."""
    future = pool.submit(divide, 1, 0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            future.result(WAIT)
    try:
        future.result(WAIT)
    except ZeroDivisionError as error:
        wrapped = RuntimeError("wrapped")
        wrapped.__cause__ = error
        assert "rows[0] / parts" in "".join(traceback.format_exception(wrapped))


def test_options_reach_the_worker() -> None:
    """`trace` says what a worker keeps."""
    with KeepTraceProcessPoolExecutor(1, get_context("fork"), trace=Options(depth=1)) as pool:
        rows = _innermost(_failure(pool, divide, 1, 0)).f_locals["rows"]
        assert repr(rows) == "[1, 1, 1]" and type(rows) is not list
    with KeepTraceProcessPoolExecutor(1, get_context("fork"), trace=Options(depth=0)) as pool:
        failure = _failure(pool, divide, 1, 0)
        assert type(failure) is ZeroDivisionError and "rows[0] / parts" in failure.__notes__[0]


def test_live_arguments(pool: KeepTraceProcessPoolExecutor) -> None:
    """The exception's own arguments and attributes cross live, as they do without us."""
    failure = _failure(pool, raise_it, ValueError(Path("x"), NeedsArguments))
    assert failure.args == (Path("x"), NeedsArguments)


# -- nothing breaks the pool (which exceptions, and which arguments: conformance/cases.py)


def test_neighbours_go_on(pool: KeepTraceProcessPoolExecutor) -> None:
    """A task that runs while another fails oddly is not disturbed."""
    neighbour = pool.submit(sleep, 0.02)
    assert type(_failure(pool, raise_oddly)) is NeedsArguments
    assert neighbour.result(WAIT) == 0.02


def test_module_whose_import_exits_in_the_parent(
    pool: KeepTraceProcessPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module of an exception's class may do anything when the parent imports it; the error
    arrives all the same.
    """
    (tmp_path / f"moody{os.getpid()}.py").write_text(
        "import sys\nif '--worker' not in sys.argv: sys.exit('no')\nclass Moody(KeyError): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    failure = _failure(pool, _fail_moody, str(tmp_path), f"moody{os.getpid()}")
    assert (
        type(failure).__name__ == "Moody"
        and isinstance(failure, KeyError)
        and failure.args == ("m",)
    )
    assert pool.submit(double, 1).result(WAIT) == 2


def _fail_moody(folder: str, name: str) -> None:
    import importlib

    sys.path.insert(0, folder)
    sys.argv.append("--worker")
    try:
        module = importlib.import_module(name)
    finally:
        sys.argv.remove("--worker")
        sys.path.remove(folder)
    raise module.Moody("m")


def test_values_import_nothing(
    pool: KeepTraceProcessPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The types of variables are only named: no module is imported in the parent because of them."""
    name = f"heavy{os.getpid()}"
    (tmp_path / f"{name}.py").write_text("class Heavy:\n    def __init__(self): self.weight = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    failure = _failure(pool, _fail_with_heavy, str(tmp_path), name)
    assert _innermost(failure).f_locals["heavy"].weight == 3
    assert name not in sys.modules


def _fail_with_heavy(folder: str, name: str) -> None:
    import importlib

    sys.path.insert(0, folder)
    try:
        heavy = importlib.import_module(name).Heavy()
    finally:
        sys.path.remove(folder)
    raise ValueError("with something heavy")


@pytest.mark.parametrize("method", METHODS)
def test_classes_of_the_main_module(tmp_path: Path, method: str) -> None:
    """An exception class of a script's own `__main__` arrives as that class, with attributes and
    frames.
    """
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            from multiprocessing import get_context
            from keeptrace.concurrent import KeepTraceProcessPoolExecutor

            class OrderError(Exception):
                def __init__(self, order, row):
                    super().__init__(f"order {{order}}")
                    self.row = row

            def task(order):
                row = order * 2
                raise OrderError(order, row)

            if __name__ == "__main__":
                with KeepTraceProcessPoolExecutor(1, get_context({method!r})) as pool:
                    try:
                        pool.submit(task, 4).result()
                    except OrderError as error:
                        tb = error.__traceback__
                        while tb.tb_next: tb = tb.tb_next
                        print(type(error) is OrderError, error.row, tb.tb_frame.f_locals)
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.stderr) == ("True 8 {'order': 4, 'row': 8}\n", "")


def test_many_failures_at_once() -> None:
    """A thousand failing tasks all arrive, each with its own variables."""
    with KeepTraceProcessPoolExecutor(2, get_context("fork")) as pool:
        futures = [pool.submit(divide, number, 0) for number in range(1_000)]
        assert [_innermost(future.exception(WAIT)).f_locals["total"] for future in futures] == list(
            range(1_000)
        )


def test_the_worker_forgets() -> None:
    """A worker does not keep a failed task's variables alive."""
    with KeepTraceProcessPoolExecutor(1, get_context("fork")) as pool:
        for _ in range(3):
            assert isinstance(_failure(pool, _fail_with_much), ValueError)
        pool.submit(double, 1).result(WAIT)
        assert pool.submit(_alive).result(WAIT) <= 1


class Heavy:
    alive = 0

    def __init__(self) -> None:
        Heavy.alive += 1

    def __del__(self) -> None:
        Heavy.alive -= 1


def _fail_with_much() -> None:
    heavy = Heavy()
    raise ValueError("much")


def _alive() -> int:
    return Heavy.alive


def test_partial_and_methods(pool: KeepTraceProcessPoolExecutor) -> None:
    """Tasks that are partials, bound methods and builtins fail with what frames they have."""
    assert _innermost(_failure(pool, functools.partial(divide, 3), 0)).f_locals["total"] == 3
    failure = _failure(pool, int, "x")
    assert (
        type(failure) is ValueError
        and str(failure) == "invalid literal for int() with base 10: 'x'"
    )
    assert isinstance(_failure(pool, "text".index, "z"), ValueError)


class Held:
    def __init__(self, size: int) -> None:
        self.data = b"q" * size


def raise_large(size: int) -> None:
    exc = ValueError("small", bytes(size))
    exc.held = Held(size)  # type: ignore[attr-defined]
    raise exc


def test_large_arguments_say_why_they_are_stand_ins() -> None:
    """What is larger than max_live_bytes is a stand-in that says how large it was and which option
    raises the bound.
    """
    with KeepTraceProcessPoolExecutor(1, trace=Options(max_live_bytes=100_000)) as pool:
        exc: Any = pool.submit(raise_large, 300_000).exception(30)
        whole: Any = pool.submit(raise_large, 30_000).exception(30)
    assert (
        exc.args[0] == "small"
        and whole.args[1] == bytes(30_000)
        and whole.held.data == b"q" * 30_000
    )
    for standin in (exc.args[1], exc.held):
        with pytest.raises(
            AttributeError,
            match=r"at least 300,0\d\d bytes, and max_live_bytes allows 100,000 .*raises the bound",
        ):
            standin.absent  # noqa: B018  # asking is the point
