"""Messages on the line between a parent and one worker: whole, in parts, and to a worker that is
gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

pytest.importorskip("fcntl", reason="lines are of POSIX systems")

from keeptrace.concurrent.process_pool import lines
from keeptrace.concurrent.process_pool.lines import Line


@pytest.fixture
def ends() -> Iterator[tuple[Line, Connection]]:
    """A line, and the other end of its connection."""
    ours, theirs = Pipe()
    line = Line(ours)
    yield line, theirs
    line.close()
    theirs.close()


@pytest.mark.parametrize("most_short", [lines._MOST_SHORT, 10], ids=["short", "long"])
def test_messages(
    most_short: int, ends: tuple[Line, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ends read what the other writes, also with the header for more than two gigabytes."""
    monkeypatch.setattr(lines, "_MOST_SHORT", most_short)
    line, other = ends
    assert line.send(b"a message", memoryview(b" in parts")) and line.send(b"short")
    assert other.recv_bytes() == b"a message in parts" and other.recv_bytes() == b"short"
    assert line.receive() is None
    other.send_bytes(b"an answer")
    assert line.receive() == b"an answer" and line.receive() is None


def test_a_long_message_in_pieces(ends: tuple[Line, Connection]) -> None:
    """A message is given when its last byte is there, wherever it was cut."""
    line, other = ends
    message = b"long"
    data = lines.HEADER.pack(-1) + lines.LONG_HEADER.pack(len(message)) + message
    for at in range(len(data)):
        assert line.receive() is None
        os.write(other.fileno(), data[at : at + 1])
    assert line.receive() == message


def test_more_than_fits(ends: tuple[Line, Connection]) -> None:
    """What the connection does not take at once is written as the other end reads."""
    line, other = ends
    message = bytes(range(256)) * 40_000
    assert not line.send(message)
    os.set_blocking(other.fileno(), False)
    received = b""
    while len(received) < len(message) + lines.HEADER.size:
        try:
            received += os.read(other.fileno(), 1 << 20)
        except BlockingIOError:
            line.flush()
    assert received[lines.HEADER.size :] == message and line.flush()


def test_a_worker_that_is_gone(ends: tuple[Line, Connection]) -> None:
    """What cannot be sent is dropped, and reading raises EOFError."""
    line, other = ends
    other.close()
    assert line.send(b"lost") and line.flush()
    with pytest.raises(EOFError):
        line.receive()
