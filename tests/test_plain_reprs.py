"""Reprs are not run by default: plain ones read as ever, others are told by state, and nothing is
loaded or called.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import dataclasses
import enum
import functools
import io
import operator
import threading
import types
import unittest.mock
import weakref
from typing import Any, Callable

import pytest
from test_values import arrived, frame_of, reported

from keeptrace import Options
from keeptrace.capture.capture import capture
from keeptrace.restore.policy import BUILTINS
from keeptrace.restore.restore import restore

RAN: list[str] = []


class Color(enum.Enum):
    RED = 1


class Base:
    kind = "constant"

    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


def _class(source: str, method: str = "__repr__", base: type = Base) -> type:
    """A class whose __repr__ has this body."""
    namespace: dict[str, Any] = {"Color": Color}
    body = "\n".join(f"    {line}" for line in source.splitlines())
    exec(f"def {method}(self):\n{body}", namespace)
    return type("Thing", (base,), {method: namespace[method]})


STATE = {"a": 7, "b": "text", "c": [1, {"x": None}], "d": 2.5, "e": None, "color": Color.RED}
PLAIN = [
    "return 'a constant'",
    "return f'<Thing {self.a} {self.b!r} {self.c}>'",
    "return f'{self.d:.3f} {self.b:>10} {self.a!s:<4}|{self.a:#x}'",
    "return '<%s %s %r %d %5.1f>' % (type(self).__name__, self.b, self.c, self.a, self.d)",
    "return 'one %s' % self.b",
    "return 'one %r' % (self.c,)",
    "return '{} {!r} {:>5}'.format(self.a, self.b, self.b)",
    "return '{0} {name!r}'.format(self.a, name=self.c)",
    "return self.__class__.__name__ + '(' + repr(self.a) + ', ' + str(self.c) + ')'",
    "return f'{self.__class__.__module__}.{self.__class__.__qualname__} at {id(self):#x} {hex(self.a)}'",
    "return 'none' if self.e is None else 'some'",
    "return 'both' if self.a and self.b else 'not both'",
    "return self.b or 'nothing'",
    "return (self.e or self.b) + '!'",
    "if self.a > 5 and self.b == 'text':\n    return f'{len(self.c)} {self.b[:2]} {self.b[-1]}'\nreturn 'small'",
    "if not self.e:\n    return f'{self.c[0]} {self.kind}'\nreturn '?'",
    "name = type(self).__name__\nvalue = self.a + 1\nreturn f'<{name}: {value * 2} {value - 1} {value / 2} {value % 3}>'",
    "return f'{self.__dict__}'",
    "return f'{vars(self)!r}'",
    "return f'{self.color} {self.color!r}'",
    "return ', '.join([self.b.upper(), str(self.a), self.b.strip('t')])",
    "return f'{self.a!r}' f'{self.e}' '{}'.format(self.d)",
    "return f'{self.b[1:3]}{self.c[1][\"x\"]}'",
    "return '-' * 5 + self.b",
    "x, y = self.a, self.b\nx, y = y, x\nreturn f'{x}{y}'",
    "x = y = self.a\nreturn f'{x}{y}{x + y}'",
    "return f'{not self.e} {not self.a}'",
    "return '{a} {b:>6}'.format(a=self.a, b=self.b)",
    "return f'{self.a:>{self.a}}|{self.d:.{2}f}'",
    "return self.b[self.a - 7::2] + self.b[:self.a]",
    'return f\'{self.b.startswith("te")} {self.b.partition("x")}\'',
    "return f'{self.a - 1} {self.a / 2} {self.a % 4} {self.b is None} {self.e is not None}'",
    "return '%s' % (self.b or self.e,) if self.a else ''",
    "if self.e is not None:\n    return 'x'\nif self.b is None:\n    return 'y'\nreturn 'z'",
    "return str(self.b) and f'{self.c and self.a} {self.e or self.d}'",
]


@pytest.mark.parametrize("source", PLAIN)
def test_plain_reprs_read_as_ever(source: str) -> None:
    """A __repr__ that only formats what stands in the object shows what it would return, and is not
    run.
    """
    cls: Any = _class(source)
    value = cls(**STATE)
    expected = repr(value)
    found = arrived(value, run_reprs=False)
    assert repr(found) == expected
    assert repr(arrived([value], depth=1, run_reprs=False)) == f"[{expected}]"


def test_plain_reprs_of_slots_and_of_each_other() -> None:
    """Slots are read like attributes; the plain repr of what is formatted is followed in turn."""

    class Slotted:
        __slots__ = ("x", "child")

        def __init__(self, x: int, child: object) -> None:
            self.x, self.child = x, child

        def __repr__(self) -> str:
            return f"Slotted({self.x}, {self.child!r})"

    value = Slotted(1, [Slotted(2, None)])
    assert repr(arrived(value)) == "Slotted(1, [Slotted(2, None)])"


def _ran(what: str) -> Any:
    RAN.append(what)
    return what


class Loading:
    def __get__(self, instance: object, owner: type) -> Any:
        return _ran("a descriptor")

    def __set__(self, instance: object, value: object) -> None: ...


NOT_PLAIN: list[tuple[str, str, dict[str, Any]]] = [
    ("a call", "return call()", {}),
    ("a method", "return self.load()", {"load": lambda self: _ran("a method")}),
    ("a property", "return f'{self.title}'", {"title": property(lambda self: _ran("a property"))}),
    (
        "a cached property",
        "return f'{self.title}'",
        {"title": functools.cached_property(lambda self: _ran("a cached property"))},
    ),
    ("a descriptor", "return f'{self.title}'", {"title": Loading()}),
    (
        "__getattr__",
        "return f'{self.absent}'",
        {"__getattr__": lambda self, name: _ran("__getattr__")},
    ),
    (
        "__getattribute__",
        "return f'{self.a}'",
        {
            "__getattribute__": lambda self, name: (
                _ran("__getattribute__") and object.__getattribute__(self, name)
            )
        },
    ),
    (
        "__class__",
        "return f'{self.__class__.__name__}'",
        {"__class__": property(lambda self: _ran("__class__") and int)},
    ),
    (
        "a slice of itself",
        "return str(self[:3])",
        {"__getitem__": lambda self, key: _ran("__getitem__")},
    ),
    (
        "iteration",
        "return ' '.join(str(part) for part in self)",
        {"__iter__": lambda self: iter([_ran("__iter__")])},
    ),
    (
        "a comprehension",
        "return str([part for part in self])",
        {"__iter__": lambda self: iter([_ran("__iter__")])},
    ),
    ("its length", "return str(len(self))", {"__len__": lambda self: len(_ran("__len__"))}),
    (
        "its truth",
        "return 'yes' if self else 'no'",
        {"__bool__": lambda self: bool(_ran("__bool__"))},
    ),
    (
        "an operator",
        "return 'yes' if self == 1 else 'no'",
        {"__eq__": lambda self, other: bool(_ran("__eq__")), "__hash__": None},
    ),
    ("its format", "return f'{self.inner}'", {}),
    ("a field of str.format", "return '{0.inner.x}'.format(self)", {}),
    (
        "an index of str.format",
        "return '{0[x]}'.format(self)",
        {"__getitem__": lambda self, key: _ran("__getitem__")},
    ),
    ("a wide format", "return '%10000000s' % self.a", {}),
    ("an import", "import os\nreturn os.getcwd()", {}),
    ("an open file", "return open('/etc/passwd').read()", {}),
    ("super()", "return super().__repr__()", {}),
    ("a global of the module", "return f'{secret}'", {}),
    (
        "a handler",
        "try:\n    return self.load()\nexcept Exception:\n    return 'x'",
        {"load": lambda self: _ran("a method")},
    ),
    ("a loop", "while True:\n    pass", {}),
    ("ascii()", "return f'{self.a!a}'", {}),
    ("a name that is not there", "return f'{nothing}'", {}),
    ("a variable without a value", "if not self.a:\n    x = 1\nreturn f'{x}'", {}),
    ("a join of no texts", "return ', '.join([self.a])", {}),
    ("a join of no list", "return ', '.join(self.a)", {}),
    ("a method that may be large", "return 'x'.center(10 ** 9)", {}),
    ("a method by keyword", "return 'a b'.split(sep=' ')[0]", {}),
    ("a large product", "return 'x' * 10 ** 9", {}),
    ("a large join", "return ('x' * 90_000).join(['a'] * 90_000)", {}),
    ("named fields of %", "return '%(a)s' % {'a': self.a}", {}),
    ("a key that is not there", "return {'a': 1}['b']", {}),
    ("a subscript of a number", "return self.a[0]", {}),
    ("a field in a field of str.format", "return '{:>{}}'.format(self.a, 5)", {}),
    ("a call with more than a builtin takes", "return repr(self.a, 2)", {}),
]


class Inner:
    def __format__(self, spec: str) -> str:
        return str(_ran("__format__"))

    def __str__(self) -> str:
        return str(_ran("__str__"))

    def __repr__(self) -> str:
        return str(_ran("__repr__"))


@pytest.mark.parametrize(
    "source, hooks", [row[1:] for row in NOT_PLAIN], ids=[row[0] for row in NOT_PLAIN]
)
@pytest.mark.parametrize("run_reprs", [None, False], ids=["default", "no-reprs"])
def test_what_is_not_plain_is_not_run(
    source: str, hooks: dict[str, Any], run_reprs: bool | None
) -> None:
    """A __repr__ that does more is not run: the object is told by its type and attributes, and the
    rest is exact.
    """
    function = _class(source).__dict__["__repr__"]
    function.__globals__.update(call=lambda: _ran("a call"), secret=Inner())
    value = type("Thing", (), {**hooks, "__repr__": function})()
    object.__getattribute__(value, "__dict__").update(a=7, inner=Inner())
    RAN.clear()
    report = reported(value, [value, 5], run_reprs=run_reprs)
    assert RAN == []
    found = frame_of(report)
    assert repr(found["value"]).startswith(
        ("<Thing object: a=7", "a=7", "<test_plain_reprs.Inner object", "<Inner")
    )
    assert found["value"].a == 7 and found["other"][1] == 5
    assert "fallback" not in report["cuts"]


def test_state_is_what_one_wants_to_see() -> None:
    """State: public attributes if there are any; elements of containers; the address of what stands
    inside.
    """

    class Row:
        def __init__(self, **state: Any) -> None:
            self.__dict__.update(state)

        def __repr__(self) -> str:
            return str(_ran("a call"))

    class Rows(list):  # type: ignore[type-arg]
        __repr__ = Row.__repr__

    inner, name = Row(id=2), Row.__qualname__
    RAN.clear()
    assert repr(arrived(Row(_hidden=1, id=7, name="n"))) == f"<{name} object: id=7, name='n'>"
    assert repr(arrived(Row(_hidden=1))) == f"<{name} object: _hidden=1>"
    assert repr(arrived(inner.__class__())).startswith(f"<{__name__}.{name} object at 0x")
    assert (
        repr(arrived(Row(inner=inner)))
        == f"<{name} object: inner=<{__name__}.{name} object at {id(inner):#x}>>"
    )
    assert repr(arrived(Rows([1, "two"]))) == f"<{Rows.__qualname__} object: [1, 'two']>"
    assert RAN == []


def test_named_tuples_are_told_by_name() -> None:
    """The elements of a named tuple have their names, by which a secret is known, also where its
    own repr hides it.
    """

    class Address(collections.namedtuple("Address", "host password")):
        def __repr__(self) -> str:
            return str(_ran("a call"))

    assert (
        repr(arrived(Address("h", "p")))
        == f"<{Address.__qualname__} object: host='h', password='p'>"
    )


def test_run_reprs_runs_all_of_them() -> None:
    """run_reprs=True runs every __repr__, under guard."""
    RAN.clear()
    assert repr(arrived(Inner(), run_reprs=True)) == "__repr__"
    assert RAN == ["__repr__"]


@dataclasses.dataclass
class Line:
    sku: str
    price: object


def _generated() -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [
        ("dataclass", Line("a", Color.RED)),
        ("namedtuple", collections.namedtuple("Pair", "x y")(1, [2])),
        ("enum", Color.RED),
        ("chain", collections.ChainMap({1: 2}, {})),
        ("namespace", types.SimpleNamespace(a=1)),
    ]
    attrs, pydantic = pytest.importorskip("attrs"), pytest.importorskip("pydantic")

    @attrs.define
    class Customer:
        name: str
        token: str = attrs.field(default="t", repr=False)

    class Address(pydantic.BaseModel):
        city: str
        hidden: int = pydantic.Field(1, repr=False)

    class Order(pydantic.BaseModel, extra="allow"):
        number: int
        address: Address

    return [
        *found,
        ("attrs", Customer("Ada")),
        ("pydantic", Order(number=1, address=Address(city="x"), more=[1])),
    ]  # type: ignore[call-arg]


def test_generated_reprs_read_as_ever() -> None:
    """What dataclasses, attrs, pydantic, enum and namedtuple generate is written without running
    it.
    """
    for name, value in _generated():
        assert repr(arrived(value, run_reprs=False)) == repr(value), name


def test_lazy_values_of_the_standard_library() -> None:
    """Files, mocks, generators, tasks, threads and weak references are told without a call of
    theirs.
    """
    mock = unittest.mock.MagicMock(name="client")

    async def task() -> Any:
        return asyncio.current_task()

    with open(__file__) as file:
        values = [
            file,
            mock,
            (number for number in range(3)),
            asyncio.run(task()),
            threading.current_thread(),
            weakref.ref(mock),
            io.StringIO("x"),
        ]
        found = arrived(values)
    assert [type(item).__name__ for item in found] == [type(item).__name__ for item in values]
    assert __file__ in repr(found[0])
    assert not mock.mock_calls and not mock._mock_children
    assert repr(found[5]).startswith(
        f"<weakref at {id(values[5]):#x}; to 'unittest.mock.MagicMock' at "
    )


class Relation:
    """A descriptor as object-relational mappers have them."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if self.name not in instance.__dict__:
            instance.__dict__[self.name] = _ran("a query")
        return instance.__dict__[self.name]


