"""A directory of dumps: each failure once, within bounds.

In: exceptions. Out: dumps. store.py has the rules; names.py, counts.py and journal.py the files,
local.py and remote.py the kinds of directories, identity.py the fingerprint, bounds.py and
pruning.py the bounds, entries.py the list. The room imports format, capture and core, and debug.py
for the user's own frames.
"""

from __future__ import annotations

from ..core import DEFAULT_DIRECTORY
from .bounds import MAX_AGE, MAX_BYTES, MAX_FILES, Bounds
from .entries import Entry
from .identity import fingerprint
from .store import Store

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
