"""Resources with the lifetime of the running program: exit, os._exit() and exec end them; forked
children begin their own.

atexit alone is not enough. Children of multiprocessing end by os._exit(), exec() puts another
program into the process, and a forked child must not use its parent's resources. A killed process
ends nothing; other processes notice its death.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
from collections.abc import Callable
from typing import Final, ParamSpec, Protocol, TypeVar

from ..store.telling import tell

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Lasting(Protocol):
    """A resource, such as a file, with the lifetime of the process."""

    def begin(self) -> None:
        """Begins in this process."""

    def end(self) -> None:
        """Ends in this process. A second call does nothing."""


_lasting: Final[list[Lasting]] = []
# Functions of os that end the process, or its program, without atexit. Users may pickle them.
_LEAVING: Final = ("_exit", "execv", "execve")
# subprocess forks here; the child runs another program at once.
_FORKS_FOR_EXEC: Final = "_execute_child"


def begin(lasting: Lasting) -> None:
    """Begins a resource, which ends with the process. Raises the errors of its begin()."""
    lasting.begin()
    if not _lasting:
        _watch()
    _lasting.append(lasting)


def end(lasting: Lasting) -> None:
    """Ends a resource before the process ends."""
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


def _ending(leave: Callable[_P, _R]) -> Callable[_P, _R]:
    @functools.wraps(leave)
    def ended(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        _end_all()
        try:
            return leave(*args, **kwargs)
        finally:  # exec found no program, so ours goes on
            _begin_all()

    ended.__module__ = os.__name__  # where pickle finds the wrapper; `posix` has the original
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
