"""The places where Python reports uncaught exceptions."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

Uncaught: TypeAlias = tuple[BaseException | None, types.TracebackType | None]


class Hook(NamedTuple):
    """The attribute that Python calls with uncaught exceptions.

    read: its arguments → (exception, traceback).
    """

    name: str
    read: Callable[..., Uncaught]
    ends_process: bool = False


def _of_excepthook(
    kind: object, value: BaseException | None, traceback: types.TracebackType | None
) -> Uncaught:
    return value, traceback


def _of_arguments(args: Any) -> Uncaught:
    """Of the argument of threading.excepthook and sys.unraisablehook."""
    return args.exc_value, args.exc_traceback


def _of_context(loop: object, context: dict[str, Any]) -> Uncaught:
    return context.get("exception"), None


EXCEPTHOOK: Final = Hook("excepthook", _of_excepthook, ends_process=True)
THREADS: Final = Hook("excepthook", _of_arguments)
UNRAISABLE: Final = Hook("unraisablehook", _of_arguments)
# The method by which every loop calls its default handler, or the user's.
LOOP: Final = Hook("call_exception_handler", _of_context)
