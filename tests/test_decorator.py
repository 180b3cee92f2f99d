"""@keep_trace and wrap, through the pools of other libraries."""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import inspect
import multiprocessing
import pickle
import sys
import traceback
import types
import typing
import weakref
from concurrent.futures import (
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)

import pytest
import traced_tasks as tasks
from traced_tasks import check_chained

from keeptrace import KeepTraceError, Options
from keeptrace.concurrent import KeepTraceProcessPoolExecutor, keep_trace, wrap

METHODS = ["fork", "spawn"] if sys.platform != "win32" else ["spawn"]
PARSER = tasks.Parser("a")

CALLABLES = {
    "function": tasks.traced_chained,
    "method": PARSER.method,
    "classmethod, decorated outside": tasks.Parser.class_outside,
    "classmethod, decorated inside": PARSER.class_inside,
    "staticmethod, decorated outside": tasks.Parser.static_outside,
    "staticmethod, decorated inside": PARSER.static_inside,
    "callable with state": keep_trace(tasks.Counter()),
    "partial": keep_trace(functools.partial(tasks.chained)),
    "partial of a decorated function": functools.partial(tasks.traced_chained),
    "bound method": keep_trace(tasks.Counter().__call__),
    "function that keeps its name": keep_trace(tasks.chained),
    "name taken over afterwards": tasks.plain,
    "lru_cache": tasks.traced_cached,
    "coroutine function": tasks.run_async,
}


@pytest.fixture(scope="module", params=METHODS)
def stock(request):
    """The stdlib's executor, as it is."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(request.param)) as pool:
        yield pool


@pytest.mark.parametrize("name", CALLABLES)
def test_every_kind_of_callable_crosses_a_stock_executor(stock, name):
    """Frames, variables and the original cause arrive, whatever kind of callable was decorated,
    under fork and spawn.
    """
    check_chained(stock.submit(CALLABLES[name], 5).exception(timeout=60), 5)


@pytest.mark.parametrize("kind", ["init", "falsy", "exit"])
def test_an_engine_of_ours_gets_the_exception_itself(kind):
    """Decorated and in our executor: as if one of the two were not there, also where another engine
    would need a substitute.
    """
    with KeepTraceProcessPoolExecutor(1) as pool:
        exc = pool.submit(tasks.traced_fail_with, kind).exception(timeout=60)
    tasks.check_kind(exc, kind)
    assert list(tasks.frames(exc)) == ["traced_fail_with", "fail_with"]


def test_a_text_of_the_class_is_kept(stock):
    """What is put on an exception so that it crosses does not count among what its text may tell."""
    assert (
        str(stock.submit(tasks.traced_fail_with, "worded").exception(timeout=60)) == "locked: False"
    )


def test_an_exception_that_holds_itself(stock):
    """An attribute that leads back to the exception: it is captured once, with its own text; what holds it is the object."""
    exc = stock.submit(tasks.traced_raise_circular, 3).exception(timeout=60)
    assert type(exc) is tasks.Circular and str(exc) == "circular 3"
    assert type(exc.held) is tasks.Held and type(exc.held.exc) is tasks.Circular
    assert exc.held.exc.args == (3,) and exc.held.exc.__traceback__ is None
    assert list(tasks.frames(exc)) == ["traced_raise_circular"]


@pytest.mark.parametrize("kind", tasks.SEALED | tasks.OPEN)
def test_a_sealed_exception_crosses_a_stock_executor(stock, kind):
    """The engine sets attributes of exceptions at both ends. An exception that refuses them would end the worker, or the parent's thread; decorated, it arrives, of its own class."""
    exc = stock.submit(tasks.traced_raise_sealed, kind).exception(timeout=60)
    tasks.check_sealed(exc, kind)
    assert type(exc) is type((tasks.SEALED | tasks.OPEN)[kind]())
    assert stock.submit(tasks.double, 2).result(timeout=60) == 4


@pytest.mark.parametrize("kind", tasks.SEALED)
def test_a_sealed_exception_crosses_a_stock_pool(kind):
    """multiprocessing's pool, whose parent sets the cause."""
    with multiprocessing.Pool(1) as pool:
        with pytest.raises(type(tasks.SEALED[kind]())) as info:
            pool.apply_async(tasks.traced_raise_sealed, (kind,)).get(60)
    tasks.check_sealed(info.value, kind)