class Row:
    shop = Relation()

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"<Row {self.number} of {self.shop}>"


class QuerySet:
    def __getitem__(self, key: object) -> list[Any]:
        return [_ran("a query")]

    def __repr__(self) -> str:
        return f"<QuerySet {list(self[:21])}>"


class OutOfStock(Exception):
    def __init__(self, row: object) -> None:
        self.row = row

    def __str__(self) -> str:
        return f"no more: {self.row}"


class Counted(Exception):
    def __str__(self) -> str:
        return f"{len(self.args)} rows: {', '.join(str(arg) for arg in self.args)}"


class Holder:
    def __init__(self, held: object) -> None:
        self.held = held


Pair = collections.namedtuple("Pair", "a b")
KEPT: list[object] = []


def _kept(value: Any) -> Any:
    KEPT.append(value)
    return value


LAZY: list[tuple[str, Callable[[], BaseException], str]] = [
    ("its __str__ formats a row", lambda: OutOfStock(Row(7)), "no more: <Row object: number=7>"),
    (
        "its __str__ formats rows of a list",
        lambda: OutOfStock([Row(7)]),
        "no more: [<Row object: number=7>]",
    ),
    ("a row in args", lambda: ValueError(Row(7)), "<Row object: number=7>"),
    ("rows in args", lambda: ValueError("late", Row(7)), "('late', <Row object: number=7>)"),
    ("a query set in args", lambda: ValueError(QuerySet()), "QuerySet object at"),
    (
        "a __str__ that is not plain",
        lambda: Counted(Row(7)),
        "its str() was not run; its arguments are (<Row object: number=7>,)",
    ),
    ("a row behind an object", lambda: OutOfStock(Holder(Row(7))), "no more: <"),
    ("a KeyError of a row", lambda: KeyError(Row(7)), "<Row object: number=7>"),
    *[
        (f"a row in {kind}", lambda hold=hold: ValueError(hold(Row(7))), told)
        for kind, hold, told in (
            ("a slice", lambda row: slice(row, None), "slice(<Row object: number=7>, None, None)"),
            ("a queue", lambda row: collections.deque([row]), "<Row object: number=7>"),
            ("an OrderedDict", lambda row: collections.OrderedDict(a=row), "<Row object: "),
            ("a defaultdict", lambda row: collections.defaultdict(list, a=row), "<Row object: "),
            ("a named tuple", lambda row: Pair(row, 1), "<Row object: number=7>"),
            ("a view", lambda row: {"a": row}.values(), "dict_values"),
            ("a proxy", lambda row: types.MappingProxyType({"a": row}), "mappingproxy"),
            ("a partial", lambda row: functools.partial(print, row), "functools.partial"),
            ("a method", lambda row: row.__repr__, "Row.__repr__"),
            ("a weak proxy", lambda row: weakref.proxy(_kept(row)), "weak"),
            ("another exception", lambda row: KeyError(row), "are (<Row object: number=7>,)"),
            ("a variable", lambda row: contextvars.ContextVar("v", default=row), "ContextVar"),
            ("an alias", lambda row: list[row], "GenericAlias"),  # type: ignore[valid-type]
            ("a getter", lambda row: operator.itemgetter(row), "operator.itemgetter"),
            ("a static method", lambda row: staticmethod(row), "staticmethod"),
            ("a future", lambda row: _future(row), "Future"),
            ("an object of an object", lambda row: Pair(Pair([row], 1), 2), "<Row object: "),
            ("a long list", lambda row: [0] * 20_000 + [row], "[0, 0"),
            ("many lists", lambda row: [[[]] for _ in range(20_000)] + [row], "[[[]], [[]]"),
        )
    ],
    ("a row as the name of a file", lambda: OSError(2, "none", Row(7)), "its str() was not run"),
    (
        "a row within a group",
        lambda: ExceptionGroup("many", [KeyError(Row(7))]),
        "many (1 sub-exception)",
    ),
]


