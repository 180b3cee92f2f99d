"""held() and release(): the user's held failures on this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from ..core.errors import KeepTraceError, OptionError
from ..core.hold import held_name, need_fork, same_kind_of
from ..core.processes import resident
from .directory import Name, directories
from .peers import ANSWERS, ask, is_readable, peer_of


class HeldFailure(NamedTuple):
    """A failure whose process is held.

    number: for attach() and release().
    pid: of the held process.
    since: the time of the failure. (seconds since 1970)
    seconds_left: until the process ends.
    memory: resident memory, partly shared with the worker. (bytes; 0 on macOS)
    type, message, where: of the exception; `where` is the innermost function of the user's own
        code.
    task: the failed call.
    attached: the pid of the process using the debugger now, or None.

    Of a process too busy to answer, only number, pid and memory are known.
    """

    number: int
    pid: int
    since: float = 0.0
    seconds_left: float = 0.0
    memory: int = 0
    type: str = ""
    message: str = ""
    where: str = ""
    task: str = ""
    attached: int | None = None


def held() -> list[HeldFailure]:
    """The failures held for this user, of all programs, by number.

    Raises KeepTraceError on Windows.
    """
    return sorted(_held_failure(name, connection) for name, connection in _living())


def _living() -> Iterator[tuple[Name, socket.socket]]:
    need_fork()
    for directory in directories():
        yield from directory.living()


def _held_failure(name: Name, connection: socket.socket) -> HeldFailure:
    pid = peer_of(connection).pid
    memory = resident(pid)
    try:
        card = ask(connection, {"do": "tell"})
    except KeepTraceError:
        return HeldFailure(name.number, pid, memory=memory)
    attached = card.pop("attached")
    # Until the held process listens itself, the peer is the worker, which may have ended.
    memory = memory or resident(card["pid"])
    attacher = attached and attached["pid"]
    return HeldFailure(name.number, memory=memory, attached=attacher, **card)


@contextmanager
def find(exc_or_number: BaseException | int) -> Iterator[socket.socket]:
    """A connection to the process holding this failure. Raises KeepTraceError if none does."""
    is_wanted = _matcher(exc_or_number)
    for name, connection in _living():
        if is_wanted(name):
            yield connection
            return
    raise KeepTraceError(not_held(exc_or_number))


def _matcher(what: BaseException | int) -> Callable[[Name], bool]:
    """A function that recognises a failure's name. Raises KeepTraceError if no name can match."""
    if isinstance(what, BaseException):
        wanted = held_name(what)
        if wanted is None:
            raise KeepTraceError(f"this {type(what).__name__} is not held: {_why_not_held(what)}")
        return lambda name: str(name) == wanted
    if type(what) is int:
        return lambda name: name.number == what
    raise OptionError(f"name a held failure by its number or its exception, not {what!r}")


def _why_not_held(exc: BaseException) -> str:
    same_kind = same_kind_of(exc)
    if same_kind is None:
        return "it did not come from a pool with hold="
    number = same_kind.partition("-")[0]
    if not number:
        return "the pool held as many failures as it may; `keeptrace held` lists them"
    if any(str(name) == same_kind for name, _ in _living()):
        return f"failure {number} of the same kind is held: attach({number}) or release({number})"
    return "its pool held one of the same kind, which has ended since"


def release(*failures: BaseException | int, all: bool = False) -> int:
    """Ends held processes, and returns their count.

    failures: exceptions from a pool with `hold=`, or numbers of held().
    all: every failure held for this user.

    Raises KeepTraceError if no process holds a failure, if somebody is attached to the process, or
    if the process is too busy to answer.
    """
    wanted = [_matcher(failure) for failure in failures]
    if all:
        wanted.append(lambda name: True)
    count = 0
    for failure, is_wanted in zip((*failures, None), wanted):
        found = 0
        for name, connection in _living():
            if is_wanted(name):
                _release(name, connection)
                found += 1
        if not found and failure is not None:
            raise KeepTraceError(not_held(failure))
        count += found
    return count


def _release(name: Name, connection: socket.socket) -> None:
    answer = ask(connection, {"do": "release"})
    if "busy" in answer:
        raise KeepTraceError(f"{name.number} is not released: {busy_text(answer['busy'])}")
    is_readable(connection, timeout=ANSWERS)  # until the process has ended


def busy_text(attached: Mapping[str, Any]) -> str:
    since = datetime.fromtimestamp(attached["since"]).strftime("%H:%M:%S")
    return f"process {attached['pid']} is attached since {since}; quit its debugger first"


def not_held(what: BaseException | int) -> str:
    if isinstance(what, BaseException):
        return "the process that held this exception has ended: it was released, or its time was up"
    return f"nothing is held as {what}: `keeptrace held` lists the held failures"
