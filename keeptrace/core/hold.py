"""Hold: the options for keeping failed workers alive, and the marks on their exceptions.

keeptrace/hold/ holds the processes; the first failure imports that room. This module has the parts
that a worker needs before a failure.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from .errors import KeepTraceError, OptionError

How: TypeAlias = Literal["fork", "stop"]

# Marks in the __dict__ of exceptions. A capture leaves out names with this beginning.
# Of an exception in a held process: the name of the socket, a plain str.
_MARK: Final = "__keeptrace_held__"
# Of an exception in a stopped worker: the worker's pid.
_STOPPED: Final = "__keeptrace_stopped__"
# Of an exception without room in the pool: the socket of a held failure of the same kind; "" if the
# pool is full.
_REFUSED: Final = "__keeptrace_not_held__"
# Directories that list a process's descriptors: of Linux, of macOS.
_DESCRIPTORS: Final = ("/proc/self/fd", "/dev/fd")


def _checked(name: str, value: Any, least: float, unit: str) -> object:
    is_number = type(value) is int or (type(value) is float and type(least) is float)
    if not is_number or not value >= least:  # also for nan
        raise OptionError(
            f"Hold's {name} must be a number of {unit} from {least} on, not {value!r}"
        )
    return value


class Hold:
    """Keeps the processes of failed tasks alive, with their live objects, for keeptrace.attach().

    count: the greatest number of held processes of a pool at a time. Of each kind of failure (the
        same types and places) the pool holds only the first.
    seconds: the time for which each process is held.
    max_rss: bytes of resident memory for all held processes of a pool together; None means no
        limit. Beyond the limit, new processes are not held, and the newest held process ends.
    how: "fork": the worker forks a copy, the copy is held, and the worker goes on. "stop": the
        worker sends the failure and is held itself, and the pool starts another worker; only with
        KeepTraceProcessPoolExecutor. None: "stop" on macOS and with an initialised CUDA, else
        "fork".
    with_parent: whether a held process ends at the end of the program.

    Immutable and picklable. Raises OptionError for a wrong value, KeepTraceError on Windows.
    """

    __slots__ = ("count", "how", "max_rss", "seconds", "with_parent")

    count: int
    seconds: float
    max_rss: int | None
    how: How | None
    with_parent: bool

    def __init__(
        self,
        count: int = 3,
        seconds: float = 3600,
        max_rss: int | None = None,
        how: How | None = None,
        with_parent: bool = False,
    ) -> None:
        need_fork()
        if how not in (None, *get_args(How)):
            raise OptionError(f'Hold\'s how must be "fork", "stop" or None, not {how!r}')
        if type(with_parent) is not bool:
            raise OptionError(f"Hold's with_parent must be True or False, not {with_parent!r}")
        put = object.__setattr__
        put(self, "count", _checked("count", count, 1, "processes"))
        put(self, "seconds", _checked("seconds", seconds, 0.0, "seconds"))
        put(self, "max_rss", max_rss and _checked("max_rss", max_rss, 1, "bytes"))
        put(self, "how", how)
        put(self, "with_parent", with_parent)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Hold cannot be changed; make a new one")

    def __repr__(self) -> str:
        return f"Hold({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hold):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in self.__slots__))

    def __reduce__(self) -> tuple[Any, ...]:
        return Hold, (self.count, self.seconds, self.max_rss, self.how, self.with_parent)


def need_fork() -> None:
    """Raises KeepTraceError on a system without fork."""
    if not hasattr(os, "fork"):
        raise KeepTraceError(
            "failed processes can be held on Linux and macOS only: Windows cannot fork a process;"
            " leave out hold="
        )


# Annotated fields in the class would make Python 3.15 import ast in every worker.
class Holding(NamedTuple("Holding", [("hold", Hold), ("group", str)])):
    """The Hold of a pool, whose workers count together. Each worker gets the Hold.

    group: a name of the pool; "" stands for all the workers of a program.
    """

    __slots__ = ()


def only_executors() -> str:
    """The message of the error for how="stop" in a pool that cannot replace workers."""
    return (
        'Hold(how="stop") needs a pool that replaces a held worker:'
        ' KeepTraceProcessPoolExecutor alone does; elsewhere use how="fork"'
    )


def make_holding(
    hold: Hold | bool | None, is_pool: bool = True, can_stop: bool = False
) -> Holding | None:
    """The Holding for a pool's argument `hold`; None for no holding. Raises OptionError.

    can_stop: whether the pool's workers can be held themselves.
    """
    if hold is None or hold is False:
        return None
    if hold is True:
        hold = Hold()
    if not isinstance(hold, Hold):
        raise OptionError(f"hold must be True, False or a keeptrace.Hold, not {hold!r}")
    if hold.how == "stop" and not can_stop:
        raise OptionError(only_executors())
    group = ""
    if is_pool:
        group = os.urandom(4).hex()
    return Holding(hold, group)


# -- the worker's pipes

_at_start: dict[int, int] | None = None  # this worker's first pipes; None before the first look


def remember_pipes() -> None:
    """Notes the pipes at the start of a worker: the pipes of the engine and of the parent."""
    global _at_start
    _at_start = pipes()


def pipes_of_engine() -> Mapping[int, int]:
    """The pipes that a held process must close: the first pipes, or all pipes if the first are
    unknown.
    """
    if _at_start is None:
        return pipes()
    return _at_start


def pipes() -> dict[int, int]:
    """The pipes of this process, without the standard streams: descriptor → inode."""
    found = {}
    for fd in descriptors():
        try:
            status = os.fstat(fd)
        except OSError:  # the descriptor of the listing itself
            continue
        if fd > 2 and stat.S_ISFIFO(status.st_mode):
            found[fd] = status.st_ino
    return found


def descriptors() -> list[int]:
    """All open descriptors of this process."""
    for directory in _DESCRIPTORS:
        if os.path.isdir(directory):
            return [int(name) for name in os.listdir(directory)]
    return []


# -- workers held themselves


class _Worker:
    """The state of this process as a worker that may be held itself."""

    can_stop: bool = False
    become_held: Callable[[], object] | None = None  # set by a failure that is not sent yet


def allow_stop() -> None:
    """Declares that this worker calls become_held() after sending a failure."""
    _Worker.can_stop = True


def can_stop() -> bool:
    return _Worker.can_stop


def stop_later(become_held: Callable[[], object]) -> None:
    """Makes become_held() call this function, which does not return."""
    _Worker.become_held = become_held


def is_stopping() -> bool:
    return _Worker.become_held is not None


def become_held() -> None:
    """Holds this worker, if the last task failed. The worker calls this between two tasks."""
    if _Worker.become_held is not None:
        _Worker.become_held()


# -- the mark


def held_name(exc: BaseException) -> str | None:
    """The name of the holding process's socket; None unless a process holds this exception."""
    return _text_or_none(_dict_of(exc).get(_MARK))


