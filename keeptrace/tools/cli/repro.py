"""The command `repro`: a test from a dump."""

from __future__ import annotations

import os
import shutil
from typing import Annotated

import typer

from ...core.errors import KeepTraceError
from ...core.texts import printable
from ..choosing import chosen_dump
from .common import File, Live, read_dump

_DEFAULT = "test_repro.py"


def repro(
    file: File = None,
    frame: Annotated[
        int | None,
        typer.Option(
            "--frame",
            "-f",
            metavar="N",
            help="The call in frame #N. Default: the innermost of your own that a test can call.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help=f"Default: {_DEFAULT}, if there is none; - is stdout.",
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Run it, and say whether it fails the same way.")
    ] = False,
    live: Live = False,
) -> None:
    """Write a pytest file that repeats the failing call, and expects its exception.

    Arguments become code: literals, dataclasses and other instances, small arrays and frames. A
    comment names each value that code cannot rebuild; with --live, the test reads such values from
    a copy of the dump in its directory. --verify runs the program's code, and exits with code 1 if
    the call does not fail the same way.

    \b
    Examples:
      keeptrace repro crash.keeptrace
      keeptrace repro crash.keeptrace --frame 3 -o tests/test_total.py --verify
    """
    from ...format.files import write
    from ...render.model import make_view
    from ..repro import repro_text

    file = chosen_dump(file)
    report = read_dump(file).report
    text = repro_text(report, make_view(report), dump=file, number=frame, live=live)
    if output == "-":
        typer.echo(text, nl=False)
        return
    if output is None and os.path.exists(_DEFAULT):
        raise KeepTraceError(
            f"{_DEFAULT} exists: name another file with -o, or this one to replace it"
        )
    target = output or _DEFAULT
    write(target, text.encode("utf-8", "backslashreplace"))
    typer.echo(f"wrote {printable(target)}", err=True)
    if live:
        _put_beside(file, target)
    if verify:
        _verify(target)


def _put_beside(dump: str, target: str) -> None:
    """Copies the dump into the directory of the test, which reads live objects from the copy."""
    directory = os.path.dirname(os.path.abspath(target))
    beside = os.path.join(directory, os.path.basename(dump))
    if not os.path.exists(beside) or not os.path.samefile(dump, beside):
        shutil.copyfile(dump, beside)


def _verify(target: str) -> None:
    from ..repro import verify

    verdict = verify(target)
    if verdict.fails_alike:
        typer.echo("verified: the call fails the same way")
        return
    typer.echo(printable(verdict.output, "\n"))
    typer.echo("the call does not fail the same way")
    raise typer.Exit(1)
