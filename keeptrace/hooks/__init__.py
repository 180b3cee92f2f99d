"""Dumps by themselves: where Python reports an exception that nobody caught, and where a program
asks for it.

In: exceptions. Out: dumps in a directory (store). The room imports store and core.
"""

from __future__ import annotations

from .install import (
    Installed,
    install,
    is_failure,
    keep_failure,
    on_error,
    store_of,
    uninstall,
)

__all__ = [
    "Installed",
    "install",
    "is_failure",
    "keep_failure",
    "on_error",
    "store_of",
    "uninstall",
]