@pytest.mark.parametrize("make, message", [row[1:] for row in LAZY], ids=[row[0] for row in LAZY])
def test_messages_query_nothing(make: Callable[[], BaseException], message: str) -> None:
    """The message of an exception that holds lazy objects is made without them; what is loaded is
    shown, and nothing loads.
    """
    exc = make()
    exc.add_note("a note")
    exc.__notes__.append(Row(8))  # type: ignore[arg-type]
    RAN.clear()
    report = capture(exc, Options())
    assert RAN == []
    assert message in str(restore(report, BUILTINS))


def _future(result: Any) -> Any:
    found = asyncio.Future(loop=asyncio.new_event_loop())  # type: ignore[var-annotated]
    found.set_result(result)
    found.get_loop().close()
    return found


@pytest.mark.parametrize(
    "hold",
    [
        lambda numpy, row: numpy.array([row, row], dtype=object),
        lambda numpy, row: numpy.array(row, dtype=object),
        lambda numpy, row: numpy.array([(1, row)], dtype=[("a", int), ("b", object)]),
        lambda numpy, row: numpy.array([(1, row)], dtype=[("a", int), ("b", object)])[0],
        lambda numpy, row: numpy.ma.array(numpy.array([row, row], dtype=object)),
        lambda numpy, row: [numpy.array([0] * 100 + [row], dtype=object)],
    ],
    ids=["array", "no dimension", "structure", "void", "masked", "list"],
)
def test_messages_query_nothing_of_arrays(hold: Callable[[Any, Any], Any]) -> None:
    """Nor do lazy objects load that stand in an array of objects, wherever that stands."""
    numpy = pytest.importorskip("numpy")
    for exc in (ValueError(hold(numpy, Row(7))), OutOfStock(hold(numpy, Row(7)))):
        RAN.clear()
        report = capture(exc, Options())
        assert RAN == []
        assert str(restore(report, BUILTINS))


class Response:
    """As requests has it: it iterates, and has properties, and is not lazy."""

    def __init__(self) -> None:
        self._status = 404

    @property
    def status(self) -> int:
        return self._status

    def __iter__(self) -> Any:
        return iter(())

    def __repr__(self) -> str:
        return f"<Response [{self.status}]>"


class ApiError(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response

    def explain(self) -> str:
        return f"{self.response} {self.response.status}"

    def __str__(self) -> str:
        return self.explain()


def test_messages_of_libraries_are_kept() -> None:
    """An exception whose __str__ calls methods and properties, and holds nothing lazy, has the
    message that it makes.
    """
    assert (
        str(restore(capture(ApiError(Response()), Options()), BUILTINS)) == "<Response [404]> 404"
    )
    assert "its str() was not run" in str(
        restore(capture(ApiError(Response()), Options(run_reprs=False)), BUILTINS)
    )
