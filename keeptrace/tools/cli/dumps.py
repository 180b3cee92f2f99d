"""The commands for a dump: `show`, `debug`, `html` and `info`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.errors import KeepTraceError
from ...core.texts import printable
from .common import (
    AsJson,
    Everything,
    File,
    Live,
    WhichDebugger,
    chosen,
    console,
    print_json,
    read_view,
)

if TYPE_CHECKING:
    from ...render.view import View

# Exceptions deeper in the tree stand below one another. (levels)
_MAX_INDENT = 12
# (characters of a title in the tree)
_MAX_TITLE = 200


def show(
    file: File,
    everything: Everything = False,
    frame: Annotated[
        int | None,
        typer.Option(
            "--frame", "-f", metavar="N", help="Frame #N alone, with its variables as trees."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the traceback with source and variables.

    In colour in a terminal, as plain text in a pipe. Runs nothing that came in the dump.

    \b
    Examples:
      keeptrace show crash.keeptrace
      keeptrace show crash.keeptrace --frame 3
      keeptrace show crash.keeptrace --all | less
      keeptrace show crash.keeptrace --json | jq .exceptions[0].message
    """
    header, view = read_view(file)
    if frame is not None:
        view.frame(frame)  # an error before any output
    if as_json:
        from ...render.data import to_data

        print_json(to_data(view, header, everything=everything, frame=frame))
        return
    from ...render import terminal

    terminal.show(view, console(), everything=everything, frame=frame)


def debug(
    file: File,
    debugger: WhichDebugger = None,
    number: Annotated[
        int | None,
        typer.Option(
            "--exception",
            "-e",
            metavar="N",
            help="Exception [N] of the chain, as show numbers them.",
        ),
    ] = None,
    live: Live = False,
) -> None:
    """Open the debugger in the frames of a dump.

    In pdb of Python 3.13 and newer, `exceptions` walks the chain; everywhere, --exception opens any
    exception of it.

    \b
    Examples:
      keeptrace debug crash.keeptrace
      keeptrace debug crash.keeptrace --debugger ipdb
      keeptrace debug crash.keeptrace --exception 2
    """
    from ...capture.facts import chain_of
    from ...debug import post_mortem
    from ...format.api import loads, read_bytes

    if file == "-":
        raise KeepTraceError(
            "debug cannot read the dump from standard input: the debugger reads its commands there"
        )
    _, view = read_view(file)
    if number is None:
        number = view.entry.number
    if not 1 <= number <= len(view.exceptions):
        raise KeepTraceError(
            f"there is no exception {number}: the dump has {len(view.exceptions)}, numbered from 1"
        )
    restored = list(chain_of(loads(read_bytes(file), live=live)))
    exc = restored[number - 1] if number <= len(restored) else restored[0]
    if len(view.exceptions) > 1:
        _print_tree(view, number)
    post_mortem(exc, debugger=chosen(debugger))


def _print_tree(view: View, number: int) -> None:
    """The exceptions of a dump, with an arrow at one of them."""
    for exception in view.tree(suppressed=True):
        arrow = "->" if exception.number == number else "  "
        indent = "  " * min(exception.depth, _MAX_INDENT)
        title = exception.title.partition("\n")[0][:_MAX_TITLE]
        print(f"{arrow} [{exception.number}] {indent}{title}")


def html(
    file: File,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Default: beside the dump, with .html; - is stdout.",
        ),
    ] = None,
) -> None:
    """Write the dump as one HTML file that opens anywhere.

    It holds everything it needs, asks no network, and can be mailed.

    \b
    Examples:
      keeptrace html crash.keeptrace
      keeptrace html crash.keeptrace -o report.html
    """
    from ...format.files import write
    from ...render.html import to_html

    header, view = read_view(file)
    page = to_html(view, header)
    if output == "-" or (output is None and file == "-"):
        typer.echo(page)
        return
    target = output or f"{file.removesuffix('.keeptrace')}.html"
    write(target, page.encode("utf-8", "backslashreplace"))
    typer.echo(f"wrote {printable(target)} ({len(page):,} bytes)", err=True)


def info(
    file: File,
    as_json: AsJson = False,
) -> None:
    """Say what a dump holds: versions, sizes, what was cut, what was redacted.

    \b
    Examples:
      keeptrace info crash.keeptrace
    """
    from ...render.wording import cut_texts, hidden_text, time_text

    header, view = read_view(file)
    counts = view.counts
    live = "none"
    if counts["live bytes"]:
        live = f"{counts['live bytes']:,} bytes: they come alive with --live alone"
    facts: dict[str, Any] = {
        "exception": view.root.title,
        "where": header.get("where"),
        "written": time_text(header.get("time")),
        "python": view.python,
        "process": header.get("pid"),
        "format": header.get("keeptrace"),
        "fingerprint": header.get("fingerprint"),
        "size": f"{os.path.getsize(file):,} bytes" if file != "-" else None,
        "exceptions": counts["exceptions"],
        "frames": counts["frames"],
        "values": counts["values"],
        "sources": f"{counts['sources']} files, {counts['source bytes']:,} bytes compressed",
        "live objects": live,
    }
    if as_json:
        print_json({**facts, "cut": view.cuts, "redacted": view.redacted})
        return
    rows = [(name, value) for name, value in facts.items() if value not in (None, "")]
    rows.append(("cut", ", ".join(cut_texts(view)) or "nothing"))
    rows.append(("hidden", hidden_text(view)))
    for name, value in rows:
        typer.echo(f"{name:<13} {printable(str(value).partition(chr(10))[0])}")
