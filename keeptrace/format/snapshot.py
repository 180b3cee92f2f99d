"""snapshot(): the stacks of a living process as a dump."""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from types import FrameType
from typing import IO, TYPE_CHECKING

from ..core.guard import with_enough_stack
from ..core.options import Options
from .api import for_file, write_to
from .process import roomy_options, snapshot_report
from .writing import encode

if TYPE_CHECKING:
    from typing import Unpack

    from ..core.options import SingleOptions


def snapshot(
    path_or_file: str | os.PathLike[str] | IO[bytes],
    *,
    trace: Options | None = None,
    **options: Unpack[SingleOptions],
) -> float:
    """Writes what this process is doing: every thread's stack with variables, and every asyncio
    task with the tasks that it awaits. The process goes on.

    path_or_file: as for dump().
    options: the options of keeptrace.Options, or a whole Options object as `trace`. Options with
        their default value get a larger default than for a dump of a failure
        (max_exceptions=10_000, max_bytes=8 MiB, max_values=100_000), and no code of the program
        runs (run_reprs=False).

    Returns the seconds of reading in the calling thread, at most about max_seconds; other threads
    go on meanwhile. The file opens like any dump, and holds a keeptrace.Snapshot: a group with a
    ThreadStack for each thread and a TaskStack for each task.

    Raises the errors of dump().
    """
    data, pause = snapshot_bytes(sys._getframe(1), trace, options)
    write_to(path_or_file, data)
    return pause


def snapshot_bytes(
    here: FrameType | None, trace: Options | None, options: SingleOptions
) -> tuple[bytes, float]:
    """A snapshot of this process as a dump, and the seconds of reading in this thread.

    here: the innermost frame of the caller's stack.
    """
    caller = get_ident()
    settings = roomy_options(trace, options, run_reprs=False)
    return with_enough_stack(lambda: _taken(here, caller, settings))


def _taken(here: FrameType | None, caller: int, settings: Options) -> tuple[bytes, float]:
    report, made, pause = snapshot_report(here, caller, settings)
    return encode(for_file(report, made, settings)), pause
