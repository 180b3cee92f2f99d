"""Hold: that a failed worker is kept alive, as data; and the mark on an exception that is held.

keeptrace/hold/ does it, and is imported by the first failure. What a worker needs before that is
here.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from .errors import KeepTraceError, OptionError

How: TypeAlias = Literal["fork", "stop"]

# In the __dict__ of an exception that is held: the name of the socket, a plain str. A capture
# leaves out names that begin like this.
_MARK: Final = "__keeptrace_held__"
# The same for the pid of its worker, if this one is held itself.
_STOPPED: Final = "__keeptrace_stopped__"
# On an exception for which there was no room: the socket of the failure of the same kind that is
# held; "" if the pool held as many as it may.
_REFUSED: Final = "__keeptrace_not_held__"
# Where the descriptors of a process are listed: Linux, macOS.
_DESCRIPTORS: Final = ("/proc/self/fd", "/dev/fd")


def _checked(name: str, value: Any, least: float, unit: str) -> Any:
    is_number = type(value) is int or (type(value) is float and type(least) is float)
    if not is_number or not value >= least:  # also for nan
        raise OptionError(
            f"Hold's {name} must be a number of {unit} from {least} on, not {value!r}"
        )
    return value


class Hold:
    """How the processes of failed tasks are held, with their live objects, for keeptrace.attach().

    count: how many a pool holds at a time; of each kind of failure (its types and places) the
        first.
    seconds: how long each is held.
    max_rss: bytes of resident memory that all held processes of a pool may have together; None is
        no limit. What is over it is not held, or ends, the newest first.
    how: "fork": the worker forks, its copy is held, and the worker goes on. "stop": the worker
        sends its failure and is held itself, and the pool takes another one; with
        KeepTraceProcessPoolExecutor alone. None: "stop" on macOS and where CUDA is initialised,
        else "fork".
    with_parent: whether a held process ends when the program ends.

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

    def __setattr__(self, name: str, value: Any) -> None:
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
    """Raises KeepTraceError where processes cannot be held."""
    if not hasattr(os, "fork"):
        raise KeepTraceError(
            "failed processes can be held on Linux and macOS only: Windows cannot fork a process;"
            " leave out hold="
        )


# Fields annotated in the class would make Python 3.15 import ast, here and in each module that a
# worker imports.
class Holding(NamedTuple("Holding", [("hold", Hold), ("group", str)])):
    """A Hold of one pool, whose workers count together. It travels to the workers.

    group: a name of the pool; "" stands for all the workers of a program.
    """

    __slots__ = ()


def only_executors() -> str:
    """Why a worker cannot be held itself."""
    return (
        'Hold(how="stop") needs a pool that takes another worker in the place of the one that is'
        ' held: KeepTraceProcessPoolExecutor alone does that; elsewhere use how="fork"'
    )


def make_holding(
    hold: Hold | bool | None, is_pool: bool = True, can_stop: bool = False
) -> Holding | None:
    """What a pool makes of its argument `hold`. Raises OptionError.

    can_stop: whether its workers can be held themselves.
    """
    if hold is None or hold is False:
        return None
    if hold is True:
        hold = Hold()
    if not isinstance(hold, Hold):
        raise OptionError(f"hold must be True, False or a keeptrace.Hold, not {hold!r}")
    if hold.how == "stop" and not can_stop:
        raise OptionError(only_executors())
    return Holding(hold, os.urandom(4).hex() if is_pool else "")


# -- the worker's pipes

_at_start: dict[int, int] | None = None  # of this worker; None: nobody has looked


def remember_pipes() -> None:
    """Called as a worker starts: the pipes that it has now are the engine's, or its parent's."""
    global _at_start
    _at_start = pipes()


def pipes_of_engine() -> Mapping[int, int]:
    """The pipes that a held process must not have: those of its start; all, if that is unknown."""
    return pipes() if _at_start is None else _at_start


def pipes() -> dict[int, int]:
    """The pipes of this process, but for the standard streams: descriptor → inode."""
    found = {}
    for fd in descriptors():
        try:
            status = os.fstat(fd)
        except OSError:  # the one by which they were listed
            continue
        if fd > 2 and stat.S_ISFIFO(status.st_mode):
            found[fd] = status.st_ino
    return found


def descriptors() -> list[int]:
    """All that this process has open."""
    for directory in _DESCRIPTORS:
        if os.path.isdir(directory):
            return [int(name) for name in os.listdir(directory)]
    return []


# -- workers that are held themselves


class _Worker:
    """This process, as far as it can be held itself."""

    can_stop: bool = False
    become_held: Callable[[], object] | None = None  # set by a failure that is not sent yet


def allow_stop() -> None:
    """Says that this worker calls become_held() when it has sent a failure."""
    _Worker.can_stop = True


def can_stop() -> bool:
    return _Worker.can_stop


def stop_later(become_held: Callable[[], object]) -> None:
    """Has become_held() call this function, which does not return."""
    _Worker.become_held = become_held


def is_stopping() -> bool:
    return _Worker.become_held is not None


def become_held() -> None:
    """Called between two tasks."""
    if _Worker.become_held is not None:
        _Worker.become_held()


# -- the mark


def held_name(exc: BaseException) -> str | None:
    """The name of the socket of the process that holds this exception."""
    found = _dict_of(exc).get(_MARK)
    return found if type(found) is str else None


def mark_held(exc: BaseException, name: str) -> None:
    """Notes on an exception that arrived which process holds the original."""
    number = name.partition("-")[0]
    _dict_of(exc)[_MARK] = name
    _add_note(exc, f"keeptrace: held with its live objects: {command_to_attach(number)}")


def mark_stopped(exc: BaseException, pid: int) -> None:
    """Notes which worker has stopped, for its pool."""
    _dict_of(exc)[_STOPPED] = pid


def take_stopped(exc: BaseException) -> int | None:
    """The pid of the worker that has stopped with this exception. A second call gives None."""
    found = _dict_of(exc).pop(_STOPPED, None)
    return found if type(found) is int else None


def mark_refused(exc: BaseException, same_kind: str) -> None:
    """Notes that there was no room, and what is held of the same kind, or ""."""
    _dict_of(exc)[_REFUSED] = same_kind


def same_kind_of(exc: BaseException) -> str | None:
    """What mark_refused() noted; None on an exception for which there was no question of room."""
    found = _dict_of(exc).get(_REFUSED)
    return found if type(found) is str else None


def mark_not_held(exc: BaseException, why: str) -> None:
    _add_note(exc, f"keeptrace: not held: {why}")


def command_to_attach(number: object) -> str:
    return f"keeptrace attach {number}"


def _dict_of(exc: BaseException) -> dict[str, Any]:
    """Of an exception whatever its class says."""
    found: dict[str, Any] = BaseException.__dict__["__dict__"].__get__(exc)
    return found


def _add_note(exc: BaseException, text: str) -> None:
    try:
        BaseException.add_note(exc, text)
    except TypeError as problem:  # its __notes__ are no list
        sys.stderr.write(f"{text} ({problem})\n")
