"""Separates failures from intended and excluded exceptions, and finds the store of a hook."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ..capture.facts import children_of
from ..core.errors import OptionError
from ..core.options import Options, make_options
from ..core.raw import mro_of, names_of
from ..store import Store

if TYPE_CHECKING:
    from ..core.options import SingleOptions

_ON_PURPOSE: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)
_MAIN_OF_CHILD: Final = "__mp_main__."
# Names of asyncio, trio and gevent, which we need not import.
_CANCELLED: Final = frozenset({"CancelledError", "Cancelled", "GreenletExit"})


def is_failure(exc: BaseException) -> bool:
    """Whether an exception is an error. Other exceptions end the program or a task on purpose."""
    if isinstance(exc, Exception):
        return True
    return not isinstance(exc, _ON_PURPOSE) and type(exc).__name__ not in _CANCELLED


def excluded_names(exclude: Iterable[type[BaseException] | str]) -> frozenset[str]:
    """The qualified names of exceptions to leave out: "shop.OutOfStock", "builtins.ValueError".

    Raises OptionError for anything but classes of exceptions and names.
    """
    if isinstance(exclude, str):
        raise OptionError(f"exclude takes several, as in exclude=({exclude!r},)")
    if isinstance(exclude, type):
        raise OptionError(f"exclude takes several, as in exclude=({exclude.__name__},)")
    if not isinstance(exclude, Iterable):
        raise OptionError(f"exclude takes exceptions or their names, as a tuple, not {exclude!r}")
    return frozenset(map(_excluded_name, exclude))


def _excluded_name(given: object) -> str:
    if isinstance(given, str):
        name = given
        if "." not in given:
            name = f"builtins.{given}"
    elif isinstance(given, type) and issubclass(given, BaseException):
        name = ".".join(names_of(given))
    else:
        raise OptionError(f"exclude takes exceptions or their names, not {given!r}")
    return _as_main(name)


def _as_main(name: str) -> str:
    # In a spawned child, the program's own module has another name.
    if name.startswith(_MAIN_OF_CHILD):
        return f"__main__.{name[len(_MAIN_OF_CHILD) :]}"
    return name


def is_excluded(exc: BaseException, names: frozenset[str]) -> bool:
    """Whether an exception is of an excluded class, as for `except`, or a group of only such."""
    if not names:
        return False
    waiting = [exc]
    while waiting:
        found = waiting.pop()
        above = {_as_main(".".join(names_of(cls))) for cls in mro_of(type(found))}
        if not above.isdisjoint(names):
            continue
        if not isinstance(found, BaseExceptionGroup):
            return False
        waiting += children_of(found)
    return True


def store_of(
    directory: str | os.PathLike[str] | Store,
    trace: Options | None,
    options: SingleOptions,
    deduplicate: bool = True,
) -> Store:
    """The given store, or a new store for the directory.

    Raises OptionError for options beside a store.
    """
    if not isinstance(directory, Store):
        made = make_options(trace, **options)
        return Store(directory, deduplicate=deduplicate, trace=made)
    if trace is not None or options or not deduplicate:
        raise OptionError("give the options to the Store itself, not beside it")
    return directory
