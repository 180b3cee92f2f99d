"""A value that cannot be read costs itself alone, wherever it stands; and reading one runs none of
its code.
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import importlib.machinery
import importlib.util
import ipaddress
import mmap
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import time
import types
import uuid
from typing import Any, Callable

import pytest
from test_values import Color, Order, Point

from keeptrace import Options
from keeptrace.capture import exact as _exact
from keeptrace.capture import objects as _objects
from keeptrace.capture import readers as _readers
from keeptrace.capture import reprs as _render
from keeptrace.capture import types as _types
from keeptrace.capture import values as _values
from keeptrace.capture import writers as _writers
from keeptrace.capture.capture import capture
from keeptrace.restore.policy import BUILTINS
from keeptrace.restore.restore import restore

# -- every reader raises, at every place


class Holder:
    def __init__(self, held: object) -> None:
        self.held = held


GLOBAL: Any = None


def _fail(value: Any) -> None:
    """Fails with the value at every place where one can stand."""
    before, customer = [1, "two"], "Ada"
    local = value
    in_list, in_dict, attribute, key = (
        [value, 3],
        {"value": value, "other": 4},
        Holder(value),
        {("key", Tagged(value)): 5},
    )
    after = {"last": (6, 7)}
    exc = ValueError("broken", value, 8)
    exc.held, exc.well = value, [9]  # type: ignore[attr-defined]
    exc.__notes__ = ["a note", value]
    GLOBAL, CUSTOMER  # the frame's code names them
    raise exc


class Tagged:
    """As a key of a dict it is hashable, whatever it holds."""

    def __init__(self, held: object) -> None:
        self.held = held


CUSTOMER = "Grace"


def _reported(value: Any, **options: Any) -> Any:
    """A capture of the failure. Without assertions, in which pytest calls locals(): before Python
    3.13 reading the variables of such a function looks at every object.
    """
    global GLOBAL
    GLOBAL = value
    try:
        _fail(value)
    except ValueError as exc:
        return capture(exc, Options(**{"depth": 4, "max_seconds": 20.0, **options}))
    finally:
        GLOBAL = None


def _check(value: Any, mark: str | None, **options: Any) -> Any:
    """All frames and all other values are exact; what stands for the broken value says so."""
    report = _reported(value, **options)
    assert "fallback" not in report["cuts"], report["cuts"]
    restored: Any = restore(report, BUILTINS)
    frame = restored.__traceback__.tb_next.tb_frame
    assert [entry.f_code.co_name for entry in (restored.__traceback__.tb_frame, frame)] == [
        "_reported",
        "_fail",
    ]
    found = frame.f_locals
    assert (found["before"], found["customer"], found["after"]) == (
        [1, "two"],
        "Ada",
        {"last": (6, 7)},
    )
    assert (found["in_list"][1], found["in_dict"]["other"], next(iter(found["key"].values()))) == (
        3,
        4,
        5,
    )
    assert (restored.args[0], restored.args[2], restored.well, restored.__notes__[0]) == (
        "broken",
        8,
        [9],
        "a note",
    )
    assert frame.f_globals["CUSTOMER"] == "Grace"
    every = [
        found["local"],
        found["in_list"][0],
        found["in_dict"]["value"],
        found["attribute"].held,
        frame.f_globals["GLOBAL"],
    ]
    every += [
        restored.args[1],
        restored.held,
        restored.__notes__[1],
        next(iter(found["key"]))[1].held,
    ]
    if type(value) is str:  # messages and notes may be longer than other texts: those two are exact
        assert every[5] == every[7] == value
        every[5] = every[7] = every[0]
    assert all(item is every[0] for item in every)
    if mark is not None:
        assert mark in repr(every[0]), repr(every[0])
        assert sum(report["cuts"].get(reason, 0) for reason in ("unreadable", "failed reprs")) >= 1
    return report


class Interrupted(BaseException):
    """What a library of C or Rust code raises is no Exception, always."""


PROBLEMS = [
    ValueError("x"),
    RecursionError("x"),
    MemoryError(),
    KeyboardInterrupt(),
    SystemExit(3),
    Interrupted("x"),
    AttributeError("x"),
    RuntimeError("x"),
]

SAMPLES: dict[int, Any] = {
    id(type(sample)): sample
    for sample in (
        *(
            "x" * 300,
            b"bytes",
            bytearray(b"x"),
            1 << 80,
            2j,
            [1],
            (1, 2, []),
            {1},
            frozenset({1}),
            {"a": 1},
            int,
            re,
            len,
            _fail,
            ...,
        ),
        *(NotImplemented, _check.__get__(1), Holder(1)),
    )
}


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: type(problem).__name__)
def test_every_reader_may_raise(problem: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever kind of value a reader fails on, with whatever: that value is marked, and all else
    is exact.
    """
    for kind, reader in dict(_readers.READERS).items():
        value = SAMPLES[kind]

        def broken(
            values: Any, found: Any, depth: int, value: Any = value, reader: Any = reader
        ) -> Any:
            if found is value:
                raise problem
            return reader(values, found, depth)

        with monkeypatch.context() as patch:
            patch.setitem(_readers.READERS, kind, broken)
            report = _check(value, f"reading it raised {type(problem).__name__}")
        assert report["cuts"]["unreadable"] == 1


