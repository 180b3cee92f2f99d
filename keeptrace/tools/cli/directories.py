"""The commands about a directory of dumps: `ls` and `prune`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core import DEFAULT_DIRECTORY
from ...core.errors import KeepTraceError
from ...core.texts import counted, printable, shorten
from .common import AsJson, Directory, console, print_json

if TYPE_CHECKING:
    from ...store import Entry

_DAY = 86_400.0  # seconds
# (characters of a message in the list)
_MAX_MESSAGE = 200


def list_dumps(
    directory: Directory = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """List a directory of dumps, the newest last.

    Prints a table in a terminal, with numbers for show, debug and html. In a pipe, prints a line
    for each dump, with tabs: last seen, count, type, where, message, path.

    \b
    Examples:
      keeptrace ls
      keeptrace ls /var/dumps
    """
    from ..choosing import listed

    _need_directory(directory)
    entries = listed(directory)
    if as_json:
        print_json([entry._asdict() for entry in entries])
        return
    rows = [_row(entry) for entry in entries]
    if console().is_terminal:
        _print_table(rows, directory)
        return
    for row in rows:
        typer.echo("\t".join(row))


def _row(entry: Entry) -> tuple[str, str, str, str, str, str]:
    """Last seen, count, type, where, message, path."""
    from ...render.wording import repeats_text, time_text

    message = str(entry.message).partition("\n")[0]
    return (
        time_text(entry.last),
        repeats_text(entry.count, entry.at_least),
        printable(str(entry.type)),
        printable(str(entry.where)),
        printable(shorten(message, _MAX_MESSAGE)),
        printable(entry.path),
    )


def _print_table(rows: list[tuple[str, str, str, str, str, str]], directory: str) -> None:
    from rich.text import Text

    screen = console()
    for number, (when, count, kind, where, message, path) in enumerate(rows, 1):
        failure = Text.assemble(
            (f"{number:>3}  ", "bold"),
            (when, "dim"),
            "  ",
            (f"{count:>4}x ", "cyan"),
            (kind, "bold red"),
        )
        if message:
            failure.append(f": {message}")
        screen.print(failure)
        name = os.path.basename(path)
        place = Text.assemble("         ", (where, "green"), "  ", (name, "dim"))
        screen.print(place)
    screen.print(Text(f"{len(rows)} dumps in {printable(directory)}", "dim"))


def prune(
    directory: Directory = DEFAULT_DIRECTORY,
    max_files: Annotated[int | None, typer.Option(help="Dumps to keep; -1 for no limit.")] = None,
    max_bytes: Annotated[int | None, typer.Option(help="Bytes to keep; -1 for no limit.")] = None,
    max_age: Annotated[
        float | None, typer.Option(help="Days to keep a dump; -1 for no limit.")
    ] = None,
) -> None:
    """Remove the oldest dumps of a directory.

    Without options, keeps the default bounds of a directory of dumps.

    \b
    Examples:
      keeptrace prune
      keeptrace prune /var/dumps --max-age 7
      keeptrace prune /var/dumps --max-files 100 --max-bytes 50000000
    """
    from ...store import Store

    _need_directory(directory)
    if max_age is not None and max_age > 0:
        max_age *= _DAY
    given: dict[str, Any] = {}
    if max_files is not None:
        given["max_files"] = max_files
    if max_bytes is not None:
        given["max_bytes"] = max_bytes
    if max_age is not None:
        given["max_age"] = max_age
    removed = Store(directory, **given).prune()
    typer.echo(f"removed {counted(removed, 'dump')}")


def _need_directory(directory: str) -> None:
    if "://" not in directory and not os.path.isdir(directory):
        raise KeepTraceError(f"there is no directory {directory}")
