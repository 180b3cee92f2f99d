"""keeptrace.summarise(): a class is kept as its own function says; a function that fails costs its
value alone.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import keeptrace
from keeptrace.concurrent import KeepTraceProcessPoolExecutor


class Table:
    """A class whose state tells little, and whose repr must not run."""

    def __init__(self, rows: int, password: str = "tiger-lily-77") -> None:
        self._rows = rows
        self._password = password

    def __repr__(self) -> str:
        raise AssertionError("a repr ran")


class Narrow(Table):
    pass


class Line:
    def __init__(self, number: int) -> None:
        self.number = number


def kept(value: object, **options: Any) -> tuple[Any, dict[str, Any]]:
    """The value from a frame that went through a dump, and all variables of the frame."""

    def fails(value: object) -> None:
        before, after = [1, "two"], {"last": 3}
        raise ValueError("it failed")

    try:
        fails(value)
    except ValueError as exc:
        # a busy machine must not count as a function that takes too long
        data = keeptrace.dumps(exc, **{"max_seconds": 60.0, **options})
        restored = keeptrace.loads(data)
    found: Any = restored.__traceback__.tb_next.tb_frame.f_locals
    if "depth" not in options:
        assert (found["before"], found["after"]) == ([1, "two"], {"last": 3})
    return found["value"], found


NAME = f"{Table.__module__}.Table"


@pytest.mark.parametrize("kind", [Table, NAME], ids=["class", "name"])
def test_a_text(kind: Any) -> None:
    """A text becomes the repr, of subclasses too; the object's state is not kept."""
    with keeptrace.summarise(kind, lambda table: f"<a table of {table._rows} rows>"):
        for value in (Table(3), Narrow(3)):
            found, _ = kept(value)
            assert repr(found) == "<a table of 3 rows>" and vars(found) == {}
            assert type(found).__name__ == type(value).__name__
        assert repr(kept([Table(4)])[0]) == "[<a table of 4 rows>]"
        assert repr(kept(Table(4), depth=1)[0]) == "<a table of 4 rows>"
    assert kept(Table(3))[0]._rows == 3


def test_a_dict() -> None:
    """A dict becomes the attributes, whose values are kept as any others, and the text."""
    first = Line(7)
    with keeptrace.summarise(Table, lambda table: {"rows": table._rows, "first": [first]}):
        found, _ = kept(Table(3))
    assert found.rows == 3 and found.first[0].number == 7 and not hasattr(found, "_rows")
    assert repr(found).startswith("Table(rows=3, first=[<")


def test_objects_of_a_result_have_their_functions_too() -> None:
    """What a function returns may hold objects with functions of their own; depth bounds that."""
    with (
        keeptrace.summarise(Line, lambda line: f"<line {line.number}>"),
        keeptrace.summarise(Table, lambda table: {"line": Line(1), "again": Table(9)}),
    ):
        found, _ = kept(Table(3), depth=5)
    assert repr(found.line) == "<line 1>"
    levels = 0
    while hasattr(found, "again"):
        found, levels = found.again, levels + 1
    assert 1 <= levels <= 5


def test_the_last_function_holds() -> None:
    """A later function takes the place of an earlier one until it is undone, in any order."""
    first = keeptrace.summarise(Table, lambda table: "first")
    second = keeptrace.summarise(Table, lambda table: "second")
    try:
        assert repr(kept(Table(1))[0]) == "second"
        first.undo()
        assert repr(kept(Table(1))[0]) == "second"
    finally:
        second.undo()
        first.undo()
    assert kept(Table(1))[0]._rows == 1


def _endless(table: object) -> Iterator[str]:
    while True:
        pass


def _recurses(table: object) -> str:
    return _recurses(table)


def _exits(table: object) -> str:
    sys.exit(3)


class Text(str):
    def __len__(self) -> int:
        raise AssertionError("the program's code ran")

    __str__ = __repr__ = __getitem__ = __len__  # type: ignore[assignment]


