"""Arguments of several commands, and functions to read a dump and print."""

from __future__ import annotations

import enum
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..choosing import DIRECTORY_VARIABLE, completions

if TYPE_CHECKING:
    from rich.console import Console

    from ...format.reading import Dump
    from ...render.view import View


class Debugger(enum.StrEnum):
    """The debuggers of post_mortem: the names in debug.DEBUGGERS. A test compares both."""

    pdb = "pdb"
    ipdb = "ipdb"
    pudb = "pudb"
    ipython = "ipython"


_FILE_HELP: Final = (
    "A dump, plain or gzipped; a directory, for its newest; a number of `keeptrace ls`, or the "
    "start of a name; - reads standard input. Default: the newest of keeptrace-dumps or "
    "$KEEPTRACE_DIR."
)
File = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE]", help=_FILE_HELP, autocompletion=completions, show_default=False
    ),
]
Directory = Annotated[
    str,
    typer.Argument(
        metavar="[DIR]",
        envvar=DIRECTORY_VARIABLE,
        help="A directory of dumps, or a URL that fsspec knows.",
    ),
]
Live = Annotated[
    bool,
    typer.Option(
        "--live",
        help="Let the objects in the dump come alive. "
        "This runs code that it names: only for dumps you trust.",
    ),
]
WhichDebugger = Annotated[
    Debugger | None,
    typer.Option("--debugger", help="Default: the one that PYTHONBREAKPOINT names, else pdb."),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for other programs.")]
Everything = Annotated[
    bool,
    typer.Option("--all", "-a", "--verbose", "-v", help="Every frame and variable, at length."),
]


def read_dump(file: str) -> Dump:
    """The dump in a file; "-" is standard input. Raises DumpError with the name of the file."""
    from ...format.api import read_bytes
    from ..debugging import decoded

    if file == "-":
        data = read_bytes(sys.stdin.buffer)
    else:
        data = read_bytes(file)
    return decoded(data, file)


def read_view(file: str) -> tuple[dict[str, Any], View]:
    """The header of a dump, and a view of its report."""
    from ...render.model import make_view

    dump = read_dump(file)
    return dump.header, make_view(dump.report)


def print_json(data: object) -> None:
    typer.echo(json.dumps(data, indent=2))


def console() -> Console:
    from rich.console import Console  # imported late: completion must be quick

    return Console(highlight=False, soft_wrap=True)


def chosen(debugger: Debugger | None) -> str | None:
    """The name of the debugger, for post_mortem."""
    if debugger:
        return debugger.value
    return None
