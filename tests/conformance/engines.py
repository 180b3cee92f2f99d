"""The engines: how each is opened and asked. To add one, write a function that opens it, and a row in ENGINES.

A function that opens an engine is a context manager: given the start method and the options, it yields an Opened, whose
call(function, *args) runs one task and gives a Returned, or the exception that a user would get, raised or not.
"""

from __future__ import annotations

import concurrent.futures
import functools
import importlib
import importlib.util
import multiprocessing
import os
import sys
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joblib_workers import lean_workers
from own_loky import own_loky

import keeptrace.concurrent
from keeptrace import Options
from keeptrace.concurrent import (
    KeepTraceProcessPoolExecutor,
    KeepTraceThreadPoolExecutor,
    get_context,
    keep_trace,
    wrap,
)

from .cases import CASES, Case, Returned, cause_of, context_of, set_traceback, traceback_of

WAIT = 30  # seconds: an engine that hangs fails the case, it does not hold it up
set_context = BaseException.__dict__["__context__"].__set__
METHODS = tuple(
    method
    for method in ("fork", "spawn", "forkserver")
    if method in multiprocessing.get_all_start_methods()
)
TESTS = Path(__file__).parent.parent


@dataclass
class Opened:
    """An engine that can be asked."""

    call: Callable[..., Any]
    map: Callable[..., Any] | None = None


@dataclass
class Limit:
    """What an engine cannot do, and why. One that can be tried is tried, and fails the suite if the reason no longer holds."""

    reason: str
    tried: bool = True


@dataclass
class Engine:
    name: str  # the row of the table
    opening: Callable[[str, Options | None], AbstractContextManager[Opened]]
    methods: tuple[str, ...] = ("",)  # start methods, or what else there is to choose
    needs: tuple[str, ...] = ()  # modules, and the distributions that they come from
    python: tuple[int, int] = (3, 11)
    marked: bool = False  # with the marker `engines`
    in_process: bool = False  # what a task raises is the caller's own object
    one_process: bool = False  # no worker process that could die
    single: bool = False  # a process can have one at a time
    survives: bool = False  # a worker's death costs one task, not the pool
    lasts: bool = True  # takes more than one task; otherwise each task gets an engine of its own
    costly: tuple[
        str, ...
    ] = ()  # start methods with which each failure costs new workers: without the marker, one case for each column
    limits: dict[str, Limit] = field(
        default_factory=dict
    )  # the name of a case or column, or "start method: case" -> why not
    timeout: float = 60

    def absent(self) -> str | None:
        """Why the engine cannot be run here."""
        if sys.version_info < self.python:
            return "needs Python {}.{}".format(*self.python)
        missing = [name for name in self.needs if importlib.util.find_spec(name) is None]
        return f"needs {', '.join(missing)}" if missing else None

    def asked(self) -> Iterator[tuple[str, Case]]:
        """The start methods and cases that the engine is put through."""
        for method in self.methods:
            for case in CASES:
                is_moot = case.crosses and self.in_process or case.ends and self.one_process
                if not is_moot:
                    yield method, case


def of_future(future: Any) -> Any:
    exc = future.exception(WAIT)
    try:
        found = future.result(WAIT)
    except BaseException as raised:
        assert raised is exc
        return exc
    assert exc is None
    return Returned(found)


def of_call(call: Callable[[], Any]) -> Any:
    try:
        return Returned(call())
    except BaseException as exc:
        return exc


def of_executor(pool: Any, traced: Callable[[Any], Any] = lambda function: function) -> Opened:
    """Whatever has the interface of concurrent.futures.Executor."""
    return Opened(
        lambda function, *args: of_future(pool.submit(traced(function), *args)),
        lambda function, items: of_call(lambda: list(pool.map(traced(function), items))),
    )


def of_pool(pool: Any, traced: Callable[[Any], Any] = lambda function: function) -> Opened:
    """Whatever has the interface of multiprocessing.Pool."""
    return Opened(
        lambda function, *args: of_call(lambda: pool.apply_async(traced(function), args).get(WAIT)),
        lambda function, items: of_call(lambda: pool.map_async(traced(function), items).get(WAIT)),
    )