@pytest.mark.parametrize("kind", tasks.UNPRINTABLE)
def test_an_exception_that_cannot_be_printed_crosses_a_stock_executor(stock, kind):
    """The engine prints exceptions in the worker, and a failure of that ends the worker. Decorated, it arrives, and the worker goes on."""
    exc = stock.submit(tasks.raise_unprintable, kind).exception(timeout=60)
    cls = type(tasks.UNPRINTABLE[kind]())
    assert type(exc) is cls and BaseException.__dict__["args"].__get__(exc)[0] == 3
    entry = BaseException.__dict__["__traceback__"].__get__(exc)
    while entry.tb_next is not None:
        entry = entry.tb_next
    assert entry.tb_frame.f_locals["marker"] == ["here", kind]
    assert stock.submit(tasks.double, 2).result(timeout=60) == 4


def test_what_happens_above_the_decorated_function_is_kept(stock):
    """In the worker it stays the same exception: it can be caught there, and notes and attributes
    that are added arrive.
    """
    assert stock.submit(tasks.catching, 3).result(timeout=60) == "ValueError from ZeroDivisionError"
    exc = stock.submit(tasks.noting, 3).exception(timeout=60)
    check_chained(exc, 3)
    assert exc.__notes__ == ["noted above"] and exc.code == 12


def test_result_raises_one_continuous_traceback(stock):
    """future.result() shows the parent's frames, then the worker's, and no frame of keeptrace."""
    with pytest.raises(ValueError) as caught:
        stock.submit(tasks.traced_chained, 5).result(timeout=60)
    names = list(tasks.frames(caught.value))
    assert names[0] == "test_result_raises_one_continuous_traceback" and names[-2:] == [
        "traced_chained",
        "chained",
    ]


@pytest.mark.parametrize("method", METHODS)
def test_another_library_pickles_the_class(method):
    """Where another library registered the exception's class for pickling, ours go first, and all
    others go its way, copies too.
    """
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(
        1, mp_context=context, initializer=tasks.register_for_pickling
    ) as pool:
        check_chained(pool.submit(tasks.traced_chained, 5).exception(timeout=60), 5)
        assert str(pool.submit(tasks.chained, 5).exception(timeout=60)) == "by another library"
        check_chained(pool.submit(tasks.traced_chained, 6).exception(timeout=60), 6)
        assert pool.submit(tasks.copied_above, 5).result(timeout=60) == "by another library"


# -- in the same process


def plainly(size):
    rows = list(range(size))
    try:
        return tasks.inner(rows, 4)
    except ZeroDivisionError as problem:
        raise ValueError(size) from problem


async def plainly_async(size):
    return plainly(size)


def text_of(call):
    try:
        call()
    except BaseException as exc:
        return exc, "".join(traceback.format_exception(exc))
    raise AssertionError("nothing was raised")


class TestSameProcess:
    @pytest.mark.parametrize("arguments", [(3,), (), (1, 2)])
    def test_text_is_identical(self, arguments):
        """Traceback texts are those of the plain function, also when it is called with wrong
        arguments.
        """

        def through(function):
            return text_of(lambda: function(*arguments))[1]

        assert through(keep_trace(plainly)) == through(plainly)
        assert through(keep_trace(functools.partial(plainly))) == through(
            functools.partial(plainly)
        )

    def test_same_object_and_nothing_added(self):
        """The exception is the object that was raised; no attribute is put on it."""
        raised = ValueError("mine")

        @keep_trace
        def fail():
            raise raised

        exc, _ = text_of(fail)
        assert (
            exc is raised and vars(exc) == {} and exc.__cause__ is None and exc.__context__ is None
        )
        assert [frame.name for frame in traceback.extract_tb(exc.__traceback__)] == [
            "text_of",
            "fail",
        ]

    def test_nothing_is_kept_alive(self):
        """When the caller lets the exception go, the frames go with it, without a garbage
        collection.
        """

        class Big:
            pass

        seen = []

        @keep_trace
        def fail():
            big = Big()
            seen.append(weakref.ref(big))
            raise ValueError

        gc.disable()
        try:
            with pytest.raises(ValueError):
                fail()
            try:
                fail()
            except ValueError:
                pass
            assert seen[1]() is None
        finally:
            gc.enable()

    def test_coroutine(self):
        """A decorated coroutine function is one, and raises when it is awaited."""
        traced = keep_trace(plainly_async)
        for function in (traced, tasks.traced_async):
            assert (
                inspect.iscoroutinefunction(function) and asyncio.iscoroutinefunction(function)
                if sys.version_info < (3, 14)
                else inspect.iscoroutinefunction(function)
            )
        exc, _ = text_of(lambda: asyncio.run(traced(3)))
        assert [frame.name for frame in traceback.extract_tb(exc.__traceback__)][-2:] == [
            "plainly_async",
            "plainly",
        ]

    def test_bound_attributes(self):
        """Methods bind, classmethods and staticmethods work in either order of decorators."""
        for name in ("method", "class_outside", "class_inside", "static_outside", "static_inside"):
            exc, _ = text_of(lambda: getattr(PARSER, name)(4))
            check_chained(exc, 4)

    def test_through_threads(self):
        """In a thread pool, where nothing crosses a process, the object itself arrives."""
        with ThreadPoolExecutor(1) as pool:
            exc = pool.submit(tasks.traced_chained, 4).exception()
        check_chained(exc, 4)
        assert vars(exc) == {}


