"""Exceptions whose classes have a C struct of their own arrive as themselves, or as a class of the
same name that is caught alike.
"""

from __future__ import annotations

import importlib
import io
import multiprocessing
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from own_loky import own_loky
from waiting import until

import keeptrace
from keeptrace.concurrent import KeepTraceProcessPoolExecutor, get_context, keep_trace
from keeptrace.restore.fields import has_own_state

# -- classes


class Opaque(ValueError):
    """As classes of pydantic and psycopg2 are: the state is where no Python code finds it, but for
    the class's own.
    """

    __slots__ = ("_state",)

    def __init__(self, number: int) -> None:
        super().__init__()
        _put(self, number)

    def __str__(self) -> str:
        return f"number {self.number()} is bad"

    def number(self) -> int:
        return int(_get(self))

    def __reduce__(self) -> Any:
        return type(self), (_get(self),)


_put, _get = Opaque.__dict__["_state"].__set__, Opaque.__dict__["_state"].__get__
del Opaque._state  # the room for it stays


class Below(Opaque):
    """A Python class below one of C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.row = [number]


class Raising(Opaque):
    def __reduce__(self) -> Any:
        raise TypeError("no")


class Unloadable(Opaque):
    def __reduce__(self) -> Any:
        return int, ("x",)


class Other(Opaque):
    def __reduce__(self) -> Any:
        return Opaque, (1,)


class Changed(Opaque):
    def __reduce__(self) -> Any:
        return type(self), (_get(self) + 1,)


class Hanging(Opaque):
    def __reduce__(self) -> Any:
        time.sleep(20)
        return type(self), (1,)


class Huge(Opaque):
    def __reduce__(self) -> Any:
        return type(self), (_get(self),), {"data": bytes(40 << 20)}


class NoWay(Opaque):
    def __reduce__(self) -> Any:
        raise SystemExit


class WithoutLock(Exception):
    """A Python class that leaves out what cannot be pickled."""

    def __init__(self, message: str) -> None:
        super().__init__(message, io.TextIOWrapper(io.BytesIO()))
        self.buffer = self.args[1]

    def __reduce__(self) -> Any:
        return type(self), (self.args[0],)


class Slotted(ValueError):
    __slots__ = ("__private", "public")


class BelowSlotted(Slotted):
    pass


class FileError(OSError):
    pass


class TwoBases(TypeError, OSError):
    """Its instances have the struct of OSError, which is not the first builtin class among its
    bases.
    """


FALLING_BACK = [Raising, Unloadable, Other, Changed, Hanging, Huge, NoWay]


def fail(cls: type[BaseException], number: int) -> None:
    exc = cls(number)
    exc.add_note("a note")
    raise exc


def fail_as_cause(number: int) -> None:
    try:
        fail(Opaque, number)
    except ValueError as exc:
        raise RuntimeError("the row is bad") from exc


def fail_in_group(number: int) -> None:
    raise ExceptionGroup("several", [Opaque(number), KeyError("x")])


def fail_without_lock() -> None:
    raise WithoutLock("text")


def fail_with_pydantic(number: int) -> None:
    import pydantic

    pydantic.create_model("Item", quantity=(pydantic.PositiveInt, ...))(quantity=-number)


def raised(function: Callable[..., object], *args: Any) -> BaseException:
    try:
        function(*args)
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


# -- ways


def by_executor(function: Any, *args: Any) -> BaseException:
    with KeepTraceProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("fork"), trace=keeptrace.Options(max_seconds=3)
    ) as pool:
        return pool.submit(function, *args).exception(30)


def by_pool(function: Any, *args: Any) -> BaseException:
    with get_context("fork").Pool(1) as pool:
        return raised(pool.apply_async(function, args).get, 30)


def by_decorator(function: Any, *args: Any) -> BaseException:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(keep_trace(function, max_seconds=3), *args).exception(30)


def by_loky(function: Any, *args: Any) -> BaseException:
    loky = pytest.importorskip("keeptrace.concurrent.loky")
    with own_loky(), loky.KeepTraceLokyExecutor(1) as pool:
        return pool.submit(function, *args).exception(30)


POOLS = [by_executor, by_pool, by_decorator, by_loky]


def by_dump(exc: BaseException) -> BaseException:
    return keeptrace.loads(keeptrace.dumps(exc))


def by_pickle_of_dump(exc: BaseException) -> BaseException:
    return pickle.loads(keeptrace.dumps(exc))


def by_init(exc: BaseException) -> BaseException:
    with keeptrace.init():
        data = pickle.dumps(exc)
    return pickle.loads(data)


def by_exc_info(exc: BaseException) -> BaseException:
    with keeptrace.init():
        data = pickle.dumps((type(exc), exc, exc.__traceback__))
    return pickle.loads(data)[1]


FILES = [by_dump, by_pickle_of_dump, by_init, by_exc_info]

# -- tests


@pytest.mark.parametrize(
    ("cls", "expected"),
    [(ValueError, False), (OSError, False), (FileError, False), (Slotted, False), (BelowSlotted, False), (WithoutLock, False),
     (ExceptionGroup, False), (Opaque, True), (Below, True)],
)  # fmt: skip
def test_own_state_is_told_by_the_class(cls: type[BaseException], expected: bool) -> None:
    """Slots, __weakref__ and the fields of builtin classes are known state; only what nobody knows
    counts.
    """
    assert has_own_state(cls) is expected


def test_no_class_of_the_standard_library_has_own_state() -> None:
    """The standard library's exceptions are rebuilt as they always were."""
    for name in (
        "asyncio",
        "ssl",
        "socket",
        "decimal",
        "xml.etree.ElementTree",
        "sqlite3",
        "zipfile",
        "subprocess",
        "json",
    ):
        importlib.import_module(name)
    waiting: list[type] = [BaseException]
    for cls in waiting:
        waiting += type.__subclasses__(cls)
    # Other tests' odd classes may wait for the garbage collector.
    named = [cls for cls in waiting if isinstance(cls.__module__, str)]
    found = [cls for cls in named if cls.__module__.partition(".")[0] in sys.stdlib_module_names]
    assert len(found) > 100
    assert [cls for cls in found if has_own_state(cls)] == []


