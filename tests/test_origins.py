"""Functions that crossed to a worker by value show their source lines where the exception arrives."""

from __future__ import annotations

import linecache
import subprocess
import sys
import textwrap
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any

import cloudpickle
import pytest

from keeptrace import Options
from keeptrace.concurrent.crossing import from_bytes, to_bytes
from keeptrace.concurrent.deaths.fault_text import with_files
from keeptrace.concurrent.texts import exception_of, keep_in_text

SOURCE = textwrap.dedent(
    """
    import contextlib, functools

    def plain(a):
        return 1 / a  # here

    def outer():
        def inner(a):
            return 1 / a  # here
        return inner

    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args)
        return wrapper

    @decorated
    def wrapped(a):
        return 1 / a  # here

    class Model:
        def method(self, a):
            return 1 / a  # here

        @staticmethod
        def static(a):
            return 1 / a  # here

    closure = outer()
    partial = functools.partial(plain)
    method = Model().method
    static = Model.static
    named = lambda a: 1 / a  # here
    kept = [lambda a: 1 / a]  # here
    """
)
NAMES = ["plain", "closure", "wrapped", "partial", "method", "static", "named", "kept"]


@pytest.fixture(params=["a module's file", "a cell"])
def module(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[types.ModuleType]:
    """A module that cloudpickle sends by value, as it sends __main__."""
    module = types.ModuleType("sent_by_value")
    file = "<ipython-input-7-0123>"
    if request.param != "a cell":
        path = tmp_path / "sent_by_value.py"
        path.write_text(SOURCE)
        file = module.__file__ = str(path)
    else:
        linecache.cache[file] = len(SOURCE), None, SOURCE.splitlines(keepends=True), file
    sys.modules[module.__name__] = module
    cloudpickle.register_pickle_by_value(module)
    exec(compile(SOURCE, file, "exec"), module.__dict__)
    yield module
    cloudpickle.unregister_pickle_by_value(module)
    del sys.modules[module.__name__]
    linecache.cache.pop(file, None)


def arrived(function: Callable[..., Any]) -> BaseException:
    """What arrives of the failure of a function that crossed by value."""
    try:
        cloudpickle.loads(cloudpickle.dumps(function))(0)
    except ZeroDivisionError as exc:
        exc.__traceback__ = exc.__traceback__.tb_next
        return from_bytes(to_bytes(exc, Options()))
    raise AssertionError


@pytest.mark.parametrize("name", NAMES)
def test_source_lines_are_shown(module: types.ModuleType, name: str) -> None:
    """Of functions, closures, lambdas, methods and what wraps them; of a file, and of a notebook's
    cell.
    """
    function = getattr(module, name)
    exc = arrived(function[0] if name == "kept" else function)
    assert "1 / a" in traceback.format_exception(exc)[-2]


def test_a_function_that_was_replaced_shows_no_line_of_the_new_one(
    module: types.ModuleType,
) -> None:
    """The same name and line, but other code: nothing false is shown."""
    function = module.plain
    linecache.cache.pop(function.__code__.co_filename, None)
    if "__file__" in vars(module):
        open(module.__file__, "w").write(SOURCE.replace("1 / a", "a + 1"))
        linecache.checkcache()
    module.__dict__.clear()
    module.__dict__["__name__"] = "sent_by_value"
    exec(compile(SOURCE.replace("1 / a", "a + 1"), "other.py", "exec"), module.__dict__)
    assert "a + 1" not in "".join(traceback.format_exception(arrived(function)))


def test_lambda_of_a_cell_that_runs_no_more() -> None:
    """A lambda that nothing holds is found in the text of its cell."""
    cell = "functions = [lambda a: 1 / a]\n"
    file = "<ipython-input-8-0123>"
    main = sys.modules["__main__"]
    linecache.cache[file] = len(cell), None, [cell], file
    namespace = dict(main.__dict__)
    exec(compile(cell, file, "exec"), namespace)
    function = types.FunctionType(namespace["functions"][0].__code__, main.__dict__)
    function.__module__ = "__main__"
    assert "lambda a: 1 / a" in "".join(traceback.format_exception(arrived(function)))


def test_source_lines_of_a_dump_in_a_text(module: types.ModuleType) -> None:
    """Engines that send text send functions by value, too."""
    function = cloudpickle.loads(cloudpickle.dumps(module.plain))
    with pytest.raises(ZeroDivisionError) as info:
        keep_in_text(function)(0)
    exc = exception_of(info.value)
    assert exc is not None and "1 / a" in traceback.format_exception(exc)[-2]


PROGRAM = """
import traceback
import {imports}
from keeptrace.concurrent import keep_trace
from keeptrace.concurrent.loky import KeepTraceLokyExecutor

def inner(a):
    return 1 / a

@keep_trace
def task(a):
    return inner(a)

if __name__ == "__main__":
    try:
        {call}
    except ZeroDivisionError as exc:
        traceback.print_exception(exc)
"""
CALLS = {
    "loky": "KeepTraceLokyExecutor(1).submit(task, 0).result(40)",
    "joblib": "joblib.Parallel(2)(joblib.delayed(task)(number) for number in (0, 0))",
}


@pytest.mark.parametrize("engine", CALLS)
def test_functions_of_main(engine: str, tmp_path: Any) -> None:
    """loky and joblib send those of a script by value: each frame has its line."""
    pytest.importorskip(engine)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(imports=engine, call=CALLS[engine]))
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=50
    )
    assert "return inner(a)" in done.stderr and "return 1 / a" in done.stderr
    assert "dynamic-code" not in done.stderr


DYING = """
import faulthandler
import {imports}
from keeptrace.concurrent.loky import KeepTraceLokyExecutor
import keeptrace.concurrent.joblib

def outer():
    def inner():
        faulthandler._sigsegv()
    return inner

def task(a):
    outer()()

if __name__ == "__main__":
    try:
        {call}
    except RuntimeError as exc:
        print(*exc.__notes__)
"""
DYING_CALLS = {
    "loky": "KeepTraceLokyExecutor(1).submit(task, 0).result(40)",
    "joblib": "joblib.Parallel(2, backend='keeptrace')([joblib.delayed(task)(0)])",
}


@pytest.mark.parametrize("engine", DYING_CALLS)
def test_death_in_functions_of_main(engine: str, tmp_path: Any) -> None:
    """The stack of a dead worker shows the lines of functions that crossed by value."""
    pytest.importorskip(engine)
    pytest.importorskip("joblib")
    program = tmp_path / "program.py"
    program.write_text(DYING.format(imports=engine, call=DYING_CALLS[engine]))
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=100
    )
    assert "while it ran task(0)." in done.stdout, done.stderr
    assert f'''File "{program}", line 9, in inner''' in done.stdout
    assert "faulthandler._sigsegv()" in done.stdout and "outer()()" in done.stdout


def test_a_place_that_two_files_have_is_not_told(module: types.ModuleType) -> None:
    """Two functions with the same name and line: neither's file is shown of a dead worker."""
    text = (
        'Current thread 0x1 (most recent call first):\n  File "<dynamic-code>", line 5 in plain\n'
    )
    file = module.plain.__code__.co_filename
    assert with_files(text) == text.replace("<dynamic-code>", file)
    other = types.FunctionType(
        module.plain.__code__.replace(co_filename="other.py"), module.__dict__
    )
    vars(module)["other"] = other
    assert with_files(text) == text
