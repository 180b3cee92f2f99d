"""`keeptrace …`, called in the process of the tests."""

from __future__ import annotations

import sys
from typing import NamedTuple

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