class Pairs(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise AssertionError("the program's code ran")


class Lying:
    __class__ = str  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda table: 1 / 0, "raised ZeroDivisionError"),
        (_recurses, "raised RecursionError"),
        (_exits, "raised SystemExit"),
        (lambda table: table._missing, "raised AttributeError"),
        (lambda table: None, "returned NoneType"),
        (lambda table: Text("x"), "returned Text"),
        (lambda table: Pairs(a=1), "returned Pairs"),
        (lambda table: Lying(), "returned Lying"),
        (lambda: "no argument", "raised TypeError"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_function_that_fails(function: Callable[[Any], Any], why: str) -> None:
    """It costs the state of its own object, which says why; other objects of others are kept."""
    with keeptrace.summarise(Table, function):
        found, _ = kept([Table(3), Line(5)])
    assert f"whose summary {why}>" in repr(found[0]) and vars(found[0]) == {}
    assert found[1].number == 5


def test_a_function_that_does_not_end() -> None:
    """It is given up, and costs the state of its own object."""
    with keeptrace.summarise(Table, _endless):
        found, _ = kept([Table(3), Line(5)], max_seconds=1.0)
    assert "whose summary did not end in time>" in repr(found[0]) and found[1].number == 5


def test_a_function_that_prints(capfd: pytest.CaptureFixture[str]) -> None:
    """What it prints goes where the program's prints go; the value is kept."""

    def prints(table: Table) -> str:
        print("looked at")
        return "<printed>"

    with keeptrace.summarise(Table, prints):
        assert repr(kept(Table(1))[0]) == "<printed>"
    assert "looked at" in capfd.readouterr().out


def test_results_are_bounded() -> None:
    """Long texts and large dicts are cut as everything else is."""
    with keeptrace.summarise(Table, lambda table: "x" * 1_000_000):
        assert len(repr(kept(Table(1), max_repr=100)[0])) < 200
    with keeptrace.summarise(Table, lambda table: {f"n{n}": "y" * 100 for n in range(10_000)}):
        found, _ = kept(Table(1), max_items=20)
    assert len(vars(found)) == 20 and len(repr(found)) < 2_000


@pytest.mark.parametrize("result", ["text", "dict"])
def test_secrets_in_a_result_are_hidden(result: str) -> None:
    """A secret is hidden in what a function returns, by its name and by its shape."""
    results = {
        "text": lambda table: f"<Table password={table._password!r} town='Lisbon'>",
        "dict": lambda table: {"password": table._password, "town": "Lisbon"},
    }
    with keeptrace.summarise(Table, results[result]):
        found, _ = kept(Table(1))
    assert "tiger" not in f"{found!r} {vars(found)}" and "Lisbon" in repr(found)


def test_run_reprs_false_runs_no_function() -> None:
    """With run_reprs=False no code of the program runs, these functions included."""
    with keeptrace.summarise(Table, lambda table: 1 / 0):
        assert kept(Table(3), run_reprs=False)[0]._rows == 3


def test_the_function_runs_in_another_thread() -> None:
    """The program's thread goes on after the deadline, because the function has one of its own."""
    threads = []

    def notes(table: Table) -> str:
        threads.append(threading.get_ident())
        return "<noted>"

    with keeptrace.summarise(Table, notes):
        kept(Table(1))
    assert threads and threads[0] != threading.get_ident()


def _choose() -> None:
    keeptrace.summarise(NAME, lambda table: f"<{table._rows} rows in a worker>")


def _work(rows: int) -> None:
    table = Table(rows)
    raise ValueError("it failed", table._rows)


def test_in_a_pool() -> None:
    """A worker's initializer registers a function for what the worker keeps."""
    with KeepTraceProcessPoolExecutor(
        1, initializer=_choose, trace=keeptrace.Options(max_seconds=60.0)
    ) as pool:
        exc = pool.submit(_work, 3).exception(timeout=60)
    assert exc is not None and exc.__traceback__ is not None
    entry = exc.__traceback__
    while entry.tb_next is not None:
        entry = entry.tb_next
    assert repr(entry.tb_frame.f_locals["table"]) == "<3 rows in a worker>"


@pytest.mark.parametrize(
    ("kind", "function", "message"),
    [
        ("Table", str, "qualified name"),
        ("", str, "qualified name"),
        ("a.b c", str, "qualified name"),
        ("builtins.list", str, "cannot change how list is kept"),
        (dict, str, "cannot change how dict is kept"),
        (3, str, "a class or its qualified name"),
        (Table, "text", "a function of one object"),
    ],
)
def test_wrong_arguments(kind: Any, function: Any, message: str) -> None:
    """A wrong class or function is refused where it is given, and the message says what is
    accepted.
    """
    with pytest.raises(keeptrace.OptionError, match=message):
        keeptrace.summarise(kind, function)
