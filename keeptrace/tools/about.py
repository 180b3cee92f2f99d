"""The facts of a dump: `keeptrace info`, and the tool `about` for assistants."""

from __future__ import annotations

from typing import Any, Final

from ..core.texts import printable
from ..render.view import View
from ..render.wording import cut_texts, hidden_text, process_rows, time_text

# (characters of a line)
_MAX_CONTEXT: Final = 400


def facts_of(header: dict[str, Any], view: View, size: int | None = None) -> dict[str, Any]:
    """The origin and the contents of a dump, by name; None for an unknown fact.

    size: bytes of the file.
    """
    counts = view.counts
    live = "none"
    if counts["live bytes"]:
        live = f"{counts['live bytes']:,} bytes: they come alive with --live alone"
    return {
        "exception": view.root.title,
        "where": header.get("where"),
        "written": time_text(header.get("time")),
        "python": view.python,
        "process": header.get("pid"),
        "host": header.get("host"),
        "format": header.get("keeptrace"),
        "fingerprint": header.get("fingerprint"),
        "size": _size_text(size),
        "exceptions": counts["exceptions"],
        "frames": counts["frames"],
        "values": counts["values"],
        "sources": f"{counts['sources']} files, {counts['source bytes']:,} bytes compressed",
        "live objects": live,
        "context": _context_text(view),
    }


def _size_text(size: int | None) -> str | None:
    if size is None:
        return None
    return f"{size:,} bytes"


def _context_text(view: View) -> str | None:
    context = view.root.context
    if context is None:
        return None
    return view.values.text(context, _MAX_CONTEXT)


def rows_of(header: dict[str, Any], view: View, size: int | None = None) -> list[str]:
    """The facts of the dump and of its process, and all cuts and hidden secrets, as lines."""
    facts = {
        **facts_of(header, view, size),
        **dict(process_rows(view)),
        "cut": ", ".join(cut_texts(view)) or "nothing",
        "hidden": hidden_text(view),
    }
    rows = []
    for name, fact in facts.items():
        if fact not in (None, ""):
            text = printable(_first_line(str(fact)))
            rows.append(f"{name:<13} {text}")
    return rows


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
