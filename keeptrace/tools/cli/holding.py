"""The commands for held processes: `held`, `attach` and `release`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...core.errors import KeepTraceError
from ...core.texts import counted, printable, shorten
from .common import AsJson, WhichDebugger, chosen, console, print_json

if TYPE_CHECKING:
    from ...hold.listing import HeldFailure

# (characters of a message in the list)
_MAX_MESSAGE = 200
_MEGABYTE = 1_000_000


def held(as_json: AsJson = False) -> None:
    """List the failures whose processes are held, of all your programs.

    Prints a table in a terminal. In a pipe, prints a line for each failure, with tabs: number, age,
    memory, exception, place, task, attached process.

    \b
    Examples:
      keeptrace held
    """
    from ...hold.listing import held as all_held

    failures = all_held()
    if as_json:
        print_json([failure._asdict() for failure in failures])
        return
    rows = [_row(failure) for failure in failures]
    if not console().is_terminal:
        for row in rows:
            typer.echo("\t".join(row))
        return
    if not rows:
        typer.echo("nothing is held")
    for row in rows:
        _print(row)


def _row(failure: HeldFailure) -> tuple[str, str, str, str, str, str, str]:
    """Number, age, memory, exception, place, task, attached process."""
    exception = failure.type
    if failure.message:
        exception += f": {shorten(failure.message, _MAX_MESSAGE)}"
    attached = ""
    if failure.attached is not None:
        attached = f"process {failure.attached}"
    return (
        str(failure.number),
        _age(failure.since),
        f"{failure.memory / _MEGABYTE:,.0f} MB",
        printable(exception) or "busy",
        printable(failure.where),
        printable(failure.task),
        attached,
    )


def _age(since: float) -> str:
    from ...core.clock import now

    if not since:
        return "?"
    age = max(0.0, now() - since)
    minutes, seconds = divmod(int(age), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min"
    return f"{seconds} s"


def _print(row: tuple[str, str, str, str, str, str, str]) -> None:
    from rich.text import Text

    number, age, memory, exception, where, task, attached = row
    facts = f"{age}, {memory}"
    if attached:
        facts += f", attached: {attached}"
    screen = console()
    head = Text.assemble((f"{number:>3}", "cyan"), "  ", (exception, "bold red"))
    place = Text.assemble("     ", (where, "green"), f"  {task}  ", (facts, "dim"))
    screen.print(head)
    screen.print(place)


def attach(
    number: Annotated[int, typer.Argument(metavar="N", help="The number in keeptrace held.")],
    debugger: WhichDebugger = None,
) -> None:
    """Open the debugger in a held process, with its live objects.

    When you quit the debugger, the process is still held.

    \b
    Examples:
      keeptrace attach 1
      keeptrace attach 1 --debugger ipdb
    """
    from ...hold.attaching import attach as start

    start(number, chosen(debugger))


def release(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[N]...", help="The numbers in keeptrace held.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="All that are held.")] = False,
) -> None:
    """End held processes.

    \b
    Examples:
      keeptrace release 1 2
      keeptrace release --all
    """
    from ...hold.listing import release as end

    if not numbers and not everything:
        raise KeepTraceError("release which? Name numbers of keeptrace held, or give --all")
    count = end(*(numbers or ()), all=everything)
    typer.echo(f"released {counted(count, 'process', 'processes')}")
