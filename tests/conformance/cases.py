"""The cases: a task that a worker runs, and a check of what must have arrived, the same for every engine.

Workers import this module by its name, some of them in another interpreter, so it imports next to nothing. A check gets the
exception as it arrived, its traceback without the frames of the parent; no check asks which engine it came through.
"""

from __future__ import annotations

import concurrent.futures
import os
import signal
import socket
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

# The columns of the table, with what a "yes" in them says.
COLUMNS = {
    "frames": "all frames of the task and none of the engine's, printed byte for byte as in one process",
    "locals": "the variables of every frame, with their types and identities",
    "chain": "the original cause and context, each with its own frames, and notes",
    "group": "exception groups, nested ones too, each member with its frames and causes",
    "odd exceptions": "exceptions that cannot be pickled or rebuilt, whose class the parent lacks, that are falsy or raise when they are looked at",
    "base exceptions": "`KeyboardInterrupt`, `SystemExit`, `GeneratorExit`, `CancelledError` and others that are no `Exception`",
    "arguments and results": "those that do not pickle or unpickle are the failure of their own task alone",
    "live values": 'with `pickler="cloudpickle"`, variables that are the real objects',
    "worker death": "what the caller gets when the worker is killed says which worker, how, at which task, and with which stack",
}

traceback_of = BaseException.__dict__["__traceback__"].__get__
set_traceback = BaseException.__dict__["__traceback__"].__set__
cause_of = BaseException.__dict__["__cause__"].__get__
context_of = BaseException.__dict__["__context__"].__get__
attributes_of = BaseException.__dict__["__dict__"].__get__


@dataclass(frozen=True)
class Case:
    """A task, and what must arrive of it."""

    name: str
    column: str
    task: Callable[..., Any]
    check: Callable[[Any], None]
    args: Callable[[], tuple[Any, ...]] = tuple  # made when they are needed: some cannot be copied
    crosses: bool = False  # says nothing where a task runs in the caller's own process
    mapped: bool = False  # the task is mapped over what args gives
    ends: bool = False  # the worker dies
    options: dict[str, Any] = field(default_factory=dict)  # for a pool of its own


CASES: list[Case] = []


