"""The messages of a held process and an asking process: a line of JSON each, and three descriptors.

    asker ── {"do": "tell"}                          ─▶ held ── its card
          ── {"do": "release"}                       ─▶      ── {}, then ends
          ── {"do": "attach", ...} + descriptors 0-2 ─▶      ── {"pid": ...}
                                                             at the end {} or {"error": ...}

Each side first asks the kernel for the uid of its peer, and checks the uid.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..core.clock import monotonic
from ..core.errors import KeepTraceError

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

# A waiting process answers in milliseconds, a busy process not at all. (seconds)
ANSWERS: Final = 5.0
# A card has a shortened message and a task. (bytes)
_MOST: Final = 1 << 16
# struct ucred: pid, uid, gid
_CREDENTIALS: Final = struct.Struct("3i")
# struct xucred of macOS begins with a version and the uid; sys/un.h has these numbers.
_XUCRED: Final = struct.Struct("2I")
_MOST_XUCRED: Final = 128
_SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 1, 2


class Peer(NamedTuple):
    """The pid of the peer of a connection."""

    pid: int
    uid: int


def peer_of(connection: socket.socket) -> Peer:
    if sys.platform == "darwin":
        data = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _MOST_XUCRED)
        uid = _XUCRED.unpack_from(data)[1]
        return Peer(connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID), uid)
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(data)
    return Peer(pid, uid)


def is_users(connection: socket.socket) -> bool:
    """Whether the peer has the same user."""
    return peer_of(connection).uid == os.geteuid()


def send(
    connection: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()
) -> None:
    """Raises OSError if the peer is gone."""
    data = json.dumps(message).encode() + b"\n"
    connection.settimeout(ANSWERS)
    if descriptors:
        socket.send_fds(connection, [data], descriptors)
    else:
        connection.sendall(data)


def receive(
    connection: socket.socket, timeout: float | None = ANSWERS, most_descriptors: int = 0
) -> tuple[dict[str, Any], list[int]]:
    """A message and its descriptors. Leaves the next message, which may have come already.

    Raises TimeoutError, and EOFError if the peer is gone.
    """
    left, deadline = None, 0.0
    if timeout is not None:
        deadline = monotonic() + timeout
    data, descriptors = b"", []
    while not data.endswith(b"\n"):
        if timeout is not None:
            left = max(0.001, deadline - monotonic())
        connection.settimeout(left)
        length = _length_of_line(connection.recv(_MOST, socket.MSG_PEEK))
        part, more, _, _ = socket.recv_fds(connection, length, most_descriptors)
        descriptors += more
        if not part or len(data) > _MOST:
            close_all(descriptors)
            raise EOFError("the other process is gone")
        data += part
    message = json.loads(data)
    return message, descriptors


def _length_of_line(data: bytes) -> int:
    """How many bytes belong to the first line; 1 for no data, so that a read finds the end."""
    line, end, _ = data.partition(b"\n")
    return max(1, len(line) + len(end))


def ask(
    connection: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()
) -> dict[str, Any]:
    """The answer. Raises KeepTraceError if the process is another user's, or does not answer."""
    peer = peer_of(connection)
    if peer.uid != os.geteuid():
        raise KeepTraceError(f"process {peer.pid} is another user's")
    try:
        send(connection, message, descriptors)
        return receive(connection)[0]
    except TimeoutError:
        raise KeepTraceError(
            f"process {peer.pid} does not answer: its debugger is busy with a command"
        ) from None
    except (EOFError, OSError):
        raise KeepTraceError(f"process {peer.pid} has just ended") from None


def close_all(descriptors: list[int]) -> None:
    for fd in descriptors:
        os.close(fd)


def is_readable(*files: FileDescriptorLike, timeout: float | None = None) -> list[int]:
    """The readable descriptors among these; waits at most `timeout` seconds for any."""
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    milliseconds = None
    if timeout is not None:
        milliseconds = max(0.0, timeout) * 1000
    return [fd for fd, _ in poll.poll(milliseconds)]