def _text_or_none(found: object) -> str | None:
    if type(found) is str:
        return found
    return None


def mark_held(exc: BaseException, name: str) -> None:
    """Notes on an exception the process that holds the original."""
    number = name.partition("-")[0]
    _dict_of(exc)[_MARK] = name
    _add_note(exc, f"keeptrace: held with its live objects: {command_to_attach(number)}")


def mark_stopped(exc: BaseException, pid: int) -> None:
    """Notes on an exception the stopped worker, for the pool."""
    _dict_of(exc)[_STOPPED] = pid


def take_stopped(exc: BaseException) -> int | None:
    """The pid of the worker stopped with this exception. Removes the mark."""
    found = _dict_of(exc).pop(_STOPPED, None)
    if type(found) is int:
        return found
    return None


def mark_refused(exc: BaseException, same_kind: str) -> None:
    """Notes that the pool had no room. same_kind: the socket of a like failure, or ""."""
    _dict_of(exc)[_REFUSED] = same_kind


def same_kind_of(exc: BaseException) -> str | None:
    """The note of mark_refused(); None without a note."""
    return _text_or_none(_dict_of(exc).get(_REFUSED))


def mark_not_held(exc: BaseException, why: str) -> None:
    _add_note(exc, f"keeptrace: not held: {why}")


def command_to_attach(number: object) -> str:
    return f"keeptrace attach {number}"


def _dict_of(exc: BaseException) -> dict[str, Any]:
    """The __dict__ of an exception, read without the exception's class."""
    found: dict[str, Any] = BaseException.__dict__["__dict__"].__get__(exc)
    return found


def _add_note(exc: BaseException, text: str) -> None:
    try:
        BaseException.add_note(exc, text)
    except TypeError as problem:  # __notes__ is no list
        sys.stderr.write(f"{text} ({problem})\n")