def case(
    column: str, name: str, task: Callable[..., Any], *args: Any, **more: Any
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Makes a case of the function below: the check of what arrives of the task."""

    def register(check: Callable[[Any], None]) -> Callable[[Any], None]:
        assert column in COLUMNS and name not in [known.name for known in CASES]
        CASES.append(Case(name, column, task, check, **{"args": lambda: args, **more}))
        return check

    return register


# -- how what arrived is looked at


@dataclass
class Returned:
    """What a call gave that did not fail."""

    value: Any


def entries(exc: BaseException) -> Iterator[types.TracebackType]:
    entry = traceback_of(exc)
    assert entry is None or type(entry) is types.TracebackType
    while entry is not None:
        yield entry
        entry = entry.tb_next


def names(exc: BaseException) -> list[str]:
    """The functions of an exception's frames, outermost first."""
    return [entry.tb_frame.f_code.co_name for entry in entries(exc)]


def locals_of(exc: BaseException, function: str) -> dict[str, Any]:
    """The variables of the (innermost) frame of a function."""
    return [
        dict(entry.tb_frame.f_locals)
        for entry in entries(exc)
        if entry.tb_frame.f_code.co_name == function
    ][-1]


def here(task: Callable[..., Any], *args: Any) -> BaseException:
    """What the task raises in this process: what must arrive."""
    try:
        task(*args)
    except BaseException as exc:
        set_traceback(exc, traceback_of(exc).tb_next)  # without this function's own frame
        return exc
    raise AssertionError("the task did not fail")


def text(exc: BaseException) -> str:
    return "".join(traceback.format_exception(exc))


# -- frames

LIMIT = 4


def share(total: int, limit: int) -> float:
    return (total + 1) / (limit - LIMIT)


class Order:
    def __init__(self, rows: list[int]) -> None:
        self.rows = rows

    def price(self, limit: int) -> float:
        def of(row: int) -> float:
            return sum(
                share(part,
                      limit)
                for part in (row, row + 1)
            )  # fmt: skip

        return max(self.rows, key=lambda row: of(row))


def through_functions(limit: int) -> float:
    """Fails below a method, a closure, a generator and a lambda, in an expression of several lines."""
    order = Order([1, 2])
    return order.price(limit)


def recurse(depth: int) -> int:
    return recurse(depth + 1) + 1


def cut_short() -> None:
    """Raises an exception that has lost the innermost of its frames."""
    try:
        through_functions(LIMIT)
    except ZeroDivisionError as exc:
        exc.__traceback__.tb_next.tb_next = None  # type: ignore[union-attr]
        raise


def raise_again(exc: BaseException) -> None:
    raise exc


def raised_twice() -> None:
    try:
        through_functions(LIMIT)
    except ZeroDivisionError as exc:
        kept = exc
    raise_again(kept)


def divide_at(number: int) -> float:
    rest = number - 3
    return 10 / rest


def fail_in_c(word: str) -> int:
    return int(word)


def prints_as_here(exc: BaseException, task: Callable[..., Any], *args: Any) -> None:
    """Whether the exception is what the task raises in this process, to the last marker of its traceback."""
    assert text(exc) == text(here(task, *args))


@case("frames", "frames", through_functions, LIMIT)
def every_frame(exc: Any) -> None:
    prints_as_here(exc, through_functions, LIMIT)
    assert names(exc) == ["through_functions", "price", "<lambda>", "of", "<genexpr>", "share"]


@case("frames", "frames of C code", fail_in_c, "two")
def frames_of_c_code(exc: Any) -> None:
    prints_as_here(exc, fail_in_c, "two")


@case("frames", "deep recursion", recurse, 0)
def deep_recursion(exc: Any) -> None:
    assert type(exc) is RecursionError
    assert len(names(exc)) > 900 and set(names(exc)) == {"recurse"}
    assert [entry.tb_frame.f_locals["depth"] for entry in entries(exc)] == list(
        range(len(names(exc)))
    )


@case("frames", "traceback that was cut short", cut_short)
def cut_traceback(exc: Any) -> None:
    assert names(exc) == ["cut_short", "through_functions"]
    prints_as_here(exc, cut_short)


@case("frames", "exception raised twice", raised_twice)
def twice(exc: Any) -> None:
    assert (
        names(exc)[:3] == ["raised_twice", "raise_again", "raised_twice"]
        and names(exc)[-1] == "share"
    )
    prints_as_here(exc, raised_twice)


@case("frames", "map", divide_at, mapped=True, args=lambda: tuple(range(6)))
def failing_element(exc: Any) -> None:
    assert type(exc) is ZeroDivisionError and names(exc)[-1] == "divide_at"
    assert locals_of(exc, "divide_at") == {"number": 3, "rest": 0}


# -- locals


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"Thing({self.number})"

    def doubled(self) -> int:
        return 2 * self.number


def with_variables(number: int, /, word: str, *rest: int, flag: bool = True, **more: int) -> None:
    rows = [1, 2.5, "three", b"four", None, True, ..., 1j]
    table = {"rows": rows, (1, 2): {3, 4}, "more": more}
    again = rows
    large = 10**50
    thing = Thing(7)

    def within(alias: list[Any]) -> None:
        loop = [alias]
        loop.append(loop)
        raise KeyError(number, word)

    within(rows)


@case("locals", "variables", with_variables, 5, "word", 6, 7)
def every_variable(exc: Any) -> None:
    outer, inner = locals_of(exc, "with_variables"), locals_of(exc, "within")
    known = {
        "number",
        "word",
        "rest",
        "flag",
        "more",
        "rows",
        "table",
        "again",
        "large",
        "thing",
        "within",
    }
    assert set(outer) == known and set(inner) == {"alias", "loop", "number", "word"}
    rows = [1, 2.5, "three", b"four", None, True, ..., 1j]
    assert outer["rows"] == rows and [type(value) for value in outer["rows"]] == [
        type(value) for value in rows
    ]
    assert (
        outer["table"] == {"rows": rows, (1, 2): {3, 4}, "more": {}}
        and type(outer["table"]) is dict
    )
    assert (outer["number"], outer["word"], outer["rest"], outer["flag"], outer["large"]) == (
        5,
        "word",
        (6, 7),
        True,
        10**50,
    )
    assert (
        type(outer["thing"]).__name__ == "Thing"
        and outer["thing"].number == 7
        and repr(outer["thing"]) == "Thing(7)"
    )
    assert (inner["number"], inner["word"]) == (5, "word")


@case("locals", "aliases and cycles", with_variables, 5, "word")
def one_object_stays_one(exc: Any) -> None:
    outer, inner = locals_of(exc, "with_variables"), locals_of(exc, "within")
    assert (
        outer["again"]
        is outer["rows"]
        is outer["table"]["rows"]
        is inner["alias"]
        is inner["loop"][0]
    )
    assert inner["loop"][1] is inner["loop"]


@case("locals", "global names", through_functions, LIMIT)
def named_globals(exc: Any) -> None:
    innermost = list(entries(exc))[-1].tb_frame
    assert innermost.f_globals["LIMIT"] == LIMIT and innermost.f_globals["__name__"] == __name__
    assert locals_of(exc, "share") == {"total": 1, "limit": LIMIT}


# -- chain


def inner(rows: list[int], limit: int) -> int:
    total = sum(rows)
    return total // (limit - limit)


def chained(size: int) -> int:
    rows = list(range(size))
    try:
        return inner(rows, 4)
    except ZeroDivisionError as problem:
        raise ValueError(f"cannot share {size}") from problem


def in_handler(size: int) -> None:
    try:
        chained(size)
    except ValueError:
        raise LookupError("while it was handled")


def from_none() -> None:
    try:
        inner([1], 1)
    except ZeroDivisionError:
        raise ValueError("alone") from None


def noted() -> None:
    try:
        chained(3)
    except ValueError as exc:
        exc.add_note("first\nsecond")
        assert exc.__cause__ is not None
        exc.__cause__.add_note("of the cause")
        raise


def own_cause() -> None:
    exc = ValueError("its own cause")
    exc.__cause__ = exc
    raise exc


def circle() -> None:
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def shared() -> None:
    cause = here(inner, [1], 1)
    both = [ValueError("left"), KeyError("right")]
    for exc in both:
        exc.__cause__ = cause
    raise ExceptionGroup("both", both) from cause


@case("chain", "cause", chained, 5)
def original_cause(exc: Any) -> None:
    assert type(exc) is ValueError and exc.args == ("cannot share 5",)
    assert (
        type(exc.__cause__) is ZeroDivisionError
        and exc.__cause__ is exc.__context__
        and exc.__suppress_context__
    )
    assert names(exc) == ["chained"] and names(exc.__cause__) == ["chained", "inner"]
    assert locals_of(exc.__cause__, "inner") == {"rows": [0, 1, 2, 3, 4], "limit": 4, "total": 10}
    prints_as_here(exc, chained, 5)


@case("chain", "context", in_handler, 2)
def original_context(exc: Any) -> None:
    assert exc.__cause__ is None and not exc.__suppress_context__
    assert (
        type(exc.__context__) is ValueError and type(exc.__context__.__cause__) is ZeroDivisionError
    )
    prints_as_here(exc, in_handler, 2)


@case("chain", "from None", from_none)
def suppressed_context(exc: Any) -> None:
    assert (
        exc.__cause__ is None
        and exc.__suppress_context__
        and names(exc.__context__) == ["from_none", "inner"]
    )
    prints_as_here(exc, from_none)


@case("chain", "notes", noted)
def all_notes(exc: Any) -> None:
    assert exc.__notes__ == ["first\nsecond"] and exc.__cause__.__notes__ == ["of the cause"]
    prints_as_here(exc, noted)


@case("chain", "exception that is its own cause", own_cause)
def cause_of_itself(exc: Any) -> None:
    assert exc.__cause__ is exc and exc.__context__ is None and exc.args == ("its own cause",)


@case("chain", "causes in a circle", circle)
def causes_in_a_circle(exc: Any) -> None:
    assert exc.__cause__.args == ("second",) and exc.__cause__.__cause__ is exc


@case("chain", "exception in several places", shared)
def one_exception_stays_one(exc: Any) -> None:
    left, right = exc.exceptions
    assert left.__cause__ is right.__cause__ is exc.__cause__ and names(exc.__cause__) == ["inner"]


# -- groups


class Batch(ExceptionGroup[Exception]):
    def __new__(cls, message: str, members: list[Exception], number: int = 0) -> Batch:
        made = super().__new__(cls, message, members)
        made.number = number
        return made

    number: int

    def derive(self, members: Any) -> Batch:
        return Batch(self.message, members, self.number)


def members() -> list[Any]:
    return [here(chained, 3), here(through_functions, LIMIT)]


def grouped() -> None:
    found = members()
    raise ExceptionGroup("both", found)


def nested_groups() -> None:
    found = ExceptionGroup("inner", [*members(), Refused(7, reason="full")])
    raise ExceptionGroup("outer", [found, KeyError(1)]) from ValueError("why")


def own_group() -> None:
    raise Batch("batch", members(), 3)


def deep_group(levels: int) -> None:
    exc: Exception = here(inner, [1], 1)  # type: ignore[assignment]
    for _ in range(levels):
        exc = ExceptionGroup("around", [exc])
    raise exc


@case("group", "group", grouped)
def every_member(exc: Any) -> None:
    assert type(exc) is ExceptionGroup and [type(member) for member in exc.exceptions] == [
        ValueError,
        ZeroDivisionError,
    ]
    assert (
        names(exc.exceptions[0].__cause__) == ["chained", "inner"]
        and names(exc.exceptions[1])[-1] == "share"
    )
    assert locals_of(exc.exceptions[0], "chained")["rows"] == [0, 1, 2]
    prints_as_here(exc, grouped)


@case("group", "nested groups", nested_groups)
def nested(exc: Any) -> None:
    within, alone = exc.exceptions
    assert (
        type(alone) is KeyError
        and type(within) is ExceptionGroup
        and exc.__cause__.args == ("why",)
    )
    assert type(within.exceptions[2]) is Refused and within.exceptions[2].code == 7
    assert exc.subgroup(ZeroDivisionError).exceptions[0].exceptions == (within.exceptions[1],)
    prints_as_here(exc, nested_groups)


@case("group", "group of the program's own class", own_group)
def own_class(exc: Any) -> None:
    assert type(exc) is Batch and exc.number == 3
    matching, rest = exc.split(ValueError)
    assert type(matching) is Batch and len(matching.exceptions) == len(rest.exceptions) == 1
    prints_as_here(exc, own_group)


@case("group", "200 groups in each other", deep_group, 200)
def deep(exc: Any) -> None:
    levels = 0
    while isinstance(exc, ExceptionGroup):
        (exc,) = exc.exceptions
        levels += 1
    assert levels == 200 and type(exc) is ZeroDivisionError and names(exc) == ["inner"]


# -- odd exceptions


class Refused(Exception):
    """Cannot be rebuilt from its args."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__("by keyword")
        self.code = code


class Holding(Exception):
    """Holds what cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("holding", lambda: None)
        self.lock = threading.Lock()
        self.made = (number for number in range(3))
        self.function = lambda: None
        self.socket = socket.socket()
        self.code = 7


class Unarriving:
    """Pickles, and cannot be unpickled."""

    def __reduce__(self) -> Any:
        return int, ("not a number",)


class Undeparting:
    """Cannot be pickled, and says so in its own way."""

    def __reduce__(self) -> Any:
        raise RuntimeError("cannot pickle me")


class Reduced(Exception):
    """Its __reduce__ gives, or raises, what it was made with."""

    def __init__(self, given: Any) -> None:
        super().__init__("reduced")
        attributes_of(self)["_given"] = lambda: given

    def __reduce__(self) -> Any:
        given = self._given()  # type: ignore[attr-defined]  # set without the class's knowledge
        if isinstance(given, BaseException):
            raise given
        return given


class SetState(Exception):
    def __setstate__(self, state: Any) -> None:
        raise RuntimeError("not this state")


class MadeByOne(Exception):
    def __new__(cls, *args: Any) -> MadeByOne:
        if len(args) != 1:
            raise SystemExit("one argument")
        return super().__new__(cls, *args)


class False_(Exception):
    def __bool__(self) -> bool:
        return False


class Empty(Exception):
    def __len__(self) -> int:
        return 0


class Hidden(Exception):
    """Tells nothing of itself but its traceback, which engines ask for."""

    def __getattribute__(self, name: str) -> Any:
        if name != "__traceback__":
            raise KeyboardInterrupt(name)
        return super().__getattribute__(name)


class WithoutTraceback(Exception):
    """Does not even tell its traceback."""

    def __getattribute__(self, name: str) -> Any:
        raise LookupError(name) from ValueError("asked")


class Moody(Exception):
    """Whatever can be asked of it raises."""

    __eq__ = __bool__ = __len__ = __str__ = __repr__ = lambda self, *args: sys.exit(3)  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class Slotted(Exception):
    __slots__ = ("code", "unset")

    def __init__(self, code: int) -> None:
        self.code = code


def with_attribute(value: Any) -> Exception:
    exc = RuntimeError("holds")
    exc.held = value  # type: ignore[attr-defined]
    return exc


def local() -> Exception:
    class Local(ValueError):
        pass

    return Local("made here")


ABSENT = "module_that_only_a_worker_has"


def absent() -> Exception:
    """Of a class whose module is in the worker alone."""
    module = types.ModuleType(ABSENT)
    exec("class Base(LookupError): pass\nclass There(Base): pass", module.__dict__)
    sys.modules[ABSENT] = module
    return module.There("there", 5)


# name -> what is raised, a class that must catch it, attributes it must have
ODD: dict[str, tuple[Callable[[], BaseException], type[BaseException], dict[str, Any]]] = {
    "__init__ that requires arguments": (lambda: Refused(7, "full"), Refused, {"code": 7, "args": ("7: full",)}),
    "__init__ with keywords only": (lambda: KeywordOnly(code=7), KeywordOnly, {"code": 7}),
    "lock, generator, lambda and socket": (Holding, Holding, {"code": 7}),
    "__reduce__ that raises": (lambda: Reduced(RuntimeError("not me")), Reduced, {}),
    "__reduce__ that interrupts": (lambda: Reduced(KeyboardInterrupt()), Reduced, {}),
    "__reduce__ that exits": (lambda: Reduced(SystemExit(3)), Reduced, {}),
    "__reduce__ that gives None": (lambda: Reduced(None), Reduced, {}),
    "__reduce__ that gives another object": (lambda: Reduced((dict, ())), Reduced, {}),
    "__reduce__ that cannot be undone": (lambda: Reduced((int, ("x",))), Reduced, {}),
    "__setstate__ that raises": (lambda: SetState(1), SetState, {"args": (1,)}),
    "__new__ that exits": (lambda: MadeByOne("x"), MadeByOne, {"args": ("x",)}),
    "attribute that cannot be pickled": (lambda: with_attribute([Undeparting()]), RuntimeError, {}),
    "attribute that cannot be unpickled": (lambda: with_attribute(Unarriving()), RuntimeError, {}),
    "argument that holds both": (lambda: ValueError([Unarriving(), Undeparting()]), ValueError, {}),
    "class defined in a function": (local, ValueError, {"args": ("made here",)}),
    "argument of such a class": (lambda: ValueError(local()), ValueError, {}),
    "falsy by __bool__": (lambda: False_("x"), False_, {"args": ("x",)}),
    "falsy by __len__": (lambda: Empty("x"), Empty, {"args": ("x",)}),
    "__getattribute__ that raises": (lambda: Hidden("x"), Hidden, {}),
    "__getattribute__ that raises for __traceback__": (lambda: WithoutTraceback("x"), WithoutTraceback, {}),
    "__str__, __repr__, __eq__, __bool__, __hash__ that raise": (lambda: Moody("x"), Moody, {"args": ("x",)}),
    "slots": (lambda: Slotted(7), Slotted, {"code": 7}),
    "StopIteration": (lambda: StopIteration(5), StopIteration, {"value": 5}),
    "StopAsyncIteration": (lambda: StopAsyncIteration(5), StopAsyncIteration, {"args": (5,)}),
    "OSError": (lambda: OSError(2, "gone", "from", None, "to"), FileNotFoundError, {"errno": 2, "filename": "from", "filename2": "to"}),
    "UnicodeDecodeError": (lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), UnicodeDecodeError, {"object": b"\xff", "end": 1}),
    "SyntaxError": (lambda: SyntaxError("bad", ("a.py", 3, 5, "x = = 1\n")), SyntaxError, {"filename": "a.py", "lineno": 3, "text": "x = = 1\n"}),
    "ImportError": (lambda: ImportError("none", name="it", path="there"), ImportError, {"name": "it", "path": "there"}),
    "AttributeError": (lambda: AttributeError("none", name="it", obj=[1]), AttributeError, {"name": "it"}),
    "cancellation of a future": (concurrent.futures.CancelledError, concurrent.futures.CancelledError, {}),
    "TimeoutError": (lambda: TimeoutError("slow"), TimeoutError, {"args": ("slow",)}),
    "EOFError": (EOFError, EOFError, {}),
    "MemoryError": (MemoryError, MemoryError, {}),
    "BrokenProcessPool": (lambda: BrokenProcessPool("another one"), BrokenProcessPool, {"args": ("another one",)}),
}  # fmt: skip
BASE: dict[str, tuple[Callable[[], BaseException], type[BaseException], dict[str, Any]]] = {
    "KeyboardInterrupt": (lambda: KeyboardInterrupt("stop"), KeyboardInterrupt, {"args": ("stop",)}),
    "SystemExit": (lambda: SystemExit(3), SystemExit, {"code": 3}),
    "GeneratorExit": (lambda: GeneratorExit("end"), GeneratorExit, {"args": ("end",)}),
    "BaseException": (lambda: BaseException("base"), BaseException, {"args": ("base",)}),
    "group of base exceptions": (lambda: BaseExceptionGroup("all", [KeyboardInterrupt(), ValueError(1)]), BaseExceptionGroup, {"message": "all"}),
}  # fmt: skip