def decorated(options: Options | None) -> Callable[[Any], Any]:
    return functools.partial(keep_trace, trace=options)


# -- ours


@contextmanager
def _process_pool(method: str, options: Options | None) -> Iterator[Opened]:
    with KeepTraceProcessPoolExecutor(
        1, multiprocessing.get_context(method), trace=options
    ) as pool:
        yield of_executor(pool)


@contextmanager
def _pool(method: str, options: Options | None) -> Iterator[Opened]:
    with get_context(method).Pool(1, trace=options) as pool:
        yield of_pool(pool)


@contextmanager
def _multiprocess(method: str, options: Options | None) -> Iterator[Opened]:
    from keeptrace.concurrent import multiprocess

    with multiprocess.get_context(method).Pool(1, trace=options) as pool:
        yield of_pool(pool)


@contextmanager
def _threads(method: str, options: Options | None) -> Iterator[Opened]:
    with KeepTraceThreadPoolExecutor(1, trace=options) as pool:
        yield of_executor(pool)


# an interpreter does not inherit what pytest added to the path
_SAME_PATH = f"import sys; sys.path[:] = {sys.path!r}"


@contextmanager
def _interpreters(method: str, options: Options | None) -> Iterator[Opened]:
    with keeptrace.concurrent.KeepTraceInterpreterPoolExecutor(
        1, initializer=exec, initargs=(_SAME_PATH,), trace=options
    ) as pool:
        yield of_executor(pool)


@contextmanager
def _process(method: str, options: Options | None) -> Iterator[Opened]:
    def call(function: Any, *args: Any) -> Any:
        process = get_context(method).Process(target=function, args=args, trace=options)
        try:
            process.start()
        except Exception as exc:
            return exc
        process.join(WAIT)
        exc = process.exception()
        process.close()
        return Returned(None) if exc is None else exc

    yield Opened(call)


@contextmanager
def _loky(method: str, options: Options | None) -> Iterator[Opened]:
    from keeptrace.concurrent.loky import KeepTraceLokyExecutor

    with own_loky(), KeepTraceLokyExecutor(1, trace=options) as pool:
        yield of_executor(pool)


@contextmanager
def _reusable(method: str, options: Options | None) -> Iterator[Opened]:
    from keeptrace.concurrent.loky import get_reusable_executor

    with own_loky():
        pool = get_reusable_executor(1, trace=options)
        try:
            yield of_executor(pool)
        finally:
            pool.shutdown(wait=True, kill_workers=True)


def _of_joblib(backend: str, traced: Callable[[Any], Any], **more: Any) -> Opened:
    import joblib

    def run(function: Any, calls: list[tuple[Any, ...]]) -> Any:
        with joblib.parallel_config(backend=backend, n_jobs=2, **more):
            return joblib.Parallel()(joblib.delayed(traced(function))(*args) for args in calls)

    return Opened(
        lambda function, *args: of_call(lambda: run(function, [args])[0]),
        lambda function, items: of_call(lambda: run(function, [(item,) for item in items])),
    )


@contextmanager
def _joblib(method: str, options: Options | None) -> Iterator[Opened]:
    import keeptrace.concurrent.joblib  # noqa: F401  # it registers the backend

    with lean_workers():
        yield _of_joblib("keeptrace", lambda function: function, trace=options)


@contextmanager
def _dask(method: str, options: Options | None) -> Iterator[Opened]:
    import distributed

    from keeptrace.concurrent.dask import KeepTraceClient

    before, os.environ["PYTHONPATH"] = os.environ.get("PYTHONPATH"), _PATH
    try:
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster:
            with KeepTraceClient(cluster, trace=options) as client:
                yield Opened(
                    lambda function, *args: of_call(
                        lambda: _dask_outcome(client.submit(function, *args, pure=False))
                    ),
                    lambda function, items: of_call(
                        lambda: client.gather(client.map(function, items, pure=False))
                    ),
                )
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _dask_outcome(future: Any) -> Any:
    exc = future.exception(
        WAIT
    )  # its result() is a coroutine's, in which a StopIteration is a RuntimeError
    if exc is not None:
        raise exc
    return future.result(WAIT)


# what the workers of a cluster find the suite and the package in
_PATH = os.pathsep.join([str(TESTS.parent), str(TESTS)])


