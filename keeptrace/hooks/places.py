"""The places where Python reports uncaught exceptions."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Final, NamedTuple


class Hook(NamedTuple):
    """The attribute that Python calls with uncaught exceptions.

    read: its arguments → (exception, traceback).
    """

    name: str
    read: Callable[..., tuple[BaseException | None, types.TracebackType | None]]
    ends_process: bool = False


EXCEPTHOOK: Final = Hook("excepthook", lambda kind, value, traceback: (value, traceback), True)
THREADS: Final = Hook("excepthook", lambda args: (args.exc_value, args.exc_traceback))
UNRAISABLE: Final = Hook("unraisablehook", lambda args: (args.exc_value, args.exc_traceback))
# The method by which every loop calls its default handler, or the user's.
LOOP: Final = Hook("call_exception_handler", lambda loop, context: (context.get("exception"), None))
