"""Pools whose tasks' exceptions arrive with their frames. Each engine is a module of its own,
imported only when used.

What is listed here, too, is imported when it is first used: workers import this package for what
they were sent."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names as in _HOMES, for type checkers
    from .deaths.dead import WorkerDeath as WorkerDeath
    from .deaths.dead import WorkerDied as WorkerDied
    from .deaths.stacks import WorkerStack as WorkerStack
    from .decorator import keep_trace as keep_trace
    from .decorator import wrap as wrap
    from .executors import KeepTraceProcessPoolExecutor as KeepTraceProcessPoolExecutor
    from .pool import KeepTracePool as KeepTracePool
    from .pool import get_context as get_context
    from .process import KeepTraceProcess as KeepTraceProcess
    from .threads import KeepTraceThreadPoolExecutor as KeepTraceThreadPoolExecutor

_HOMES = {
    "KeepTracePool": "pool",
    "KeepTraceProcess": "process",
    "KeepTraceProcessPoolExecutor": "executors",
    "KeepTraceThreadPoolExecutor": "threads",
    "WorkerDeath": "deaths.dead",
    "WorkerDied": "deaths.dead",
    "WorkerStack": "deaths.stacks",
    "get_context": "pool",
    "keep_trace": "decorator",
    "wrap": "decorator",
}
if sys.version_info >= (3, 14):
    _HOMES["KeepTraceInterpreterPoolExecutor"] = "threads"
__all__ = [*_HOMES]  # noqa: PLE0604  # the table's keys are the names


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'keeptrace.concurrent' has no attribute {name!r}")
    found = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
