"""Functions of every kind, run inside a context manager."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def wrapper_of(
    function: object, catcher: AbstractContextManager[object]
) -> Callable[..., Any] | None:
    """A function that runs `function` inside `catcher`; None if `function` is no function."""
    import inspect

    kinds: tuple[tuple[Callable[[Any], bool], Callable[..., Any]], ...] = (
        (inspect.isasyncgenfunction, _async_generator),
        (inspect.iscoroutinefunction, _coroutine),
        (inspect.isgeneratorfunction, _generator),
        (callable, _function),
    )
    for is_kind, wrap in kinds:
        if is_kind(function):
            wrapper: Callable[..., Any] = wrap(catcher, function)
            return wrapper
    return None


def _function(
    catcher: AbstractContextManager[object], function: Callable[_P, _R]
) -> Callable[_P, _R]:
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with catcher:
            return function(*args, **kwargs)

    return wrapper


def _coroutine(
    catcher: AbstractContextManager[object], function: Callable[_P, Awaitable[_R]]
) -> Callable[_P, Coroutine[Any, Any, _R]]:
    async def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with catcher:
            return await function(*args, **kwargs)

    return wrapper


def _generator(
    catcher: AbstractContextManager[object], function: Callable[_P, Generator[Any, Any, _R]]
) -> Callable[_P, Generator[Any, Any, _R]]:
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> Generator[Any, Any, _R]:
        with catcher:
            return (yield from function(*args, **kwargs))

    return wrapper


def _async_generator(
    catcher: AbstractContextManager[object], function: Callable[_P, AsyncGenerator[_R, Any]]
) -> Callable[_P, AsyncGenerator[_R, Any]]:
    async def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> AsyncGenerator[_R, Any]:
        with catcher:
            inner = function(*args, **kwargs)
            step = inner.__anext__()
            while True:
                try:
                    value = await step
                except StopAsyncIteration:
                    return
                try:
                    step = inner.asend((yield value))
                except GeneratorExit:
                    await inner.aclose()
                    raise
                # The caller's athrow(): the inner generator handles it.
                except BaseException as thrown:
                    step = inner.athrow(thrown)

    return wrapper
