"""The command `log`: tracebacks in text logs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from ...core.errors import KeepTraceError
from ...core.texts import printable, shorten
from .common import Debugger, WhichDebugger, chosen, console

if TYPE_CHECKING:
    from ..logs import Logged, Repeated


def log(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Text logs; - reads standard input.")
    ],
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Each traceback, also equal ones, and every frame.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, one object a line for each traceback.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-F", help="Wait for more at the end of the last log.")
    ] = False,
    number: Annotated[
        int | None,
        typer.Option("--debug", metavar="N", help="Open the debugger in the N-th traceback."),
    ] = None,
    debugger: WhichDebugger = None,
) -> None:
    """Find and show the tracebacks in text logs. Equal tracebacks appear once, with their count.

    \b
    Examples:
      keeptrace log app.log
      keeptrace log app.log.1.gz app.log
      keeptrace log app.log --debug 3
      keeptrace log app.log --follow
      journalctl -u app -o json | keeptrace log -
    """
    if number is not None:
        _debug_log(files, number, debugger)
        return
    from .. import logs

    tracebacks = logs.read(files, follow)
    if as_json:
        _log_as_json(tracebacks, everything)
        return
    groups: Iterable[Repeated]
    if everything or follow:
        groups = (logs.Repeated(found, found, 1) for found in tracebacks)
    else:
        groups = logs.counted(tracebacks)
    is_found = False
    for group in groups:
        if is_found:
            console().print()
        is_found = True
        _show_logged(group, everything)
    if not is_found:
        raise KeepTraceError(f"{', '.join(files)}: there is no traceback in it")


def _log_as_json(tracebacks: Iterable[Logged], everything: bool) -> None:
    from ...render.data import to_data
    from ...render.model import make_view

    for found in tracebacks:
        place = {
            "traceback": found.number,
            "file": found.file,
            "line": found.line,
            "time": found.time,
            "before": found.before,
        }
        data = to_data(make_view(found.report), {}, everything=everything)
        typer.echo(json.dumps({**place, **data}))


def _show_logged(group: Repeated, everything: bool) -> None:
    """Prints a traceback with its place in the log and its count."""
    from ...render.model import make_view
    from ...render.terminal import show as show_view

    screen = console()
    found = group.first
    heading = f"--- traceback {found.number}: {printable(found.place)} ---"
    screen.print(heading, style="bold", markup=False)
    if group.times > 1:
        last = printable(group.last.place)
        screen.print(f"{group.times} times, the last in {last}", style="dim", markup=False)
    if found.before:
        screen.print(printable(shorten(found.before, 200)), style="dim", markup=False)
    show_view(make_view(found.report), screen, everything=everything)


def _debug_log(files: list[str], number: int, debugger: Debugger | None) -> None:
    from ...debug import post_mortem
    from ...textlog import restored
    from .. import logs

    if "-" in files:
        raise KeepTraceError(
            "--debug cannot read the log from standard input: the debugger reads its commands there"
        )
    count = 0
    for found in logs.read(files):
        count = found.number
        if count == number:
            post_mortem(restored(found.report), debugger=chosen(debugger))
            return
    raise KeepTraceError(f"{', '.join(files)}: there is no traceback {number}; it has {count}")
