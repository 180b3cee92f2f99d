"""The command `diff`: what differs between two dumps."""

from __future__ import annotations

from typing import Annotated

import typer

from ..choosing import chosen_dump, completions
from .common import AsJson, Everything, print_json, read_view

_First = Annotated[
    str, typer.Argument(metavar="A", help="A dump, as for show.", autocompletion=completions)
]
_Second = Annotated[
    str, typer.Argument(metavar="B", help="Another dump.", autocompletion=completions)
]
# (characters of a line, without --all and with it)
_LINE = 160
_LONG = 4_000


def diff(
    first: _First, second: _Second, everything: Everything = False, as_json: AsJson = False
) -> None:
    """Say what differs between two dumps: facts, exceptions, path, and variables.

    Of one failure seen twice, or of a failing and a passing call (a snapshot). The variables are
    those of the functions on both paths to the root cause, the innermost first. Exit code 1 if
    anything differs, as for diff.

    \b
    Examples:
      keeptrace diff monday.keeptrace tuesday.keeptrace
      keeptrace diff 1 2
    """
    from ...render.diff import compare, lines

    (header, view), (other_header, other) = (
        read_view(chosen_dump(first)),
        read_view(chosen_dump(second)),
    )
    sections = compare(view, other, (header, other_header))
    if as_json:
        print_json(
            {
                section.title: [
                    {"name": each.name, "first": each.first, "second": each.second}
                    for each in section.changes
                ]
                for section in sections
            }
        )
    else:
        for line in lines(sections, _LONG if everything else _LINE):
            typer.echo(line)
        if not sections:
            typer.echo("nothing differs")
    raise typer.Exit(1 if sections else 0)
