"""Holds a failure in a fork of the failed process.

    worker                             in between         held process
    keep(): room for another?
      a socket in the directory
      fork ──────────────────────────▶ fork ────────────▶ leaves the engine: waiting.py
      waits for the middle process ◀── ends               waits, for attach() or release()
      sends its failure, goes on

- The held process is no child of the program: no wait() of the program reaps the process, and its
  end leaves no zombie.
- Signals are blocked during the forks, so no handler of the program runs in the copy.
- With how="stop", we do not fork: the worker itself becomes the held process, after the worker has
  sent the failure and asks for the next task.
- The engines' own forks warn of threads. Our fork does not, because the copy joins no thread.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, NamedTuple, NoReturn

from ..capture.facts import traceback_of
from ..core.errors import KeepTraceError
from ..core.hold import Holding, How, can_stop, only_executors, stop_later
from ..core.processes import resident
from ..store.identity import fingerprint
from .directory import Directory, Name, Place, make_directory
from .memory import resident_of

_set_traceback: Final = BaseException.__dict__["__traceback__"].__set__


class Kept(NamedTuple):
    """Whether a failure is held, and the name of its socket.

    Without room: the name of the held failure of the same kind, or "" if the pool holds its most.
    """

    is_held: bool
    name: str = ""


def keep(exc: BaseException, holding: Holding) -> Kept:
    """Holds an exception with the frames of its traceback, if the Hold has room for another.

    Raises OSError and KeepTraceError if the process cannot be held.
    """
    if not issubclass(type(exc), Exception):  # Ctrl-C and exit are no failures
        return Kept(False)
    how = holding.hold.how or _chosen()
    if how == "stop" and not can_stop():
        raise KeepTraceError(only_executors())
    directory = make_directory()
    place = None
    try:
        with directory.locked():
            name = _admitted(directory, holding, fingerprint(exc))
            if isinstance(name, Kept):
                return name
            place = Place(name, directory, directory.listen(name))
    finally:
        if place is None:
            directory.close()
    _HOLD[how](exc, holding, place)
    return Kept(True, str(name))


def _fork(exc: BaseException, holding: Holding, place: Place) -> None:
    program = _program()
    try:
        _fork_away(lambda: _wait(exc, holding, place, program))
    except BaseException:
        place.remove()
        raise
    finally:
        place.close()


def _stop(exc: BaseException, holding: Holding, place: Place) -> None:
    program = _program()
    traceback = traceback_of(exc)  # because the engine drops the traceback

    def become_held() -> None:
        _set_traceback(exc, traceback)
        reset_handlers()
        _wait(exc, holding, place, program)

    stop_later(become_held)


_HOLD: Final[dict[How, Callable[[BaseException, Holding, Place], None]]] = {
    "fork": _fork,
    "stop": _stop,
}


def _chosen() -> How:
    """The way to hold a process if the Hold leaves the way open."""
    if sys.platform == "darwin":  # its frameworks do not work in a forked process
        return "stop"
    if _has_cuda():
        return "stop"
    return "fork"


def _has_cuda() -> bool:
    """Whether CUDA is initialised. CUDA does not work in a forked process."""
    torch = sys.modules.get("torch")
    try:
        return torch is not None and bool(torch.cuda.is_initialized())
    except AttributeError:  # another module named torch, or an import under way
        return False


def _admitted(directory: Directory, holding: Holding, kind: str) -> Name | Kept:
    """The name of a new held process, or the reason for a refusal."""
    hold = holding.hold
    group = holding.group or f"{_program():x}"
    names = [name for name, _ in directory.living()]
    ours = [name for name in names if name.group == group]
    for name in ours:
        if name.kind == kind:
            return Kept(False, str(name))
    if len(ours) >= hold.count:
        return Kept(False)
    if hold.max_rss is not None:
        together = resident_of(directory, ours) + resident(os.getpid())
        if together > hold.max_rss:
            return Kept(False)
    return Name(_free_number(names), group, kind, os.urandom(4).hex())


def _free_number(names: Iterable[Name]) -> int:
    taken = {name.number for name in names}
    number = 1
    while number in taken:
        number += 1
    return number


def _program() -> int:
    """The pid of the worker's parent: all workers of a program count together."""
    processes = sys.modules.get("multiprocessing.process")
    parent = None
    if processes is not None:
        parent = processes.current_process()._parent_pid
    return parent or os.getpid()


def _wait(exc: BaseException, holding: Holding, place: Place, program: int) -> None:
    from .waiting import wait_held

    wait_held(exc, holding, place, program)


def _fork_away(become: Callable[[], None]) -> None:
    """Forks twice, and calls become() in the held process, then ends the held process.

    Raises OSError if the system has no more processes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            between = os.fork()
            if between == 0:
                _fork_on(become, before)
            _, status = os.waitpid(between, 0)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if status:
        raise OSError("no process could be forked")


def _fork_on(become: Callable[[], None], mask: Iterable[int]) -> NoReturn:
    """The middle process, then the held process. Both end within the function in any case."""
    status = 1
    try:
        is_held = os.fork() == 0
        status = 0
        if is_held:
            reset_handlers()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            become()
    finally:
        os._exit(status)


def reset_handlers() -> None:
    """Drops the program's handlers of signals; only a debugger handles Ctrl-C."""
    import faulthandler

    faulthandler.disable()
    for number in signal.valid_signals():
        with suppress(RuntimeError):  # enable() alone registers fatal signals
            faulthandler.unregister(number)
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