class TestLooksLikeTheFunction:
    def test_names_signature_annotations(self):
        """Introspection sees the function."""
        assert (
            tasks.traced_chained.__name__ == "traced_chained"
            and tasks.traced_chained.__doc__ == "A docstring."
        )
        assert (
            tasks.traced_chained.__module__ == "traced_tasks"
            and tasks.traced_chained.__qualname__ == "traced_chained"
        )
        assert str(inspect.signature(tasks.traced_chained)) == "(size: 'int') -> 'int'"
        assert typing.get_type_hints(tasks.traced_chained) == {"size": int, "return": int}
        assert (
            inspect.isfunction(tasks.traced_chained)
            and tasks.traced_chained.__wrapped__.__name__ == "traced_chained"
        )
        assert inspect.signature(PARSER.method) == inspect.signature(PARSER.static_inside)

    def test_objects(self):
        """What stands before a callable passes on what is asked of it."""
        counter = tasks.Counter()
        traced = keep_trace(counter)
        text_of(lambda: traced(1))
        assert traced.count == counter.count == 1
        traced.count = 5
        assert (
            counter.count == 5
            and traced.__doc__ == "A callable with state."
            and traced.__module__ == "traced_tasks"
        )
        partial = keep_trace(functools.partial(tasks.chained, 3))
        assert str(inspect.signature(partial)) == "() -> 'int'" and partial.func is tasks.chained
        assert tasks.traced_cached.cache_info().currsize == 0
        assert repr(traced) == f"keep_trace({counter!r})"

    def test_pickles(self):
        """By name where it has the name, else with what it stands before; and in the same process
        it is nobody's worker.
        """
        for function in (tasks.traced_chained, tasks.plain, tasks.traced_cached):
            assert pickle.loads(pickle.dumps(function)) is function
        again = pickle.loads(pickle.dumps(keep_trace(tasks.chained, depth=5)))
        exc, _ = text_of(lambda: again(3))
        check_chained(exc, 3)
        assert vars(exc) == {}
        assert isinstance(copy.copy(keep_trace(functools.partial(tasks.chained))), type(again))

    def test_cloudpickle(self):
        """Functions that have no name to be found by are pickled with their code, decorated or not."""
        cloudpickle = pytest.importorskip("cloudpickle")
        factor = 3

        @keep_trace
        def local(number):
            return number * factor

        assert cloudpickle.loads(cloudpickle.dumps(local))(2) == 6


@pytest.mark.parametrize("wrong", [lambda: keep_trace(3), lambda: keep_trace(int), lambda: keep_trace(depth="x"), lambda: keep_trace(deep=1),
                                   lambda: wrap(None, depth=-5), lambda: keep_trace(tasks.chained, trace=3)])  # fmt: skip
def test_wrong_use_is_told(wrong):
    """Wrong options, and what is no function, are refused where they are given."""
    with pytest.raises(KeepTraceError):
        wrong()


