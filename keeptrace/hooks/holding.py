"""Holding the process of an exception that nobody caught."""

from __future__ import annotations

from ..core.hold import Holding, command_to_attach, held_name
from ..store.telling import tell


def hold(exc: BaseException, holding: Holding) -> None:
    """Holds a copy of this process, and says so on stderr. Never raises."""
    kind = type(exc).__name__
    name = held_name(exc)  # of the worker that it came from
    try:
        name = name or _kept(exc, holding)
    except Exception as problem:  # no directory, no process: the dump is written
        tell(f"this {kind} is not held: {type(problem).__name__}: {problem}")
        return
    if name is not None:
        command = command_to_attach(name.partition("-")[0])
        tell(f"this {kind} is held with its live objects; see them with: {command}")


def _kept(exc: BaseException, holding: Holding) -> str | None:
    """The name of the socket, if there was room for another failure."""
    from ..hold.keeping import keep

    kept = keep(exc, holding)
    return kept.name if kept.is_held else None
