"""Report ↔ bytes: the only place that knows how a dump is laid out.

A dump is a pickle of one call, so that any Python restores it without keeptrace, and without the modules of the program
that wrote it:

    builtins.eval(BOOT, {"payload": {"header": JSON text, "kind": …, "body": zlib of the report as JSON,
                                     "sources": {file: zlib}, "live": pickle or None},
                         "name": …, "restorer": zlib of the source of _restore.py})

The header comes first, and says in one line what failed where, so that also a truncated dump tells that.
Two ways to read it:
- plain pickle.load evaluates BOOT: the restorer is loaded once per process, under a name made of its hash;
- decode() runs nothing of it. It first reads the opcodes alone: which they are, how many, how large their indexes; then
  unpickles with every global refused but that one eval, for which a recorder is put; BOOT has to be, letter for letter,
  one that we know, or it is not a dump of ours.
"""

from __future__ import annotations

import json
import pickle
import pickletools
import sys
import time
import zlib
from functools import cache
from io import BytesIO
from typing import Any, Final, NamedTuple

from ._errors import DumpError
from ._report import FORMAT, Report
from ._restore import read_payload

BOOT: Final = (
    "[module := __import__('sys').modules.setdefault(name, __import__('types').ModuleType(name)), "
    "hasattr(module, 'boot') or exec(__import__('zlib').decompress(restorer), module.__dict__), "
    "module.boot(payload)][-1]"
)
# Every BOOT that was ever written by a release; the newest is the last one.
_BOOTS: Final = frozenset({BOOT})
_MARK: Final = '{"keeptrace":'
# Much of this is the decompressed report; a default dump stays well below 4 MiB. (bytes)
MAX_DUMP: Final = 64 << 20
# A dump has some thirty opcodes, and six a source file.
_MAX_OPCODES: Final = 20_000
_MESSAGE: Final = 500  # characters of the message in the header

KINDS: Final = ("exception", "exc_info", "traceback")


class Dump(NamedTuple):
    """A dump that was read: nothing of it has been run.

    header: {keeptrace: format, type: "module.Qualname", message, where: "file:line in function", time: seconds since 1970,
    pid, python, fingerprint: the same for failures of the same type along the same functions}.
    kind: what a plain pickle.load gives: an exception, an exc_info tuple or a traceback.
    """

    header: dict[str, Any]
    kind: str
    report: Report


# -- writing