def test_options_reach_the_worker():
    """Both forms of giving options work; here, a depth at which variables are representations."""
    with ProcessPoolExecutor(1) as pool:
        for traced in (
            keep_trace(tasks.chained, depth=1),
            keep_trace(trace=Options(depth=1))(tasks.chained),
        ):
            exc = pool.submit(traced, 5).exception()
            rows = tasks.frames(exc)["chained"].f_locals["rows"]
            assert rows != list(range(5)) and len(rows) == 5


# -- the pools of others


# each failure costs these engines new workers


class Divider:
    """A callable that is a method where it stands in a class, as a function is."""

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        return functools.partial(self, instance)

    def __call__(self, dividend, divisor):
        return dividend / divisor


class Divided(int):
    by = keep_trace(Divider())
    size = keep_trace(len)


def test_what_stands_in_a_class_is_bound_as_ever():
    """An object with __get__ becomes a method, one without does not; attributes go to the object
    itself.
    """
    assert Divided(8).by(2) == 4 and Divided.by(8, 2) == 4
    assert Divided(8).size("two") == 3
    with pytest.raises(ZeroDivisionError):
        Divided(8).by(0)
    traced = keep_trace(Divider())
    traced.unit = "m"
    assert traced.__wrapped__.unit == "m" and "unit" in dir(traced)
    del traced.unit
    assert "unit" not in dir(traced)


# -- wrap


def test_wrapped_executor(stock):
    """submit, map, callbacks, wait and as_completed are the executor's own; exceptions have their
    frames.
    """
    pool = wrap(stock)
    assert isinstance(pool, Executor)
    futures = [pool.submit(tasks.chained, size) for size in (3, 4)]
    assert all(isinstance(future, Future) for future in futures)
    assert set(as_completed(futures)) == set(futures) == wait(futures).done
    for size, future in zip((3, 4), futures):
        check_chained(future.exception(), size)
    assert list(pool.map(tasks.double, range(10), chunksize=3)) == list(range(0, 20, 2))
    with pytest.raises(ValueError) as caught:
        list(pool.map(tasks.chained, [6]))
    check_chained(caught.value, 6)


def test_wrapped_executor_passes_on_the_rest():
    """What an executor has of its own is reachable; `with` and shutdown end it; keywords named self
    and fn reach the task.
    """
    inner = ThreadPoolExecutor(1, thread_name_prefix="mine")
    with wrap(inner) as pool:
        assert pool._thread_name_prefix == "mine"
        assert pool.submit(dict, self=1, fn=2).result() == {"self": 1, "fn": 2}
        check_chained(pool.submit(tasks.chained, 3).exception(), 3)
    assert repr(pool) == f"keeptrace.concurrent.wrap({inner!r})"
    with pytest.raises(RuntimeError):
        inner.submit(int)
    other = ThreadPoolExecutor(1)
    wrap(other).shutdown(cancel_futures=True)
    with pytest.raises(RuntimeError):
        other.submit(int)


@pytest.mark.parametrize(
    "engine", ["concurrent.futures", "loky", "multiprocessing", "multiprocess"]
)
def test_a_returned_exception_keeps_its_cause(engine):
    """The engine overwrites the cause of what a task raises, and not of what a task returns."""
    library = pytest.importorskip(engine)
    if hasattr(library, "ProcessPoolExecutor"):
        with library.ProcessPoolExecutor(1) as pool:
            found = [pool.submit(tasks.returning, 5).result(50), *pool.map(tasks.returning, [5])]
            raised = pool.submit(tasks.traced_chained, 5).exception(50)
    else:
        with library.get_context("spawn").Pool(1) as pool:
            found = [
                pool.apply_async(tasks.returning, (5,)).get(50),
                *pool.map(tasks.returning, [5]),
            ]
            with pytest.raises(ValueError) as info:
                pool.apply_async(tasks.traced_chained, (5,)).get(50)
            raised = info.value
    for exc in (*found, raised):
        check_chained(exc, 5)


def test_a_decorated_function_with_its_modules_globals_alone():
    """ipyparallel rebuilds functions so; the user's exception comes out, and no error of ours."""
    function = tasks.traced_chained
    rebuilt = types.FunctionType(
        function.__code__, vars(tasks), function.__name__, None, function.__closure__
    )
    with pytest.raises(ValueError) as info:
        rebuilt(5)
    check_chained(info.value, 5)