@contextmanager
def _ray(method: str, options: Options | None) -> Iterator[Opened]:
    hook = sys.excepthook
    import ray

    import keeptrace.concurrent.ray as traced_ray

    sys.excepthook = hook  # importing Ray replaces it

    def call(function: Any, calls: list[tuple[Any, ...]]) -> Any:
        try:
            return Returned(
                ray.get([ray.remote(function).remote(*args) for args in calls], timeout=WAIT)
            )
        except (
            ray.exceptions.RayTaskError
        ) as error:  # of two types, as Ray makes it; its cause is the task's
            return error.cause
        except Exception as exc:
            return exc

    env = {"env_vars": {"PYTHONPATH": _PATH}}
    traced_ray.init(
        num_cpus=1, include_dashboard=False, log_to_driver=False, runtime_env=env, trace=options
    )
    try:
        yield Opened(
            lambda function, *args: _first(call(function, [args])),
            lambda function, items: call(function, [(item,) for item in items]),
        )
    finally:
        ray.shutdown()


def _first(outcome: Any) -> Any:
    return Returned(outcome.value[0]) if type(outcome) is Returned else outcome


@contextmanager
def _torch(method: str, options: Options | None) -> Iterator[Opened]:
    from keeptrace.concurrent.torch import DataLoader, DataLoaderWorkerDied

    def call(calls: list[tuple[Any, ...]]) -> Any:
        # the indices are the calls
        loader = DataLoader(
            _Calls(),
            batch_size=None,
            sampler=calls,
            num_workers=1,
            multiprocessing_context=method,
            trace=options,
        )
        try:
            return Returned(list(loader))
        except DataLoaderWorkerDied as died:
            return _called(died.__cause__ or died)
        except BaseException as exc:
            return _called(exc)

    yield Opened(
        lambda function, *args: _first(call([(function, *args)])),
        lambda function, items: call([(function, item) for item in items]),
    )


class _Calls:
    """A dataset, whose elements are the results of calls."""

    def __getitem__(self, call: tuple[Any, ...]) -> Any:
        function, *args = call
        return function(*args)


def _called(exc: BaseException) -> BaseException:
    """The exception without the frames of the parent, of torch's fetch() and of the dataset."""
    entry = traceback_of(exc)
    while entry is not None and not _is_dataset(entry.tb_frame.f_code):
        entry = entry.tb_next
    if entry is not None:
        set_traceback(exc, entry.tb_next)
    return exc


def _is_dataset(code: types.CodeType) -> bool:
    return code.co_qualname == _Calls.__getitem__.__qualname__


# -- those of others, through @keep_trace and wrap()


@contextmanager
def _stock(method: str, options: Options | None) -> Iterator[Opened]:
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        yield of_executor(pool, decorated(options))


@contextmanager
def _wrapped(method: str, options: Options | None) -> Iterator[Opened]:
    with wrap(ProcessPoolExecutor(1, multiprocessing.get_context(method)), trace=options) as pool:
        yield of_executor(pool)


@contextmanager
def _stock_interpreters(method: str, options: Options | None) -> Iterator[Opened]:
    with getattr(concurrent.futures, "InterpreterPoolExecutor")(
        1, initializer=exec, initargs=(_SAME_PATH,)
    ) as pool:
        opened = of_executor(pool, decorated(options))
        yield Opened(lambda *call: _without_context(opened.call(*call)), opened.map)


def _without_context(outcome: Any) -> Any:
    """The engine's own error, which it handled as it raised the task's, is not what the cases ask about."""
    if type(outcome) is not Returned and type(context_of(outcome)).__name__ == "ExecutionFailed":
        set_context(outcome, cause_of(outcome))
    return outcome


def _stock_pool(library: str) -> Callable[[str, Options | None], AbstractContextManager[Opened]]:
    @contextmanager
    def opening(method: str, options: Options | None) -> Iterator[Opened]:
        with importlib.import_module(library).get_context(method).Pool(1) as pool:
            yield of_pool(pool, decorated(options))

    return opening


