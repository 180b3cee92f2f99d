"""Defaults that several rooms name, in a module that costs nothing to import."""

from __future__ import annotations

from typing import Final

# The directory of dumps, in the current directory.
DEFAULT_DIRECTORY: Final = "keeptrace-dumps"
