"""The border to the engines: which of their private names are used here, and what happens where one
is missing.

    _NAMES          module → the names that are used of it, all of which were there in the versions of _SEEN
    _MODULES        kind of pool → the modules that it needs
    missing(kind)   looked up once, when a kind of pool is first used

Where a name is missing (another Python, another loky), nothing of that engine is touched: the pool
is the engine's own, and each task is wrapped as by keeptrace.concurrent.wrap(). The frames arrive
all the same; a warning says what does not.

A name is "name" in the module, or "Class.name": an attribute of the class, or one that its methods
use. tests/test_engines.py renames each of them in turn.
"""

from __future__ import annotations

import functools
import importlib
import types
import warnings
from typing import Any, Final

# Where all of the names were seen.
_SEEN: Final = {
    "executor": "CPython 3.11 to 3.15",
    "pool": "CPython 3.11 to 3.15",
    "loky": "loky 3.5 to 3.7",
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
            f"keeptrace does not know this version of {_MODULES[kind][0]}: it has no {', '.join(absent)} "
            f"(tested with {_SEEN.get(kind, _SEEN['loky'])}). Tasks' exceptions arrive with their frames, but the pool is the "
            "engine's own: deaths of workers are not explained, stacks() is not available, and what hangs or breaks the engine's "
            "pool does so here. A newer keeptrace may know it.",
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
