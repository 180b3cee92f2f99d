"""A user's program, read by mypy and pyright in test_types.py: the lines marked so are errors, the
others are not.
"""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, assert_type

import keeptrace
from keeptrace import *
from keeptrace.concurrent import (
    BrokenProcessPool,
    KeepTracePool,
    KeepTraceProcess,
    KeepTraceProcessPoolExecutor,
    KeepTraceThreadPoolExecutor,
    WorkerDeath,
    WorkerDied,
    WorkerStack,
    get_context,
    wrap,
)
from keeptrace.concurrent.loky import (
    KeepTraceLokyExecutor,
    TerminatedWorkerError,
    get_reusable_executor,
)


def parse(text: str, *, base: int = 10) -> int:
    return int(text, base)


def dumps_and_loads(exc: BaseException) -> None:
    assert_type(keeptrace.dumps(exc, depth=5, max_bytes=1 << 20), bytes)
    assert_type(keeptrace.loads(b"", live=True), BaseException)
    dump(exc, "failure.dump", run_reprs=False, pickler=pickle)  # by `from keeptrace import *`
    keeptrace.dump(exc, "failure.dump", depht=4)  # error
    keeptrace.dump(exc, "failure.dump", depth="four")  # error
    keeptrace.dumps(exc, redact=lambda name, text: name == "badge")
    assert_type(keeptrace.parse_tracebacks.__name__, str)
    for type_, found, tb in keeptrace.parse_tracebacks(["a line"]):
        assert_type(found, BaseException)


def options() -> None:
    assert_type(keeptrace.Options(depth=5).replace(limit=10), keeptrace.Options)
    assert_type(keeptrace.Options().max_seconds, float)
    keeptrace.Options(max_item=3)  # error
    keeptrace.Options().replace(max_item=3)  # error
    keeptrace.init(depth=5, redact=False).undo()
    keeptrace.init(dpeth=5)  # error
    with keeptrace.summarise("package.Table", lambda table: {"rows": len(table)}):
        keeptrace.summarise(Future, repr).undo()
    keeptrace.summarise(Future, lambda future: 3)  # error
    keeptrace.summarise(3, repr)  # error
    with keeptrace.install("dumps", depth=5):
        pass
    keeptrace.install("dumps", deep=5)  # error
    with keeptrace.on_error("last.dump", depth=5) as kept:
        assert_type(kept.path, str | None)


def store(exc: BaseException) -> None:
    kept = keeptrace.Store("dumps", max_files=10, max_bytes=1 << 20, depth=5)
    assert_type(kept.write(exc, depth=2), str | None)
    assert_type([entry.path for entry in kept.entries()], list[str])
    keeptrace.Store("dumps", max_fils=10)  # error


def errors() -> None:
    try:
        keeptrace.load("failure.dump")
    except keeptrace.DumpError as problem:
        assert_type(problem.salvaged, dict[str, Any])


def executors() -> None:
    with KeepTraceProcessPoolExecutor(max_workers=2, trace=Options(depth=5)) as pool:
        assert_type(pool, KeepTraceProcessPoolExecutor)
        assert_type(pool.submit(parse, "two", base=2), Future[int])
        pool.submit(parse, 2)  # error
        pool.submit(parse, "two", bass=2)  # error
        assert_type(pool.stacks(locals=True), list[WorkerStack])
        try:
            pool.submit(parse, "two").result()
        except BrokenProcessPool as error:
            assert_type(error.deaths, list[WorkerDeath])
            assert_type(error.deaths[0].tasks, tuple[str, ...])
    threads = KeepTraceThreadPoolExecutor(2)
    assert_type(threads.submit(parse, "two"), Future[int])
    threads.submit(parse, 2)  # error


if sys.version_info >= (3, 14):
    from keeptrace.concurrent import KeepTraceInterpreterPoolExecutor

    interpreters = KeepTraceInterpreterPoolExecutor(2)
    assert_type(interpreters.submit(parse, "two"), Future[int])
    interpreters.submit(parse, 2)  # error


def loky() -> None:
    pool = KeepTraceLokyExecutor(2)
    assert_type(pool.submit(parse, "two"), Future[int])
    pool.submit(parse, 2)  # error
    assert_type(get_reusable_executor().submit(parse, "two"), Future[int])
    try:
        pool.submit(parse, "two").result()
    except TerminatedWorkerError as error:
        assert_type(error.deaths, list[WorkerDeath])


def pools() -> None:
    context = get_context("spawn")
    with context.Pool(2, trace=Options(depth=5)) as pool:
        assert_type(pool, KeepTracePool)
        assert_type(pool.map(parse, ["1", "2"]), list[int])
        assert_type(pool.apply(parse, ("1",)), int)
        assert_type(pool.apply_async(parse, ("1",)).get(), int)
        assert_type(next(pool.imap(parse, ["1"])), int)
        assert_type(next(pool.imap_unordered(parse, ["1"])), int)
        assert_type(pool.starmap(parse, [("1",)]), list[int])
        try:
            pool.map(parse, ["1"])
        except WorkerDied as error:
            assert_type(error.deaths, list[WorkerDeath])
    process = KeepTraceProcess(target=parse, args=("1",), trace=Options())
    assert_type(process.exception(), BaseException | None)
    assert_type(context.Process(target=parse).exception(), BaseException | None)


def executors_of_others() -> None:
    assert_type(wrap(ThreadPoolExecutor()), ThreadPoolExecutor)
    with wrap(ProcessPoolExecutor(), depth=5) as pool:
        assert_type(pool, ProcessPoolExecutor)
        assert_type(pool.submit(parse, "two"), Future[int])
    wrap(ThreadPoolExecutor(), dept=5)  # error


def by_attribute() -> None:
    assert_type(keeptrace.concurrent.KeepTracePool(2), KeepTracePool)
    keeptrace.middleware.WSGIMiddleware(lambda environ, start_response: [], "dumps")
    keeptrace.importlib  # error
    keeptrace.nothing  # error
    keeptrace.concurrent.nothing  # error
