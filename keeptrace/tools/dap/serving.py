"""The ways in: standard input and output, or a port of this machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import threading
from typing import Final

from ...core.errors import KeepTraceError
from ...core.texts import one_line
from .protocol import ProtocolError
from .session import Session
from .target import Target

# For a connection to give its token. (seconds)
_PATIENCE: Final = 60.0
_CONNECTIONS: Final = 8


def serve_stdio(target: Target) -> None:
    """One conversation on standard input and output.

    Raises KeepTraceError if the bytes are not DAP.
    """
    sys.stdout.flush()
    # The messages get files of their own: evaluated code may print, read or, as exit() does, close
    # the standard streams.
    with os.fdopen(os.dup(0), "rb") as incoming, os.fdopen(os.dup(1), "wb") as outgoing:
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        try:
            Session(target, None).run(incoming, outgoing)
        except ProtocolError as problem:
            raise KeepTraceError(
                f"{problem}: keeptrace dap is to be started by an editor"
            ) from None
        except BrokenPipeError:  # the editor has gone without a word
            return


def serve_port(target: Target, port: int) -> None:
    """Conversations on a port of 127.0.0.1 (0: any free port), also several at once, until Ctrl-C.

    Raises KeepTraceError if the port cannot be bound.
    """
    token = os.environ.get("KEEPTRACE_DAP_TOKEN") or secrets.token_urlsafe(16)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as problem:
        raise KeepTraceError(f"port {port} of 127.0.0.1 cannot be served: {problem}") from None
    room = threading.BoundedSemaphore(_CONNECTIONS)
    with listener, contextlib.suppress(KeyboardInterrupt):
        _say(f"serving on 127.0.0.1:{listener.getsockname()[1]}, token {token}")
        while True:
            connection, _ = listener.accept()
            room.acquire()
            arguments = (connection, target, token, room)
            threading.Thread(target=_converse, args=arguments, daemon=True).start()


def _converse(
    connection: socket.socket, target: Target, token: str, room: threading.BoundedSemaphore
) -> None:
    connection.settimeout(_PATIENCE)
    try:
        with (
            connection,
            connection.makefile("rb") as incoming,
            connection.makefile("wb") as outgoing,
        ):
            session = Session(target, token, trusted=lambda: connection.settimeout(None))
            session.run(incoming, outgoing)
    except (ProtocolError, OSError) as problem:  # a stranger, or the client has gone
        _say(f"a connection ended: {one_line(str(problem))}")
    finally:
        room.release()


def _say(text: str) -> None:
    print(f"keeptrace: {text}", file=sys.stderr, flush=True)
