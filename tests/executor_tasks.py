"""Tasks for the tests of our executor; a module of its own, so that workers need not import pytest."""

from __future__ import annotations

import os
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from waiting import until

WAIT = 40  # seconds; a pool that hangs fails the test, it does not hold it up


def double(number: int) -> int:
    return 2 * number


def divide(total: int, parts: int) -> float:
    rows = [total] * 3
    return rows[0] / parts


def chained(total: int) -> float:
    try:
        return divide(total, 0)
    except ZeroDivisionError as error:
        raise ValueError(f"order {total}") from error


class Unpicklable(Exception):
    """An exception whose attribute no pickler can keep, raised where values of several kinds are."""

    def __init__(self) -> None:
        super().__init__("no pickle")
        self.lock = threading.Lock()


def own_modules() -> list[str]:
    return sorted(name for name in sys.modules if name.startswith("keeptrace."))


def fail_with_many_kinds(path: str) -> None:
    values = [Path(path), Fraction(1, 3), {"lock": threading.Lock()}, (each for each in path)]
    with open(path, "rb") as file:
        raise Unpicklable from ExceptionGroup(str(file), [ValueError(values)])


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def wait_for(file: str) -> str:
    until(lambda: os.path.exists(file), WAIT)
    return file


def sleep_or_fail(seconds: float) -> None:
    time.sleep(seconds)
    raise LookupError(seconds)


def keywords(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    return args, kwargs


def pid(_: object = None) -> int:
    return os.getpid()


def slow_pid(_: object) -> int:
    time.sleep(0.02)
    return os.getpid()


def raise_oddly() -> None:
    raise NeedsArguments(1, reason="x")


def raise_it(exc: BaseException) -> None:
    raise exc


class NeedsArguments(Exception):
    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


_ready = ""


def set_up(value: str) -> None:
    global _ready
    _ready = value


def set_up_badly(value: str) -> None:
    local = f"{value}!"
    raise NeedsArguments(5, reason=local)


def ready() -> str:
    return _ready
