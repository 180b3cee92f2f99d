"""The border to the engines: the private names that this package uses, and the fallback where a
name is missing.

    _NAMES          module → the private names in use; the versions of _SEEN have all of them
    _MODULES        kind of engine → the modules with its names
    _LOST           kind of engine → the features that a user loses if a name is missing
    missing(kind)   the missing names of a kind, looked up when the kind is first used

If a name is missing (another Python, another loky), we change nothing of the engine. The pools of
the standard library and of loky are then the engine's own, and wrap() wraps each task, so the
frames still arrive. Other engines run as without keeptrace. A warning names the lost features.

A name is "name" in the module, or "Class.name": an attribute of the class, or an attribute used in
the methods of the class. tests/test_engines.py renames each name in turn.
"""

from __future__ import annotations

import functools
import importlib
import types
import warnings
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..core.shadows import LibraryAlone

# Versions that had all names when the tests ran.
_SEEN: Final = {
    "executor": "CPython 3.11 to 3.15",
    "pool": "CPython 3.11 to 3.15",
    "threads": "CPython 3.11 to 3.15",
    "interpreters": "CPython 3.14 and 3.15",
    "process": "CPython 3.11 to 3.15",
    "multiprocess pool": "multiprocess 0.70.19",
    "multiprocess process": "multiprocess 0.70.19",
    "loky": "loky 3.7",
    "joblib": "joblib 1.6",
    "joblib nested": "joblib 1.6",
    "dask": "distributed 2026.8",
    "dask scheduler": "distributed 2026.8",
    "ray": "Ray 2.60",
    "ray pool": "Ray 2.60",
    "mpi": "mpi4py 4.1",
    "celery": "Celery 5.7",
    "torch": "PyTorch 2.6 and 2.13",
    "torch ranks": "PyTorch 2.6 and 2.13",
    "torchdata": "torchdata 0.11",
}
_OWN_POOL: Final = (
    "Tasks' exceptions arrive with their frames, but the pool is the engine's own: it does not"
    " explain worker deaths or replace dead workers, has no stacks(), and can hang or break as the"
    " engine's pool does."
)
_DECORATE: Final = (
    "Tasks' exceptions arrive as the engine sends them, without frames:"
    " decorate the tasks with keeptrace.concurrent.keep_trace to keep the frames."
)
_LOST: Final = {
    "executor": _OWN_POOL,
    "pool": _OWN_POOL,
    "threads": "Tasks that wait when an initializer fails are not told what it raised.",
    "interpreters": (
        "Tasks' exceptions arrive with their frames,"
        " but those of an initializer arrive as the engine sends them."
    ),
    "process": "exception() of a failed process tells its exit code alone.",
    "multiprocess pool": _OWN_POOL,
    "multiprocess process": "exception() of a failed process tells its exit code alone.",
    "loky": _OWN_POOL,
    "joblib": _OWN_POOL,
    "joblib nested": "The causes of exceptions of nested calls arrive as text.",
    "dask": _DECORATE,
    "dask scheduler": "Every report is sent in full.",
    "ray": _DECORATE,
    "ray pool": _DECORATE,
    "mpi": _DECORATE,
    "celery": "Tasks' exceptions arrive as Celery stores them, without frames.",
    "torch": "Exceptions of a DataLoader's workers arrive as torch sends them, without frames.",
    "torch ranks": "Exceptions of ranks arrive as torch sends them: as text.",
    "torchdata": "Exceptions of a StatefulDataLoader's workers arrive as torch sends them.",
}

# Modules that start workers. In a worker, `current_process()._parent_pid` is not None.
STARTERS: Final = ("multiprocessing.process", "multiprocess.process", "billiard.process")
# Ray's workers are known by `global_worker.mode`.
RAY_WORKER: Final = "ray._private.worker"
# Loaded in programs with InterpreterPoolExecutor (CPython 3.14).
INTERPRETERS: Final = "concurrent.futures.interpreter"


def _of(owner: str, names: str) -> tuple[str, ...]:
    return tuple(f"{owner}.{name}" for name in names.split())


_EXECUTOR_MANAGER: Final = _of(
    "_ExecutorManagerThread",
    "call_queue join_executor_internals pending_work_items processes terminate_broken",
)
_WORKER: Final = (
    "_CallItem",
    "_ExceptionWithTraceback",
    "_ExecutorManagerThread",
    "_ResultItem",
    "_process_chunk",
    "_process_worker",
)
_LOKY: Final = (
    *_WORKER,
    *_EXECUTOR_MANAGER,
    *_of(
        "_ExecutorManagerThread",
        "executor_flags executor_reference process_result_item processes_management_lock"
        " result_queue running_work_items wait_result_broken_or_wakeup",
    ),
    *_of(
        "ProcessPoolExecutor",
        "_adjust_process_count _context _executor_manager_thread _max_workers _pending_work_items"
        " _processes _result_queue",
    ),
)

