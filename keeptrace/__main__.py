"""The command `keeptrace`, and `python -m keeptrace`."""

from __future__ import annotations

import sys
from typing import NoReturn

from .core.errors import KeepTraceError


def main() -> None:
    """Runs the command. For a wrong file or option, prints a sentence and exits with code 2."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        _run_at_once(arguments[1:])
    try:
        from .tools.cli import main as command
    except KeepTraceError as problem:  # the extra is not installed
        _without_extra(arguments, problem)
    else:
        command()


def _run_at_once(arguments: list[str]) -> None:
    """Runs `keeptrace run` without the extra, whose import would delay the program threefold.

    Returns if the options ask for help or are wrong: typer explains both."""
    from .tools.run import plain_main

    try:
        plain_main(arguments)
    except (KeepTraceError, OSError) as problem:
        _fail(problem)


def _without_extra(arguments: list[str], absence: KeepTraceError) -> None:
    """Runs `keeptrace debug`, which needs no extra; for other commands, names the extra."""
    try:
        if arguments[:1] != ["debug"]:
            raise absence
        from .tools.debugging import plain_main

        plain_main(arguments[1:])
    except (KeepTraceError, OSError) as problem:
        _fail(problem)


def _fail(problem: Exception) -> NoReturn:
    from .core.texts import one_line

    print(f"keeptrace: {one_line(str(problem))}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
