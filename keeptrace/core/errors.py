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


def missing_extra(what: str, library: str, extra: str) -> MissingExtraError:
    """An error for an optional feature whose library is absent."""
    package = f"keeptrace-concurrent[{extra}]"
    return MissingExtraError(
        f"{what} needs {library}: install the extra with \"pip install '{package}'\""
    )
