"""A line on stderr for the user: the place of a dump, or the reason for a missing dump."""

from __future__ import annotations

import sys

from .raw import qualname_of
from .texts import one_line


def tell(text: str) -> None:
    """Writes a line to stderr. Never raises."""
    try:
        sys.stderr.write(f"keeptrace: {one_line(text)}\n")
    except Exception:  # stderr is None, closed or a broken object: no other channel is left
        return


def failed(exc: BaseException, problem: object) -> None:
    """Tells the reason for a missing dump of `exc`. Never raises."""
    try:
        why = str(problem)
        if isinstance(problem, BaseException):
            why = f"{type(problem).__name__}: {why}"
        tell(f"no dump of this {qualname_of(type(exc))}: {why}")
    except Exception:  # the problem's own __str__ failed
        tell("no dump of this exception, and no word on why")