# A report has no cycles: its tables refer by index.
_to_json: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class _Boot:
    """Pickles as the call that is described at the head of this file."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self._payload = payload

    def __reduce__(self) -> tuple[Any, ...]:
        name, restorer = _restorer()
        return eval, (BOOT, {"payload": self._payload, "name": name, "restorer": restorer})


def carrier(report: Report, kind: str = "exception") -> Any:
    """An object whose pickle, of any protocol from 2 on, is a dump."""
    body = {name: part for name, part in report.items() if name not in ("sources", "live")}
    payload = {
        "header": json.dumps(_header(report)),
        "kind": kind,
        "body": zlib.compress(_to_json(body).encode(), 6),
        "sources": report["sources"],
        "live": report["live"],
    }
    return _Boot(payload)


def encode(report: Report, kind: str = "exception") -> bytes:
    """The report as a dump."""
    # protocol 4 is read by every Python; 5 would gain nothing here
    return pickle.dumps(carrier(report, kind), 4)


def _header(report: Report) -> dict[str, Any]:
    import hashlib
    import os

    root = report["exceptions"][0]
    path = hashlib.sha256()
    for record in report["exceptions"]:
        path.update(repr(report["types"][record["type"]][:2]).encode())
        for index, *_ in record["traceback"]:
            code = _code_of(report, index)
            path.update(f"{code['file']}:{code['qualname']}\n".encode("utf-8", "replace"))
    module, qualname, _ = report["types"][root["type"]]
    return {
        "keeptrace": FORMAT,
        "type": qualname if module == "builtins" else f"{module}.{qualname}",
        "message": _message(report)[:_MESSAGE],
        "where": _where(report),
        "time": time.time(),
        "pid": os.getpid(),
        "python": report["python"],
        "fingerprint": path.hexdigest()[:16],
    }


def _code_of(report: Report, index: int) -> Any:
    return report["codes"][report["frames"][index]["code"]] if index >= 0 else {"file": "", "qualname": "..."}


def _where(report: Report) -> str:
    entries = report["exceptions"][0]["traceback"]
    if not entries or entries[-1][0] < 0:
        return ""
    index, position = entries[-1]
    code = _code_of(report, index)
    return f"{code['file']}:{position[0]} in {code['qualname']}"


def _message(report: Report) -> str:
    record = report["exceptions"][0]
    if "str" in record:
        return record["str"]
    arguments = report["values"][record["args"][0]][2]
    if len(arguments) == 1:
        return arguments[0] if isinstance(arguments[0], str) else "" if isinstance(arguments[0], list) else repr(arguments[0])
    return ", ".join(repr(argument) for argument in arguments if not isinstance(argument, list))


@cache
def _restorer() -> tuple[str, bytes]:
    """The name and the compressed source of the restorer that travels, without comments, docstrings and annotations."""
    import ast
    import hashlib
    import importlib.util

    spec = importlib.util.find_spec("._restore", __package__)
    source = spec.loader.get_source(spec.name) if spec and spec.loader and hasattr(spec.loader, "get_source") else None
    if source is None:
        raise DumpError("keeptrace's own source cannot be read here, and a dump needs it: install keeptrace as files")
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    short = ast.unparse(tree)
    return f"_keeptrace_{hashlib.sha256(short.encode()).hexdigest()[:12]}", zlib.compress(short.encode(), 9)


# -- reading

_OPCODES: Final = frozenset({
    *("PROTO", "FRAME", "STOP", "MARK", "REDUCE", "GLOBAL", "STACK_GLOBAL", "EMPTY_DICT", "SETITEM", "SETITEMS"),
    *("TUPLE1", "TUPLE2", "TUPLE3", "TUPLE", "EMPTY_TUPLE", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "SHORT_BINSTRING", "BINSTRING"),
    *("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "BINGET", "LONG_BINGET", "GET"),
})
_INDEXED: Final = frozenset({"BINPUT", "LONG_BINPUT", "PUT", "BINGET", "LONG_BINGET", "GET"})


class _Recorded:
    """Stands for the eval of a dump: keeps what it would have been called with."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments


def _latin1(text: Any, encoding: Any) -> bytes:
    """What protocol 2, which has no bytes, writes them as."""
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
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _GLOBALS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of a dump")
        return _GLOBALS[module, name]


