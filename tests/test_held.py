"""Exceptions in the arguments and attributes of an exception arrive like the exceptions of its chain."""

from __future__ import annotations

import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import held_tasks as tasks
import hostile
import pytest

import keeptrace
from keeptrace import Options
from keeptrace.capture.capture import capture
from keeptrace.concurrent import KeepTraceProcessPoolExecutor
from keeptrace.format.reading import decode
from keeptrace.format.writing import fingerprint_of
from keeptrace.render.model import make_view
from keeptrace.render.plain_text import traceback_text
from keeptrace.render.values import ShownValues

Ways = Callable[..., Any]


def raised(function: Callable[..., object], *args: Any) -> Any:
    with pytest.raises(Exception) as info:
        function(*args)
    return info.value


@pytest.fixture(scope="module")
def pool() -> Iterator[KeepTraceProcessPoolExecutor]:
    with KeepTraceProcessPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(params=["pool", "dump"])
def arrived(request: pytest.FixtureRequest, pool: KeepTraceProcessPoolExecutor) -> Ways:
    """Calls a function that fails, and returns the exception from a worker, or from a dump."""

    def by_pool(function: Callable[..., object], *args: Any) -> Any:
        return pool.submit(function, *args).exception(timeout=60)

    def by_dump(function: Callable[..., object], *args: Any) -> Any:
        return keeptrace.loads(keeptrace.dumps(raised(function, *args)))

    return by_pool if request.param == "pool" else by_dump


def functions(exc: BaseException) -> list[str]:
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(exc.__traceback__)]


def test_a_list_of_exceptions(arrived: Ways) -> None:
    """Each has its frames, variables, cause and notes; in a slot, a list and a dict it is one object."""
    exc = arrived(tasks.all_fail, [1, 2])
    assert str(exc) == "2 failed" and len(exc.errors) == 2
    for number, error in enumerate(exc.errors, 1):
        assert type(error).__name__ == "NeedsCode" and error.code == number
        assert functions(error) == ["collected", "one"]
        assert error.__traceback__.tb_next.tb_frame.f_locals["part"] == number
        assert functions(error.__cause__) == ["one", "divide"] and error.__notes__ == ["tried once"]
    assert exc.last is exc.errors[1] and list(exc.by_name.values()) == exc.errors


def test_its_own_class_catches_it(pool: KeepTraceProcessPoolExecutor) -> None:
    """In the parent, also where pickle could not rebuild the exception."""
    exc: Any = pool.submit(tasks.all_fail, [1]).exception(timeout=60)
    assert type(exc) is tasks.Several and type(exc.last) is tasks.NeedsCode


def test_an_exception_as_the_only_argument(arrived: Ways) -> None:
    """str() gives the text of the argument, as ever."""
    exc = arrived(tasks.argument_fails, 1)
    assert str(exc) == "part 1" and functions(exc.args[0])[-1] == "one"


@pytest.mark.parametrize(
    "exc",
    [
        RuntimeError([ValueError("a"), tasks.Odd()]),
        RuntimeError("failed", KeyError("k")),
        KeyError(ValueError("v")),
        RuntimeError({"first": tasks.Odd()}),
    ],
    ids=str,
)
def test_a_message_with_the_reprs_of_exceptions(exc: Exception) -> None:
    """The header, views and the restored exception have the text that the exception had."""
    data = keeptrace.dumps(exc)
    dumped = decode(data)
    message = make_view(dumped.report).root.message
    assert dumped.header["message"] == message == str(keeptrace.loads(data)) == str(exc)


def test_exceptions_that_hold_one_another(arrived: Ways) -> None:
    """Each is one object, wherever it is held."""
    exc = arrived(tasks.holds_itself)
    assert exc.other.exc is exc and exc.all == (exc, exc.other)


def test_more_than_the_bound() -> None:
    """The chain comes first; what is beyond the bound is a stand-in, and counted."""
    exc = raised(tasks.all_fail, list(range(20)))
    report = capture(exc, Options(max_exceptions=5))
    assert len(report["exceptions"]) == 5 and report["cuts"]["max_exceptions"] > 0
    restored: Any = keeptrace.loads(keeptrace.dumps(exc, max_exceptions=5))
    assert functions(restored.errors[0])[-1] == "one"
    assert type(restored.errors[19]).__name__ == "NeedsCode"


def test_each_exception_beyond_the_bound_counts_once() -> None:
    """A group has its children among its arguments, too."""
    group = ExceptionGroup("three", [ValueError(1), KeyError(2), OSError(3)])
    assert capture(group, Options(max_exceptions=2))["cuts"] == {"max_exceptions": 2}


def test_what_views_show() -> None:
    """The message of an exception that is the argument of another one, and the place of those in
    attributes. Python's own text of the traceback has none of them.
    """
    view = make_view(capture(raised(tasks.argument_fails, 1), Options()))
    assert [each.message for each in view.exceptions][:2] == ["part 1", "part 1"]
    view = make_view(capture(raised(tasks.all_fail, [1, 2]), Options()))
    relations = {each.message: each.relation for each in view.exceptions}
    assert relations["part 1"] == "held" and relations["division by zero"] == "cause"
    assert "part 1" not in traceback_text(view)


def test_the_header_and_the_fingerprint_of_a_dump() -> None:
    """The header tells the message; failures are the same whatever exceptions are held."""
    dumped = decode(keeptrace.dumps(raised(tasks.argument_fails, 1)))
    assert dumped.header["message"] == "part 1"
    reports = [capture(raised(tasks.all_fail, parts), Options()) for parts in ([1], [1, 2])]
    assert fingerprint_of(reports[0]) == fingerprint_of(reports[1])


def forged(count: int, args: list[Any]) -> dict[str, Any]:
    """A report of so many exceptions, whose arguments are one tuple of these."""
    report = hostile.fresh()
    report["values"].append(["tuple", len(args), args])
    ref = [len(report["values"]) - 1]
    record = {**report["exceptions"][0], "args": ref, "traceback": []}
    report["exceptions"] = [dict(record) for _ in range(count)]
    return report


def peak_of(report: dict[str, Any]) -> int:
    """The bytes that a view of a report takes meanwhile."""
    tracemalloc.start()
    try:
        make_view(report)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_view_keeps_few_long_messages() -> None:
    """A forged report may show one long text in each message: no view holds them all whole."""
    report = forged(400, ["x" * 100_000, 1])
    assert peak_of(report) < 20_000_000


def test_a_view_looks_through_few_attributes() -> None:
    """A forged report may have one long list in each attribute: no view reads the list each time."""
    report = forged(1, [])
    report["values"].append(["list", 2_000, [1] * 2_000])
    shared = [len(report["values"]) - 1]
    record = report["exceptions"][0]
    record["attributes"] = {f"name{number}": shared for number in range(2_000)}
    assert peak_of(report) < 20_000_000


def test_an_exception_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One exception may be each of many arguments: its repr is made once."""
    asked = []
    text = ShownValues.text
    monkeypatch.setattr(ShownValues, "text", lambda *given: asked.append(0) or text(*given))
    report = forged(2, ["yyyy"] * 200)
    first, _ = report["exceptions"]
    report["values"].append(["exception", 1])
    inner = [len(report["values"]) - 1]
    report["values"].append(["tuple", 50, [inner] * 50])
    first["args"] = [len(report["values"]) - 1]
    message = make_view(report).root.message
    assert message.count("ValueError('yyyy', ") == 50
    assert len(asked) < 400
