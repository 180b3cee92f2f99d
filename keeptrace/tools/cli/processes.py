"""The commands for failed processes that are held: `held`, `attach` and `release`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...core.errors import KeepTraceError
from ...core.texts import printable, shorten
from .common import AsJson, WhichDebugger, chosen, console, print_json

if TYPE_CHECKING:
    from ...hold.listing import HeldFailure

# (characters of a message in the list)
_MAX_MESSAGE = 200
_MEGABYTE = 1_000_000


def held(as_json: AsJson = False) -> None:
    """List the failures whose processes are held, of all your programs.

    A table in a terminal; in a pipe one line each, with tabs: number, age, memory, exception,
    place, task, who is attached.

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
    """Number, age, memory, exception, place, task, who is attached."""
    message = shorten(failure.message, _MAX_MESSAGE)
    exception = f"{failure.type}: {message}" if message else failure.type
    attached = f"process {failure.attached}" if failure.attached is not None else ""
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
    minutes, seconds = divmod(int(max(0.0, now() - since)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def _print(row: tuple[str, str, str, str, str, str, str]) -> None:
    from rich.text import Text

    number, age, memory, exception, where, task, attached = row
    screen = console()
    screen.print(Text.assemble((f"{number:>3}", "cyan"), "  ", (exception, "bold red")))
    facts = [age, memory, *([f"attached: {attached}"] if attached else [])]
    screen.print(Text.assemble("     ", (where, "green"), f"  {task}  ", (", ".join(facts), "dim")))


def attach(
    number: Annotated[int, typer.Argument(metavar="N", help="The number in keeptrace held.")],
    debugger: WhichDebugger = None,
) -> None:
    """Open the debugger in a process that is held, with its live objects.

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
    """End processes that are held.

    \b
    Examples:
      keeptrace release 1 2
      keeptrace release --all
    """
    from ...hold.listing import release as end

    if not numbers and not everything:
        raise KeepTraceError("release which? Name numbers of keeptrace held, or give --all")
    count = end(*(numbers or ()), all=everything)
    typer.echo(f"released {count} process{'' if count == 1 else 'es'}")
