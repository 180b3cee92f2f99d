"""KeepTraceProcessPoolExecutor: see _executor.py; where its engine is not known, see _engines.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._engines import missing

if TYPE_CHECKING or not missing("executor"):
    from ._executor import KeepTraceProcessPoolExecutor
else:
    from ._plain import PlainProcessPoolExecutor as KeepTraceProcessPoolExecutor

__all__ = ["KeepTraceProcessPoolExecutor"]
