"""Failures that the running program reports itself: cells of IPython and Jupyter, tests of
unittest, examples of doctest.

Such a program catches an exception, reports it and goes on, so Python's own hooks never see the
exception. We replace the reporting methods: the program's report comes first, then the dump. A line
below the report has the command to open the dump.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..store.telling import tell
from .examples import wrong_output
from .importing import Replace

if TYPE_CHECKING:
    from doctest import DocTest, Example
    from unittest import TestResult

# Keeps a failure from the user's first frame on; returns a line with the command to open the dump.
Keep: TypeAlias = Callable[[object], str | None]
# The exception of an example that failed: of the test, the example, and doctest's last argument.
ExceptionOf: TypeAlias = "Callable[[DocTest, Example, Any], object]"


# -- IPython and Jupyter


def _watch_cells(replace: Replace, keep: Keep, module: types.ModuleType) -> None:
    """IPython calls showtraceback() for cells and %run, but not for code that does not compile."""

    def make(before: Callable[..., object]) -> Callable[..., object]:
        def showtraceback(
            shell: object,
            exc_tuple: tuple[object, ...] | None = None,
            *args: object,
            **kwargs: object,
        ) -> object:
            exc: object = sys.exception()
            if exc_tuple:
                exc = exc_tuple[1]
            try:
                return before(shell, exc_tuple, *args, **kwargs)
            finally:
                line = None
                if not isinstance(exc, module.UsageError):
                    line = keep(exc)
                if line is not None:
                    tell(line)

        return showtraceback

    replace(module.InteractiveShell, "showtraceback", make)


# -- unittest


def _watch_tests(replace: Replace, keep: Keep, module: types.ModuleType) -> None:
    def make(before: Callable[..., object]) -> Callable[..., object]:
        # addSubTest() has an argument more. Its error is None if the subtest passed.
        def add(result: TestResult, *arguments: object, **named: object) -> object:
            lists = _reports_of(result)
            counts = [len(reports) for reports in lists]
            try:
                return before(result, *arguments, **named)
            finally:
                error: Any = named.get("err") or arguments[-1]
                line = None
                if error:
                    line = keep(error[1])
                if line is not None:
                    _tell_below(lists, counts, line)

        return add

    for name in ("addError", "addFailure", "addSubTest"):
        replace(module.TestResult, name, make)


def _reports_of(result: TestResult) -> list[list[Any]]:
    """The lists of reports of a result. A subclass may keep something else under their names."""
    named = (getattr(result, name, None) for name in ("errors", "failures"))
    return [reports for reports in named if isinstance(reports, list)]


def _tell_below(lists: list[list[Any]], counts: list[int], line: str) -> None:
    """Writes the line below the report of a test, which was just added to either list."""
    for reports, count in zip(lists, counts):
        match reports[count:]:
            case [(test, str(text))]:
                reports[-1] = (test, f"{text}keeptrace: {line}\n")
                return
    tell(line)


# -- doctest


def _watch_examples(replace: Replace, keep: Keep, module: types.ModuleType) -> None:
    exceptions: dict[str, ExceptionOf] = {
        "report_unexpected_exception": lambda test, example, exc_info: exc_info[1],
        "report_failure": wrong_output,
    }
    for name, exception_of in exceptions.items():
        replace(module.DocTestRunner, name, partial(_reporting, keep, exception_of))


def _reporting(
    keep: Keep, exception_of: ExceptionOf, before: Callable[..., object]
) -> Callable[..., None]:
    def report(
        runner: object, out: Callable[[str], object], test: DocTest, example: Example, found: object
    ) -> None:
        before(runner, out, test, example, found)
        try:
            line = keep(exception_of(test, example, found))
        except SyntaxError:  # the example needs compiler flags to be read
            return
        if line is not None:
            out(f"keeptrace: {line}\n")

    return report


# module → action after the program's import of the module
RUNNERS: Final[dict[str, Callable[[Replace, Keep, types.ModuleType], None]]] = {
    "IPython.core.interactiveshell": _watch_cells,
    "unittest.result": _watch_tests,
    "doctest": _watch_examples,
}
