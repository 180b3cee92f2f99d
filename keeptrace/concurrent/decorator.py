"""keep_trace and wrap: for the workers of pools that are not ours.

    @keep_trace                                    pool = wrap(anybodys_executor, depth=5)
    def parse(path): ...                           pool.submit(parse, "orders.csv")

Both let a function's exceptions cross to the parent with frames, variables and the original chain,
by concurrent/foreign.py.

- Called by the program itself, a traced function is the plain function: same exception object, same
  traceback.
- @keep_trace makes a function of a function. The new function takes the name's place, so pickle
  finds the new function by name, as any function.
- keep_trace(parse) makes an object before a callable that keeps its own name (also a bound method,
  a functools.partial, an object with state). The object passes everything on, and is pickled with
  the callable.
"""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, TypeVar, overload

from ..core.errors import OptionError
from ..core.hold import Hold, Holding, make_holding
from ..core.options import DEFAULT, Options, make_options
from .foreign import Way, leaving

if TYPE_CHECKING:
    from typing import Unpack

    from ..core.options import SingleOptions

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
E = TypeVar("E", bound=Executor)

_TOKEN: Final = os.urandom(8)
_COROUTINE: Final = 0x80  # code flags: async def
_ITERABLE_COROUTINE: Final = 0x100  # and types.coroutine


