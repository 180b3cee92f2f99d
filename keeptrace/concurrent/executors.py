"""KeepTraceProcessPoolExecutor: see concurrent/process_pool/executor.py;

where its engine is not known, see concurrent/engines.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .engines import missing

if TYPE_CHECKING or not missing("executor"):
    from .process_pool.executor import KeepTraceProcessPoolExecutor
else:
    from .unknown import PlainProcessPoolExecutor as KeepTraceProcessPoolExecutor

__all__ = ["KeepTraceProcessPoolExecutor"]