@contextmanager
def _pebble(method: str, options: Options | None) -> Iterator[Opened]:
    import pebble

    traced = decorated(options)
    with pebble.ProcessPool(1, context=multiprocessing.get_context(method)) as pool:
        yield Opened(
            lambda function, *args: of_future(pool.schedule(traced(function), args)),
            lambda function, items: of_call(
                lambda: list(pool.map(traced(function), items).result())
            ),
        )


@contextmanager
def _mpire(method: str, options: Options | None) -> Iterator[Opened]:
    import mpire

    traced = decorated(options)
    how = {"fork": {}, "dill": {"use_dill": True}}[method]

    def run(ask: Callable[[Any], Any]) -> Any:
        with mpire.WorkerPool(1, **how) as pool:  # a failing task ends mpire's pool
            return of_call(lambda: ask(pool))

    yield Opened(
        lambda function, *args: run(
            lambda pool: pool.apply_async(traced(function), args).get(WAIT)
        ),
        lambda function, items: run(lambda pool: pool.map(traced(function), items)),
    )


@contextmanager
def _stock_loky(method: str, options: Options | None) -> Iterator[Opened]:
    import loky

    with own_loky(), loky.ProcessPoolExecutor(1) as pool:
        yield of_executor(pool, decorated(options))


@contextmanager
def _stock_joblib(method: str, options: Options | None) -> Iterator[Opened]:
    with lean_workers():
        yield _of_joblib(method, decorated(options))


_TASK_ALONE = (
    "`@keep_trace` is in the worker that died, and the engine that tells of it is not ours"
)
_NOT_OURS = "breaks or hangs the engine's own code, before or after the decorated function"
_NO_RESULTS = "a process returns nothing, and its arguments are unpickled by the engine before anything else runs in it"
_PROCESS = {
    "arguments and results": Limit(_NO_RESULTS, tried=False),
    "map": Limit("a process runs one call", tried=False),
}
_JOBLIB = {
    "StopIteration": Limit("joblib raises it out of a generator, which makes a RuntimeError of it")
}
# Exceptions that no code may ask for attributes.
UNASKED = ("__getattribute__ that raises", "__getattribute__ that raises for __traceback__")
_ASKED = {
    f"multiprocessing: {name}": Limit(
        "joblib, with its multiprocessing backend, asks it in the parent for its class"
    )
    for name in UNASKED
}
# Of every engine that is not ours.
UNDEPARTING = ("argument that cannot be pickled", "argument whose __reduce__ raises")
_DECORATED = {
    "worker death": Limit(_TASK_ALONE, tried=False),
    "argument that cannot be unpickled": Limit(_NOT_OURS, tried=False),
    "result that cannot be unpickled": Limit(_NOT_OURS, tried=False),
}

# Of those that never answer a call that they could not pickle.
_WAITS = {name: Limit("the engine never answers the call", tried=False) for name in UNDEPARTING}
_CONTEXT = "the engine raises it while it handles an error of its own, which takes the place of the context"
_INTERPRETERS = {
    **{
        name: Limit(_CONTEXT)
        for name in ("context", "from None", "exception that is its own cause")
    },
    "MemoryError": Limit("the engine mostly takes it for a result of None", tried=False),
    **{
        name: Limit(
            "the engine asks it for its attributes in the parent, where CPython crashes of that",
            tried=False,
        )
        for name in UNASKED
    },
}

_MPIRE = {
    name: Limit(
        "a thread of the engine's in the parent ends of it, and the call is never answered",
        tried=False,
    )
    for name in (*UNASKED, "arguments and results")
}

_ENDS_WORKER = "ends a Dask worker, and its tasks are begun again elsewhere; Dask's rule"
_DASK = {
    "KeyboardInterrupt": Limit(_ENDS_WORKER, tried=False),
    "SystemExit": Limit(_ENDS_WORKER, tried=False),
    **{
        name: Limit(
            "Dask's own code asks it for its attributes, and its worker ends of that", tried=False
        )
        for name in UNASKED
    },
    "worker death": Limit(
        "Dask runs the task again on other workers, and then tells of the worker's address alone",
        tried=False,
    ),
}

