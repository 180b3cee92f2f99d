"""A directory of dumps that looks after itself: store.py has the rules, the other modules its files
and names.

In: exceptions. Out: dumps, each failure once, within bounds. The room imports format, capture and
core."""

from __future__ import annotations

from ..core.defaults import DEFAULT_DIRECTORY
from .identity import fingerprint
from .store import MAX_AGE, MAX_BYTES, MAX_FILES, Bounds, Entry, Store

__all__ = [
    "DEFAULT_DIRECTORY",
    "MAX_AGE",
    "MAX_BYTES",
    "MAX_FILES",
    "Bounds",
    "Entry",
    "Store",
    "fingerprint",
]
