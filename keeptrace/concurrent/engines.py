"""The border to the engines: their private names that this package uses, and the fallback where a
name is missing.

    _NAMES          module → its names that we use; the versions of _SEEN have all of them
    _MODULES        kind of pool → the modules that the pool needs
    _UNCHECKED      module → its names that we use without a fallback
    missing(kind)   the names that are missing here, looked up when a kind of pool is first used

If a name is missing (another Python, another loky), we touch nothing of that engine: the pool is
the engine's own, and wrap() wraps each task. The frames still arrive; a warning says what is lost.

A name is "name" in the module, or "Class.name": an attribute of the class, or an attribute that the
methods of the class use. tests/test_engines.py renames each of them in turn.
"""

from __future__ import annotations

import functools
import importlib
import types
import warnings
from typing import Any, Final

# The versions in which the tests found all names.
_SEEN: Final = {
    "executor": "CPython 3.11 to 3.15",
    "pool": "CPython 3.11 to 3.15",
    "loky": "loky 3.7",
    "joblib": "joblib 1.6",
}
# Names of engines whose public way in needs them: no fallback exists, and a missing name raises
# AttributeError where it is used. Comments have the versions in which the tests ran.
_UNCHECKED: Final[dict[str, tuple[str, ...]]] = {
    # distributed 2026.8
    "distributed.worker": ("Worker.batched_send", "Worker.handlers", "error_message"),
    "distributed.worker_state_machine": ("error_message",),
    "distributed.scheduler": ("Scheduler.stream_handlers",),
    # Ray 2.60
    "ray.exceptions": ("ActorDiedError.__init__", "RayTaskError.__init__"),
    "ray.util.multiprocessing.pool": ("PoolTaskError.__init__",),
    "mpi4py.futures._core": ("_format_exc", "_wrap_exc"),
    # Celery 5.7
    "celery.app.base": ("Celery._backend", "Celery._get_backend"),
    "celery.result": ("AsyncResult._cache", "AsyncResult._to_remote_traceback"),
    # joblib 1.6
    "joblib._utils": ("_ExceptionWithTraceback",),
    # CPython 3.11 to 3.15
    "concurrent.futures.thread": (
        *("ThreadPoolExecutor._broken", "ThreadPoolExecutor._initializer_failed"),
        *("ThreadPoolExecutor._shutdown_lock", "ThreadPoolExecutor._work_queue"),
    ),
    "multiprocessing.process": (
        *("BaseProcess._bootstrap", "BaseProcess._parent_pid", "BaseProcess._popen"),
        *("BaseProcess._args", "BaseProcess._kwargs", "BaseProcess._target"),
    ),
    "multiprocessing.synchronize": ("SemLock._semlock",),
    "concurrent.futures.interpreter": ("WorkerContext.run",),  # CPython 3.14 and newer
}

# Modules that start workers. `current_process()._parent_pid` of each says whether this process is a
# worker.
STARTERS: Final = ("multiprocessing.process", "multiprocess.process", "billiard.process")
# `global_worker.mode` of this module says the same for Ray.
RAY_WORKER: Final = "ray._private.worker"
# Loaded where InterpreterPoolExecutor is used (CPython 3.14).
INTERPRETERS: Final = "concurrent.futures.interpreter"

