"""Remembers what a function makes, once for all threads."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")


def made_once(most: int) -> Callable[[Callable[..., _T]], Callable[..., _T]]:
    """A decorator like functools.lru_cache. Threads that ask for the same at once get one object:
    an `except` of one thread must know the classes that another made.

    most: results to remember; then the table starts afresh.
    """

    def remembering(make: Callable[..., _T]) -> Callable[..., _T]:
        made: dict[tuple[Any, ...], _T] = {}

        @functools.wraps(make)
        def find(*key: Any) -> _T:
            found = made.get(key)
            if found is None:
                if len(made) >= most:
                    made.clear()
                found = made.setdefault(key, make(*key))
            return found

        return find

    return remembering