def raise_odd(kind: str) -> None:
    marker = ["here", kind]
    raise {**ODD, **BASE}[kind][0]()


def arrives_as(kind: str) -> Callable[[Any], None]:
    def check(exc: Any) -> None:
        make, catches, attributes = {**ODD, **BASE}[kind]
        assert issubclass(type(exc), catches) and type(exc).__name__ == type(make()).__name__
        assert names(exc)[-1] in ("raise_odd", "absent") and locals_of(exc, "raise_odd") == {
            "marker": ["here", kind],
            "kind": kind,
        }
        assert cause_of(exc) is None and context_of(exc) is None
        for name, value in attributes.items():
            assert getattr(exc, name) == value

    return check


for _kind in ODD:
    case("odd exceptions", _kind, raise_odd, _kind)(arrives_as(_kind))
for _kind in BASE:
    case("base exceptions", _kind, raise_odd, _kind)(arrives_as(_kind))


def raise_cancelled() -> None:
    import asyncio  # in this case alone: its import takes longer than the start of a worker

    raise asyncio.CancelledError("no")


@case("base exceptions", "asyncio.CancelledError", raise_cancelled)
def of_asyncio(exc: Any) -> None:
    import asyncio

    assert type(exc) is asyncio.CancelledError and exc.args == ("no",)
    assert names(exc) == ["raise_cancelled"] and cause_of(exc) is None and context_of(exc) is None


