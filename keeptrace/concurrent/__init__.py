"""Pools whose tasks' exceptions arrive with their frames: one module for each engine.

In: an engine (an executor, a pool, a cluster) and options. Out: the same engine, whose tasks raise
restored exceptions in the parent. crossing.py moves exceptions to our pools, foreign.py to all
other engines; engines.py is the border to private names. The room imports core, capture, live,
restore, format and store.

Names of this package are imported at first use, because every worker imports the package.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..core.exports import lazy_names

if TYPE_CHECKING:  # the same names as in _HOMES, for type checkers
    from . import celery as celery
    from . import dask as dask
    from . import joblib as joblib
    from . import loky as loky
    from . import mpi as mpi
    from . import multiprocess as multiprocess
    from . import ray as ray
    from . import rq as rq
    from . import spark as spark
    from . import texts as texts
    from . import torch as torch
    from .deaths.dead import WorkerDeath as WorkerDeath
    from .deaths.dead import WorkerDied as WorkerDied
    from .deaths.stacks import WorkerStack as WorkerStack
    from .decorator import keep_trace as keep_trace
    from .decorator import wrap as wrap
    from .executors import BrokenProcessPool as BrokenProcessPool
    from .executors import KeepTraceProcessPoolExecutor as KeepTraceProcessPoolExecutor
    from .gathering import GatheredFailures as GatheredFailures
    from .gathering import gather as gather
    from .pool import KeepTracePool as KeepTracePool
    from .pool import get_context as get_context
    from .process import KeepTraceProcess as KeepTraceProcess
    from .threads import KeepTraceThreadPoolExecutor as KeepTraceThreadPoolExecutor

    if sys.version_info >= (3, 14):
        from .interpreters import (
            KeepTraceInterpreterPoolExecutor as KeepTraceInterpreterPoolExecutor,
        )

_HOMES = {
    "BrokenProcessPool": "executors",
    "GatheredFailures": "gathering",
    "KeepTracePool": "pool",
    "KeepTraceProcess": "process",
    "KeepTraceProcessPoolExecutor": "executors",
    "KeepTraceThreadPoolExecutor": "threads",
    "WorkerDeath": "deaths.dead",
    "WorkerDied": "deaths.dead",
    "WorkerStack": "deaths.stacks",
    "gather": "gathering",
    "get_context": "pool",
    "keep_trace": "decorator",
    "wrap": "decorator",
}
__all__ = [
    "BrokenProcessPool",
    "GatheredFailures",
    "KeepTracePool",
    "KeepTraceProcess",
    "KeepTraceProcessPoolExecutor",
    "KeepTraceThreadPoolExecutor",
    "WorkerDeath",
    "WorkerDied",
    "WorkerStack",
    "gather",
    "get_context",
    "keep_trace",
    "wrap",
]
if sys.version_info >= (3, 14):
    _HOMES["KeepTraceInterpreterPoolExecutor"] = "interpreters"
    __all__ += ["KeepTraceInterpreterPoolExecutor"]

if not TYPE_CHECKING:  # type checkers report any name that is not imported above
    __getattr__, __dir__ = lazy_names(
        __name__,
        _HOMES,
        modules=("spark", "texts"),
        engines=("celery", "dask", "joblib", "loky", "mpi", "multiprocess", "ray", "rq", "torch"),
    )
