"""The lines of a log, from a text, bytes, a file, or any iterator."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any


def lines_of(text: Any) -> Iterator[str]:
    """The lines of a str, or of an iterator of lines in str or bytes, without their ends."""
    if isinstance(text, (bytes, bytearray)):
        text = [text]
    if isinstance(text, str):
        for piece in io.StringIO(text):
            if piece[-1:] == "\n":
                yield piece[:-1]
            else:
                yield piece
        return
    for piece in _decoded(text):
        yield from piece.removesuffix("\n").split("\n")


def _decoded(pieces: Iterable[Any]) -> Iterator[str]:
    """Bytes as text: UTF-8, or UTF-16 if the file begins with its mark."""
    encoding = "utf-8"
    rest = b""
    for piece in pieces:
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            if not isinstance(piece, str):
                piece = str(piece)
            yield piece
            continue
        data = rest + bytes(piece)
        rest = b""
        if encoding == "utf-8" and data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            encoding = "utf-16-be"
            if data[:1] == b"\xff":
                encoding = "utf-16-le"
            data = data[2:]
        if encoding != "utf-8" and len(data) % 2:  # the file was split at newline bytes
            data, rest = data[:-1], data[-1:]
        yield data.decode(encoding, "replace").lstrip("\0")
