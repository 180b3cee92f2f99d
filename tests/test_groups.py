"""Many failures at once: groups with counts and what differs, gather(), the difference of two
dumps.
"""

from __future__ import annotations

import concurrent.futures
import re
import traceback
from typing import Any

import pytest

import keeptrace
from keeptrace.concurrent import GatheredFailures, KeepTraceProcessPoolExecutor, gather


def total(order: dict[str, Any], secret_token: str) -> float:
    return order["price"] * int(order["quantity"])


def charge(number: int) -> float:
    quantity = {0: "two", 1: "", 2: "three"}.get(number % 5, "1")
    if number % 50 == 7:
        raise KeyError(number)
    return total({"price": 2.5, "quantity": quantity, "number": number}, f"tok{number}-Zx81")


def failures(numbers: range) -> list[BaseException]:
    found: list[BaseException] = []
    for number in numbers:
        try:
            charge(number)
        except (ValueError, KeyError) as exc:
            found.append(exc)
    return found


def test_groups_by_fingerprint() -> None:
    """The largest group comes first, with its count, an example, the place, and what differs,
    nearest to the failure first.
    """
    exceptions = failures(range(100))
    groups = keeptrace.group(exceptions)
    assert [each.count for each in groups] == [58, 2]
    first, second = groups
    assert first.type == "ValueError" and first.example is exceptions[0]
    assert first.where.endswith("in total") and second.type == "KeyError"
    assert set(first.exceptions) | set(second.exceptions) == set(exceptions)
    quantity = first.differences[0]
    assert quantity.expression == "order['quantity']"
    assert sorted(text for text, _ in quantity.values) == ["''", "'three'", "'two'"]
    assert sum(count for _, count in quantity.values) == first.count
    assert str(quantity).startswith("order['quantity']: '")
    names = [each.expression for each in first.differences]
    assert "order['number']" in names and "str(exception)" in names
    assert "order['price']" not in names and "secret_token" not in names
    assert "-Zx81" not in str(groups)


def test_printing_groups_is_a_table() -> None:
    """str() of the groups is what one reads first: counts, types, places, differences."""
    text = str(keeptrace.group(failures(range(100))))
    lines = text.splitlines()
    assert lines[0] == f"{len(failures(range(100)))} failures in 2 groups"
    assert any("x  ValueError  " in line and line.endswith("in total") for line in lines)
    assert any(line.strip().startswith("order['quantity']: ") for line in lines)
    assert all(len(line) <= 160 for line in lines)
    assert str(keeptrace.group([])) == "0 failures in 0 groups"
    assert repr(keeptrace.group([ValueError()])) == "<1 failure in 1 group>"


def test_what_is_no_exception() -> None:
    """A result among the exceptions is a mistake of the caller's, and said."""
    with pytest.raises(keeptrace.OptionError, match="takes exceptions, not int"):
        keeptrace.group([ValueError(), 3])  # type: ignore[list-item]


def test_exceptions_that_were_never_raised() -> None:
    """Without frames, types alone make the groups, and the messages differ."""
    (group,) = keeptrace.group([ValueError(number) for number in range(3)])
    assert group.where == "" and group.differences[0].expression == "str(exception)"


def test_gather() -> None:
    """All results, or one exception when all are done: an example of each kind, the results, the
    groups.
    """
    with KeepTraceProcessPoolExecutor(max_workers=2) as pool:
        assert gather([pool.submit(charge, number) for number in (3, 4)]) == [2.5, 2.5]
        assert gather([]) == []
        with pytest.raises(GatheredFailures) as info:
            gather([pool.submit(charge, number) for number in range(20)], timeout=50)
    raised = info.value
    assert raised.message.startswith("12 of 20 failed\n12 failures in 2 groups")
    assert sorted(type(exc).__name__ for exc in raised.exceptions) == ["KeyError", "ValueError"]
    assert raised.results[3] == 2.5 and isinstance(raised.results[0], ValueError)
    assert [each.count for each in raised.groups] == [11, 1]
    assert raised.groups[0].differences[0].expression == "order['quantity']"
    printed = "".join(traceback.format_exception(raised))
    assert re.search(r"order\['quantity'\]: .*'' 4", printed), printed
    matched, rest = raised.split(KeyError)
    assert matched is not None and rest is not None and type(matched) is ExceptionGroup


def test_gather_passes_on_what_ends_a_program() -> None:
    """What is no Exception is raised as itself; a timeout is one; a cancelled future is a failure
    like another.
    """
    future: concurrent.futures.Future[int] = concurrent.futures.Future()
    with pytest.raises(TimeoutError):
        gather([future], timeout=0.01)
    future.set_exception(SystemExit(3))
    with pytest.raises(SystemExit):
        gather([future])
    cancelled: concurrent.futures.Future[int] = concurrent.futures.Future()
    cancelled.cancel()
    with pytest.raises(GatheredFailures, match="1 of 1 failed"):
        gather([cancelled])