def _raises(problem: BaseException) -> Callable[..., Any]:
    def broken(*args: Any) -> Any:
        raise problem

    return broken


EXACT_VALUES = [
    *(
        range(3),
        slice(1),
        datetime.datetime(2024, 1, 1),
        datetime.date(2024, 1, 1),
        datetime.time(1),
        datetime.timedelta(1),
    ),
    *(
        datetime.timezone.utc,
        decimal.Decimal(1),
        fractions.Fraction(1, 2),
        uuid.UUID(int=1),
        pathlib.PurePosixPath("a"),
        pathlib.Path("a"),
    ),
]


@pytest.mark.parametrize("value", EXACT_VALUES, ids=lambda value: type(value).__name__)
def test_every_exact_reader_may_raise(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of the parts that values of the standard library are rebuilt from."""
    names = (type(value).__module__, type(value).__name__)
    for problem in (ValueError("x"), RecursionError("x"), MemoryError(), Interrupted("x")):
        with monkeypatch.context() as patch:
            patch.setitem(_exact.EXACT, names, (_exact.EXACT[names][0], _raises(problem)))
            patch.setattr(_types, "_known", {})
            _check(value, f"reading it raised {type(problem).__name__}")


BUILTIN_VALUES = {
    dict: {}, list: [], tuple: (), set: {1}, frozenset: frozenset({1}), collections.deque: collections.deque([1]),
    collections.OrderedDict: collections.OrderedDict(a=1), collections.defaultdict: collections.defaultdict(int, a=1), collections.Counter: collections.Counter("a"),
    collections.ChainMap: collections.ChainMap({}), collections.UserDict: collections.UserDict(a=1), collections.UserList: collections.UserList([1]),
    types.MappingProxyType: types.MappingProxyType({}), types.SimpleNamespace: types.SimpleNamespace(a=1), types.MethodType: _check.__get__(1),
}  # fmt: skip


@pytest.mark.parametrize(
    "cls",
    [cls for cls, _ in _writers.WRITTEN.values() if cls in BUILTIN_VALUES],
    ids=lambda cls: cls.__name__,
)
@pytest.mark.parametrize("depth", [1, 4])
def test_every_writer_of_builtin_types_may_raise(
    cls: type, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the text of a container fails, the text says so; what the container holds is read all
    the same.
    """
    value = BUILTIN_VALUES[cls]
    for problem in (
        ValueError("x"),
        RecursionError("x"),
        MemoryError(),
        Interrupted("x"),
        RuntimeError("x"),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(_writers.WRITTEN, id(cls), (cls, _raises(problem)))
            try:
                raise KeyError(value, "other")
            except KeyError as exc:
                report = capture(exc, Options(depth=depth))
        assert "fallback" not in report["cuts"] and report["frames"]
        restored: Any = restore(report, BUILTINS)
        assert restored.args[1] == "other"
        assert restored.__traceback__.tb_frame.f_locals["depth"] == depth


KINDS = {
    _render.Kind.DATACLASS: Order(1, []), _render.Kind.NAMEDTUPLE: Point(1, 2), _render.Kind.ENUM: Color.RED,
    _render.Kind.ATOM: re.compile("x"), _render.Kind.STDLIB: ipaddress.ip_address("::1"), _render.Kind.BUILTIN: collections.deque([1]),
    _render.Kind.USER: type("Odd", (), {"__repr__": lambda self: self.absent()})(),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_of_repr_may_raise(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of each kind of repr: the value's text says what it raised."""
    for problem in (ValueError("x"), RecursionError("x"), MemoryError(), Interrupted("x")):
        with monkeypatch.context() as patch:
            patch.setitem(_render._WRITERS, kind, _raises(problem))
            _check(KINDS[kind], f"whose repr raised {type(problem).__name__}")


@pytest.mark.parametrize(("owner", "name"), [(_values, "info_of"), (_objects, "details_of")])
def test_what_every_object_needs_may_raise(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the class of an object cannot be looked at, frames and plain values arrive."""
    monkeypatch.setattr(owner, name, _raises(ValueError("x")))
    try:
        customer, odd, kinds = "Ada", Holder(1), [int, 1]
        raise ValueError("boom", odd)
    except ValueError as exc:
        report = capture(exc, Options())
    restored: Any = restore(report, BUILTINS)
    assert (
        "fallback" not in report["cuts"]
        and restored.__traceback__.tb_frame.f_locals["customer"] == "Ada"
    )


def test_a_reader_does_not_outlast_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that fail slowly are stopped by max_seconds like any others."""

    def slow(values: Any, found: Any, depth: int) -> Any:
        time.sleep(0.01)
        raise ValueError("slow")

    monkeypatch.setitem(_readers.READERS, id(set), slow)
    start = time.monotonic()
    try:
        many = [{number} for number in range(99)] + [
            [{number} for number in range(99)] for _ in range(20)
        ]
        raise ValueError("x")
    except ValueError as exc:
        report = capture(exc, Options(max_seconds=0.3))
    assert time.monotonic() - start < 10
    assert report["cuts"]["max_seconds"] > 0 and report["frames"]


# -- half-built and odd values


def _new(cls: Any, *args: Any) -> Any:
    return cls.__new__(cls, *args)


def _released(data: Any) -> memoryview:
    view = memoryview(data)
    view.release()
    return view


def _nameless() -> types.ModuleType:
    module = types.ModuleType("m")
    module.__dict__.clear()
    return module


def _with(value: Any, **attributes: Any) -> Any:
    for name, item in attributes.items():
        object.__setattr__(value, name, item)
    return value


def _no_characters() -> Any:
    code = "w" if sys.version_info >= (3, 13) else "u"
    value = array.array(code)
    value.frombytes(b"\xff" * 4)
    return value


class OddTuple(tuple):  # type: ignore[type-arg]
    _fields = ("a", 5, None)
    __slots__ = ()
    __repr__ = Point.__repr__


class OddFields(Order):
    __dataclass_fields__ = {"number": None, 5: 6}  # type: ignore[assignment, dict-item]


HALF_BUILT: list[tuple[str, Callable[[], Any]]] = [
    *((cls.__name__, lambda cls=cls: object.__new__(cls)) for cls in (
        uuid.UUID, fractions.Fraction, ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network,
        ipaddress.IPv4Interface, pathlib.PurePosixPath, pathlib.PosixPath, pathlib.PureWindowsPath, collections.UserDict, collections.UserList,
        collections.UserString, collections.ChainMap, Order, importlib.machinery.ModuleSpec,
    )),
    *((f"new {cls.__name__}", lambda cls=cls: _new(cls)) for cls in (
        collections.OrderedDict, collections.defaultdict, collections.Counter, collections.deque, types.SimpleNamespace, decimal.Decimal,
        OSError, UnicodeDecodeError, ValueError,
    )),
    ("a UUID of a text", lambda: _with(object.__new__(uuid.UUID), int="x")),
    ("a fraction of texts", lambda: _with(object.__new__(fractions.Fraction), _numerator="1", _denominator=None)),
    ("a fraction over zero", lambda: _with(object.__new__(fractions.Fraction), _numerator=1, _denominator=0)),
    ("an address of a text", lambda: _with(object.__new__(ipaddress.IPv4Address), _ip="x")),
    ("a chain of no list", lambda: _with(object.__new__(collections.ChainMap), maps=5)),
    ("a released memoryview", lambda: _released(b"x" * 5000)),
    ("a memoryview of two dimensions", lambda: memoryview(bytes(4096)).cast("B", (64, 64))),
    ("a memoryview of none", lambda: memoryview(b"a").cast("B", ())),
    ("an array of no characters", _no_characters),
    ("a short named tuple", lambda: tuple.__new__(Point, (1,))),
    ("a long named tuple", lambda: tuple.__new__(Point, (1, 2, 3))),
    ("a named tuple of odd fields", lambda: tuple.__new__(OddTuple, (1, 2, 3))),
    ("a dataclass of odd fields", lambda: OddFields(1, [])),
    ("a module without a name", _nameless),
    ("a closed file", lambda: open(os.devnull).__class__.__new__(type(sys.stderr))),
    ("a closed mmap", lambda: _closed(mmap.mmap(-1, 10))),
    ("a class without a module", lambda: type("X", (), {"__module__": 5})()),
    ("a partial in itself", lambda: _in_itself()),
]  # fmt: skip


def _closed(value: Any) -> Any:
    value.close()
    return value


def _in_itself() -> Any:
    import functools

    found = functools.partial(print)
    found.__setstate__((found, (found,), {}, {}))
    return found


@pytest.mark.parametrize(
    "make", [make for _, make in HALF_BUILT], ids=[name for name, _ in HALF_BUILT]
)
def test_half_built_values(make: Callable[[], Any]) -> None:
    """A value that lacks its parts, or has others than its class says, costs itself alone at most."""
    for depth in (2, 4):
        if depth == 4:
            _check(make(), None)
        value = make()
        try:
            customer, told = "Ada", [value, {"in": value}]
            raise ValueError("half built")
        except ValueError as exc:
            report = capture(exc, Options(depth=depth, run_reprs=False))
        restored: Any = restore(report, BUILTINS)
        assert "fallback" not in report["cuts"]
        assert restored.__traceback__.tb_frame.f_locals["customer"] == "Ada"
        repr(restored.__traceback__.tb_frame.f_locals)


# -- none of the program's code

RAN: list[str] = []


def _tells(name: str, result: Any) -> Callable[..., Any]:
    def method(*args: Any) -> Any:
        RAN.append(name)
        return result

    return method


class Name(str):
    __slots__ = ()
    for _name in (
        "__eq__",
        "__str__",
        "__repr__",
        "__len__",
        "__getitem__",
        "__format__",
        "startswith",
        "partition",
        "lower",
    ):
        locals()[_name] = (
            lambda kind: lambda self, *args: RAN.append(kind) or getattr(str, kind)(self, *args)
        )(_name)
    del _name
    __hash__ = lambda self: RAN.append("__hash__") or str.__hash__(self)  # noqa: E731


class Key:
    __hash__ = _tells("__hash__", 1)  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        RAN.append("__eq__")
        return self is other

    __repr__ = _tells("__repr__", "key")


class Loader:
    create_module = lambda self, spec: None  # noqa: E731
    exec_module = lambda self, module: None  # noqa: E731
    __repr__ = _tells("a loader's __repr__", "loader")


class Delta(datetime.timedelta):
    __repr__ = _tells("a timedelta's __repr__", "delta")


def _arrays() -> Any:
    np = pytest.importorskip("numpy")

    class Watching(np.ndarray):  # type: ignore[name-defined, misc]
        shape = property(_tells("shape", (1,)))
        __array_finalize__ = _tells("__array_finalize__", None)
        __getitem__ = _tells("__getitem__", 1)
        __repr__ = _tells("__repr__", "r")

    void = np.zeros(2, dtype=[("a", object)])
    void["a"] = Key()
    return [
        np.arange(5).view(Watching),
        void,
        void[0],
        np.array([Key()], dtype=object),
        np.float64(0.5),
    ]


def _frames() -> Any:
    pd = pytest.importorskip("pandas")
    from pandas.api.extensions import ExtensionArray, ExtensionDtype

    class OwnDtype(ExtensionDtype):  # type: ignore[misc]
        name, type = "own", object
        __repr__ = __str__ = _tells("a dtype's __str__", "own")

    class Own(ExtensionArray):  # type: ignore[misc]
        dtype = property(lambda self: RAN.append("dtype") or OwnDtype())
        nbytes = 8
        __len__ = _tells("__len__", 2)
        __getitem__ = lambda self, key: (
            RAN.append("__getitem__") or (Own() if isinstance(key, slice) else 1)
        )  # noqa: E731
        isna = lambda self: __import__("numpy").array([False, False])  # noqa: E731
        copy = take = _concat_same_type = lambda self, *args, **kwargs: RAN.append("copy") or self  # noqa: E731
        _from_sequence = classmethod(lambda cls, *args, **kwargs: cls())

    class OwnFrame(pd.DataFrame):  # type: ignore[name-defined, misc]
        _constructor = property(_tells("_constructor", pd.DataFrame))

    return [
        pd.DataFrame({"a": [Key()], "b": [1]}), pd.DataFrame({Key(): [1]}), pd.Series([Key()]), pd.Index([1]), pd.Series(Own()), OwnFrame({"a": [1]}),
        pd.DataFrame({"own": Own(), "b": [1, 2]}), pd.Categorical([Key()]),
    ]  # fmt: skip


NOT_RUN: list[tuple[str, Callable[[], Any]]] = [
    ("keys of an OrderedDict", lambda: collections.OrderedDict([(Key(), 1), ((1, Key()), 2)])),
    ("views of an OrderedDict", lambda: [view(collections.OrderedDict([(Key(), 1)])) for view in (collections.OrderedDict.keys, collections.OrderedDict.items)]),
    ("a loader", lambda: importlib.util.module_from_spec(importlib.util.spec_from_loader("loaded", Loader()))),  # type: ignore[arg-type]
    ("names of attributes", lambda: _renamed(types.SimpleNamespace(a=1))),
    ("names of an object's attributes", lambda: _renamed(Holder(1))),
    ("names of a function", lambda: _renamed_function()),
    ("a pattern", lambda: [re.compile(Name("a+")), re.compile("a").match(Name("aa"))]),
    ("a zone's name", lambda: [zone := datetime.timezone(datetime.timedelta(hours=1), Name("z")), datetime.datetime(2024, 1, 1, tzinfo=zone), datetime.time(1, tzinfo=zone)]),
    ("a zone's offset", lambda: datetime.timezone(Delta(hours=1))),
    ("parts of a UUID", lambda: _with(object.__new__(uuid.UUID), int=Name("1"))),
    ("parts of a fraction", lambda: _with(object.__new__(fractions.Fraction), _numerator=Key(), _denominator=Key())),
    ("parts of a path", lambda: pathlib.PurePosixPath(Name("a"), Name("b"))),
    ("parts of an address", lambda: _with(object.__new__(ipaddress.IPv4Address), _ip=Key())),
    ("a file's name", lambda: _file_of(Name(os.devnull))),
    ("fields of a dataclass", lambda: _with(OddFields(1, []), number=Key())),
    ("a class's name", lambda: type(Name("Named"), (), {})()),
    ("arguments of an exception", lambda: ValueError(Key(), Name("x"))),
    ("values in arrays", _arrays),
    ("values in frames", _frames),
    ("a weak reference", lambda: __import__("weakref").ref(KEPT)),
    ("a text by a text's subclass", lambda: [Name("x"), {Name("x"): 1}, {Name("x")}]),
]  # fmt: skip
KEPT = type(
    "Kept",
    (),
    {"__getattr__": _tells("__getattr__", "name"), "__repr__": _tells("__repr__", "kept")},
)()


def _renamed(value: Any) -> Any:
    value.__dict__[Name("key")] = Name("value")
    return value


def _renamed_function() -> Any:
    def function() -> None: ...

    function.__name__, function.__qualname__, function.__module__ = Name("n"), Name("q"), Name("m")
    return function


OPEN: list[Any] = []


def _file_of(name: Any) -> Any:
    import io

    file = io.FileIO(os.open(os.devnull, os.O_RDONLY))
    file.name = name
    OPEN.append(
        io.BufferedReader(file)
    )  # else its ResourceWarning would show the name during another test
    return OPEN[-1]


@pytest.mark.parametrize("make", [make for _, make in NOT_RUN], ids=[name for name, _ in NOT_RUN])
@pytest.mark.parametrize("run_reprs", [None, False], ids=["default", "no-reprs"])
def test_no_code_of_the_program_runs(make: Callable[[], Any], run_reprs: bool | None) -> None:
    """Neither hashes nor comparisons of keys, nor what a value of a library holds or derives from,
    is asked anything.
    """
    value = make()
    for depth in (1, 4):
        try:
            customer, held = "Ada", [value]
            raise ValueError("x")
        except ValueError as exc:
            RAN.clear()
            report = capture(exc, Options(run_reprs=run_reprs, depth=depth))
            assert RAN == []
        assert "fallback" not in report["cuts"] and "unreadable" not in report["cuts"]


def test_order_of_keys_that_are_not_hashed() -> None:
    """An OrderedDict whose keys have a hash of their own keeps its order, too."""
    first, second = Key(), Key()
    value = collections.OrderedDict([(first, 1), (second, 2)])
    value.move_to_end(first)
    try:
        raise ValueError("x")
    except ValueError as exc:
        found: Any = restore(capture(exc, Options()), BUILTINS)
    assert list(found.__traceback__.tb_frame.f_locals["value"].values()) == [2, 1]


# -- memory that may be gone

GONE = """
    import ctypes, mmap, os, re, sys, tempfile
    import keeptrace
    path = os.path.join(tempfile.mkdtemp(), "data.bin")
    with open(path, "wb") as file:
        file.write(bytes(1 << 20))
    def mapped():
        with open(path, "r+b") as file:
            return mmap.mmap(file.fileno(), 0)
    values = [mapped(), memoryview(mapped())[10:5000], memoryview(memoryview(mapped())).cast("B"), re.compile(b".").match(mapped())]
    {more}
    os.truncate(path, 0)
    def fail():
        customer = "Ada"
        held = values
        raise ValueError("boom")
    try:
        fail()
    except ValueError as exc:
        for depth in (1, 3):
            found = keeptrace.loads(keeptrace.dumps(exc, depth=depth)).__traceback__.tb_next.tb_frame.f_locals
            assert found["customer"] == "Ada"
        print(*map(repr, found["held"]), sep="\\n")
"""
OF_NUMPY = """
    import numpy
    file = numpy.memmap(path, dtype="u1", mode="r")
    values += [file, numpy.asarray(file)[5:].reshape(-1, 1), numpy.frombuffer(mapped(), "f8"), numpy.frombuffer(memoryview(mapped()), "f8")]
    values += [numpy.ctypeslib.as_array((ctypes.c_char * 4096).from_buffer(mapped())), numpy.ma.masked_array(file)]
"""
OF_PANDAS = """
    import pandas
    values += [pandas.Series(file, copy=False), pandas.DataFrame(file.reshape(-1, 2), copy=False)]
"""


def _shown_of_gone(more: str) -> list[str]:
    """What a process of its own, which ends if it reads what is gone, shows of the values."""
    program = textwrap.dedent(GONE.replace("{more}", more.strip("\n").strip()))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-500:])
    return done.stdout.splitlines()


def test_memory_that_may_be_gone_is_not_read() -> None:
    """A map of a file that was cut short would end the process; maps, views and matches are told by
    what they are.
    """
    shown = _shown_of_gone("")
    assert [
        "mmap.mmap" in shown[0],
        "memory at" in shown[1],
        "memory at" in shown[2],
        "Match object" in shown[3],
    ] == [True] * 4


def test_arrays_over_memory_that_may_be_gone() -> None:
    """The same of numpy's and pandas' values over a map: shape and dtype alone."""
    pytest.importorskip("pandas")
    shown = _shown_of_gone(OF_NUMPY + OF_PANDAS)[4:]
    assert all("values not read" in text for text in shown[:7]), shown
    assert "shape=(1048576,), dtype=uint8" in shown[0] and "524288 rows x 2 columns" in shown[7]


def test_arrays_of_their_own_memory_show_values() -> None:
    """Arrays that own their memory, and views of these, have their first values, whatever their
    class.
    """
    np = pytest.importorskip("numpy")
    values = [
        np.arange(5),
        np.arange(100)[5:].reshape(5, -1),
        np.frombuffer(b"\1\2", "u1"),
        np.ma.masked_array([5]),
        np.array([5]).view(type("Sub", (np.ndarray,), {})),
    ]
    try:
        raise ValueError("x")
    except ValueError as exc:
        found: Any = restore(capture(exc, Options()), BUILTINS)
    arrived = found.__traceback__.tb_frame.f_locals["values"]
    assert [item.first[0] for item in arrived] == [0, 5, 1, 5, 5]
