"""Failed examples of doctest, as exceptions with a frame in the example.

doctest names the code of an example "<doctest shop.total[2]>", and gives linecache its source while
the test runs. An example that raised has such a frame. For an example that printed something else
we make one: with the example's variables and source, at its statement.
"""

from __future__ import annotations

import ast
import contextlib
import linecache
import sys
from collections.abc import Iterator
from typing import Any, Final

# The exception, for a moment among the variables of the example. No program can use this name.
_FAILURE: Final = "<failure>"


class ExampleFailed(AssertionError):
    """An example of a docstring printed something else than the docstring says."""


@contextlib.contextmanager
def failed_example(exc: BaseException) -> Iterator[BaseException]:
    """The exception to dump for what a test ended with: of a doctest, the example's own.

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
def _known_source(test: Any, example: Any) -> Iterator[None]:
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


def _file_of(test: Any, example: Any) -> str:
    """doctest's name for the code of an example."""
    return f"<doctest {test.name}[{test.examples.index(example)}]>"


def wrong_output(test: Any, example: Any, got: str) -> ExampleFailed:
    """An exception raised at an example, with the variables that the example has left."""
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