def decode(data: bytes, most: int = MAX_DUMP) -> Dump:
    """Reads a dump without running any of it. most: bytes that its parts may have when they are decompressed.

    Raises DumpError, with the header in `salvaged` where that can still be read.
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
        report: Any = read_payload(payload, most)
        check(report)
        return Dump(header, payload["kind"], report)
    except DumpError:
        raise
    except Exception as problem:  # whatever damaged data makes the parsers raise
        raise DumpError(_why(data, problem), read_header(data)) from None
    except RecursionError:
        raise DumpError("this dump is nested too deeply to be one of keeptrace's") from None


def _why(data: bytes, problem: Exception) -> str:
    said = str(problem) or type(problem).__name__
    if not data:
        return "this dump is empty"
    if read_header(data):
        return f"this dump is truncated or damaged: {said}"
    return f"this is not a dump of keeptrace, or it is damaged at its beginning: {said}"


def _payload(data: bytes) -> dict[str, Any]:
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if count > _MAX_OPCODES or opcode.name not in _OPCODES:
            raise ValueError(f"unexpected pickle opcode {opcode.name}")
        index: Any = argument
        if opcode.name in _INDEXED and not 0 <= index <= _MAX_OPCODES:
            raise ValueError("a memo index is out of range")
    recorded = _Reader(BytesIO(data)).load()
    if not isinstance(recorded, _Recorded) or len(recorded.arguments) != 2:
        raise ValueError("it is a pickle of something else")
    boot, names = recorded.arguments
    if boot not in _BOOTS or not isinstance(names, dict) or not isinstance(names.get("payload"), dict):
        raise ValueError("it is a pickle of something else")
    payload: dict[str, Any] = names["payload"]
    live = payload.get("live")
    if payload.get("kind") not in KINDS or not isinstance(payload.get("header"), str) or not isinstance(live, (bytes, type(None))):
        raise ValueError("its parts are not laid out as in a dump")
    return payload


def _check_format(header: dict[str, Any]) -> None:
    number = header.get("keeptrace")
    if isinstance(number, int) and number > FORMAT:
        raise DumpError(f"this dump has format {number}, and this keeptrace reads up to {FORMAT}: install a newer one", header)


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
    """The header alone, also of a dump that is truncated; empty where there is none. Cheap, and runs nothing."""
    start = data.find(_MARK.encode())
    if start < 0:
        return {}
    text = data[start : start + 16_384].decode("utf-8", "replace")
    try:
        header, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return {}
    return {str(name): value for name, value in header.items()} if isinstance(header, dict) else {}


# -- the check of a report that comes from outside

_SMALL: Final = range(1 << 31)
# Nodes: how long they are, and which of their elements are what.
_ARITY: Final[dict[str, tuple[int, ...]]] = {
    **dict.fromkeys(("list", "tuple", "set", "frozenset", "dict", "str", "bytes", "bytearray", "complex", "live"), (3,)),
    **dict.fromkeys(("int", "exception", "redacted"), (2,)),
    **dict.fromkeys(("type", "module"), (2, 3)),
    "exact": (3,),
    "function": (5,),
    "object": (5,),
}
_CONTAINERS: Final = frozenset({"list", "tuple", "set", "frozenset", "dict"})
_MAX_DIGITS: Final = 100_000  # of one number: arithmetic on larger ones takes its time
_MAX_LOCALS: Final = 20_000  # of one frame
_MAX_ENTRIES: Final = 100_000  # of one traceback


def _need(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(f"its {what} is not laid out as in a report")


def check(report: Any) -> None:
    """Raises ValueError unless every table has its form and every index points into its table."""
    _need(isinstance(report, dict), "report")
    tables = {name: report.get(name) for name in ("exceptions", "frames", "codes", "globals", "types", "values")}
    for name, table in tables.items():
        _need(isinstance(table, list), name)
    sizes = {name: range(len(report[name])) for name in tables}
    _need(report["exceptions"] and isinstance(report.get("cuts"), dict), "report")
    for node in report["values"]:
        _check_node(node, sizes)
    for entry in report["types"]:
        _need(isinstance(entry, list) and len(entry) == 3 and isinstance(entry[0], str) and isinstance(entry[1], str), "types")
        _need(isinstance(entry[2], list) and all(base in sizes["types"] for base in entry[2] if _is_index(base)), "types")
    for code in report["codes"]:
        _check_code(code)
    for names in report["globals"]:
        _check_refs_by_name(names, sizes, "globals")
    for frame in report["frames"]:
        _need(isinstance(frame, dict) and _is_index(frame["code"]) and _is_index(frame["globals"]), "frame")
        _need(frame["code"] in sizes["codes"] and frame["globals"] in sizes["globals"], "frame")
        _check_position(frame["at"])
        if frame["locals"] is not None:
            _check_refs_by_name(frame["locals"], sizes, "locals")
            _need(len(frame["locals"]) <= _MAX_LOCALS, "locals")
    for record in report["exceptions"]:
        _check_exception(record, sizes)


def _is_index(value: Any) -> bool:
    return type(value) is int and value >= 0


def _check_ref(ref: Any, sizes: dict[str, range], what: str) -> None:
    if type(ref) is list:
        _need(len(ref) == 1 and _is_index(ref[0]) and ref[0] in sizes["values"], what)
    else:
        _need(not isinstance(ref, dict), what)


def _check_refs_by_name(names: Any, sizes: dict[str, range], what: str) -> None:
    _need(isinstance(names, dict), what)
    for ref in names.values():
        _check_ref(ref, sizes, what)


def _check_position(position: Any) -> None:
    _need(isinstance(position, list) and len(position) == 4, "position")
    _need(all(part is None or (_is_index(part) and part in _SMALL) for part in position), "position")


def _check_code(code: Any) -> None:
    _need(isinstance(code, dict) and all(isinstance(code[name], str) for name in ("file", "name", "qualname")), "code")
    _need(_is_index(code["line"]) and code["line"] in _SMALL and _is_index(code["flags"]) and code["flags"] in _SMALL, "code")
    _need(isinstance(code["args"], list) and len(code["args"]) == 3 and all(_is_index(count) for count in code["args"]), "code")
    names = code["names"]
    _need(isinstance(names, list) and len(names) <= _MAX_LOCALS and all(isinstance(name, str) for name in names), "code")
    _need("\0" not in code["file"], "code")


def _check_exception(record: Any, sizes: dict[str, range]) -> None:
    _need(isinstance(record, dict) and _is_index(record["type"]) and record["type"] in sizes["types"], "exception")
    _check_ref(record["args"], sizes, "exception")
    _check_ref(record.get("notes"), sizes, "exception")
    _check_refs_by_name(record["fields"], sizes, "exception")
    _check_refs_by_name(record["attributes"], sizes, "exception")
    _need(isinstance(record.get("str", ""), str) and isinstance(record.get("text", ""), str), "exception")
    linked = [*record.get("children", ()), *(record[name] for name in ("cause", "context") if record[name] is not None)]
    _need(all(_is_index(other) and other in sizes["exceptions"] for other in linked), "exception")
    _need(all(_is_index(index) and index in sizes["frames"] for index in record.get("outer", ())), "exception")
    _need(isinstance(record["traceback"], list) and len(record["traceback"]) <= _MAX_ENTRIES, "traceback")
    for entry in record["traceback"]:
        _need(isinstance(entry, list) and len(entry) == 2, "traceback")
        if entry[0] == -1:
            _need(_is_index(entry[1]), "traceback")
        else:
            _need(_is_index(entry[0]) and entry[0] in sizes["frames"], "traceback")
            _check_position(entry[1])


def _check_node(node: Any, sizes: dict[str, range]) -> None:
    _need(isinstance(node, list) and node and isinstance(node[0], str), "value")
    kind = node[0]
    _need(len(node) in _ARITY.get(kind, ()), f"value of kind {kind[:20]!r}")
    if kind in _CONTAINERS or kind == "exact":
        _need(isinstance(node[2], list) and (kind == "exact" or _is_index(node[1])), kind)
        for ref in node[2]:
            _check_ref(ref, sizes, kind)
        _need(kind == "exact" or len(node[2]) <= node[1] * 2, kind)
    elif kind in ("str", "bytes", "bytearray"):
        _need(_is_index(node[1]) and isinstance(node[2], str) and len(node[2]) <= node[1], kind)
    elif kind == "int":
        _need(isinstance(node[1], str) and len(node[1]) <= _MAX_DIGITS, kind)
    elif kind in ("type", "object"):
        _need(_is_index(node[1]) and node[1] in sizes["types"], kind)
        if kind == "object":
            _check_stand_in(node, sizes)
    elif kind == "exception":
        _need(_is_index(node[1]) and node[1] in sizes["exceptions"], kind)
    elif kind == "live":
        _need(_is_index(node[1]), kind)
        _check_ref(node[2], sizes, kind)


def _check_stand_in(node: list[Any], sizes: dict[str, range]) -> None:
    _, _, text, attributes, extra = node
    _need(text is None or isinstance(text, str), "object")
    if attributes is not None:
        _check_refs_by_name(attributes, sizes, "object")
    if extra is not None:
        _need(isinstance(extra, dict) and _is_index(extra.get("len", 0)) and extra.get("len", 0) <= sys.maxsize, "object")
        for ref in [*extra.get("items", ()), *extra.get("pairs", ())]:
            _check_ref(ref, sizes, "object")
