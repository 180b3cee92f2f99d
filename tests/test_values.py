"""Variables: exact or visibly a stand-in, within every bound, and without running what must not be
run.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import itertools
import math
import os
import pathlib
import sys
import threading
import time
import tracemalloc
import types
import uuid
from typing import Any, Callable, Iterator, NamedTuple

import cases
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeptrace import Options
from keeptrace.capture.capture import capture
from keeptrace.core.report import Report
from keeptrace.restore.policy import BUILTINS, KNOWN
from keeptrace.restore.restore import restore


def failing(value: object, other: object = None) -> None:
    raise ValueError("failing")


def reported(value: object, other: object = None, **options: Any) -> Any:
    """The report of a function that fails with `value` among its variables."""
    try:
        failing(value, other)
    except ValueError as exc:
        return capture(exc, Options(**{"max_seconds": 20.0, **options}))


def frame_of(report: Any) -> dict[str, Any]:
    """The variables of the failing function, restored."""
    traceback = restore(report, BUILTINS).__traceback__
    assert traceback is not None and traceback.tb_next is not None
    return traceback.tb_next.tb_frame.f_locals


def arrived(value: object, **options: Any) -> Any:
    return frame_of(reported(value, **options))["value"]


# -- exact values


class Color(enum.Enum):
    RED = 1
    DARK = ("a", [2])


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: object


@dataclasses.dataclass
class Order:
    number: int
    lines: list[str]
    secret: str = dataclasses.field(default="s", repr=False)


@dataclasses.dataclass(slots=True, frozen=True)
class SlottedOrder:
    number: int


EXACT = [
    *(
        None,
        True,
        0,
        -1,
        1 << 62,
        1 << 63,
        -(1 << 63) - 1,
        10**5000,
        0.1,
        -0.0,
        math.inf,
        3j,
        complex(-0.0, 1),
        ...,
        NotImplemented,
    ),
    *(
        "",
        "text",
        "\0\udcff\u2028\U0001f40d",
        "x" * 5000,
        b"",
        bytes(range(256)),
        bytearray(b"ab"),
        range(1, 9, 2),
        slice(1, None, "x"),
    ),
    *(
        [],
        (),
        {},
        set(),
        frozenset(),
        [1, [2]],
        (1, (2,)),
        {1: {2: 3}},
        {(1, "a"): 2},
        {frozenset({1}): {(2, 3)}},
        {None: 1, True: 2, 1.5: 3},
    ),
    *(
        datetime.datetime(2024, 2, 29, 1, 2, 3, 4, datetime.timezone.utc),
        datetime.datetime(2024, 10, 27, 2, 30, fold=1),
        datetime.date(1, 1, 1),
    ),
    *(
        datetime.time(1, 2),
        datetime.timedelta(days=-1, microseconds=3),
        datetime.timezone(datetime.timedelta(hours=2), "EET"),
    ),
    *(
        decimal.Decimal("1.10"),
        decimal.Decimal("NaN"),
        fractions.Fraction(-1, 3),
        uuid.UUID(int=7),
        pathlib.PurePosixPath("a/b"),
        pathlib.Path("/etc"),
    ),
    *(int, ValueError, dict, len, print),
]


@pytest.mark.parametrize("value", EXACT, ids=lambda value: type(value).__name__)
def test_exact(value: object) -> None:
    """Atoms, builtin containers and values of the standard library arrive as what they were, type
    and all.
    """
    found = arrived(value, depth=-1)
    assert type(found) is type(value)
    by_repr = isinstance(
        value, (float, complex, decimal.Decimal)
    )  # -0.0 equals 0.0, and no NaN equals anything
    assert repr(found) == repr(value) if by_repr else found == value


def test_nan_is_one() -> None:
    """A NaN, which equals nothing, is a NaN again."""
    assert math.isnan(arrived(math.nan))


atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.decimals(allow_nan=False)
)
hashables = st.recursive(
    atoms, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4
)
values = st.recursive(
    atoms | hashables,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(hashables, inner, max_size=4)
        | st.sets(hashables, max_size=3)
    ),
    max_leaves=12,
)


@given(values)
def test_any_plain_value_is_exact(value: object) -> None:
    """Whatever plain data a variable holds, without a limit of levels it arrives equal, in value
    and in the types inside.
    """
    found = arrived(value, depth=-1)
    assert found == value
    assert type(found) is type(value)
    if not any(
        type(part) in (set, frozenset) for part in _parts(value)
    ):  # their order is nobody's promise
        assert repr(found) == repr(value)


def _parts(value: object) -> Iterator[object]:
    yield value
    if isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _parts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _parts(key)
            yield from _parts(item)


@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20),
    st.lists(st.sampled_from([list, dict]), min_size=8, max_size=8),
)
def test_any_graph_keeps_its_shape(edges: list[tuple[int, int]], kinds: list[type]) -> None:
    """Aliases stay one object and cycles stay cycles, however containers refer to each other."""
    graph: list[Any] = [kind() for kind in kinds]
    for number, (source, target) in enumerate(edges):
        graph[source].append(graph[target]) if type(graph[source]) is list else graph[
            source
        ].update({number: graph[target]})
    assert _shape(arrived(graph, depth=-1)) == _shape(graph)


def _shape(root: object) -> list[object]:
    numbers: dict[int, int] = {id(root): 0}
    order: list[Any] = [root]
    told: list[object] = []
    for found in order:
        inner = list(found) if type(found) is list else list(found.values())
        for item in inner:
            if id(item) not in numbers:
                numbers[id(item)] = len(order)
                order.append(item)
        told.append((type(found), [numbers[id(item)] for item in inner]))
    return told


links = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["__cause__", "__context__"]), st.integers(0, 5)),
    max_size=10,
)


@given(
    links,
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3), max_size=3),
)
def test_any_chain_keeps_its_shape(
    edges: list[tuple[int, str, int]], suppressed: list[bool], groups: list[list[int]]
) -> None:
    """Causes, contexts, groups and their cycles arrive as they were, whatever refers to what."""
    every: list[Exception] = [ValueError(number) for number in range(6)]
    every += [
        ExceptionGroup(str(members), [every[member] for member in members]) for members in groups
    ]
    for source, name, target in edges:
        setattr(every[source], name, every[-1 - target])
    for exc, suppress in zip(every, suppressed):
        exc.__suppress_context__ = suppress
    restored = restore(capture(every[0], Options()), KNOWN)
    assert cases.facts_of(restored) == cases.facts_of(every[0])
    assert cases.text_of(restored) == cases.text_of(every[0])


def test_aliases_across_frames_and_exceptions() -> None:
    """One object in several frames, in the arguments and in the cause is one object afterwards."""
    shared = {"row": [1]}

    def inner(row: dict[str, list[int]]) -> None:
        try:
            raise KeyError(row["row"])
        except KeyError as error:
            raise ValueError(row) from error

    with pytest.raises(ValueError) as info:
        inner(shared)
    restored = restore(capture(info.value, Options()), BUILTINS)
    traceback: Any = restored.__traceback__
    outer, inner_frame = traceback.tb_frame.f_locals, traceback.tb_next.tb_frame.f_locals
    assert outer["shared"] is inner_frame["row"] is restored.args[0]
    assert (
        restored.__cause__ is not None and restored.__cause__.args[0] is inner_frame["row"]["row"]
    )


def test_an_exception_among_the_variables() -> None:
    """A variable that holds an exception of the chain holds the restored one."""
    kept = ValueError("kept")
    with pytest.raises(KeyError) as info:
        raise KeyError("x", kept) from kept
    restored = restore(capture(info.value, Options()), BUILTINS)
    assert restored.args[1] is restored.__cause__
    assert (
        restored.__traceback__ is not None
        and restored.__traceback__.tb_frame.f_locals["kept"] is restored.__cause__
    )


def test_deep_list() -> None:
    """A list of 3,000 levels costs no recursion, neither at capture nor at restore."""
    deep: list[Any] = []
    for _ in range(3_000):
        deep = [deep]
    found = arrived(deep, depth=-1)
    levels = 0
    while found:
        found, levels = found[0], levels + 1
    assert levels == 3_000
    assert arrived(deep, depth=1) is not None


def test_containers_in_themselves() -> None:
    """Containers that hold themselves, also by way of a tuple and as an attribute."""
    cycle: Any = {"list": []}
    cycle["list"].append((cycle,))
    holder = types.SimpleNamespace(cycle=cycle)
    cycle["holder"] = holder
    found = arrived(cycle, depth=-1)
    assert found["list"][0][0] is found
    assert found["holder"].cycle is found


def test_fresh_values_of_a_property() -> None:
    """Short-lived objects whose id() is used again are not taken for each other (and no property is
    run to see them).
    """

    class Rows:
        __slots__ = ("seed",)

        def __init__(self) -> None:
            self.seed = 1

        def __repr__(self) -> str:
            return str([[self.seed + number] for number in range(3)])

    found = arrived([Rows() for _ in range(5)], run_reprs=True)
    assert [repr(item) for item in found] == ["[[1], [2], [3]]"] * 5
    fresh = arrived([{"n": [number]} for number in range(50)], depth=-1)
    assert fresh == [{"n": [number]} for number in range(50)]


# -- depth


class Node:
    def __init__(self, label: str, child: object = None) -> None:
        self.label = label
        self.child = child


def tree() -> dict[str, Any]:
    return {"a": {"b": {"c": {"d": {"e": 1}}}}}


def test_depth_0_is_the_text_alone() -> None:
    """depth=0 keeps no frames; the traceback is there as text."""
    report = reported(tree(), depth=0)
    assert report["frames"] == []
    restored = restore(report, BUILTINS)
    assert restored.__traceback__ is None
    assert (
        "line" in restored.__notes__[0]
        and "in failing" in restored.__notes__[0]
        and "ValueError: failing" in restored.__notes__[0]
    )


def test_the_text_of_depth_0_is_bounded() -> None:
    """However long a message is, the text has its bytes within max_bytes, and keeps its beginning
    and its end.
    """
    text = capture(ValueError("é" * 100_000 + "end"), Options(depth=0, max_bytes=4_000))[
        "exceptions"
    ][0]["text"]
    assert (
        text.startswith("ValueError: éé")
        and text.endswith("éend\n")
        and "(100016 characters in all)" in text
    )
    assert 1_000 <= len(text) < 1_100


def test_depth_1_is_representations() -> None:
    """depth=1: atoms exact, everything else as its repr, with its true length."""
    report = reported(tree(), 17, depth=1)
    found = frame_of(report)
    assert found["other"] == 17
    assert repr(found["value"]) == repr(tree()) and len(found["value"]) == 1
    assert report["cuts"]["depth"] >= 1
    assert arrived("x" * 3000, depth=1) == "x" * 3000
    assert arrived(10**30, depth=1) == 10**30
    assert arrived(b"\0", depth=1) == b"\0"


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_depth_n_expands_n_minus_1_levels(depth: int) -> None:
    """Down to the level, real containers; below it, stand-ins that read as what they stand for."""
    found, expected = arrived(tree(), depth=depth), tree()
    for level in range(depth - 1):
        assert type(found) is dict
        (found,), (expected,) = found.values(), expected.values()
    assert type(found) is not dict
    assert repr(found) == repr(expected) and len(found) == 1


def test_depth_minus_1_expands_everything() -> None:
    """depth=-1 knows no limit of levels."""
    found = arrived(tree(), depth=-1)
    assert found == tree()
    chain = Node("0")
    for number in range(1, 200):
        chain = Node(str(number), chain)
    found = arrived(chain, depth=-1)
    for number in range(199, -1, -1):
        assert found.label == str(number)
        found = found.child


def test_attributes_to_the_depth() -> None:
    """An object's attributes count as a level; below the depth its repr and no attribute is there,
    and it says why.
    """
    found = arrived(Node("a", Node("b", Node("c"))), depth=3)
    assert (found.label, found.child.label) == ("a", "b")
    with pytest.raises(AttributeError, match="stand-in.*depth"):
        found.child.child.label


def test_least_distance_counts() -> None:
    """An object that is deep in one variable and shallow in another is expanded from the shallow
    one.
    """
    inner = {"x": {"y": [1]}}
    report = reported([[[[inner]]]], inner, depth=3)
    assert frame_of(report)["other"]["x"] is not None
    assert type(frame_of(report)["other"]) is dict and type(frame_of(report)["other"]["x"]) is dict


# -- bounds: what is cut is counted, visible, and knows its true length

BOUNDS = [
    ("max_items", {"max_items": 3}, list(range(10)), 10),
    ("max_items", {"max_items": 3}, tuple(range(10)), 10),
    ("max_items", {"max_items": 3}, set(range(10)), 10),
    ("max_items", {"max_items": 3}, frozenset(range(10)), 10),
    ("max_items", {"max_items": 3}, {number: number for number in range(10)}, 10),
    ("max_items", {"max_items": 3}, collections.deque(range(10)), 10),
    ("max_items", {"max_items": 3}, collections.OrderedDict.fromkeys(range(10)), 10),
    ("max_items", {"max_items": 3}, collections.Counter(range(10)), 10),
    (
        "max_items",
        {"max_items": 3},
        collections.defaultdict(int, {number: 1 for number in range(10)}),
        10,
    ),
    ("max_text", {"max_text": 5}, "x" * 10, 10),
    ("max_text", {"max_text": 5}, b"x" * 10, 10),
    ("max_text", {"max_text": 5}, bytearray(b"x" * 10), 10),
    ("max_text", {"max_text": 5}, "\u4e2d" * 1000, 1000),
    ("depth", {"depth": 1}, [1, 2, 3], 3),
    ("depth", {"depth": 2}, [[1, 2], [3]], None),
    ("max_values", {"max_values": 5}, [[number] for number in range(50)], None),
    ("max_bytes", {"max_bytes": 100}, ["x" * 90] * 10 + [{"y" * 90: 1}] * 10, None),
]


@pytest.mark.parametrize(
    "reason, options, value, length",
    BOUNDS,
    ids=[f"{bound[0]}-{type(bound[2]).__name__}" for bound in BOUNDS],
)
def test_bounds(reason: str, options: dict[str, Any], value: object, length: int | None) -> None:
    """Each bound cuts, counts what it cut, and what is cut says its true length."""
    report = reported(value, **options)
    assert report["cuts"][reason] >= 1
    found = frame_of(report)["value"]
    if length is not None:
        assert len(found) == length
        assert type(found).__name__ == type(value).__name__
    unbounded = reported(
        value, **{name: -1 if name in ("max_items", "depth") else 10**9 for name in options}
    )
    assert reason not in unbounded["cuts"]


def test_count_of_cut_items() -> None:
    """The count is that of the elements that are missing."""
    assert reported(list(range(250)))["cuts"]["max_items"] == 150
    assert reported([list(range(101)), dict.fromkeys(range(102))])["cuts"]["max_items"] == 3


def test_cut_containers_refuse_to_lie() -> None:
    """A cut container gives what it has, and raises where it would have to guess."""
    found = arrived(list(range(10)), max_items=3)
    assert found[:3] == [0, 1, 2] and found[1] == 1 and 2 in found
    for ask in (
        lambda: found[5],
        lambda: found[-1],
        lambda: 7 in found,
        lambda: list(found),
        lambda: found[1:9],
    ):
        with pytest.raises(LookupError, match="3 of its 10 elements were kept"):
            ask()
    with pytest.raises(IndexError):
        found[10]
    mapping = arrived({str(number): number for number in range(10)}, max_items=3)
    assert mapping["1"] == 1 and mapping.get("2") == 2 and list(mapping.keys()) == ["0", "1", "2"]
    for ask in (lambda: mapping["7"], lambda: "7" in mapping, lambda: mapping.get("7")):
        with pytest.raises(LookupError, match="3 of its 10"):
            ask()


def test_cut_text_is_marked() -> None:
    """A cut text shows its beginning and its length, and is no str that one could take for the
    whole.
    """
    found = arrived("abcdefghij", max_text=4)
    assert not isinstance(found, str)
    assert str(found) == "'abcd'... (10 in all)" or "10 in all" in str(found)
    assert repr(found).startswith("'abcd") or "abcd" in repr(found)


def test_limit_of_frames() -> None:
    """Beyond `limit` the outermost and the innermost frames stay, and how many are missing stands
    between them.
    """

    def down(level: int) -> None:
        if level:
            down(level - 1)
        raise ValueError("bottom")

    with pytest.raises(ValueError) as info:
        down(99)
    report = capture(info.value, Options(limit=8))
    assert report["cuts"]["limit"] == 101 - 8
    text = cases.text_of(restore(report, BUILTINS))
    assert "93 frames left out" in text
    entries: list[Any] = []
    traceback = restore(report, BUILTINS).__traceback__
    while traceback is not None:
        entries.append(traceback.tb_frame)
        traceback = traceback.tb_next
    assert entries[-1].f_locals == {"level": 0, "down": entries[-1].f_locals["down"]}
    assert [frame.f_locals.get("level") for frame in entries] == [None, 99, None, 5, 4, 3, 2, 1, 0]


def test_max_exceptions() -> None:
    """A chain beyond max_exceptions is cut, counted, and what is kept is the beginning."""
    exc: BaseException = ValueError(0)
    for number in range(1, 50):
        above = ValueError(number)
        above.__cause__ = exc
        exc = above
    report = capture(exc, Options(max_exceptions=10))
    assert len(report["exceptions"]) == 10 and report["cuts"]["max_exceptions"] >= 1


def test_max_message() -> None:
    """A message beyond max_message is cut, and says so."""
    report = capture(ValueError("x" * 500), Options(max_message=100, max_text=50))
    text = str(restore(report, BUILTINS))
    assert text.startswith("x" * 50) and "500" in text and len(text) < 200

    class Told(ValueError):
        def __str__(self) -> str:
            return "y" * 500

    assert (
        str(restore(capture(Told(), Options(max_message=100)), BUILTINS))
        == "y" * 100 + "... (500 characters in all)"
    )


def test_max_repr() -> None:
    """A representation beyond max_repr is cut where the bound is, and ends in dots."""

    class Long:
        def __repr__(self) -> str:
            return "<" + "x" * 5000 + ">"

    found = repr(arrived(Long(), max_repr=50))
    assert found.endswith("...") and 50 <= len(found) <= 60


def test_max_bytes_bounds_the_report() -> None:
    """However much there is, a report stays near max_bytes."""
    import pickle

    many = {f"key {number}": ["text " * 30] * 30 + [number] for number in range(2_000)}
    for value in (
        many,
        list(range(3_000_000)),
        dict.fromkeys(range(1_000_000)),
        [list(range(1_000)) for _ in range(1_000)],
    ):
        for most in (10_000, 100_000, 1 << 20):
            report = reported(value, depth=-1, max_items=-1, max_values=10**7, max_bytes=most)
            assert len(pickle.dumps(report)) < 3 * most + 20_000
            assert report["cuts"]["max_bytes"] > 0


def test_the_innermost_frame_is_kept_first() -> None:
    """When a bound is reached, the variables of the failing frame are there, those of its callers
    are cut.
    """

    def outer() -> None:
        rows = [[number] for number in range(90)]
        failing([[number] for number in range(3)])

    with pytest.raises(ValueError) as info:
        outer()
    restored = restore(capture(info.value, Options(max_values=30)), BUILTINS)
    traceback: Any = restored.__traceback__
    caller, inner = traceback.tb_next.tb_frame, traceback.tb_next.tb_next.tb_frame
    assert inner.f_locals["value"] == [[0], [1], [2]]
    assert caller.f_locals["rows"] != [[number] for number in range(90)]


def test_max_seconds_without_user_code() -> None:
    """Time is a bound of the whole capture, also where no user code runs."""
    many = [[[number] for number in range(400)] for _ in range(500)]
    start = time.monotonic()
    report = reported(
        many, depth=-1, max_items=-1, max_values=10**8, max_bytes=10**10, max_seconds=0.05
    )
    assert time.monotonic() - start < 5
    assert report["cuts"].get("max_seconds", 0) > 0


# -- no harm

_touched: list[str] = []
_watching = False


def _touch(name: str) -> None:
    if _watching:
        _touched.append(name)


def _recorder(name: str, base: type) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        _touch(f"{base.__name__}.{name}")
        return getattr(base, name)(self, *args, **kwargs) if hasattr(base, name) else None

    return method


_HOOKS = """__getattribute__ __dir__ __eq__ __ne__ __hash__ __bool__ __len__ __iter__ __getitem__ __contains__ __next__ __int__ __index__
__float__ __format__ __bytes__ __reversed__ __length_hint__ __sizeof__ __instancecheck__ __subclasscheck__ __get__ __set__ __delete__
__reduce__ __reduce_ex__ __getstate__ __copy__ __deepcopy__ __call__ __enter__ __lt__ __missing__ __fspath__ __array__ __getnewargs__
__getnewargs_ex__ items keys values""".split()
_PROPERTIES = ["__class__", "status", "shape", "dtype", "__dict__", "_fields", "__name__", "args"]


def hostile(base: type, *args: Any) -> Any:
    namespace: dict[str, Any] = {
        name: _recorder(name, base)
        for name in _HOOKS
        if name != "__hash__" or base not in (list, dict, set)
    }

    def unknown(self: Any, name: str) -> Any:
        _touch(f"{base.__name__}.__getattr__")
        raise AttributeError(name)

    def read(name: str) -> Callable[[Any], Any]:
        def reader(self: Any) -> Any:
            _touch(f"{base.__name__}: the property {name}")
            return type(self)

        return reader

    namespace["__getattr__"] = unknown
    namespace.update(
        {
            name: property(read(name))
            for name in _PROPERTIES
            if not (name == "__dict__" and issubclass(base, BaseException))
        }
    )
    namespace["lazy"] = Lazy()
    namespace["cached"] = functools.cached_property(read("cached"))
    namespace["__repr__"] = namespace["__str__"] = lambda self: _touch("__repr__") or "hostile repr"
    return type(f"Hostile{base.__name__}", (base,), namespace)(*args)


class Lazy:
    def __get__(self, instance: object, owner: type) -> object:
        _touch("a descriptor")
        return 1


class HostileMeta(type):
    for _name in (
        "__getattribute__",
        "__instancecheck__",
        "__subclasscheck__",
        "__dir__",
        "__eq__",
        "__hash__",
        "__bool__",
        "__len__",
        "__iter__",
        "__call__",
        "__subclasses__",
    ):
        locals()[_name] = _recorder(_name, type)

    def __repr__(cls) -> str:
        _touch("the metaclass's __repr__")
        return "hostile class"

    def __getattr__(cls, name: str) -> Any:
        _touch("the metaclass's __getattr__")
        raise AttributeError(name)

    @property
    def __module__(cls) -> str:
        _touch("the metaclass's __module__")
        return "lie"

    @property
    def __dict__(cls) -> Any:  # type: ignore[override]
        _touch("the metaclass's __dict__")
        return {}


HostileClass = HostileMeta("HostileClass", (), {"x": 1})
HostileError = HostileMeta("HostileError", (Exception,), {"x": 1})


@dataclasses.dataclass
class HostileData:
    a: int

    def __getattribute__(self, name: str) -> Any:
        _touch(f"a dataclass's __getattribute__({name})")
        return object.__getattribute__(self, name)


class HostileTuple(Point):
    @property
    def x(self) -> int:  # type: ignore[override]
        _touch("a named tuple's property")
        return 1


class HostilePath(pathlib.PurePosixPath):
    def as_posix(self) -> str:
        _touch("a path's as_posix")
        return "lie"

    def __str__(self) -> str:
        _touch("a path's __str__")
        return "lie"


class HostileZone(datetime.tzinfo):
    def utcoffset(self, when: object) -> datetime.timedelta:
        _touch("a time zone's utcoffset")
        return datetime.timedelta()

    dst = utcoffset

    def __repr__(self) -> str:
        _touch("__repr__")
        return "zone"


class HostileModule(types.ModuleType):
    def __getattribute__(self, name: str) -> Any:
        _touch(f"a module's __getattribute__({name})")
        return types.ModuleType.__getattribute__(self, name)


def _module_with_getattr() -> types.ModuleType:
    module = types.ModuleType("lazy")
    del module.__spec__

    def missing(name: str) -> Any:
        _touch(f"a module's __getattr__({name})")
        raise AttributeError(name)

    module.__getattr__ = missing  # type: ignore[method-assign]
    return module


HOSTILE: list[tuple[str, Callable[[], Any]]] = [
    *((f"a {base.__name__}", functools.partial(hostile, base, *args)) for base, *args in (
        (object,), (list, [1, [2]]), (dict, {"a": 1}), (tuple, (1, [2])), (set, {1}), (frozenset, {1}), (str, "text"), (bytes, b"text"),
        (bytearray, b"x"), (int, 5), (float, 0.5), (complex, 1j), (collections.deque, [1]), (collections.OrderedDict, {"a": 1}),
        (collections.defaultdict, int, {"a": 1}), (Exception, 1, 2), (OSError, 2, "x"), (datetime.datetime, 2024, 1, 1),
        (decimal.Decimal, 1), (pathlib.PurePosixPath, "a"), (uuid.UUID, "12345678123456781234567812345678"), (types.ModuleType, "name"),
    )),
    ("an instance of a class with a metaclass", lambda: object.__new__(HostileClass)),
    ("a class with a metaclass", lambda: HostileClass),
    ("an exception with a metaclass", lambda: BaseException.__new__(HostileError)),
    ("a dataclass", lambda: HostileData(1)),
    ("a named tuple", lambda: HostileTuple(1, 2)),
    ("a path", lambda: HostilePath("a")),
    ("a date in a time zone", lambda: datetime.datetime(2024, 1, 1, tzinfo=HostileZone())),
    ("a module", lambda: HostileModule("name")),
    ("a module with a __getattr__", lambda: _module_with_getattr()),
    ("a bound method of one", lambda: types.MethodType(hostile, hostile(object))),
    ("a partial of one", lambda: functools.partial(hostile, hostile(object))),
    ("keys of a dict", lambda: {hostile(object): 1}),
    ("elements of a set", lambda: {hostile(tuple, (1,))}),
]  # fmt: skip


@pytest.mark.parametrize("make", [make for _, make in HOSTILE], ids=[name for name, _ in HOSTILE])
@pytest.mark.parametrize("run_reprs", [True, None, False], ids=["reprs", "default", "no-reprs"])
def test_nothing_is_run(make: Callable[[], Any], run_reprs: bool | None) -> None:
    """Of all hooks that a class can have, capture runs __repr__ (and __str__ of exceptions) alone,
    and only with run_reprs=True.
    """
    global _watching
    value = make()
    exc = ValueError("x")
    exc.held = value  # type: ignore[attr-defined]
    try:
        failing(value, [value])
    except ValueError as error:
        error.__cause__ = exc
        error.__context__ = value if isinstance(value, BaseException) else None
        _touched.clear()
        _watching = True
        try:
            report = capture(error, Options(run_reprs=run_reprs, depth=5))
        finally:
            _watching = False
    by_repr = (
        ("__repr__", "a dataclass's", "a path's as_posix") if run_reprs else ()
    )  # the repr that dataclasses make reads attributes
    if run_reprs is None and isinstance(value, BaseException):
        by_repr = ("__repr__",)  # its message, which is what people need, is made by its __str__
    assert {name for name in _touched if not name.startswith(by_repr)} == set()
    assert "fallback" not in report["cuts"]
    restore(report, BUILTINS)
    restore(report, KNOWN)


def test_run_reprs_off_reads_well() -> None:
    """Without running anything of the user's, values of the standard library, dataclasses, enums
    and named tuples read as ever.
    """
    value = {
        "data": Order(1, ["a"]), "slots": SlottedOrder(2), "enum": [Color.RED, Color.DARK, Rights.READ | Rights.WRITE], "point": Point(1, "b"),
        "path": pathlib.PurePosixPath("/x"), "date": datetime.date(2024, 1, 2), "number": decimal.Decimal("1.5"), "uuid": uuid.UUID(int=1),
        "fraction": fractions.Fraction(1, 2), "deque": collections.deque([1], 3),
    }  # fmt: skip
    assert repr(arrived(value, run_reprs=False, depth=1, max_repr=10_000)) == repr(value)
    for name, found in arrived(value, run_reprs=False).items():
        assert repr(found) == repr(value[name]), name


class OnlyRepr:
    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act
        self.kept = 5

    def __repr__(self) -> Any:
        return self.act()


def _raise(exc: BaseException) -> Any:
    raise exc


def _recurse() -> Any:
    return _recurse()


def _forever() -> Any:
    while True:
        pass


def _through_except() -> Any:
    while True:
        try:
            time.sleep(0.001)
        except Exception:
            pass


class WithArguments(Exception):
    def __init__(self, a: int, b: int) -> None: ...


REPRS: list[tuple[str, Callable[[], Any], str]] = [
    *((type(exc).__name__, functools.partial(_raise, exc), f"raised {type(exc).__name__}") for exc in (
        ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("x"), MemoryError(), StopIteration(), WithArguments(1, 2),
        RecursionError(), BaseExceptionGroup("x", [KeyboardInterrupt()]),
    )),
    ("sys.exit", functools.partial(sys.exit, 5), "raised SystemExit"),
    ("recursion", _recurse, "raised RecursionError"),
    ("no str", lambda: 17, "raised TypeError"),
    ("None", lambda: None, "raised TypeError"),
    ("str with its own methods", lambda: hostile(str, "text"), "text"),
    ("100 MB", lambda: "x" * 100_000_000, "..."),
    ("surrogates", lambda: "\udcff", "\udcff"),
]  # fmt: skip


@pytest.mark.parametrize("act, shown", [row[1:] for row in REPRS], ids=[row[0] for row in REPRS])
def test_a_repr_costs_only_itself(act: Callable[[], Any], shown: str) -> None:
    """Whatever a __repr__ raises or returns, its object has a stand-in that says so, and everything
    else is kept.
    """
    report = reported([OnlyRepr(act), Node("after")], OnlyRepr(lambda: "well"), run_reprs=True)
    found = frame_of(report)
    assert shown in repr(found["value"][0])
    assert len(repr(found["value"][0])) < 2_000
    assert found["value"][0].kept == 5
    assert found["value"][1].label == "after"
    assert repr(found["other"]) == "well"
    assert report["cuts"].get("failed reprs", 0) == ("raised" in shown)


@pytest.mark.parametrize(
    "act",
    [_forever, _through_except, functools.partial(time.sleep, 60)],
    ids=["loop", "loop with a handler", "sleep"],
)
def test_a_repr_that_does_not_end(act: Callable[[], Any]) -> None:
    """A __repr__ that does not end is abandoned; the others still run, and the capture ends in its
    time.
    """
    start = time.monotonic()
    report = reported(
        [OnlyRepr(lambda: "before"), OnlyRepr(act), OnlyRepr(lambda: "after")],
        max_seconds=0.5,
        run_reprs=True,
    )
    assert time.monotonic() - start < 20
    found = frame_of(report)["value"]
    assert [repr(found[0]), repr(found[2])] == ["before", "after"]
    assert "did not end in time" in repr(found[1])


def test_endless_reprs_of_many_objects() -> None:
    """The time is that of the capture, not of each of a hundred objects."""
    start = time.monotonic()
    found = frame_of(
        reported([OnlyRepr(_forever) for _ in range(100)], max_seconds=0.5, run_reprs=True)
    )["value"]
    assert time.monotonic() - start < 20
    assert "no time left" in repr(found[99]) or "did not end" in repr(found[99])


def test_the_exceptions_own_words_are_guarded() -> None:
    """str() of an exception that loops costs its words, not the report."""

    class Endless(Exception):
        def __str__(self) -> str:
            return str(_forever())

    start = time.monotonic()
    report = capture(Endless("x"), Options(max_seconds=0.3))
    assert time.monotonic() - start < 20
    assert "did not end in time" in str(restore(report, BUILTINS))


def test_a_repr_that_changes_what_is_captured() -> None:
    """Reprs run last: what they change is not what is shown."""
    rows = [1, 2, 3]

    def act() -> str:
        rows.clear()
        return "cleared"

    found = frame_of(reported(OnlyRepr(act), rows, run_reprs=True))
    assert repr(found["value"]) == "cleared"
    assert found["other"] == [1, 2, 3]


def test_containers_that_change_meanwhile() -> None:
    """A dict that another thread fills and empties is captured without an error."""
    shared: dict[int, int] = {}
    stop = threading.Event()

    def churn() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            shared[number % 1000] = number
            if number % 999 == 0:
                shared.clear()

    worker = threading.Thread(target=churn)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    worker.start()
    try:
        for depth in (1, 2, 3) * 60:
            assert (
                "fallback"
                not in reported(
                    shared, types.SimpleNamespace(shared=shared), depth=depth, max_repr=50_000
                )["cuts"]
            )
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        worker.join()


def test_capture_leaves_the_exception_as_it_was() -> None:
    """Nothing is added to the exception, and its traceback and links stay."""
    with pytest.raises(ValueError) as info:
        failing(1)
    exc = info.value
    before = (exc.__traceback__, exc.__cause__, exc.__context__, exc.args, dict(vars(exc)))
    capture(exc, Options())
    assert (exc.__traceback__, exc.__cause__, exc.__context__, exc.args, dict(vars(exc))) == before


def test_a_capture_with_little_stack_left() -> None:
    """An exception that is captured at the bottom of the stack is captured all the same."""
    reports: list[Any] = []

    def down() -> None:
        try:
            down()
        except RecursionError as exc:
            if not reports:
                reports.append(capture(exc, Options()))
            raise

    with pytest.raises(RecursionError):
        down()
    assert "fallback" not in reports[0]["cuts"]
    assert type(restore(reports[0], BUILTINS)) is RecursionError


# -- large values


def _list_of(count: int) -> list[int]:
    return [7] * count


LARGE: list[tuple[str, Callable[[], Any], int | None]] = [
    ("bytes", lambda: bytes(20_000_000), 20_000_000),
    ("bytearray", lambda: bytearray(20_000_000), 20_000_000),
    ("memoryview", lambda: memoryview(bytes(20_000_000)), None),
    ("str", lambda: "x" * 20_000_000, 20_000_000),
    ("list", lambda: _list_of(2_000_000), 2_000_000),
    ("tuple", lambda: (7,) * 2_000_000, 2_000_000),
    ("deque", lambda: collections.deque(_list_of(1_000_000)), 1_000_000),
    ("dict", lambda: dict.fromkeys(range(200_000)), 200_000),
    ("set", lambda: set(range(200_000)), 200_000),
    (
        "defaultdict",
        lambda: collections.defaultdict(int, dict.fromkeys(range(200_000), 0)),
        200_000,
    ),
    ("OrderedDict", lambda: collections.OrderedDict.fromkeys(range(100_000)), 100_000),
    ("Counter", lambda: collections.Counter(range(100_000)), 100_000),
    ("ChainMap", lambda: collections.ChainMap(dict.fromkeys(range(100_000))), None),
    ("dict keys", lambda: dict.fromkeys(range(200_000)).keys(), None),
    ("dict values", lambda: dict.fromkeys(range(200_000)).values(), None),
    ("mappingproxy", lambda: types.MappingProxyType(dict.fromkeys(range(200_000))), None),
    ("array", lambda: array.array("b", bytes(20_000_000)), None),
    ("int", lambda: 1 << 100_000_000, None),
    (
        "namespace",
        lambda: types.SimpleNamespace(rows=_list_of(1_000_000), data=bytes(20_000_000)),
        None,
    ),
    ("subclass of bytes", lambda: type("Blob", (bytes,), {})(20_000_000), 20_000_000),
    ("subclass of list", lambda: type("Rows", (list,), {})(_list_of(1_000_000)), 1_000_000),
    ("dataclass", lambda: Order(1, _list_of(1_000_000)), None),  # type: ignore[arg-type]
    ("partial", lambda: functools.partial(print, _list_of(1_000_000)), None),
]


def _measured(value: Any, depth: int) -> tuple[Report, int]:
    """A capture, and its peak of memory (bytes).

    pytest lets its test functions call locals(): reading their variables before 3.13 looks at
    every object of the process. So the failure is caught here.
    """
    try:
        failing(value)
    except ValueError as exc:
        tracemalloc.start()
        try:
            report = capture(exc, Options(depth=depth))
            return report, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    raise AssertionError("nothing failed")


@pytest.mark.parametrize("depth", [1, 3], ids=["depth1", "depth3"])
@pytest.mark.parametrize("make, length", [row[1:] for row in LARGE], ids=[row[0] for row in LARGE])
def test_large_values_are_not_copied(
    make: Callable[[], Any], length: int | None, depth: int
) -> None:
    """A value of any size costs little memory, and knows its true length."""
    report, peak = _measured(make(), depth)
    assert peak < 3_000_000
    found = frame_of(report)["value"]
    if length is not None:
        assert len(found) == length
    assert len(repr(found)) < 50_000


def test_a_large_argument_is_not_shown_in_full() -> None:
    """str() of an exception would repeat its argument; it is made of the beginning alone, and
    marked.
    """
    exc = ValueError("bad blob", bytes(50_000_000))
    tracemalloc.start()
    try:
        report = capture(exc, Options())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
    assert str(restore(report, BUILTINS)).startswith("('bad blob', b'\\x00\\x00")
    assert str(restore(report, BUILTINS)).endswith("...")


def test_numpy_and_pandas() -> None:
    """Arrays, frames, series and scalars: type, shape, dtype and a few values; neither copied nor
    written out.
    """
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    array_ = np.arange(6_000_000.0).reshape(2000, 3000)
    frame = pd.DataFrame({"a": np.arange(1_000_000), "b": ["x"] * 1_000_000})
    tracemalloc.start()
    try:
        report = reported(
            {
                "array": array_,
                "frame": frame,
                "series": frame["a"],
                "scalar": np.float64(0.5),
                "dtype": array_.dtype,
            },
            run_reprs=False,
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000
    found = frame_of(report)["value"]
    assert (
        found["array"].shape == (2000, 3000)
        and found["array"].dtype == "float64"
        and len(found["array"]) == 2000
    )
    assert found["array"].first == [float(number) for number in range(10)]
    assert type(found["array"]).__name__ == "ndarray" and "shape=(2000, 3000)" in repr(
        found["array"]
    )
    assert (
        found["frame"].shape == (1_000_000, 2)
        and found["frame"].columns == ["a", "b"]
        and len(found["frame"]) == 1_000_000
    )
    assert "1000000 rows x 2 columns" in repr(found["frame"])
    assert found["series"].first == list(range(10)) and found["series"].name == "a"
    assert found["scalar"].item == 0.5


def test_odd_arrays() -> None:
    """Arrays of objects, of no dimension, empty, structured, masked, read-only and views are
    summarised without an error.
    """
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    odd = [
        np.array(5), np.array([]), np.array([OnlyRepr(_forever), None], dtype=object), np.zeros(3, dtype=[("a", int), ("b", "U3")]),
        np.ma.masked_array([1, 2], [True, False]), np.arange(100)[::-7], np.array(["x" * 1000] * 3), np.array(["2024-01-01"], dtype="M8[D]"), np.random.default_rng(1),
        pd.DataFrame(), pd.DataFrame({1: [1], (2, 3): [4]}), pd.Series(dtype=object), pd.Series([OnlyRepr(_forever)]), pd.date_range("2024-01-01", periods=3),
        pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]), pd.Categorical(["a", "b"]), pd.Timestamp("2024-01-01"), pd.NaT, pd.NA, np.float32(0.1), np.str_("x"),
        pd.DataFrame(np.zeros((2, 500))),
    ]  # fmt: skip
    start = time.monotonic()
    report = reported(odd, max_seconds=5.0, run_reprs=False)
    assert time.monotonic() - start < 20
    found = frame_of(report)["value"]
    assert [type(item).__name__ for item in found] == [type(item).__name__ for item in odd]
    assert all(len(repr(item)) < 5_000 for item in found)


# -- stand-ins


def test_stand_ins_show_what_they_stand_for() -> None:
    """The type's name and module, the repr, the attributes, also of slots; and no methods of the
    original.
    """
    value = {
        "data": Order(1, ["a"]),
        "slots": SlottedOrder(2),
        "node": Node("n"),
        "enum": Color.RED,
        "point": Point(1, "b"),
    }
    found = arrived(value, depth=4)
    for name, original in value.items():
        assert (type(found[name]).__name__, type(found[name]).__module__) == (
            type(original).__name__,
            type(original).__module__,
        )
        assert repr(found[name]) == repr(original)
    assert (found["data"].number, found["data"].lines, found["data"].secret) == (1, ["a"], "s")
    assert found["slots"].number == 2
    assert (found["enum"].name, found["enum"].value) == ("RED", 1)
    assert (found["point"].x, found["point"][1], len(found["point"])) == (1, "b", 2)
    assert vars(found["node"]) == {"label": "n", "child": None} and dir(found["node"]) == [
        "child",
        "label",
    ]


def test_stand_ins_say_what_they_are() -> None:
    """A missing attribute, a call or a pickle of a stand-in fails with a sentence that says why."""
    import pickle

    found = arrived(Node("n"))
    with pytest.raises(
        AttributeError,
        match="'Node' object has no attribute 'missing' that was kept: keeptrace kept a stand-in, not the object",
    ):
        found.missing
    with pytest.raises(TypeError, match="cannot be called: keeptrace kept a stand-in"):
        found()
    with pytest.raises(TypeError, match="cannot be pickled on its own: keeptrace kept a stand-in"):
        pickle.dumps(found)


def test_stand_ins_of_functions_and_modules() -> None:
    """Functions, methods, modules and generators read as they did."""
    value = {
        "function": tree,
        "lambda": (lambda: 1),
        "method": Node("n").__init__,
        "module": cases,
        "generator": (x for x in ()),
        "builtin": [].append,
        "lock": threading.Lock(),
    }
    found = arrived(value)
    assert repr(found["module"]) == "<module 'cases'>"
    for name in ("function", "lambda", "generator", "builtin", "lock"):
        assert repr(found[name]) == repr(value[name]), name
    for name in ("module", "function", "lambda", "generator", "builtin", "lock"):
        assert type(found[name]).__name__ == type(value[name]).__name__, name
    assert found["function"].__name__ == "tree"


def test_containers_of_a_subclass() -> None:
    """Subclasses of containers and texts keep their elements beside their attributes."""

    class Rows(list):  # type: ignore[type-arg]
        pass

    class Registry(dict):  # type: ignore[type-arg]
        pass

    class Label(str):
        pass

    rows, registry, label = Rows([1, 2]), Registry(a=1), Label("text")
    rows.origin = "db"  # type: ignore[attr-defined]
    found = arrived([rows, registry, label], depth=4)
    assert (found[0][1], len(found[0]), found[0].origin, list(found[0])) == (2, 2, "db", [1, 2])
    assert (found[1]["a"], list(found[1].items())) == (1, [("a", 1)])
    assert str(found[2]) == "text" and len(found[2]) == 4


def test_standard_library_values_of_other_kinds() -> None:
    """Values without an exact form have the repr that they had."""
    import re

    value = [
        re.compile("a+"),
        ipaddress.ip_address("::1"),
        memoryview(b"ab"),
        collections.Counter("aab"),
        os.environ,
        sys.stdout,
        object(),
        type("T", (), {}),
    ]
    found = arrived(value, depth=3)
    for one, other in zip(found[:2], value):
        assert repr(one) == repr(other)
    assert len(found) == len(value)


# -- representations


def _subclass(base: type) -> Any:
    return type(f"My{base.__name__}", (base,), {})


_moved = collections.OrderedDict(a=1, b=2)
_moved.move_to_end("a")
REPRESENTED = [
    *(
        [],
        {},
        set(),
        frozenset(),
        (),
        (1,),
        [1, (2,)],
        {1: {2}},
        frozenset({1}),
        bytearray(b"x"),
        collections.deque([1, 2], 3),
        _moved,
        5,
        1j,
    ),
    *(
        _subclass(list)([1]),
        _subclass(dict)(a=1),
        _subclass(set)({1}),
        _subclass(set)(),
        _subclass(frozenset)(),
        _subclass(frozenset)({1}),
    ),
    *(
        _subclass(tuple)((1,)),
        _subclass(tuple)((1, 2)),
        _subclass(bytes)(b"a"),
        _subclass(bytearray)(b"ab"),
        _subclass(str)("x"),
        _subclass(int)(5),
    ),
    *(
        _subclass(collections.deque)([1], 3),
        _subclass(collections.OrderedDict)(a=1),
        _subclass(collections.defaultdict)(int, a=1),
    ),
    *(
        _subclass(collections.Counter)("aab"),
        collections.Counter(a=1, b=3, c=3),
        collections.Counter(),
        collections.ChainMap({1: 2}, {3: 4}),
    ),
    *(
        collections.UserDict(a=1),
        collections.UserList([1]),
        collections.UserString("x"),
        {1: 2}.keys(),
        {1: 2}.values(),
        {1: 2}.items(),
    ),
    *(
        _moved.keys(),
        _moved.values(),
        _moved.items(),
        types.MappingProxyType({1: 2}),
        types.SimpleNamespace(a=1),
        _subclass(types.SimpleNamespace)(a=[1]),
    ),
    *(
        functools.partial(print, 1, a=2),
        functools.partial(print),
        _subclass(functools.partial)(print, 2),
        array.array("b", [1, 2]),
        array.array("d"),
    ),
    *(
        _subclass(array.array)("i", [3]),
        [].append,
        "x".join,
        types,
        datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
        range(3),
        iter([]),
    ),
    *(
        Color.RED,
        Rights.READ,
        Point(1, 2),
        Order(1, []),
        SlottedOrder(2),
        memoryview(b"x"),
        slice(1, 2),
        int,
        Order,
        decimal.Decimal("1"),
    ),
]


@pytest.mark.parametrize("value", REPRESENTED, ids=lambda value: type(value).__name__)
def test_representations(value: object) -> None:
    """What stands for a value at the edge reads as repr() would write it, for builtin kinds and for
    their subclasses.
    """
    assert repr(arrived(value, depth=1)) == repr(value) or type(value) is types.ModuleType


def test_order_of_an_ordered_dict() -> None:
    """An OrderedDict keeps the order that move_to_end gave it."""
    assert list(arrived(_moved, depth=4).keys()) == ["b", "a"]


def test_frames_of_a_subclass() -> None:
    """A subclass of a pandas or numpy class, whose own code a summary would run, is summarised
    under guard.
    """
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")

    class Own(pd.DataFrame):  # type: ignore[name-defined, misc]
        @property
        def _constructor(self) -> Any:
            return _forever()

    class Array(np.ndarray):  # type: ignore[name-defined, misc]
        def __array_finalize__(self, obj: object) -> None:
            if _watching:
                sys.exit(3)

    global _watching
    frame, array_ = Own({"a": [1]}), np.zeros(3).view(Array)
    start = time.monotonic()
    _watching = True
    try:
        found = frame_of(reported([frame, array_], 5, max_seconds=0.5))
    finally:
        _watching = False
    assert time.monotonic() - start < 20
    assert [type(item).__name__ for item in found["value"]] == ["Own", "Array"] and found[
        "other"
    ] == 5


def test_a_lazy_proxy_of_c_code() -> None:
    """The object of a proxy of C code's, as wrapt's, is not made by a capture."""
    proxies = pytest.importorskip("wrapt.proxies")
    made: list[int] = []
    proxy = proxies.LazyObjectProxy(lambda: made.append(1))
    found = frame_of(reported([proxy, {"deep": proxy}], 5))
    assert made == [] and found["other"] == 5
