"""Messages of the Debug Adapter Protocol: a header with a length, then JSON."""

from __future__ import annotations

import json
from typing import Any, BinaryIO, Final

# Larger than any request that a client sends; a bound against nonsense. (bytes)
_MAX_MESSAGE: Final = 4 << 20
_MAX_HEADER: Final = 1_000  # bytes of a header line
_MAX_HEADERS: Final = 10

Body = dict[str, Any]


class ProtocolError(Exception):
    """The bytes on the stream are not the Debug Adapter Protocol."""


class RequestError(Exception):
    """A request cannot be answered; the client shows the reason."""


def read_message(stream: BinaryIO) -> Body | None:
    """The next message; None at the end of the stream. Raises ProtocolError."""
    is_end, length = _read_headers(stream)
    if is_end:
        return None
    if length is None or length > _MAX_MESSAGE:
        raise ProtocolError("a message without a length, or larger than any request is")
    data = stream.read(length)
    if len(data) < length:
        return None
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise ProtocolError("a message that is not JSON") from None
    if not isinstance(message, dict):
        raise ProtocolError("a message that is no object")
    return message


def _read_headers(stream: BinaryIO) -> tuple[bool, int | None]:
    """Whether the stream has ended, and the length of the message that follows the headers."""
    length = None
    for _ in range(_MAX_HEADERS):
        line = stream.readline(_MAX_HEADER)
        if not line and length is None:
            return True, None
        name, colon, value = line.strip().partition(b":")
        name = name.lower()
        if not name:
            break
        if name == b"content-length" and value.strip().isdigit():
            length = int(value)
        elif name != b"content-type" or not colon:  # the request of a browser, say
            raise ProtocolError("this is not the Debug Adapter Protocol")
    return False, length


def write_message(stream: BinaryIO, message: Body) -> None:
    """Writes one message. Raises OSError if the client is gone."""
    data = json.dumps(message).encode()
    stream.write(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
    stream.flush()