_RAY = {
    **{
        name: Limit(
            "Ray's own code asks it for attributes and texts, and its worker ends of that",
            tried=False,
        )
        for name in (*UNASKED, "__str__, __repr__, __eq__, __bool__, __hash__ that raise")
    },
    "KeyboardInterrupt": Limit("Ray takes it for a cancellation"),
    "SystemExit": Limit("ends a Ray worker, and its task is begun again elsewhere; Ray's rule"),
    "result that cannot be pickled": Limit(
        "Ray has an error of its own for it, which does not tell why"
    ),
    "worker death": Limit("Ray's WorkerCrashedError says no more than that", tried=False),
}

_TORCH = {
    "StopIteration": Limit("torch's loop takes it for the end, as any loop does"),
    "KeyboardInterrupt": Limit("torch's worker ends of it without a word"),
    **{name: Limit("torch's worker asks it for its class, and ends of that") for name in UNASKED},
}

ENGINES = [
    Engine("KeepTraceProcessPoolExecutor", _process_pool, METHODS),
    Engine("KeepTracePool", _pool, METHODS, survives=True),
    Engine(
        "multiprocess: KeepTracePool",
        _multiprocess,
        METHODS[:2],
        needs=("multiprocess",),
        survives=True,
    ),
    Engine("KeepTraceThreadPoolExecutor", _threads, in_process=True, one_process=True),
    Engine("KeepTraceInterpreterPoolExecutor", _interpreters, python=(3, 14), one_process=True),
    Engine("KeepTraceProcess", _process, METHODS, lasts=False, costly=METHODS[1:], limits=_PROCESS),
    Engine("KeepTraceLokyExecutor", _loky, needs=("loky",)),
    Engine("get_reusable_executor", _reusable, needs=("loky",), single=True),
    Engine('joblib backend "keeptrace"', _joblib, needs=("joblib",), costly=("",), limits=_JOBLIB),
    Engine("@keep_trace, ProcessPoolExecutor", _stock, METHODS[:2], limits=_DECORATED),
    Engine(
        "@keep_trace, InterpreterPoolExecutor",
        _stock_interpreters,
        python=(3, 14),
        one_process=True,
        limits={**_DECORATED, **_INTERPRETERS},
    ),
    Engine(
        "@keep_trace, multiprocessing.Pool",
        _stock_pool("multiprocessing"),
        METHODS[:2],
        limits=_DECORATED,
    ),
    Engine(
        "@keep_trace, multiprocess.Pool",
        _stock_pool("multiprocess"),
        METHODS[:1],
        needs=("multiprocess",),
        limits=_DECORATED,
    ),
    Engine(
        "@keep_trace, billiard.Pool",
        _stock_pool("billiard"),
        METHODS[:1],
        needs=("billiard",),
        limits={**_DECORATED, **_WAITS},
    ),
    Engine(
        "@keep_trace, Pebble",
        _pebble,
        METHODS[:1],
        needs=("pebble",),
        limits={
            **_DECORATED,
            **_WAITS,
            "result whose __reduce__ raises": Limit(
                "the engine tells of the worker's end, not of why"
            ),
        },
    ),
    Engine(
        "@keep_trace, mpire",
        _mpire,
        ("fork", "dill"),
        costly=("fork", "dill"),
        lasts=False,
        needs=("mpire",),
        limits={**_DECORATED, **_MPIRE},
    ),
    Engine("@keep_trace, loky", _stock_loky, needs=("loky",), limits=_DECORATED),
    Engine(
        "@keep_trace, joblib",
        _stock_joblib,
        ("loky", "multiprocessing"),
        needs=("joblib",),
        costly=("loky", "multiprocessing"),
        limits={**_DECORATED, **_JOBLIB, **_ASKED},
    ),
    Engine("wrap(ProcessPoolExecutor)", _wrapped, METHODS[:2], limits=_DECORATED),
    # before Dask, which lets tblib change how this process pickles the exception classes that it has
    Engine("Ray: init()", _ray, needs=("ray",), marked=True, timeout=180, single=True, limits=_RAY),
    Engine(
        "Dask: KeepTraceClient",
        _dask,
        needs=("distributed",),
        marked=True,
        timeout=120,
        limits=_DASK,
    ),
    Engine(
        "PyTorch: DataLoader",
        _torch,
        METHODS[:1],
        needs=("torch",),
        marked=True,
        survives=True,
        limits={**_WAITS, **_TORCH},
    ),
]
