"""Failures that the running program reports itself: cells of IPython and Jupyter, tests of unittest,
examples of doctest.

These catch an exception, report it and go on, so none of Python's own hooks sees it. We replace the
methods that report: the program's report comes first, then the dump, and the line that says how to
see the dump stands below the report.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

from ..store.telling import tell
from .examples import wrong_output

# Replaces a method of a class: the class, the name, and what makes the new method of the old one.
Replace: TypeAlias = Callable[[Any, str, Callable[[Callable[..., Any]], Callable[..., Any]]], None]
# Keeps a failure, from the user's first frame on; gives the line that says how to see the dump.
Keep: TypeAlias = Callable[[object], str | None]


# -- IPython and Jupyter


def _watch_cells(replace: Replace, keep: Keep, module: Any) -> None:
    """IPython calls showtraceback() for cells and %run, and not for code that does not compile."""

    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        def showtraceback(shell: object, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> Any:
            exc = exc_tuple[1] if exc_tuple else sys.exception()
            try:
                return before(shell, exc_tuple, *args, **kwargs)
            finally:
                line = None if isinstance(exc, module.UsageError) else keep(exc)
                if line is not None:
                    tell(line)

        return showtraceback

    replace(module.InteractiveShell, "showtraceback", make)


# -- unittest


def _watch_tests(replace: Replace, keep: Keep, module: Any) -> None:
    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        # addSubTest() has one more argument, and no error for a subtest that passed.
        def add(result: Any, *arguments: Any, **named: Any) -> Any:
            lists = _reports_of(result)
            counts = [len(reports) for reports in lists]
            try:
                return before(result, *arguments, **named)
            finally:
                error = named.get("err") or arguments[-1]
                line = keep(error[1]) if error else None
                if line is not None:
                    _tell_below(lists, counts, line)

        return add

    for name in ("addError", "addFailure", "addSubTest"):
        replace(module.TestResult, name, make)


def _reports_of(result: Any) -> list[list[Any]]:
    """The lists of reports that a result has; a subclass may have made others of them."""
    named = (getattr(result, name, None) for name in ("errors", "failures"))
    return [reports for reports in named if isinstance(reports, list)]


def _tell_below(lists: list[list[Any]], counts: list[int], line: str) -> None:
    """Writes the line below the report of a test that was just added to one of the lists."""
    for reports, count in zip(lists, counts):
        match reports[count:]:
            case [(test, str(text))]:
                reports[-1] = (test, f"{text}keeptrace: {line}\n")
                return
    tell(line)


# -- doctest


def _watch_examples(replace: Replace, keep: Keep, module: Any) -> None:
    # How each method's last argument, after `out`, `test` and `example`, becomes the exception.
    exceptions: dict[str, Callable[[Any, Any, Any], object]] = {
        "report_unexpected_exception": lambda test, example, exc_info: exc_info[1],
        "report_failure": wrong_output,
    }
    for name, exception_of in exceptions.items():
        replace(module.DocTestRunner, name, partial(_reporting, keep, exception_of))


def _reporting(
    keep: Keep, exception_of: Callable[[Any, Any, Any], object], before: Callable[..., Any]
) -> Callable[..., Any]:
    def report(runner: object, out: Any, test: Any, example: Any, found: Any) -> None:
        before(runner, out, test, example, found)
        try:
            line = keep(exception_of(test, example, found))
        except SyntaxError:  # the example needs compiler flags to be read
            return
        if line is not None:
            out(f"keeptrace: {line}\n")

    return report


# module → what is done with the module once the program has imported it
RUNNERS: Final[dict[str, Callable[[Replace, Keep, types.ModuleType], None]]] = {
    "IPython.core.interactiveshell": _watch_cells,
    "unittest.result": _watch_tests,
    "doctest": _watch_examples,
}
