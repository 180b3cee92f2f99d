"""The command `diff`: the differences between two dumps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..choosing import chosen_dump, completions
from .common import AsJson, Everything, print_json, read_view

if TYPE_CHECKING:
    from ...render.diff import Section

_First = Annotated[
    str, typer.Argument(metavar="A", help="A dump, as for show.", autocompletion=completions)
]
_Second = Annotated[
    str, typer.Argument(metavar="B", help="Another dump.", autocompletion=completions)
]
# The length of a line, without and with --all. (characters)
_LINE = 160
_LONG = 4_000


def diff(
    first: _First, second: _Second, everything: Everything = False, as_json: AsJson = False
) -> None:
    """Show the differences between two dumps: facts, exceptions, path, and variables.

    Compares two dumps of a failure, or a failing call with a passing call (a snapshot). The
    variables are from the functions on both paths to the root cause, the innermost first. Like
    diff, exits with code 1 if anything differs.

    \b
    Examples:
      keeptrace diff monday.keeptrace tuesday.keeptrace
      keeptrace diff 1 2
    """
    from ...render.diff import compare, lines

    header, view = read_view(chosen_dump(first))
    other_header, other = read_view(chosen_dump(second))
    sections = compare(view, other, (header, other_header))
    if as_json:
        print_json({section.title: _changes(section) for section in sections})
    else:
        most = _LINE
        if everything:
            most = _LONG
        for line in lines(sections, most):
            typer.echo(line)
        if not sections:
            typer.echo("nothing differs")
    raise typer.Exit(int(bool(sections)))


def _changes(section: Section) -> list[dict[str, str]]:
    return [
        {"name": change.name, "first": change.first, "second": change.second}
        for change in section.changes
    ]
