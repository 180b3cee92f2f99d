"""Workers that are their pool's no more, because they are held themselves (Hold(how="stop"))."""

from __future__ import annotations

from multiprocessing import process as processes
from typing import Any

# They are children of this process, whose exit codes are taken when another one is dismissed.
_dismissed: list[Any] = []


def dismiss(process: Any) -> None:
    """Lets the program end without waiting for a worker."""
    children: set[Any] | None = getattr(processes, "_children", None)
    if children is not None:  # else multiprocessing waits for the worker as the program ends
        children.discard(process)
    _dismissed[:] = [other for other in _dismissed if other.exitcode is None]
    _dismissed.append(process)