@pytest.mark.parametrize("way", POOLS)
def test_arrives_as_itself(way: Callable[..., BaseException]) -> None:
    """In every pool: its class, text, methods, notes, attributes, frames."""
    exc = way(fail, Below, 7)
    assert type(exc) is Below
    assert (str(exc), exc.number(), exc.row, exc.__notes__) == (
        "number 7 is bad",
        7,
        [7],
        ["a note"],
    )
    *_, (frame, _) = traceback.walk_tb(exc.__traceback__)
    assert (frame.f_code.co_name, frame.f_locals["number"]) == ("fail", 7)


@pytest.mark.parametrize("way", POOLS)
def test_arrives_as_itself_within_a_chain(way: Callable[..., BaseException]) -> None:
    """As a cause, with its own frames."""
    exc = way(fail_as_cause, 7)
    assert type(exc) is RuntimeError
    assert type(exc.__cause__) is Opaque and exc.__cause__.number() == 7
    assert exc.__cause__ is exc.__context__
    assert exc.__cause__.__traceback__.tb_next.tb_frame.f_code.co_name == "fail"


@pytest.mark.parametrize("way", POOLS[:2])
def test_arrives_with_the_struct_of_its_second_base(way: Callable[..., BaseException]) -> None:
    """A class of two builtin ones is rebuilt by the one whose struct its instances have."""
    exc = way(fail, TwoBases, 7)
    assert type(exc) is TwoBases and exc.args == (7,)
    assert type(by_pickle_of_dump(exc)) is TwoBases


@pytest.mark.parametrize("way", POOLS[:2])
def test_arrives_as_itself_within_a_group(way: Callable[..., BaseException]) -> None:
    """As a child of a group."""
    exc = way(fail_in_group, 7)
    assert [type(child) for child in exc.exceptions] == [Opaque, KeyError]
    assert exc.exceptions[0].number() == 7


