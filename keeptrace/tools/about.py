"""What a dump says of itself: `keeptrace info`, and the tool `about` for assistants."""

from __future__ import annotations

from typing import Any, Final

from ..core.texts import printable
from ..render.view import View
from ..render.wording import cut_texts, hidden_text, process_rows, time_text

# (characters of a line)
_MAX_CONTEXT: Final = 400


def facts_of(header: dict[str, Any], view: View, size: int | None = None) -> dict[str, Any]:
    """Where, when and how the dump was made, and what is in it, by name; None for what is not
    known. size: bytes of the file.
    """
    counts, said = view.counts, view.root.context
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
        "size": None if size is None else f"{size:,} bytes",
        "exceptions": counts["exceptions"],
        "frames": counts["frames"],
        "values": counts["values"],
        "sources": f"{counts['sources']} files, {counts['source bytes']:,} bytes compressed",
        "live objects": live,
        "context": None if said is None else view.values.text(said, _MAX_CONTEXT),
    }


def rows_of(header: dict[str, Any], view: View, size: int | None = None) -> list[str]:
    """The facts as lines, with those of the process, and what was cut and hidden."""
    facts = {
        **facts_of(header, view, size),
        **dict(process_rows(view)),
        "cut": ", ".join(cut_texts(view)) or "nothing",
        "hidden": hidden_text(view),
    }
    return [
        f"{name:<13} {printable(str(fact).partition(chr(10))[0])}"
        for name, fact in facts.items()
        if fact not in (None, "")
    ]