def raise_absent() -> None:
    raise absent()


def raise_huge(size: int) -> None:
    word = "x" * size
    raise ValueError(word)


def hold_huge(size: int) -> None:
    raise with_attribute(bytes(size))


@case("odd exceptions", "class that the parent lacks", raise_absent, crosses=True)
def stands_for_the_class(exc: Any) -> None:
    assert (type(exc).__module__, type(exc).__qualname__) == (
        ABSENT,
        "There",
    ) and ABSENT not in sys.modules
    assert (
        isinstance(exc, LookupError) and exc.args == ("there", 5) and names(exc) == ["raise_absent"]
    )
    assert [cls.__name__ for cls in type(exc).__mro__[:3]] == ["There", "Base", "LookupError"]


@case("odd exceptions", "huge message", raise_huge, 3_000_000)
def bounded_message(exc: Any) -> None:
    assert (
        isinstance(exc, ValueError)
        and str(exc).startswith("x" * 400)
        and names(exc) == ["raise_huge"]
    )


@case("odd exceptions", "huge attribute", hold_huge, 100_000_000)
def bounded_attribute(exc: Any) -> None:
    assert type(exc) is RuntimeError and exc.args == ("holds",) and names(exc) == ["hold_huge"]


# -- arguments and results


def double(number: int) -> int:
    return 2 * number


