"""What is told to the user, in one line on stderr: where a dump is, or why there is none."""

from __future__ import annotations

import sys

from ..core.raw import names_of
from ..core.texts import one_line, quoted


def tell(text: str) -> None:
    """One line on stderr. Never raises."""
    try:
        sys.stderr.write(f"keeptrace: {one_line(text)}\n")
    except (
        Exception
    ):  # stderr is None, closed or somebody's broken object: there is nobody left to tell
        return


def failed(exc: BaseException, problem: object) -> None:
    """Tells that there is no dump of `exc`, and why. Never raises."""
    try:
        why = (
            f"{type(problem).__name__}: {problem}"
            if isinstance(problem, BaseException)
            else str(problem)
        )
        tell(f"no dump of this {names_of(type(exc))[1]}: {why}")
    except Exception:  # the problem's own __str__ fails
        tell("no dump of this exception, and no word on why")


def command_to_open(path: str) -> str:
    """What a user types to see a dump."""
    return f"python -m keeptrace debug {quoted(path)}"
