"""Sentences for several views."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from ..core.report import Ref
from ..core.texts import counted, printable
from .view import ShownException, View

_RELATIONS: Final = {
    "cause": "the direct cause of {of}",
    "context": "was being handled when {of} was raised",
    "suppressed": "was being handled when {of} was raised (hidden by `from None`)",
    "held": "in an argument or attribute of {of}",
    "threads": "the other threads and the tasks when {of} was dumped",
}
# Enough names to show the kinds of hidden secrets. (names)
_MAX_NAMES: Final = 10


def relation_text(view: View, exception: ShownException) -> str:
    """How an exception belongs to another exception."""
    if exception.of < 0 or (exception.is_of_snapshot and exception.relation == "child"):
        return ""
    of = f"[{view.exceptions[exception.of].number}]"
    if exception.relation != "child":
        return _RELATIONS[exception.relation].format(of=of)
    links = view.exceptions[exception.of].links
    children = [index for relation, index in links if relation == "child"]
    return f"{children.index(exception.index) + 1} of the {len(children)} in the group {of}"


def hidden_text(view: View) -> str:
    """The redactions of a dump: "3 values: password, dsn; 2 places in texts"."""
    values = sum(view.redacted.values())
    parts = []
    if values:
        names = sorted(view.redacted)
        shown = ", ".join(names[:_MAX_NAMES])
        if len(names) > _MAX_NAMES:
            shown += f" and {len(names) - _MAX_NAMES} more names"
        parts.append(f"{counted(values, 'value')}: {shown}")
    places = view.cuts.get("redacted", 0) - values
    if places > 0:
        parts.append(f"{counted(places, 'place')} in texts")
    return "; ".join(parts) or "nothing"


def repeats_text(count: int, at_least: bool) -> str:
    """The number of times a failure was seen: "3", or "3+" for 3 or more."""
    if at_least:
        return f"{count}+"
    return f"{count}"


def cut_texts(view: View) -> list[str]:
    """Each reason for a cut with its count; hidden_text() has the redactions."""
    return [f"{reason} {count}" for reason, count in view.cuts.items() if reason != "redacted"]


def process_rows(view: View) -> list[tuple[str, str]]:
    """The named facts of the writing process; empty for dumps of old versions."""
    return [(name, _fact(view, name, ref)) for name, ref in view.process]


def _fact(view: View, name: str, ref: Ref) -> str:
    text = view.values.plain(ref)
    if text is not None:
        return printable(text)
    if name in _UNITS and type(ref) in (int, float):
        return _UNITS[name](ref)
    return view.values.text(ref)


# The numbers among the facts
_UNITS: Final[dict[str, Callable[[float], str]]] = {
    "uptime": lambda seconds: f"{seconds:,.1f} seconds since its start",
    "memory": lambda size: f"{size / (1 << 20):,.1f} MiB resident",
}


def time_text(seconds: Any) -> str:
    """Seconds since 1970 as local time; empty if a forged header has anything else."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(float(seconds)))
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