_EXECUTOR_MANAGER: Final = tuple(
    f"_ExecutorManagerThread.{name}"
    for name in (
        "call_queue",
        "join_executor_internals",
        "pending_work_items",
        "processes",
        "terminate_broken",
    )
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
    "_ExecutorManagerThread.executor_flags",
    *(
        f"ProcessPoolExecutor.{name}"
        for name in (
            "_context",
            "_executor_manager_thread",
            "_pending_work_items",
            "_processes",
            "_result_queue",
        )
    ),
)

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "threading": (
        "Condition._is_owned",
        "Condition._lock",
        "Event._cond",
        "Semaphore._cond",
        "Thread._started",
    ),
    "concurrent.futures._base": ("Future._condition", "Future._state", "Future._waiters"),
    "concurrent.futures.process": (
        *_WORKER,
        "_ThreadWakeup",
        "_sendback_result",
        "_threads_wakeups",
        *_EXECUTOR_MANAGER,
        *(
            f"_ExecutorManagerThread.{name}"
            for name in (
                "executor_reference",
                "result_queue",
                "shutdown_lock",
                "thread_wakeup",
                "wait_result_broken_or_wakeup",
            )
        ),
        *(
            f"ProcessPoolExecutor.{name}"
            for name in (
                "_broken",
                "_call_queue",
                "_executor_manager_thread",
                "_executor_manager_thread_wakeup",
                "_idle_worker_semaphore",
                "_mp_context",
                "_pending_work_items",
                "_processes",
                "_queue_count",
                "_result_queue",
                "_shutdown_lock",
                "_shutdown_thread",
                "_spawn_process",
                "_start_executor_manager_thread",
                "_work_ids",
            )
        ),
    ),
    "multiprocessing.queues": (
        *(f"Queue.{name}" for name in ("_reader", "_rlock", "_sem", "_writer")),
        *(f"SimpleQueue.{name}" for name in ("_reader", "_rlock", "_wlock", "_writer")),
    ),
    "multiprocessing.pool": (
        "INIT",
        "MaybeEncodingError",
        "RUN",
        "TERMINATE",
        "_PoolCache",
        "_helper_reraises_exception",
        "mapstar",
        "starmapstar",
        *(f"ApplyResult.{name}" for name in ("_callback", "_error_callback", "_event", "_set")),
        *(f"IMapIterator.{name}" for name in ("_cond", "_index", "_length", "_set", "_unsorted")),
        "MapResult._number_left",
        *(
            f"Pool.{name}"
            for name in (
                "_cache",
                "_change_notifier",
                "_check_running",
                "_help_stuff_finish",
                "_inqueue",
                "_map_async",
                "_outqueue",
                "_pool",
                "_processes",
                "_quick_get",
                "_quick_put",
                "_repopulate_pool",
                "_setup_queues",
                "_state",
                "_terminate_pool",
                "_worker_handler",
            )
        ),
    ),
    "loky.process_executor": _LOKY,
    "joblib.externals.loky.process_executor": _LOKY,
}

_MODULES: Final[dict[str, tuple[str, ...]]] = {
    "executor": (
        "concurrent.futures.process",
        "concurrent.futures._base",
        "multiprocessing.queues",
        "threading",
    ),
    "pool": ("multiprocessing.pool", "multiprocessing.queues", "threading"),
    "loky": ("loky.process_executor", "multiprocessing.queues"),
    "joblib": ("joblib.externals.loky.process_executor", "multiprocessing.queues"),
}


@functools.cache
def missing(kind: str) -> tuple[str, ...]:
    """The names that a kind of pool needs and that its engine does not have.

    If there are any, a warning says so, once.
    """
    absent = [
        f"{home}.{name}"
        for home in _MODULES[kind]
        for name in _NAMES[home]
        if not _has(importlib.import_module(home), name)
    ]
    if absent:
        warnings.warn(
            f"keeptrace does not know this version of {_MODULES[kind][0]}, which has no"
            f" {', '.join(absent)} (tested with {_SEEN[kind]}). Tasks' exceptions arrive with their"
            " frames, but the pool is the engine's own: it does not explain worker deaths, has no"
            " stacks(), and can hang or break as the engine's pool does. Try a newer keeptrace.",
            RuntimeWarning,
            stacklevel=3,
        )
    return tuple(absent)


def _has(module: types.ModuleType, name: str) -> bool:
    owner, _, attribute = name.partition(".")
    found: Any = vars(module).get(owner)
    if found is None and owner not in vars(module):
        return False
    if not attribute:
        return True
    classes = [cls for cls in found.__mro__ if cls is not object] if isinstance(found, type) else []
    return any(attribute in vars(cls) or _is_used(attribute, cls) for cls in classes)


def _is_used(attribute: str, cls: type) -> bool:
    """Whether a method of the class has such an attribute in its code."""
    codes = [
        getattr(getattr(member, "__func__", member), "__code__", None)
        for member in vars(cls).values()
    ]
    return any(code is not None and attribute in code.co_names for code in codes)
