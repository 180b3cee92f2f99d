"""The real clocks, whatever a program or its tests put in their place.

Tests patch `time.monotonic` or `time.sleep`; freezegun also replaces them in every module that
holds them. Deadlines would never come, or come at once. A partial is none of the objects that are
looked for, and as quick as the function."""

from __future__ import annotations

import time
from functools import partial
from types import BuiltinFunctionType
from typing import Any, Final


def _real(name: str) -> Any:
    """A function of `time`, out of a module of our own if somebody has replaced it already."""
    found = getattr(time, name)
    if type(found) is BuiltinFunctionType:
        return found
    from importlib.machinery import BuiltinImporter
    from importlib.util import module_from_spec

    spec = BuiltinImporter.find_spec("time")
    return found if spec is None else getattr(module_from_spec(spec), name)


# Seconds, for deadlines and durations.
monotonic: Final[partial[float]] = partial(_real("monotonic"))
# Waits for so many seconds.
sleep: Final[partial[None]] = partial(_real("sleep"))
# Seconds since 1970.
now: Final[partial[float]] = partial(_real("time"))
