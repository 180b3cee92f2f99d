"""One line on stderr for the user: where a dump is, or why there is none."""

from __future__ import annotations

import sys

from .raw import names_of
from .texts import one_line


def tell(text: str) -> None:
    """One line on stderr. Never raises."""
    try:
        sys.stderr.write(f"keeptrace: {one_line(text)}\n")
    except Exception:  # stderr is None, closed or a broken object: nobody is left to tell
        return


def failed(exc: BaseException, problem: object) -> None:
    """Tells why there is no dump of `exc`. Never raises."""
    try:
        why = str(problem)
        if isinstance(problem, BaseException):
            why = f"{type(problem).__name__}: {why}"
        tell(f"no dump of this {names_of(type(exc))[1]}: {why}")
    except Exception:  # the problem's own __str__ fails
        tell("no dump of this exception, and no word on why")
