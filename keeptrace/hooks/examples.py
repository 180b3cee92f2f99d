"""Failed examples of doctest, as exceptions with a frame in the example.

doctest names the code of an example "<doctest shop.total[2]>", and gives linecache its source while
the test runs. An example that raised has a frame of its own. For an example with the wrong output
we make a frame, with the example's variables and source, at its statement.
"""

from __future__ import annotations

import ast
import contextlib
import linecache
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from doctest import DocTest, Example

# During exec, a variable of the example for the exception. No program can use such a name.
_FAILURE: Final = "<failure>"


class ExampleFailed(AssertionError):
    """An example of a docstring printed something else than the docstring says."""


@contextlib.contextmanager
def failed_example(exc: BaseException) -> Iterator[BaseException]:
    """The exception to dump for a failed test: for a doctest, the exception of its example.

    In the block linecache knows the example's source.
    """
    doctest: Any = sys.modules.get("doctest")
    failure: Any = exc
    for first in getattr(exc, "failures", ())[:1]:  # pytest's --doctest-continue-on-failure
        failure = first
    if doctest is None or not isinstance(
        failure, (doctest.UnexpectedException, doctest.DocTestFailure)
    ):
        yield exc
        return
    with _known_source(failure.test, failure.example):
        if isinstance(failure, doctest.UnexpectedException):
            yield failure.exc_info[1]
        else:
            yield wrong_output(failure.test, failure.example, failure.got)


@contextlib.contextmanager
def _known_source(test: DocTest, example: Example) -> Iterator[None]:
    name = _file_of(test, example)
    lines = example.source.splitlines(keepends=True)
    before = linecache.cache.get(name)
    linecache.cache[name] = (len(example.source), None, lines, name)
    try:
        yield
    finally:
        del linecache.cache[name]
        if before is not None:
            linecache.cache[name] = before


def _file_of(test: DocTest, example: Example) -> str:
    """doctest's name for the code of an example."""
    return f"<doctest {test.name}[{test.examples.index(example)}]>"


def wrong_output(test: DocTest, example: Example, got: str) -> ExampleFailed:
    """An exception raised at an example, with the variables as the example left them."""
    failure = ExampleFailed(f"expected {example.want!r}, got {got!r}")
    statement = ast.parse(example.source).body[0]
    name = ast.copy_location(ast.Name(_FAILURE, ast.Load()), statement)
    module = ast.Module([ast.copy_location(ast.Raise(name), statement)], [])
    variables = {**test.globs, _FAILURE: failure}
    try:
        exec(compile(module, _file_of(test, example), "exec"), variables)
    except ExampleFailed:
        del variables[_FAILURE]
        traceback = failure.__traceback__
        # without this function's own frame
        failure.__traceback__ = traceback and traceback.tb_next
    return failure