class _Decorator(Protocol):
    """The decorator that keep_trace(depth=5) returns."""

    @overload
    def __call__(self, function: classmethod[T, P, R], /) -> classmethod[T, P, R]: ...
    @overload
    def __call__(self, function: staticmethod[P, R], /) -> staticmethod[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def keep_trace(
    function: classmethod[T, P, R],
    /,
    *,
    trace: Options | None = None,
    hold: Hold | bool | None = None,
    **options: Unpack[SingleOptions],
) -> classmethod[T, P, R]: ...
@overload
def keep_trace(
    function: staticmethod[P, R],
    /,
    *,
    trace: Options | None = None,
    hold: Hold | bool | None = None,
    **options: Unpack[SingleOptions],
) -> staticmethod[P, R]: ...
@overload
def keep_trace(
    function: Callable[P, R],
    /,
    *,
    trace: Options | None = None,
    hold: Hold | bool | None = None,
    **options: Unpack[SingleOptions],
) -> Callable[P, R]: ...
@overload
def keep_trace(
    function: None = None,
    /,
    *,
    trace: Options | None = None,
    hold: Hold | bool | None = None,
    **options: Unpack[SingleOptions],
) -> _Decorator: ...


def keep_trace(
    function: object = None,
    /,
    *,
    trace: Options | None = None,
    hold: Hold | bool | None = None,
    **options: Unpack[SingleOptions],
) -> Any:
    """Lets the exceptions of a function cross from the workers of any pool, with frames, variables
    and chain.

    function: a function, coroutine function, method, classmethod, staticmethod, functools.partial
        or other callable. Without a function, returns a decorator: `@keep_trace(depth=5,
        pickler=cloudpickle)`.
    trace: what to keep (keeptrace.Options).
    hold: True or a keeptrace.Hold keeps processes of failed tasks alive, for keeptrace.attach().
    options: single fields of keeptrace.Options.

    In the program's own process nothing changes: the same exceptions, the same tracebacks. Raises
    OptionError for a wrong option, for an object that is not callable, and for a class (decorate
    its methods).
    """
    way = Way(make_options(trace, **options), make_holding(hold, is_pool=False))
    if function is None:
        return functools.partial(_traced, way=way)
    return _traced(function, way)


def _traced(function: object, way: Way) -> Any:
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(_traced(function.__func__, way))
    if isinstance(function, type):
        raise OptionError(
            f"keep_trace traces calls, not classes: decorate the methods of {function.__name__}"
        )
    if not callable(function):
        raise OptionError(f"keep_trace needs a callable, not {type(function).__name__}")
    if isinstance(function, types.FunctionType) and _named(function) is not function:
        if _is_coroutine_function(function):
            return _coroutine_function(function, way)
        return _function(function, way)
    return _object_for(function, way, False)


def _function(function: Callable[P, R], way: Way) -> Callable[P, R]:
    # In the closure: ipyparallel rebuilds the function with the wrapped function's globals.
    prepare = leaving

    @functools.wraps(function)
    def traced(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BaseException as exc:
            try:
                prepare(exc, way, False)
            except RecursionError:  # no room for any call
                pass
            raise

    return traced


def _coroutine_function(function: Callable[P, Awaitable[R]], way: Way) -> Callable[P, Awaitable[R]]:
    prepare = leaving  # as above

    @functools.wraps(function)
    async def traced(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await function(*args, **kwargs)
        except BaseException as exc:
            try:
                prepare(exc, way, False)
            except RecursionError:  # no room for any call
                pass
            raise

    return traced


class _Traced:
    """Stands before a callable: traces calls, and passes everything else on."""

    __slots__ = ("__weakref__", "_keeptrace")

    def __init__(self, function: object, way: Way, arrived: bool) -> None:
        object.__setattr__(self, "_keeptrace", (function, way, arrived))

    def __call__(self, /, *args: object, **kwargs: object) -> Any:
        function, way, arrived = self._keeptrace
        try:
            return function(*args, **kwargs)
        except BaseException as exc:
            try:
                leaving(exc, way, arrived)
            except RecursionError:  # no room for any call
                pass
            raise

    @property
    def __wrapped__(self) -> Any:
        return self._keeptrace[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keeptrace[0], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._keeptrace[0], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._keeptrace[0], name)

    def __dir__(self) -> Iterable[str]:
        return dir(self._keeptrace[0])

    def __repr__(self) -> str:
        return f"keep_trace({self._keeptrace[0]!r})"

    def __get__(self, instance: object, owner: object = None) -> _Traced:
        function, way, arrived = self._keeptrace
        bind = getattr(type(function), "__get__", None)
        if bind is None:
            return self
        bound = bind(function, instance, owner)
        if bound is function:
            return self
        return _object_for(bound, way, arrived)

    def __reduce__(self) -> str | tuple[Any, ...]:
        function, way, _ = self._keeptrace
        if _named(function) is self:  # parse = keep_trace(parse)
            name: str = function.__qualname__
            return name
        options = way.options
        if options is DEFAULT:
            options = None
        return _arrive, (function, options, _here(), way.holding)


# Python finds these on the class first, and then does not call __getattr__.
_Traced.__doc__ = property(lambda self: self.__wrapped__.__doc__)  # type: ignore[assignment]
_Traced.__module__ = property(lambda self: self.__wrapped__.__module__)  # type: ignore[assignment]


class _TracedCoroutine(_Traced):
    """The same for coroutine functions: exceptions come when the coroutine is awaited."""

    __slots__ = ()

    async def __call__(self, /, *args: object, **kwargs: object) -> Any:
        function, way, arrived = self._keeptrace
        try:
            return await function(*args, **kwargs)
        except BaseException as exc:
            try:
                leaving(exc, way, arrived)
            except RecursionError:  # no room for any call
                pass
            raise


def _object_for(function: object, way: Way, arrived: bool) -> _Traced:
    if _is_coroutine_function(function):
        return _TracedCoroutine(function, way, arrived)
    return _Traced(function, way, arrived)


def traced_task(
    function: Callable[P, R], options: Options, holding: Holding | None = None
) -> Callable[P, R]:
    """The function for a worker, whose exceptions cross with frames."""
    way = Way(options, holding)
    return _object_for(function, way, False)


def _here() -> tuple[bytes, int]:
    """An identity of the process and interpreter, unique on all machines."""
    return _TOKEN, os.getpid()


def _arrive(
    function: object,
    options: Options | None,
    sender: tuple[bytes, int],
    holding: Holding | None = None,
) -> _Traced:
    """A traced callable on arrival, mostly in a worker."""
    return _object_for(function, Way(options or DEFAULT, holding), sender != _here())


def _is_coroutine_function(function: object) -> bool:
    """inspect.iscoroutinefunction, without the cost of importing inspect, and for objects with an
    async __call__.
    """
    while isinstance(function, (functools.partial, types.MethodType)):
        if isinstance(function, functools.partial):
            function = function.func
        else:
            function = function.__func__
    code = getattr(function, "__code__", None)
    if not code:
        code = getattr(type(function).__call__, "__code__", None)
    if code is None:
        return False
    return bool(code.co_flags & (_COROUTINE | _ITERABLE_COROUTINE))


def _named(function: object) -> object:
    """The object under the callable's own name; None without one."""
    module = getattr(function, "__module__", None) or ""
    qualname = getattr(function, "__qualname__", None) or "<none>"
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


# -- wrap()


def wrap(
    executor: E,
    *,
    trace: Options | None = None,
    hold: Hold | bool | None = None,
    **options: Unpack[SingleOptions],
) -> E:
    """The executor, with tasks whose exceptions arrive with frames, variables and chain.

    executor: any object with the Executor interface. Its further attributes stay reachable.
    trace: what to keep (keeptrace.Options).
    hold: True or a keeptrace.Hold keeps processes of failed tasks alive, for keeptrace.attach().
    options: single fields of keeptrace.Options.

    Raises OptionError for a wrong option.
    """
    kept = make_options(trace, **options)
    wrapped: Any = _WrappedExecutor(executor, kept, make_holding(hold))
    return wrapped  # type: ignore[no-any-return]  # the object passes everything on


class _WrappedExecutor(Executor):
    def __init__(self, executor: Executor, options: Options, holding: Holding | None) -> None:
        self._executor = executor
        self._options = options
        self._holding = holding

    def _task(self, function: Callable[P, T]) -> Callable[P, T]:
        return traced_task(function, self._options, self._holding)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._executor.submit(self._task(fn), *args, **kwargs)

    def map(self, fn: Callable[..., T], *iterables: Iterable[Any], **how: Any) -> Iterator[T]:
        return self._executor.map(self._task(fn), *iterables, **how)

    def shutdown(self, wait: bool = True, **how: Any) -> None:
        self._executor.shutdown(wait, **how)

    def __enter__(self) -> _WrappedExecutor:
        self._executor.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> bool | None:
        return self._executor.__exit__(*exc_info)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)

    def __repr__(self) -> str:
        return f"keeptrace.concurrent.wrap({self._executor!r})"
