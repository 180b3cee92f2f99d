"""Holding the process of an exception that nobody caught."""

from __future__ import annotations

from ..core.hold import Holding, command_to_attach, held_name
from ..store.telling import tell


def hold(exc: BaseException, holding: Holding) -> None:
    """Holds a copy of the process, and says so on stderr. Never raises."""
    kind = type(exc).__name__
    name = held_name(exc)  # a worker may hold the failure already
    try:
        name = name or _kept(exc, holding)
    except Exception as problem:  # no directory, or no process: a dump exists all the same
        tell(f"this {kind} is not held: {type(problem).__name__}: {problem}")
        return
    if name is not None:
        command = command_to_attach(name.partition("-")[0])
        tell(f"this {kind} is held with its live objects; see them with: {command}")


def _kept(exc: BaseException, holding: Holding) -> str | None:
    """The name of the socket, or None when the limit of held failures is reached."""
    from ..hold.keeping import keep

    kept = keep(exc, holding)
    if kept.is_held:
        return kept.name
    return None