def take(thing: Any) -> None:
    pass


def give(kind: str) -> Any:
    return {
        "generator": (number for number in ()),
        "undeparting": Undeparting(),
        "unarriving": Unarriving(),
    }[kind]


def says(*words: str) -> Callable[[Any], None]:
    """Why the call failed is told. (Between interpreters the reason is that the thing is not shareable.)"""

    def check(exc: Any) -> None:
        assert isinstance(exc, Exception) and any(word in text(exc) for word in words)

    return check


case(
    "arguments and results",
    "argument that cannot be pickled",
    take,
    args=lambda: ((number for number in ()),),
    crosses=True,
)(says("pickle", "NotShareableError"))
case(
    "arguments and results",
    "argument whose __reduce__ raises",
    take,
    args=lambda: (Undeparting(),),
    crosses=True,
)(says("cannot pickle me", "NotShareableError"))
case(
    "arguments and results",
    "argument that cannot be unpickled",
    take,
    args=lambda: (Unarriving(),),
    crosses=True,
)(says("not a number", "NotShareableError"))
case("arguments and results", "result that cannot be pickled", give, "generator", crosses=True)(
    says("pickle", "NotShareableError")
)
case("arguments and results", "result whose __reduce__ raises", give, "undeparting", crosses=True)(
    says("cannot pickle me", "NotShareableError")
)
case("arguments and results", "result that cannot be unpickled", give, "unarriving", crosses=True)(
    says("not a number", "NotShareableError")
)


