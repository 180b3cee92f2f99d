"""Crashed workers of pytest-xdist: how the process ended, and the record in its black box."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from ..core.clock import monotonic, sleep
from ..core.signals import signal_name

if TYPE_CHECKING:
    from .deaths import Death
    from .store import Store

# A worker's pipes close as it dies; the system needs a moment for the rest. (seconds)
_PATIENCE: Final = 5.0
_LOOK: Final = 0.02


def death_of_worker(store: Store, gateway: object) -> Death | None:
    """The death of a worker, from its record in the directory; None without a record.

    gateway: execnet's, to the worker's process.
    """
    worker, code = getattr(gateway, "id", None), exit_code_of(gateway)
    if worker is None or (code is not None and code >= 0):
        return None
    signals: dict[str, str] = {}
    if code is not None:
        signals[worker] = signal_name(-code)
    deadline = monotonic() + _PATIENCE
    while True:
        for death in store.collect_deaths(signals):
            if death.exc.worker == worker:
                return death
        if monotonic() > deadline:
            return None
        sleep(_LOOK)


def exit_code_of(gateway: object) -> int | None:
    """The exit code of the worker's process: minus the signal's number after a fatal signal; None
    if execnet did not start the process as our child.
    """
    process = getattr(getattr(gateway, "_io", None), "popen", None)
    if not isinstance(process, subprocess.Popen):
        return None
    try:
        return process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        return None
