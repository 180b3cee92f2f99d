"""Bytes → report, without running any code from the bytes.

decode() first reads the pickle's opcodes alone: checks their names, their number and the size of
their indexes. Then decode() unpickles. The unpickler refuses every global except the eval of a
dump, and puts a recorder in the place of eval. BOOT must be, letter for letter, the BOOT of a
release. The report is measured before the parsing, and checked before any use (see
format/checking.py).
"""

from __future__ import annotations

import json
import pickle
import pickletools
import re
import zlib
from io import BytesIO
from typing import Any, Final, NamedTuple

from ..core.bounds import MAX_DUMP, MAX_HEADER, MAX_NESTING, MAX_OPCODES, MAX_PARTS, MAX_SHORT_TEXT
from ..core.errors import DumpError
from ..core.report import FORMAT, Report
from ..restore.files import unpack_bounded
from .checking import check
from .costs import need
from .writing import BOOTS, MARK, RESULT_KINDS


class Dump(NamedTuple):
    """The parts of a dump, read without running any code.

    header: {keeptrace: format, type: "module.Qualname", message, where: "file:line in function",
        time: seconds since 1970, pid, host, python, fingerprint (see store.py)}.
    kind: the kind of plain pickle.load's result: an exception, an exc_info tuple or a traceback.
    """

    header: dict[str, Any]
    kind: str
    report: Report


_INDEXED: Final = frozenset({"BINPUT", "LONG_BINPUT", "PUT", "BINGET", "LONG_BINGET", "GET"})
# fmt: off
_OPCODES: Final = _INDEXED | {
    "PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "REDUCE", "GLOBAL", "STACK_GLOBAL",
    "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE",
    "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2",
    "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "SHORT_BINSTRING", "BINSTRING",
}
# fmt: on
# The parts of a dump: names and types.
_PAYLOAD: Final[dict[str, Any]] = {
    "header": str,
    "kind": str,
    "body": bytes,
    "sources": dict,
    "live": (bytes, type(None)),
}


class _Recorded:
    """Stands for the eval of a dump: keeps the arguments."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments


def _latin1(text: object, encoding: object) -> bytes:
    """The bytes behind a call of encode(): protocol 2 writes bytes as such a call."""
    if type(text) is not str or encoding != "latin1":
        raise pickle.UnpicklingError("not a dump of keeptrace")
    return text.encode("latin-1")


_GLOBALS: Final[dict[tuple[str, str], Any]] = {
    ("builtins", "eval"): _Recorded,
    ("__builtin__", "eval"): _Recorded,
    ("_codecs", "encode"): _latin1,
    ("__builtin__", "bytes"): bytes,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _GLOBALS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of a dump")
        return _GLOBALS[module, name]


def decode(data: bytes, most: int = MAX_DUMP) -> Dump:
    """Reads a dump without running any code from the dump.

    most: decompressed bytes of all parts.

    Raises DumpError, with the header in `salvaged` if the header is readable.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise DumpError(f"a dump is bytes, not {type(data).__name__}")
    data = bytes(data)
    if data[:2] == b"\x1f\x8b":
        data = _gunzip(data, most)
    try:
        payload = _payload(data)
        header = json.loads(payload["header"])
        _check_format(header)
        report = {
            **_body(payload["body"], most),
            "sources": payload["sources"],
            "live": payload["live"],
        }
        check(report)
        checked: Any = report
        return Dump(header, payload["kind"], checked)
    except DumpError:
        raise
    except Exception as problem:  # a parser failed on damaged data
        raise DumpError(_why(data, problem), read_header(data)) from None


# The strings of a JSON text, also a string without an end. Possessive, so there is no backtracking.
_STRINGS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def _body(packed: bytes, most: int) -> dict[str, Any]:
    """The report without sources and live objects.

    A few kilobytes may decompress to any text, so the text is measured before the parsing.
    """
    body = unpack_bounded(packed, most)
    stripped = _STRINGS.sub(b"", body)
    if sum(stripped.count(mark) for mark in (b",", b"[", b"{")) > MAX_PARTS:
        raise ValueError(f"it has more than {MAX_PARTS} elements")
    brackets = stripped.translate(None, _NO_BRACKETS)
    del stripped
    for _ in range(MAX_NESTING):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if brackets:
        raise ValueError("it is nested too deeply, or ends early")
    text = body.decode("ascii")
    del body
    report = json.loads(text)
    need(isinstance(report, dict), "report")
    return report  # type: ignore[no-any-return]  # a dict, as was just checked


def _why(data: bytes, problem: Exception) -> str:
    said = str(problem)[:MAX_SHORT_TEXT] or type(problem).__name__
    if not data:
        return "this dump is empty"
    if read_header(data):
        return f"this dump is truncated or damaged: {said}"
    return f"this is not a dump of keeptrace, or it is damaged at its beginning: {said}"


def _check_opcodes(data: bytes) -> None:
    """Raises ValueError for opcodes not found in dumps. A dump's opcodes run no code."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if count > MAX_OPCODES or opcode.name not in _OPCODES:
            raise ValueError(f"unexpected pickle opcode {opcode.name}")
        index: Any = argument
        if opcode.name in _INDEXED and not 0 <= index <= MAX_OPCODES:
            raise ValueError("a memo index is out of range")


def _payload(data: bytes) -> dict[str, Any]:
    _check_opcodes(data)
    recorded = _Reader(BytesIO(data)).load()
    if not isinstance(recorded, _Recorded) or len(recorded.arguments) != 2:
        raise ValueError("it is a pickle of something else")
    boot, names = recorded.arguments
    if boot not in BOOTS or not isinstance(names, dict):
        raise ValueError("it is a pickle of something else")
    payload = names.get("payload")
    if not isinstance(payload, dict):
        raise ValueError("it is a pickle of something else")
    if not all(isinstance(payload.get(name), cls) for name, cls in _PAYLOAD.items()):
        raise ValueError("its parts are not laid out as in a dump")
    if payload["kind"] not in RESULT_KINDS or len(payload["header"]) > MAX_HEADER:
        raise ValueError("its parts are not laid out as in a dump")
    return payload


def _check_format(header: dict[str, Any]) -> None:
    number = None
    if isinstance(header, dict):
        number = header.get("keeptrace")
    if type(number) is not int or number < 1:
        raise ValueError("its header is not one of a dump")
    if number > FORMAT:
        newest = f"this keeptrace reads up to {FORMAT}: install a newer one"
        raise DumpError(f"this dump has format {number}, and {newest}", header)


def _gunzip(data: bytes, most: int) -> bytes:
    engine = zlib.decompressobj(wbits=31)
    try:
        plain = engine.decompress(data, most)
    except zlib.error as problem:
        raise DumpError(f"this gzip file is damaged: {problem}") from None
    if engine.unconsumed_tail:
        raise DumpError(f"this dump is larger than {most} bytes when decompressed")
    if not engine.eof:
        raise DumpError("this gzip file is truncated", read_header(plain))
    return plain


def read_header(data: bytes) -> dict[str, Any]:
    """The header, even of a truncated dump; empty without a header. Runs no code."""
    start = data.find(MARK.encode())
    if start < 0:
        return {}
    text = data[start : start + 16_384].decode("utf-8", "replace")
    try:
        header, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(header, dict):
        return {}
    return {str(name): value for name, value in header.items()}