_POOL: Final = (
    "INIT",
    "MaybeEncodingError",
    "RUN",
    "TERMINATE",
    "_PoolCache",
    "_helper_reraises_exception",
    "mapstar",
    "starmapstar",
    *_of("ApplyResult", "_callback _error_callback _event _set"),
    *_of("IMapIterator", "_cond _index _length _set _unsorted"),
    "MapResult._number_left",
    *_of(
        "Pool",
        "_cache _change_notifier _check_running _help_stuff_finish _inqueue _map_async"
        " _outqueue _pool _processes _quick_get _quick_put _repopulate_pool _setup_queues"
        " _state _terminate_pool _worker_handler",
    ),
)
_PROCESS: Final = _of("BaseProcess", "_args _bootstrap _kwargs _target")
_QUEUES: Final = (
    *_of("Queue", "_reader _rlock _sem _writer"),
    *_of("SimpleQueue", "_reader _rlock _wlock _writer"),
)
_OF_LOADER: Final = (
    "_dataset_kind _get_data _next_index _num_workers _prefetch_factor _reset _send_idx _shutdown"
    " _task_info _workers"
)

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "threading": (
        *_of("Condition", "_is_owned _lock"),
        "Event._cond",
        "Semaphore._cond",
        "Thread._started",
    ),
    "concurrent.futures._base": _of("Future", "_condition _state _waiters"),
    "concurrent.futures.process": (
        *_WORKER,
        "_ThreadWakeup",
        "_sendback_result",
        "_threads_wakeups",
        *_EXECUTOR_MANAGER,
        *_of(
            "_ExecutorManagerThread",
            "executor_reference flag_executor_shutting_down is_shutting_down result_queue"
            " shutdown_lock thread_wakeup wait_result_broken_or_wakeup work_ids_queue",
        ),
        *_of(
            "ProcessPoolExecutor",
            "_adjust_process_count _broken _call_queue _executor_manager_thread"
            " _executor_manager_thread_wakeup _idle_worker_semaphore _initargs _initializer"
            " _max_tasks_per_child _max_workers _mp_context _pending_work_items _processes"
            " _queue_count _result_queue _shutdown_lock _shutdown_thread _spawn_process"
            " _start_executor_manager_thread _work_ids",
        ),
    ),
    "concurrent.futures.thread": _of("ThreadPoolExecutor", "_broken _shutdown_lock _work_queue"),
    "concurrent.futures.interpreter": (
        *_of("InterpreterPoolExecutor", "_create_worker_context prepare_context"),
        *_of("WorkerContext", "interp prepare results run"),
    ),
    "multiprocessing.process": _PROCESS,
    "multiprocessing.synchronize": ("SemLock._semlock",),
    "multiprocessing.queues": _QUEUES,
    "multiprocessing.pool": _POOL,
    "multiprocess.process": _PROCESS,
    "multiprocess.synchronize": ("SemLock._semlock",),
    "multiprocess.queues": _QUEUES,
    "multiprocess.pool": _POOL,
    "loky.process_executor": _LOKY,
    "joblib.externals.loky.process_executor": _LOKY,
    "joblib._utils": ("_ExceptionWithTraceback",),
    "distributed.worker": ("error_message", *_of("Worker", "batched_send handlers")),
    "distributed.worker_state_machine": ("error_message",),
    "distributed.scheduler": ("Scheduler.stream_handlers",),
    "ray.exceptions": (
        "ActorDiedError.__init__",
        *_of("RayTaskError", "__init__ as_instanceof_cause cause"),
    ),
    "ray.util.multiprocessing.pool": ("PoolTaskError.__init__",),
    "mpi4py.futures._core": ("_format_exc", "_wrap_exc"),
    "celery.app.base": _of("Celery", "_backend _get_backend"),
    "celery.result": _of("AsyncResult", "_cache _to_remote_traceback"),
    "torch.utils.data.dataloader": (
        "DataLoader._get_iterator",
        "_BaseDataLoaderIter",
        "_DatasetKind",
        *_of("_MultiProcessingDataLoaderIter", _OF_LOADER),
    ),
    "torchdata.stateful_dataloader.stateful_dataloader": (
        *_of("_StatefulMultiProcessingDataLoaderIter", _OF_LOADER),
    ),
    "torchdata.stateful_dataloader.worker": ("ExceptionWrapper", "_worker_loop"),
    "torch.utils.data._utils.worker": ("ExceptionWrapper", "_worker_loop"),
    "torch.utils.data._utils.pin_memory": ("ExceptionWrapper",),
    "torch.utils.data._utils.signal_handling": (
        "_error_if_any_worker_fails",
        "_set_worker_signal_handlers",
    ),
    "torch.multiprocessing.spawn": ("_wrap",),
}

