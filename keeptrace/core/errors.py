"""Every error that keeptrace raises of its own accord, in one hierarchy.

`except KeepTraceError` catches them all.
"""

from __future__ import annotations

from typing import Any


class KeepTraceError(Exception):
    """The base class of keeptrace's own errors.

    Errors of the user's program are never of this type.
    """


class OptionError(KeepTraceError, ValueError):
    """An option has a wrong value; the message names the option and what it accepts."""


class DumpError(KeepTraceError, ValueError):
    """A dump could not be read: truncated, foreign, from a newer format, or hostile.

    `salvaged` holds what could still be read of it: the dump's header (type, message and place of
    the exception, when and where it was written), or an empty dict.
    """

    def __init__(self, message: str, salvaged: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.salvaged: dict[str, Any] = salvaged or {}


class MissingExtraError(KeepTraceError, ImportError):
    """An optional library is needed for what was asked; the message names the extra that brings
    it.
    """


class ProcessDied(KeepTraceError):
    """A process died: what a dump tells of it that another process wrote afterwards.

    pid: its number. signal: the name of the signal that killed it; None if nobody knows: SIGKILL,
    also by the system when memory ran out, leaves no trace, and neither does a power failure.
    command: its command line, without the values of options. began: when it was started; ended:
    when it died, None if nobody knows; both in seconds since 1970. worker: the name of the
    pytest-xdist worker that it was, or None. resident: bytes of memory that it had when a watcher
    looked last; peak: the most until then; both None if nobody watched (docs/hooks.md).

    Its `__traceback__`, if any, is the stack that faulthandler wrote, without variables.
    """

    worker: str | None = None

    def __init__(
        self,
        message: str,
        pid: int,
        signal: str | None,
        command: str,
        began: float,
        ended: float | None,
        worker: str | None = None,
        resident: int | None = None,
        peak: int | None = None,
    ) -> None:
        super().__init__(message)
        self.pid: int = pid
        self.signal: str | None = signal
        self.command: str = command
        self.began: float = began
        self.ended: float | None = ended
        self.resident: int | None = resident
        self.peak: int | None = peak
        if worker is not None:
            self.worker = worker


ProcessDied.__module__ = "keeptrace"  # under which readers of dumps meet it


def missing_extra(what: str, library: str, extra: str) -> MissingExtraError:
    """An error for an optional feature whose library is absent."""
    package = f"keeptrace-concurrent[{extra}]"
    return MissingExtraError(
        f"{what} needs {library}: install the extra with \"pip install '{package}'\""
    )
