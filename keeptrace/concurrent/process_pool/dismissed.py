"""Workers that left their pool and became held processes (Hold(how="stop"))."""

from __future__ import annotations

from multiprocessing import process as processes

# Children of the program. Each later dismissal reaps the ended children.
_dismissed: list[processes.BaseProcess] = []


def dismiss(process: processes.BaseProcess) -> None:
    """Lets the program end without waiting for a worker."""
    children: set[processes.BaseProcess] | None = getattr(processes, "_children", None)
    if children is not None:  # else multiprocessing waits for the worker at the program's end
        children.discard(process)
    _dismissed.append(process)  # at once, because other pools dismiss workers, too
    for other in list(_dismissed):
        if other.exitcode is not None and other in _dismissed:
            _dismissed.remove(other)
