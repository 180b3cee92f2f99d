"""The commands `run` and `demo`, which run programs."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ...core import DEFAULT_DIRECTORY
from ...core.texts import printable, quoted
from ..choosing import DIRECTORY_VARIABLE
from .common import console, read_view


def run(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="SCRIPT [ARGS]...", help="The program and its arguments, as for python."
        ),
    ],
    module: Annotated[bool, typer.Option("-m", help="Run a module, as python -m does.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Open the debugger when an exception ends the program.")
    ] = False,
    hold: Annotated[
        bool,
        typer.Option("--hold", help="Keep failed processes alive, for keeptrace attach."),
    ] = False,
    directory: Annotated[
        str,
        typer.Option(
            "--dir", "-d", metavar="DIR", envvar=DIRECTORY_VARIABLE, help="Where the dumps go."
        ),
    ] = DEFAULT_DIRECTORY,
) -> None:
    """Run a program, and dump the exception that ends it.

    Also dumps the exceptions that end threads, pool workers and other Python processes of the
    program. The exit code is the program's own.

    \b
    Examples:
      keeptrace run script.py --its-own-option
      keeptrace run -m package.module
      keeptrace run --debug script.py
      keeptrace run --hold script.py
      keeptrace run --dir /var/dumps script.py
    """
    from ..run import run as start

    if module:
        arguments = ["-m", *arguments]
    start(arguments, directory, debug, hold)


def demo(
    directory: Annotated[
        str | None,
        typer.Option(
            "--dir",
            "-d",
            metavar="DIR",
            help="Where its dump goes. Default: a temporary directory.",
        ),
    ] = None,
) -> None:
    """Let a worker process fail, dump the failure, and show the dump.

    \b
    Examples:
      keeptrace demo
    """
    import tempfile

    from ...demo import failed_task
    from ...format.api import dump
    from ...format.files import make_private

    failed = failed_task()
    if directory is not None:
        make_private(directory)
    path = os.path.join(directory or tempfile.mkdtemp(prefix="keeptrace-"), "demo.keeptrace")
    dump(failed, path)
    typer.echo(
        "A task in a worker process failed. In its parent, this one, the exception has its frames "
        "and variables:\n"
    )
    from ...render import terminal

    terminal.show(read_view(path)[1], console())
    typer.echo(f"\nIt was dumped to {printable(path)}. Now try:")
    typer.echo(f"  keeptrace show {quoted(path)} --frame 2")
    for name in ("debug", "html", "info"):
        typer.echo(f"  keeptrace {name} {quoted(path)}")
