"""Things with the lifetime of this process's program: ended by exit, os._exit() and exec, and begun
again in forked children.

atexit alone is not enough. Children of multiprocessing end by os._exit(), exec() puts another
program into the process, and a forked child must not use its parent's things. A killed process ends
nothing, and other processes notice that.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

from ..store.telling import tell


class Lasting(Protocol):
    """Something, such as a file, that exists while the process lives."""

    def begin(self) -> None:
        """Begins in this process."""

    def end(self) -> None:
        """Ends in this process. A second call does nothing."""


_lasting: Final[list[Lasting]] = []
# What ends this process, or its program, without atexit. Each may be given to others by name.
_LEAVING: Final = ("_exit", "execv", "execve")
# A child of subprocess runs another program in a moment.
_FORKS_FOR_EXEC: Final = "_execute_child"


def begin(lasting: Lasting) -> None:
    """Begins something that ends with the process. Raises the errors of its begin()."""
    lasting.begin()
    if not _lasting:
        _watch()
    _lasting.append(lasting)


def end(lasting: Lasting) -> None:
    """Ends something before the process does."""
    if lasting in _lasting:
        _lasting.remove(lasting)
        lasting.end()


def _watch() -> None:
    atexit.unregister(_end_all)
    atexit.register(_end_all)
    for name in _LEAVING:
        leave = getattr(os, name, None)
        if leave is not None and not hasattr(leave, "__wrapped__"):
            setattr(os, name, _ending(leave))


def _ending(leave: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(leave)
    def ended(*args: object, **kwargs: object) -> Any:
        _end_all()
        try:
            return leave(*args, **kwargs)
        finally:  # there is no such program
            _begin_all()

    ended.__module__ = os.__name__  # where pickle finds it; `posix` has the one that it wraps
    return ended


def _end_all() -> None:
    for lasting in _lasting:
        try:
            lasting.end()
        except Exception:  # the process must end
            continue


def _begin_all() -> None:
    for lasting in _lasting:
        try:
            lasting.begin()
        except Exception as problem:  # the program must go on
            tell(f"something of keeptrace's cannot go on in this process: {problem}")


def _begin_in_child() -> None:
    if not _lasting:
        return
    caller = sys._getframe().f_back
    if caller is None or caller.f_code.co_name != _FORKS_FOR_EXEC:
        _begin_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
