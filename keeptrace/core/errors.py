"""All of keeptrace's own errors, in one hierarchy.

`except KeepTraceError` catches every error of keeptrace.
"""

from __future__ import annotations

from typing import Any


class KeepTraceError(Exception):
    """The base class of keeptrace's own errors.

    Errors of the user's program are never of this type.
    """


class OptionError(KeepTraceError, ValueError):
    """An option has a wrong value. The message names the option and the accepted values."""


class DumpError(KeepTraceError, ValueError):
    """A dump could not be read: truncated, foreign, from a newer format, or hostile.

    `salvaged` holds the readable part of the dump: the header (type, message and place of the
    exception, time and place of the writing), or an empty dict.
    """

    def __init__(self, message: str, salvaged: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.salvaged: dict[str, Any] = salvaged or {}


class MissingExtraError(KeepTraceError, ImportError):
    """A feature needs an optional library. The message names the extra with the library."""


class ProcessDied(KeepTraceError):
    """A process died. Another process wrote the dump afterwards.

    pid: the number of the process. signal: the name of the killing signal. None means unknown:
    SIGKILL leaves no trace, also if the system killed the process for lack of memory, and a power
    failure leaves no trace either. command: the command line, without the values of options. began:
    the time of the start. ended: the time of the death; None means unknown. Both are seconds since
    1970. worker: the name of the process as a worker of pytest-xdist, or None. resident: bytes of
    memory at a watcher's last look. peak: the most memory until then. Both are None without a
    watcher (docs/hooks.md).

    `__traceback__`, if any, is the stack written by faulthandler, without variables.
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


ProcessDied.__module__ = "keeptrace"  # the public module, for readers of dumps


def missing_extra(what: str, library: str, extra: str) -> MissingExtraError:
    """An error for an optional feature whose library is absent."""
    package = f"keeptrace-concurrent[{extra}]"
    return MissingExtraError(
        f"{what} needs {library}: install the extra with \"pip install '{package}'\""
    )
