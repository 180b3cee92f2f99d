"""The corpus: fixed exceptions that every benchmark measures, so that figures of different days and
peers compare.

Each entry of CORPUS makes one exception the way a program does: it runs code that fails, and
catches what comes. Rules:
 1. An exception's traceback starts at the failing work itself: the frame that caught it is taken
    off. Its callers end there too (see `make`), since some peers keep them all, and would be
    measured on the benchmark's own variables.
 2. Nothing here needs more than the standard library, but for the entries that name a library in
    `needs`.
 3. This file also runs under the Python 3.9 that the oldest peer needs; so it imports nothing of
    keeptrace.
"""

# ruff: noqa: F841  # unused locals are what these frames are to hold

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

MIB = 1 << 20


class Entry(NamedTuple):
    """One exception of the corpus. make() runs the failing code and gives the exception."""

    make: Callable[[], BaseException]
    says: str
    needs: tuple[str, ...] = ()


def caught(work: Callable[..., Any], *args: Any) -> BaseException:
    """What `work` raises; its traceback starts in `work`."""
    try:
        work(*args)
    except BaseException as problem:
        assert problem.__traceback__ is not None
        return problem.with_traceback(problem.__traceback__.tb_next)
    raise AssertionError("the corpus is made of failures")


# -- shallow, deep, very deep


def _price(rows: list[dict[str, Any]], currency: str) -> float:
    total = 0.0
    for row in rows:
        total += row["price"] * row["amount"]
    return total


def _order(number: int, rows: list[dict[str, Any]]) -> float:
    currency = "EUR"
    discount = 0.05
    return _price(rows, currency) * (1 - discount)


def _parse(path: str) -> float:
    rows = [
        {"item": "bolt", "price": 0.25, "amount": 400},
        {"item": "nut", "price": "0.10", "amount": 4.5},
    ]
    number = 17
    return _order(number, rows)


def shallow() -> BaseException:
    return caught(_parse, "orders-17.csv")


def _descend(level: int, path: str) -> int:
    name = f"node {level}"
    if not level:
        raise KeyError(name)
    return _descend(level - 1, path) + 1


def deep() -> BaseException:
    return caught(_descend, 49, "/a/tree")


def frames(count: int) -> BaseException:
    """As deep(), with any number of frames."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, count + 200))
    try:
        return caught(_descend, count - 1, "/a/tree")
    finally:
        sys.setrecursionlimit(limit)


def _for_ever(level: int, path: str) -> int:
    return _for_ever(level + 1, path) + 1


def very_deep() -> BaseException:
    """A RecursionError of 1,000 frames, whatever the stack was before."""
    frame: Any = sys._getframe()
    height = 0
    while frame is not None:
        height += 1
        frame = frame.f_back
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(height + 1 + 1_000)  # `caught` is the one more
    try:
        return caught(_for_ever, 0, "/a/loop")
    finally:
        sys.setrecursionlimit(limit)


# -- values: wide, nested, cyclic, hostile, big


class Item:
    """An object of five attributes."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"item {number}"
        self.weight = number / 7
        self.tags = ("a", "b")
        self.parent = None


def _with_wide_locals(count_of_ints: int, count_of_objects: int) -> None:
    numbers = list(range(1_000, 1_000 + count_of_ints))
    items = [Item(number) for number in range(count_of_objects)]
    raise ValueError("wide")


def wide() -> BaseException:
    return caught(_with_wide_locals, 10_000, 1_000)


def objects(count: int) -> BaseException:
    """As wide(), with any number of objects and no integers."""
    return caught(_with_wide_locals, 0, count)


