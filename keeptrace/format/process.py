"""Reports of a whole process: a snapshot, and an exception with the stacks of all other threads.

An exception dumped with threads has the Snapshot as the last context of its chain, hidden as by
`from None`: readers of any version find the Snapshot there, and tracebacks print as ever.
"""

from __future__ import annotations

from _thread import get_ident
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from ..capture.capture import capture
from ..core.clock import monotonic
from ..core.nodes import exception_of, kind_of, put_exception
from ..core.options import DEFAULT, Options, make_options
from ..core.report import ExceptionRecord, Report
from ..snapshots.groups import Snapshot
from ..snapshots.taking import take

if TYPE_CHECKING:
    from collections.abc import Mapping

# The defaults for a whole process: room for some 1,000 stacks of a few frames each.
_ROOMY: Final[dict[str, Any]] = {
    "max_exceptions": 10_000,
    "max_bytes": 8 << 20,
    "max_values": 100_000,
}


def roomy_options(
    trace: Options | None, options: Mapping[str, Any], *, run_reprs: bool | None
) -> Options:
    """The given options. Options with their default value get the default for a whole process.

    Raises OptionError.
    """
    base = make_options(trace)
    roomier = {
        name: value
        for name, value in {**_ROOMY, "run_reprs": run_reprs}.items()
        if getattr(base, name) == getattr(DEFAULT, name)
    }
    return base.replace(**{**roomier, **options})


def snapshot_report(
    here: FrameType | None, caller: int, settings: Options
) -> tuple[Report, Snapshot, float]:
    """The report of this process, the snapshot behind it, and the seconds of reading.

    here: the frame of the caller, where the caller's stack begins. caller: the caller's thread.
    """
    start = monotonic()
    made = take(here, caller, get_ident())
    report = capture(made, settings)
    pause = monotonic() - start
    record = report["exceptions"][0]
    record["str"] = made.message
    record["attributes"]["pause"] = round(pause, 6)
    return report, made, pause


def report_with_threads(
    exc: BaseException, here: FrameType | None, caller: int, settings: Options
) -> Report:
    """The report of an exception, with a Snapshot of all other threads and tasks as the last
    context. Never raises because of the exception or the process.
    """
    try:
        made = take(here, caller, get_ident(), with_caller=settings.outer_frames)
        report = capture(BaseExceptionGroup("", [exc, made]), settings)
        if "fallback" not in report["cuts"] and _put_apart(report, made):
            return report
    except Exception:  # the exception alone, as without threads
        pass
    return capture(exc, settings)


def _put_apart(report: Report, made: Snapshot) -> bool:
    """Removes the group of the exception and the Snapshot, and links the Snapshot to the end of the
    exception's contexts. False if the contexts lead in a circle.
    """
    records = report["exceptions"]
    del records[0]
    for record in records:
        _renumber(record)
    for node in report["values"]:
        if kind_of(node) == "exception":
            put_exception(node, max(exception_of(node) - 1, 0))
    records[1]["str"] = made.message
    last = _last_context(records)
    if last is None:
        return False
    last["context"] = 1
    last["suppress"] = True
    return True


def _renumber(record: ExceptionRecord) -> None:
    for link in ("cause", "context"):
        number = record[link]
        if number is not None:
            record[link] = number - 1
    if "children" in record:
        record["children"] = [child - 1 for child in record["children"]]


def _last_context(records: list[ExceptionRecord]) -> ExceptionRecord | None:
    """The end of the first exception's contexts; None if the contexts lead in a circle."""
    seen = {0}
    record = records[0]
    while record["context"] is not None:
        if record["context"] in seen:
            return None
        seen.add(record["context"])
        record = records[record["context"]]
    return record
