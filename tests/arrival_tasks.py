"""Tasks that fail with exceptions as libraries write them."""

from __future__ import annotations

import threading
from typing import Any


class Pool:
    """Cannot be pickled."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.lock = threading.Lock()


class PoolError(Exception):
    """As urllib3's: its own pickle drops the pool."""

    def __init__(self, pool: Pool | None, message: str) -> None:
        self.pool = pool
        self.message = message
        super().__init__(f"{message} of the pool")

    def __reduce__(self) -> Any:
        return PoolError, (None, self.message)


class Signature:
    """As numpy and pydantic describe signatures."""

    def __get__(self, instance: object, owner: object = None) -> str:
        return "(x)"


class Function:
    """Has a descriptor of a library's own kind, which no str() reads."""

    __signature__ = Signature()

    def __init__(self, name: str) -> None:
        self.name = name


class NoLoop(TypeError):
    def __init__(self, function: Function) -> None:
        super().__init__(function)
        self.function = function

    def __str__(self) -> str:
        return f"no loop for {self.function.name}"


def lose_pool() -> None:
    raise PoolError(Pool("a.example"), "timeout")


def find_no_loop() -> None:
    raise NoLoop(Function("add"))
