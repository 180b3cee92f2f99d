"""Dumps without a call: of uncaught exceptions, and of exceptions that leave a block.

In: exceptions. Out: dumps in a directory (store). install.py hooks Python's own places (places.py),
importing.py modules imported later, runners.py the reports of shells and test runners; catching.py
and wrapping.py are on_error; failures.py says which exceptions count. The room imports store and
core.
"""

from __future__ import annotations

from .catching import on_error
from .failures import is_failure, store_of
from .install import Installed, install, uninstall

__all__ = [
    "Installed",
    "install",
    "is_failure",
    "on_error",
    "store_of",
    "uninstall",
]
