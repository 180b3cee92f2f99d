"""KeepTraceProcessPoolExecutor, of process_pool/executor.py; for an unknown engine, of
unknown.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .engines import missing

if TYPE_CHECKING or not missing("executor"):
    from .process_pool.executor import KeepTraceProcessPoolExecutor
else:
    from .unknown import PlainProcessPoolExecutor as KeepTraceProcessPoolExecutor

if TYPE_CHECKING:
    from concurrent.futures import process as engine

    from .deaths.dead import WorkerDeath

    class BrokenProcessPool(engine.BrokenProcessPool):
        """The engine's own class; type checkers see `deaths` here."""

        deaths: list[WorkerDeath]

else:
    from concurrent.futures.process import BrokenProcessPool

__all__ = ["BrokenProcessPool", "KeepTraceProcessPoolExecutor"]
