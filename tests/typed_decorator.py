"""Read by mypy in test_decorator.py: the lines marked so are errors, the others are not."""

from __future__ import annotations

from collections.abc import Awaitable
from concurrent.futures import Future, ThreadPoolExecutor

from keeptrace.concurrent import keep_trace, wrap


@keep_trace
def plain(path: str, *, strict: bool = False) -> int:
    return len(path)


@keep_trace(depth=5, pickler="cloudpickle")
def with_options(path: str) -> int:
    return len(path)


@keep_trace
async def coroutine(path: str) -> int:
    return len(path)


class Reader:
    @keep_trace
    def method(self, path: str) -> int:
        return len(path)

    @keep_trace
    @classmethod
    def of_class(cls, path: str) -> int:
        return len(path)

    @staticmethod
    @keep_trace
    def static(path: str) -> int:
        return len(path)


number: int = plain("a", strict=True)
number = with_options("a")
awaited: Awaitable[int] = coroutine("a")
number = Reader().method("a")
number = Reader.of_class("a")
number = Reader.static("a")
plain(3)  # error
plain("a", lax=True)  # error
text: str = plain("a")  # error
with_options()  # error
Reader().method(3)  # error

pool = wrap(ThreadPoolExecutor())
future: Future[int] = pool.submit(plain, "a", strict=True)
pool.submit(plain, 3)  # error
