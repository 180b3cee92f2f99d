"""`keeptrace …`, called in the process of the tests, or in a fork of it."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
import traceback
from typing import IO, NamedTuple, NoReturn

import pytest


class Done(NamedTuple):
    """What a command came to."""

    code: int | None
    out: str
    err: str


class Commands:
    """Calls the command line without the start of an interpreter, which takes ten times as long as
    most commands.
    """

    def __init__(self, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]) -> None:
        self._patch = patch
        self._captured = captured

    def __call__(self, *arguments: object) -> Done:
        from keeptrace.tools import cli

        command = _command()
        self._patch.setattr("typer.main.get_command", lambda app: command)
        self._patch.setattr(sys, "argv", ["keeptrace", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = self._captured.readouterr()
        return Done(ended.value.code or 0, out, err)  # type: ignore[arg-type]

    def out(self, *arguments: object) -> str:
        """The output of a command that must succeed."""
        done = self(*arguments)
        assert not done.code, done.err
        return done.out


@functools.cache
def _command() -> object:
    """The command line, which takes longer to build than most commands take."""
    import typer

    from keeptrace.tools import cli

    return typer.main.get_command(cli.app)


def in_a_fork(*arguments: object, given: bytes = b"") -> Done:
    """Runs a command that takes over its standard streams, in a fork of this process.

    The fork has the modules whose import takes a new interpreter a quarter of a second.
    """
    _command()
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
        with tempfile.TemporaryFile() as stderr:
            stdin.write(given)
            stdin.seek(0)
            pid = os.fork()
            if not pid:
                _run_and_exit(arguments, stdin, stdout, stderr)
            _, status = os.waitpid(pid, 0)
            out, err = (_text_in(file) for file in (stdout, stderr))
    return Done(os.waitstatus_to_exitcode(status), out, err)


def _run_and_exit(arguments: tuple[object, ...], *streams: IO[bytes]) -> NoReturn:
    code = 70  # of a failure that the command should have caught
    try:
        from keeptrace.tools import cli

        for number, stream in enumerate(streams):
            os.dup2(stream.fileno(), number)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        sys.argv = ["keeptrace", *map(str, arguments)]
        cli.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _text_in(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()
