"""The commands for a dump: `show`, `debug`, `html` and `info`."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.texts import printable
from ..choosing import chosen_dump
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


def show(
    file: File = None,
    everything: Everything = False,
    frame: Annotated[
        int | None,
        typer.Option(
            "--frame", "-f", metavar="N", help="Frame #N alone, with its variables as trees."
        ),
    ] = None,
    as_json: AsJson = False,
    budget: Annotated[
        int | None,
        typer.Option("--budget", "-b", metavar="N", help="At most N characters, the most telling."),
    ] = None,
) -> None:
    """Show the traceback with source and variables.

    In colour in a terminal, as plain text in a pipe. Runs no code from the dump.

    \b
    Examples:
      keeptrace show
      keeptrace show crash.keeptrace
      keeptrace show crash.keeptrace --frame 3
      keeptrace show crash.keeptrace --all | less
      keeptrace show crash.keeptrace --json | jq .exceptions[0].message
      keeptrace show crash.keeptrace --budget 4000
    """
    header, view = read_view(chosen_dump(file))
    if budget is not None:
        _show_within(view, header, budget, as_json)
        return
    if frame is not None:
        view.frame(frame)  # an error before any output
    if as_json:
        from ...render.data import to_data

        print_json(to_data(view, header, everything=everything, frame=frame))
        return
    from ...render import terminal

    terminal.show(view, console(), everything=everything, frame=frame)


def _show_within(view: View, header: dict[str, Any], budget: int, as_json: bool) -> None:
    from ...render import brief

    if as_json:
        typer.echo(brief.compact(brief.brief_data(view, header, budget)))
    else:
        typer.echo(brief.brief_text(view, budget))


def debug(
    file: File = None,
    debugger: WhichDebugger = None,
    number: Annotated[
        int | None,
        typer.Option(
            "--exception",
            "-e",
            metavar="N",
            help="Exception [N], as show numbers them. Default: the root cause.",
        ),
    ] = None,
    live: Live = False,
) -> None:
    """Open the debugger in the frames of a dump.

    The debugger starts in the root cause, in the innermost frame of your own code. `exceptions`
    lists the chain and the members of groups, `exceptions N` opens exception N.

    \b
    Examples:
      keeptrace debug
      keeptrace debug crash.keeptrace
      keeptrace debug crash.keeptrace --debugger ipdb
      keeptrace debug crash.keeptrace --exception 2
    """
    from ..debugging import debug as open_dump

    open_dump(file, number, live, chosen(debugger))


def html(
    file: File = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Default: beside the dump, with .html; - is stdout. A directory: a site of DIR.",
        ),
    ] = None,
    opens: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the dump as a single HTML file that opens anywhere.

    The file needs no other file and no network, and can be mailed. With a directory of dumps, and
    another directory as -o, writes a site: an index of failures, each with its reports.

    \b
    Examples:
      keeptrace html --open
      keeptrace html crash.keeptrace
      keeptrace html crash.keeptrace -o report.html
      keeptrace html keeptrace-dumps -o site/
    """
    from ...format.files import write
    from ...render.html import to_html

    if file and output and _is_site(file, output):
        target = _write_site(file, output)
        _open_in_browser(target, opens)
        return
    file = chosen_dump(file)
    header, view = read_view(file)
    page = to_html(view, header)
    if output == "-" or (output is None and file == "-"):
        typer.echo(page)
        return
    target = output or f"{file.removesuffix('.keeptrace')}.html"
    write(target, page.encode("utf-8", "backslashreplace"))
    typer.echo(f"wrote {printable(target)} ({len(page):,} bytes)", err=True)
    _open_in_browser(target, opens)


def _open_in_browser(page: str, wanted: bool) -> None:
    if wanted:
        import webbrowser

        webbrowser.open(pathlib.Path(page).resolve().as_uri())


def _is_site(file: str, output: str) -> bool:
    """Whether a directory of dumps is to become a directory of pages."""
    return os.path.isdir(file) and output != "-" and not output.endswith((".html", ".htm"))


def _write_site(directory: str, target: str) -> str:
    """Writes the site, and returns the path of its index."""
    from ...format.files import make_private, write
    from ...render.html import to_html
    from ...render.site import write_site
    from ..listing import failures_in

    def page_of(path: str) -> str:
        header, view = read_view(path)
        return to_html(view, header)

    make_private(target)
    title = f"Failures in {os.path.basename(os.path.abspath(directory))}"
    groups, reports = write_site(failures_in(directory), target, title, page_of, write)
    index = os.path.join(target, "index.html")
    typer.echo(f"wrote {printable(index)}: {groups} groups, {reports} reports", err=True)
    return index


def info(
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Show the facts of a dump: versions, sizes, the process, cuts, and hidden secrets.

    \b
    Examples:
      keeptrace info crash.keeptrace
    """
    from ...render.wording import process_rows
    from ..about import facts_of, rows_of

    file = chosen_dump(file)
    header, view = read_view(file)
    size = None
    if file != "-":
        size = os.path.getsize(file)
    if as_json:
        process = dict(process_rows(view))
        rest = {"process facts": process, "cut": view.cuts, "redacted": view.redacted}
        print_json({**facts_of(header, view, size), **rest})
        return
    for row in rows_of(header, view, size):
        typer.echo(row)
