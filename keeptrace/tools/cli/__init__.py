"""The command line: the table of its commands, and the border where errors become sentences.

Needs the extra "cli"; keeptrace/__main__.py says so where typer or rich is missing. Each kind of
command has a module; _COMMANDS says which function of which module is which command. common.py has
the arguments that several commands share.

Rules:
 1. A wrong or broken file, or a wrong option, gives a sentence on stderr and exit code 2: main()
    catches every KeepTraceError and OSError. Only the requested output goes to stdout.
 2. Only `debug --live`, `dap --live`, `attach`, `repro --verify` and `run` run foreign code; all
    other commands read.
 3. Each command imports its libraries and modules when called, so `--help` and completion are
    quick.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from ...core.errors import KeepTraceError, missing_extra
from ...core.texts import printable

try:
    import typer

    if "_KEEPTRACE_COMPLETE" not in os.environ:  # completion must be quick, and prints nothing
        import rich.console  # noqa: F401  # the commands need both
except ImportError:
    raise missing_extra("the keeptrace command", "typer and rich", "cli") from None

from ..version import package_version
from . import (
    comparing,
    directories,
    dumps,
    editors,
    holding,
    logs,
    programs,
    repro,
    snapshots,
)

app: typer.Typer = typer.Typer(
    name="keeptrace",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Exceptions that keep their frames: "
    "run programs, and open the dumps of what went wrong.\n\n"
    "Start with: keeptrace demo, or: keeptrace run script.py",
)

# name → (function, settings), in the order of the help
_COMMANDS: Final[Mapping[str, tuple[Callable[..., None], Mapping[str, Any]]]] = {
    "run": (programs.run, {"allow_interspersed_args": False, "ignore_unknown_options": False}),
    "show": (dumps.show, {}),
    "debug": (dumps.debug, {}),
    "html": (dumps.html, {}),
    "info": (dumps.info, {}),
    "diff": (comparing.diff, {}),
    "repro": (repro.repro, {}),
    "ls": (directories.list_dumps, {}),
    "prune": (directories.prune, {}),
    "snapshot": (snapshots.snapshot, {}),
    "stacks": (snapshots.stacks, {}),
    "log": (logs.log, {}),
    "demo": (programs.demo, {}),
    "held": (holding.held, {}),
    "attach": (holding.attach, {}),
    "release": (holding.release, {}),
    "dap": (editors.dap, {}),
    "mcp": (editors.mcp, {}),
}
for _name, (_function, _settings) in _COMMANDS.items():
    app.command(_name, context_settings={**_settings})(_function)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"keeptrace {package_version()}, Python {platform.python_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, help="The version."
        ),
    ] = False,
) -> None:
    """Options before the command. Their help is the help of `app`."""


def main() -> None:
    """Runs the command; see rule 1."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal without some character still gets the line.
            stream.reconfigure(errors="backslashreplace")
    try:
        typer.main.get_command(app)()  # app() itself would replace sys.excepthook for good
    except KeepTraceError as problem:
        _fail(str(problem))
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as problem:
        _fail(_sentence_of(problem))


def _sentence_of(problem: OSError) -> str:
    if problem.filename:
        return f"{problem.filename}: {problem.strerror}"
    return str(problem)


def _fail(sentence: str) -> None:
    print(f"keeptrace: {printable(sentence)}", file=sys.stderr)
    sys.exit(2)
