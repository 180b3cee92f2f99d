"""Separates failures from intended exceptions, and finds the store of a hook."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ..core.errors import OptionError
from ..core.options import Options, make_options
from ..store import Store

if TYPE_CHECKING:
    from ..core.options import SingleOptions

_ON_PURPOSE: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)
# Names of asyncio, trio and gevent, which we need not import.
_CANCELLED: Final = frozenset({"CancelledError", "Cancelled", "GreenletExit"})


def is_failure(exc: BaseException) -> bool:
    """Whether an exception is an error. Other exceptions end the program or a task on purpose."""
    if isinstance(exc, Exception):
        return True
    return not isinstance(exc, _ON_PURPOSE) and type(exc).__name__ not in _CANCELLED


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