class Node:
    """A tree of three attributes and three children a node."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.label = f"level {level}"
        self.children = [Node(level - 1) for _ in range(3)] if level > 1 else []


def _with_nested_locals() -> None:
    tree = Node(6)
    document = {"a": [{"b": ({"c": [{"d": {"e": [1, 2, 3]}}]},)}] * 3}
    raise LookupError("nested")


def nested() -> BaseException:
    return caught(_with_nested_locals)


def _with_cyclic_locals() -> None:
    ring: list[Any] = [1, 2]
    ring.append(ring)
    first, second = Item(1), Item(2)
    first.parent, second.parent = second, first  # type: ignore[assignment]
    table: dict[str, Any] = {"ring": ring, "first": first}
    table["table"] = table
    raise RuntimeError("cyclic", first)


def cyclic() -> BaseException:
    return caught(_with_cyclic_locals)


class RaisingRepr:
    def __repr__(self) -> str:
        raise SystemExit("out of a repr")


class RaisingAttributes:
    def __getattr__(self, name: str) -> Any:
        raise KeyboardInterrupt(name)


class RaisingReduce:
    def __reduce_ex__(self, protocol: Any) -> Any:
        raise OSError("not to be pickled")


class Unequal:
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise TypeError("not to be compared")


class HugeRepr:
    def __repr__(self) -> str:
        return "x" * 10_000_000


class Untrue:
    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")


def _with_hostile_locals() -> None:
    raising = RaisingRepr()
    attributes = RaisingAttributes()
    reduction = RaisingReduce()
    unequal = Unequal()
    huge = HugeRepr()
    untrue = Untrue()
    lock = threading.Lock()
    generator = (number for number in range(3))
    function = lambda: None  # noqa: E731
    digits = 10**5_000
    stream = sys.stderr
    raise ValueError("hostile")


def hostile() -> BaseException:
    return caught(_with_hostile_locals)


def _with_big_locals(size: int, array: Any) -> None:
    data = b"\x01" * size
    raise MemoryError("big")


def big() -> BaseException:
    import numpy

    return caught(_with_big_locals, 100 * MIB, numpy.arange(50 * MIB // 8, dtype="float64"))


def of_bytes(size: int) -> BaseException:
    """As big(), with any number of bytes and no array."""
    return caught(_with_big_locals, size, None)


# -- real programs


def _total_by_customer(orders: Any) -> Any:
    prices = orders["price"].to_numpy()
    grouped = orders.groupby("customer")
    return grouped["prize"].sum()


def _pipeline(rows: int) -> Any:
    import numpy
    import pandas

    orders = pandas.DataFrame(
        {
            "customer": numpy.arange(rows) % 97,
            "price": numpy.linspace(1, 100, rows),
            "city": ["Kyiv", "Lima", "Oslo", "Pune"] * (rows // 4),
            "when": pandas.date_range("2024-01-01", periods=rows, freq="min"),
        }
    )
    dear = orders[orders["price"] > 10].assign(weight=lambda frame: frame["price"] / 2)
    return _total_by_customer(dear)


def dataframe() -> BaseException:
    return caught(_pipeline, 100_000)


def service() -> BaseException:
    from . import _service

    return caught(_service.main, "/customers/17")


# -- chains


class OrderError(Exception):
    def __init__(self, order: int, *, path: str) -> None:
        super().__init__(f"order {order} of {path} cannot be read")
        self.order = order
        self.path = path


def _read_order(path: str) -> float:
    order = 17
    try:
        return _parse(path)
    except TypeError as problem:
        raise OrderError(order, path=path) from problem


def chained() -> BaseException:
    return caught(_read_order, "orders-17.csv")


def _all_orders(paths: list[str]) -> None:
    problems = [caught(_read_order, path) for path in paths]
    # Python 3.11's
    raise ExceptionGroup("several orders failed", problems)  # type: ignore[type-var]  # noqa: F821


def grouped() -> BaseException:
    return caught(_all_orders, [f"orders-{number}.csv" for number in range(5)])


CORPUS: dict[str, Entry] = {
    "shallow": Entry(shallow, "3 frames, a few small locals"),
    "deep": Entry(deep, "50 frames"),
    "very deep": Entry(very_deep, "a RecursionError of 1,000 frames"),
    "wide": Entry(wide, "10,000 integers and 1,000 objects of 5 attributes"),
    "nested": Entry(nested, "a tree of 6 levels, containers of 8"),
    "cyclic": Entry(cyclic, "lists, dicts and objects that hold themselves"),
    "hostile": Entry(hostile, "11 locals that raise, flood or cannot be pickled"),
    "big": Entry(big, "100 MiB of bytes, an array of 50 MiB", ("numpy",)),
    "dataframe": Entry(dataframe, "a pandas pipeline over 100,000 rows", ("numpy", "pandas")),
    "service": Entry(
        service,
        "a web service's 8 frames: logger, parser, thread, connection in locals and globals",
    ),
    "chained": Entry(chained, "raised from another, of a class whose __init__ needs arguments"),
}
if sys.version_info >= (3, 11):  # noqa: UP036  # the oldest peer runs this on 3.9
    CORPUS["grouped"] = Entry(grouped, "a group of five chained ones")


def make(name: str) -> BaseException:
    """The exception of that name, made at the bottom of a thread of its own."""
    made: list[BaseException] = []
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(_make_into, (CORPUS[name].make, made, done.release))
    done.acquire()
    return made[0]


def _make_into(
    work: Callable[[], BaseException], made: list[BaseException], done: Callable[[], None]
) -> None:
    try:
        made.append(work())
    except BaseException as problem:
        made.append(problem)  # an absent library, or a defect of the corpus: for the benchmark
    end = done
    del work, made, done  # this frame stays below the exception's own: it holds nothing
    end()


def missing(name: str) -> list[str]:
    """The libraries that the exception needs and that are not installed."""
    from importlib.util import find_spec

    return [library for library in CORPUS[name].needs if find_spec(library) is None]