# -- live values


def with_live_values() -> None:
    class Local:
        weight = 3

    thing, made, function = Thing(7), Local(), lambda number: number + 1
    raise KeyError("live")


@case(
    "live values", "live values", with_live_values, crosses=True, options={"pickler": "cloudpickle"}
)
def real_objects(exc: Any) -> None:
    found = locals_of(exc, "with_live_values")
    assert type(found["thing"]) is Thing and found["thing"].doubled() == 14
    assert (
        found["function"](1) == 2
        and type(found["made"]) is found["Local"]
        and found["made"].weight == 3
    )


# -- workers that die


def die(how: str) -> None:
    """Ends its process as `how` says: the name of a signal, or an exit code."""
    import faulthandler  # not for interpreters, which have no processes to end

    from keeptrace.concurrent.deaths import worker as _worker

    if (
        _worker._served is not None
    ):  # pytest has enabled a faulthandler of its own, which a forked worker inherits
        faulthandler.disable()
        faulthandler.enable(_worker._served[0].fd)
    if how.isdigit():
        os._exit(int(how))
    os.kill(os.getpid(), getattr(signal, how))
    threading.Event().wait(10)


def died(how: str) -> Callable[[Any], None]:
    def check(exc: Any) -> None:
        (death,) = exc.deaths
        (task,) = death.tasks  # a call, or the place of one in the engine's own terms
        assert "die" in task and repr(how) in task and death.pid > 0
        assert death.exitcode == (int(how) if how.isdigit() else -getattr(signal, how))
        assert death.signal == (None if how.isdigit() else how)
        assert f"Worker {death.pid} " in text(exc)
        if how == "SIGSEGV":
            *_, (frame, _) = traceback.walk_tb(death.stack)
            assert frame.f_code.co_name == "die" and "in die" in text(exc)
        else:
            assert death.stack is None

    return check


for _how in ("SIGKILL", "SIGSEGV", "70"):
    case("worker death", f"death by {_how}", die, _how, crosses=True, ends=True)(died(_how))
