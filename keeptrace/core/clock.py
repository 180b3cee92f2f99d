"""The real clocks, even if the program or its tests replaced the functions of `time`.

Tests patch `time.monotonic` or `time.sleep`. freezegun also replaces the functions in every module
with a reference, and deadlines would then never come, or come at once. freezegun does not look for
partials, and a partial is as quick as the function.
"""

from __future__ import annotations

import time
from functools import partial
from types import BuiltinFunctionType
from typing import Any, Final


def _real(name: str) -> Any:
    """A function of `time`; from a new copy of `time`, if somebody replaced the
    function already.
    """
    found = getattr(time, name)
    if type(found) is BuiltinFunctionType:
        return found
    from importlib.machinery import BuiltinImporter
    from importlib.util import module_from_spec

    spec = BuiltinImporter.find_spec("time")
    if spec is None:
        return found
    return getattr(module_from_spec(spec), name)


# Seconds, for deadlines and durations.
monotonic: Final[partial[float]] = partial(_real("monotonic"))
# Waits for so many seconds.
sleep: Final[partial[None]] = partial(_real("sleep"))
# Seconds since 1970.
now: Final[partial[float]] = partial(_real("time"))