_MODULES: Final[dict[str, tuple[str, ...]]] = {
    "executor": (
        "concurrent.futures.process",
        "concurrent.futures._base",
        "multiprocessing.queues",
        "multiprocessing.synchronize",
        "threading",
    ),
    "pool": (
        "multiprocessing.pool",
        "multiprocessing.queues",
        "multiprocessing.synchronize",
        "threading",
    ),
    "threads": ("concurrent.futures.thread",),
    "interpreters": ("concurrent.futures.interpreter",),
    "process": ("multiprocessing.process",),
    "multiprocess pool": (
        "multiprocess.pool",
        "multiprocess.queues",
        "multiprocess.synchronize",
        "threading",
    ),
    "multiprocess process": ("multiprocess.process",),
    "loky": ("loky.process_executor", "multiprocessing.queues"),
    "joblib": ("joblib.externals.loky.process_executor", "multiprocessing.queues"),
    "joblib nested": ("joblib._utils",),
    "dask": ("distributed.worker", "distributed.worker_state_machine"),
    "dask scheduler": ("distributed.scheduler",),
    "ray": ("ray.exceptions",),
    "ray pool": ("ray.util.multiprocessing.pool",),
    "mpi": ("mpi4py.futures._core",),
    "celery": ("celery.app.base", "celery.result"),
    "torch": (
        "torch.utils.data.dataloader",
        "torch.utils.data._utils.worker",
        "torch.utils.data._utils.pin_memory",
        "torch.utils.data._utils.signal_handling",
    ),
    "torch ranks": ("torch.multiprocessing.spawn",),
    "torchdata": (
        "torchdata.stateful_dataloader.stateful_dataloader",
        "torchdata.stateful_dataloader.worker",
    ),
}


class PoolEngine(
    NamedTuple(
        "PoolEngine",
        [
            ("package", str),
            ("pool", Any),  # the module
            ("pickler", Any),  # its ForkingPickler
            ("wait", Callable[..., Any]),  # of its module `connection`
        ],
    )
):
    """The parts of multiprocessing, or of a fork of multiprocessing, that our pools use."""

    __slots__ = ()


@functools.cache
def pool_engine(package: str) -> PoolEngine:
    """The parts of a package: "multiprocessing", or "multiprocess"."""
    with LibraryAlone():  # an engine's module imports more of the library
        pool, reduction, connection = (
            importlib.import_module(f"{package}.{name}")
            for name in ("pool", "reduction", "connection")
        )
    return PoolEngine(package, pool, reduction.ForkingPickler, connection.wait)


@functools.cache
def missing(kind: str) -> tuple[str, ...]:
    """The private names of a kind that the engine lacks. Warns of missing names, once."""
    absent = [f"{home}.{name}" for home in _MODULES[kind] for name in _missing_in(home)]
    if absent:
        warnings.warn(
            f"keeptrace does not know this version of {_MODULES[kind][0]}, which has no"
            f" {', '.join(absent)} (tested with {_SEEN[kind]}). {_LOST[kind]}"
            " Try a newer keeptrace.",
            RuntimeWarning,
            stacklevel=3,
        )
    return tuple(absent)


def _missing_in(home: str) -> list[str]:
    try:
        with LibraryAlone():  # an engine's module imports more of the library
            module = importlib.import_module(home)
    except ModuleNotFoundError:
        return list(_NAMES[home])
    return [name for name in _NAMES[home] if not _has(module, name)]


def _has(module: types.ModuleType, name: str) -> bool:
    owner, _, attribute = name.partition(".")
    if owner not in vars(module):
        return False
    if not attribute:
        return True
    found = vars(module)[owner]
    if not isinstance(found, type):
        return False
    classes = [cls for cls in found.__mro__ if cls is not object]
    return any(attribute in vars(cls) or _is_used(attribute, cls) for cls in classes)


def _is_used(attribute: str, cls: type) -> bool:
    """Whether a method of the class uses the attribute."""
    codes = [
        getattr(getattr(member, "__func__", member), "__code__", None)
        for member in vars(cls).values()
    ]
    return any(code is not None and attribute in code.co_names for code in codes)
