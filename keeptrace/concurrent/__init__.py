"""Pools whose tasks' exceptions arrive with their frames. Each engine is a module of its own, imported only when used."""

from __future__ import annotations

from .executors import KeepTraceProcessPoolExecutor

__all__ = ["KeepTraceProcessPoolExecutor"]
