"""The held process: leaves the engine, then waits for attach() or release().

- The main thread waits in a poll() for connections, the end of its time, and the end of the
  program.
- The process runs no atexit functions and no finalizers, because the worker runs them.
- The standard streams are /dev/null. While somebody is attached, the streams are the terminal of
  the attacher, whose descriptors came over the socket. The process has no terminal of its own, so
  only the attacher can pass a Ctrl-C on to the debugger.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..core.clock import monotonic, now
from ..core.hold import Hold, Holding, pipes_of_engine
from ..store.identity import place_of
from .debugging import debug, no_streams, watched
from .directory import Place
from .memory import resident_of
from .peers import close_all, is_readable, is_users, peer_of, receive, send
from .program import Program
from .wording import message_of, task_of

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

# The highest score: the kernel kills the held process first when memory runs out.
_FIRST_TO_GO: Final = "1000"
# Between two looks at the memory of all held processes; and, on a system without pidfd, between two
# looks for the program. (seconds)
_LOOK: Final = 5.0


def wait_held(exc: BaseException, holding: Holding, place: Place, program: int) -> NoReturn:
    """Becomes the held process of the exception. Never returns, and never raises.

    program: the pid of the program. With Hold(with_parent=True), its end ends the held process.
    """
    try:
        gc.disable()
        _leave_engine()
        _Held(exc, holding.hold, place, program).wait()
    finally:
        place.remove()
        os._exit(0)


def _leave_engine() -> None:
    """Hides the held process from the program: from the program's pipes, and from its terminal.

    /dev/null takes the descriptors, so objects still using their numbers do no harm.
    """
    with suppress(OSError):  # the engine has already made the worker the leader of a session
        os.setsid()
    no_streams()
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd, inode in pipes_of_engine().items():
        with suppress(OSError):  # closed meanwhile
            status = os.fstat(fd)
            if stat.S_ISFIFO(status.st_mode) and status.st_ino == inode:
                os.dup2(null, fd, inheritable=False)
    os.close(null)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(_FIRST_TO_GO)


class _Held:
    def __init__(self, exc: BaseException, hold: Hold, place: Place, program: int) -> None:
        self._exc = exc
        self._hold = hold
        self._place = place
        self._listener = place.listener
        self._program: Program | None = None
        if self._hold.with_parent:
            self._program = Program(program)
        self._attached: dict[str, Any] | None = None  # pid of the attacher, and since when
        self._since = now()
        self._deadline = monotonic() + self._hold.seconds
        # listen() again, so a connecting process gets our pid from the kernel, not the worker's.
        place.listener.listen()

    def wait(self) -> None:
        """Serves each connection, until release() or the end of the reasons to wait."""
        signal.signal(signal.SIGTERM, self._terminate)
        files: list[FileDescriptorLike] = [self._listener]
        if self._program is not None and self._program.fd is not None:
            files.append(self._program.fd)
        is_wanted = True
        while is_wanted and monotonic() < self._deadline:
            ready = is_readable(*files, timeout=self._timeout())
            if self._listener.fileno() in ready:
                is_wanted = self._serve()
            if self._is_over():
                is_wanted = False

    def _timeout(self) -> float:
        left = self._deadline - monotonic()
        has_no_descriptor = self._program is not None and self._program.fd is None
        if has_no_descriptor or self._hold.max_rss is not None:
            return min(left, _LOOK)
        return left

    def _is_over(self) -> bool:
        """Whether the program has ended, or the held processes use too much memory."""
        if self._program is not None and self._program.has_ended():
            return True
        if self._hold.max_rss is None:
            return False
        own, directory = self._place.name, self._place.directory
        older = [
            name
            for name in directory.names()
            if name.group == own.group and name.number <= own.number
        ]
        return resident_of(directory, older) > self._hold.max_rss

    def _terminate(self, number: int, frame: object) -> NoReturn:
        self._place.remove()
        os._exit(0)

    def _serve(self) -> bool:
        """Answers a request. False if the request was a release."""
        try:
            connection, _ = self._listener.accept()
        except OSError:  # the peer has left again
            return True
        with connection:
            descriptors: list[int] = []
            try:
                if not is_users(connection):
                    return True
                message, descriptors = receive(connection, most_descriptors=3)
                return self._answer(connection, message, descriptors)
            # The peer may only have checked that a process listens.
            except (OSError, EOFError, ValueError):
                return True
            finally:
                close_all(descriptors)

    def _answer(
        self, connection: socket.socket, message: dict[str, Any], descriptors: list[int]
    ) -> bool:
        wish = message.get("do")
        if wish == "tell":
            send(connection, self._card())
        elif self._attached is not None:
            send(connection, {"busy": self._attached})
        elif wish == "release":
            self._place.remove()
            send(connection, {})
            return False
        elif wish == "attach" and len(descriptors) == 3:
            self._debug(connection, message, descriptors)
        return True

    def _debug(
        self, connection: socket.socket, message: dict[str, Any], descriptors: list[int]
    ) -> None:
        """Gives the attacher its debugger."""
        self._attached = {"pid": peer_of(connection).pid, "since": now()}
        try:
            send(connection, {"pid": os.getpid()})
            with watched(connection, self._listener, self._serve):
                problem = debug(self._exc, message["debugger"], descriptors, message["variables"])
            result = {}
            if problem is not None:
                result["error"] = problem
            send(connection, result)
        finally:
            self._attached = None

    def _card(self) -> dict[str, Any]:
        """The facts of the held process for a list."""
        return {
            "pid": os.getpid(),
            "since": self._since,
            "seconds_left": max(0.0, self._deadline - monotonic()),
            "type": type(self._exc).__qualname__,
            "message": message_of(self._exc),
            "where": place_of(self._exc),
            "task": task_of(self._exc),
            "attached": self._attached,
        }