@pytest.mark.parametrize("cls", FALLING_BACK)
def test_falls_back_to_a_class_of_the_same_name(cls: type[BaseException]) -> None:
    """Where its reduction fails, hangs, is too large or makes something else: the same name, text
    and builtin base.
    """
    exc = by_executor(fail, cls, 7)
    assert (type(exc).__name__, str(exc), exc.__notes__) == (
        cls.__name__,
        "number 7 is bad",
        ["a note"],
    )
    assert isinstance(exc, ValueError)
    assert exc.__traceback__.tb_frame.f_locals["number"] == 7


@pytest.mark.parametrize("way", FILES)
@pytest.mark.parametrize("cls", [Opaque, Below, Raising])
def test_dumps_have_a_class_of_the_same_name(
    way: Callable[[BaseException], BaseException], cls: type[BaseException]
) -> None:
    """Where nothing of the library runs, `except ValueError` catches it, and the message is there."""
    exc = way(raised(fail, cls, 7))
    assert (type(exc).__qualname__, str(exc)) == (cls.__qualname__, "number 7 is bad")
    assert isinstance(exc, ValueError)
    assert exc.__traceback__ is not None


@pytest.mark.parametrize("pickler", ["pickle", "cloudpickle", "dill"])
def test_live_dumps_have_it_as_itself(pickler: str) -> None:
    """With a pickler and live=True; without live=True nothing of it is run."""
    data = keeptrace.dumps(raised(fail, Below, 7), pickler=pickler, redact=False)
    exc = keeptrace.loads(data, live=True)
    assert type(exc) is Below and exc.number() == 7
    assert type(pickle.loads(data)) is Below
    assert type(keeptrace.loads(data)) is not Below


def test_again_through_a_pool() -> None:
    """What arrived as itself can be dumped, and sent, again."""
    exc = by_executor(fail, Below, 7)
    assert str(by_dump(exc)) == "number 7 is bad"
    assert pickle.loads(pickle.dumps(exc)).number() == 7


def test_a_reduction_that_leaves_out_what_cannot_be_pickled() -> None:
    """A Python class's own reduction is taken where an argument cannot be pickled."""
    exc = by_executor(fail_without_lock)
    assert type(exc) is WithoutLock
    assert isinstance(exc.buffer, io.TextIOWrapper)


def test_no_code_of_the_user_runs_without_run_reprs() -> None:
    """run_reprs=False: neither the reduction nor str() runs, and the class of the same name says
    so.
    """
    exc = keeptrace.loads(
        keeptrace.dumps(raised(fail, Opaque, 7), run_reprs=False, pickler="pickle"), live=True
    )
    assert isinstance(exc, ValueError) and "not run" in str(exc)


@pytest.mark.parametrize("way", [*POOLS, *FILES])
def test_pydantic(way: Callable[..., BaseException]) -> None:
    """The real one: its methods work where it came through a pool; `except ValueError` catches it
    everywhere.
    """
    pydantic = pytest.importorskip("pydantic")
    own = raised(fail_with_pydantic, 7)
    exc = way(fail_with_pydantic, 7) if way in POOLS else way(own)
    assert (str(exc), type(exc).__name__) == (str(own), "ValidationError")
    assert isinstance(exc, ValueError)
    if way in POOLS:
        assert isinstance(exc, pydantic.ValidationError)
        assert exc.errors() == own.errors()


@pytest.fixture(autouse=True, scope="module")
def no_process_left() -> Iterator[None]:
    """The pools of this file end; those of other files may be on their way out."""
    before = set(multiprocessing.active_children())
    yield
    until(lambda: set(multiprocessing.active_children()) <= before)


def fail_with_a_buffer(number: int) -> None:
    exc = Below(number)
    exc.log = io.TextIOWrapper(io.BytesIO())
    raise exc


def test_an_attribute_that_cannot_be_pickled_costs_itself() -> None:
    """As lxml's error_log: the class is there, and a stand-in for the attribute alone."""

    def reduced(self: Any) -> Any:
        return type(self), (_get(self),), dict(self.__dict__)

    Below.__reduce__ = reduced
    try:
        exc = by_executor(fail_with_a_buffer, 7)
    finally:
        del Below.__reduce__
    assert type(exc) is Below and (exc.number(), exc.row) == (7, [7])
    assert "TextIOWrapper" in type(exc.log).__qualname__
