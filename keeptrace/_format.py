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
import re
import sys
import time
import zlib
from collections.abc import Iterable
from functools import cache
from io import BytesIO
from itertools import groupby
from typing import Any, Final, NamedTuple

from ._errors import DumpError
from ._report import FORMAT, Report
from ._restore import EXACT, _in_order, _unpack

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
_MESSAGE: Final = 500  # characters of the message in the header, and of other texts there
_MAX_HEADER: Final = 65_536  # characters; what is written has less than a third of it

KINDS: Final = ("exception", "exc_info", "traceback")


class Dump(NamedTuple):
    """A dump that was read: nothing of it has been run.

    header: {keeptrace: format, type: "module.Qualname", message, where: "file:line in function", time: seconds since 1970,
    pid, python, fingerprint: the same for the same failure, see store.py}.
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

    def __init__(self, payload: dict[str, Any], restorer: bool) -> None:
        self._payload = payload
        self._restorer = restorer

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._restorer:
            return eval, (BOOT, {"payload": self._payload})
        name, restorer = _restorer()
        return eval, (BOOT, {"payload": self._payload, "name": name, "restorer": restorer})


def carrier(report: Report, kind: str = "exception", restorer: bool = True) -> Any:
    """An object whose pickle, of any protocol from 2 on, is a dump.

    restorer: let the restorer travel along. Without it keeptrace alone reads the dump, which is some 12 KiB smaller.
    """
    body = {name: part for name, part in report.items() if name not in ("sources", "live")}
    payload = {
        "header": _to_json(_header(report)),
        "kind": kind,
        "body": zlib.compress(_to_json(body).encode(), 6),
        "sources": report["sources"],
        "live": report["live"],
    }
    return _Boot(payload, restorer)


def encode(report: Report, kind: str = "exception", restorer: bool = True) -> bytes:
    """The report as a dump; what `restorer` means is told at carrier()."""
    # protocol 4 is read by every Python; 5 would gain nothing here
    return pickle.dumps(carrier(report, kind, restorer), 4)


def _header(report: Report) -> dict[str, Any]:
    import os

    root = report["exceptions"][0]
    module, qualname, _ = report["types"][root["type"]]
    return {
        "keeptrace": FORMAT,
        "type": (qualname if module == "builtins" else f"{module}.{qualname}")[:_MESSAGE],
        "message": _message(report)[:_MESSAGE],
        "where": _where(report)[-_MESSAGE:],
        "time": time.time(),
        "pid": os.getpid(),
        "python": report["python"],
        "fingerprint": fingerprint(f"{module}.{qualname}", _places(report)),
    }


def fingerprint(root: str, places: Iterable[str]) -> str:
    """16 hexadecimal digits that are equal for the same failure; store.py says what counts as the same.

    root: the exception's type. places: what place() gives for each exception reached from it and each entry of its traceback.
    """
    import hashlib

    return hashlib.sha256("\n".join([root, *sorted(set(places))]).encode("utf-8", "replace")).hexdigest()[:16]


def place(kind: str, file: str, qualname: str, line: int | None, first: int) -> str:
    """One place that a failure passes: the exception's type, the function, and the line within it."""
    return f"{kind} {file}:{qualname}+{(line or first) - first}"


def _places(report: Report) -> Iterable[str]:
    for record in report["exceptions"]:
        kind = ".".join(report["types"][record["type"]][:2])
        entries = [(report["frames"][index]["code"], position[0]) for index, position in record["traceback"] if index >= 0]
        if not entries:
            yield kind
        for code_index, line in set(entries):
            code = report["codes"][code_index]
            yield place(kind, code["file"], code["qualname"], line, code["line"])


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
    """The name and the compressed source of the restorer that travels."""
    import hashlib
    import importlib.util
    from pathlib import Path

    spec = importlib.util.find_spec("._restore", __package__)
    loader = spec.loader if spec else None
    source = loader.get_source(spec.name) if spec and loader and hasattr(loader, "get_source") else None
    if source is None and spec and spec.origin and Path(spec.origin).is_file():  # loaded by pytest's own loader, which gives no source
        source = Path(spec.origin).read_text(encoding="utf-8")
    if source is None:
        raise DumpError("keeptrace's own source cannot be read here, and a dump needs it: install keeptrace as files")
    short = shortened(source).encode()
    return f"_keeptrace_{hashlib.sha256(short).hexdigest()[:12]}", zlib.compress(short, 9)


def shortened(source: str) -> str:
    """The source without docstrings, comments, annotations and empty lines; what remains is letter for letter what was written.

    Not by ast.unparse: what that writes on one Python, an older one cannot always read (f-strings, from 3.12 on).
    """
    import ast
    import tokenize

    lines = [line.encode() for line in source.splitlines()]
    cuts: list[tuple[int, int, int]] = []  # line, first and last byte
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            for number in range(text.lineno - 1, text.end_lineno or text.lineno):
                cuts.append((number, 0, len(lines[number])))
            if len(node.body) == 1:  # the docstring was all there is
                lines[text.lineno - 1] = b" " * text.col_offset + b"0"
                cuts = [cut for cut in cuts if cut[0] != text.lineno - 1]
        if isinstance(node, ast.FunctionDef) and node.returns is not None and node.returns.lineno == node.returns.end_lineno:
            row, start = node.returns.lineno - 1, node.returns.col_offset - len(" -> ")
            cuts.append((row, start, node.returns.end_col_offset or start))
        told = node.annotation if isinstance(node, ast.arg) or (isinstance(node, ast.AnnAssign) and node.value is not None) else None
        if told is not None:
            end = node.col_offset + len(node.arg.encode()) if isinstance(node, ast.arg) else node.target.end_col_offset  # type: ignore[attr-defined]  # AnnAssign
            if node.lineno == told.lineno == told.end_lineno:  # type: ignore[attr-defined]  # both have a line
                cuts.append((told.lineno - 1, end, told.end_col_offset or end))
    waiting = iter(source.splitlines(keepends=True))
    for token in tokenize.generate_tokens(lambda: next(waiting, "")):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            start = len(token.line[:column].encode())
            cuts.append((row - 1, start, start + len(token.string.encode())))
    for row, start, end in sorted(cuts, reverse=True):
        lines[row] = lines[row][:start] + lines[row][end:]
    return b"\n".join(line.rstrip() for line in lines if line.strip()).decode() + "\n"


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
        report = {**_body(payload["body"], most), "sources": payload["sources"], "live": payload["live"]}
        check(report)
        return Dump(header, payload["kind"], report)  # type: ignore[arg-type]  # that it is a Report is what was checked
    except DumpError:
        raise
    except Exception as problem:  # whatever damaged data makes the parsers raise
        raise DumpError(_why(data, problem), read_header(data)) from None


# The strings of a JSON text, also one that does not end. Possessive: it never looks back, whatever the text.
_STRINGS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_MAX_NESTING: Final = 10  # a report has 7 levels
# Elements of all lists and dicts of a report. A default dump has some 100,000 at most; these take 300 MB to read.
_MAX_PARTS: Final = 2_500_000


def _body(packed: bytes, most: int) -> dict[str, Any]:
    """The report but for sources and live objects. A few kilobytes can claim anything, so it is measured before it is built."""
    body = _unpack(packed, most)
    stripped = _STRINGS.sub(b"", body)
    if sum(stripped.count(mark) for mark in (b",", b"[", b"{")) > _MAX_PARTS:
        raise ValueError(f"it has more than {_MAX_PARTS} elements")
    brackets = stripped.translate(None, _NO_BRACKETS)
    del stripped
    for _ in range(_MAX_NESTING):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if brackets:
        raise ValueError("it is nested too deeply, or ends early")
    text = body.decode("ascii")
    del body
    report = json.loads(text)
    _need(isinstance(report, dict), "report")
    return report  # type: ignore[no-any-return]  # a dict is all that is known of it here


def _why(data: bytes, problem: Exception) -> str:
    said = str(problem)[:_MESSAGE] or type(problem).__name__
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
    for name, cls in (("header", str), ("kind", str), ("body", bytes), ("sources", dict), ("live", (bytes, type(None)))):
        if not isinstance(payload.get(name), cls):
            raise ValueError("its parts are not laid out as in a dump")
    if payload["kind"] not in KINDS or len(payload["header"]) > _MAX_HEADER:
        raise ValueError("its parts are not laid out as in a dump")
    return payload


def _check_format(header: Any) -> None:
    number = header.get("keeptrace") if isinstance(header, dict) else None
    if type(number) is not int or number < 1:
        raise ValueError("its header is not one of a dump")
    if number > FORMAT:
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


# -- the check of a report that comes from outside: its form, and what it would cost to restore

_SMALL: Final = range(1 << 31)
# Nodes: how long they are.
_ARITY: Final[dict[str, tuple[int, ...]]] = {
    **dict.fromkeys(("list", "tuple", "set", "frozenset", "dict", "str", "bytes", "bytearray", "complex", "live"), (3,)),
    **dict.fromkeys(("int", "exception", "redacted"), (2,)),
    **dict.fromkeys(("type", "module"), (2, 3)),
    "exact": (3,),
    "function": (5,),
    "object": (5,),
}
_CONTAINERS: Final = frozenset({"list", "tuple", "set", "frozenset", "dict"})
_TEXTS: Final = frozenset({"str", "bytes", "bytearray"})
# What is made of parts that must be there first, and so cannot hold itself.
_MADE_OF_PARTS: Final = frozenset({"tuple", "frozenset", "exact", "live"})
# Exact values whose parts, if forged, cost any time: the atoms and the nodes that they may be made of.
_PARTS: Final[dict[str, tuple[int, type, frozenset[str]]]] = {
    "Fraction": (2, int, frozenset({"int", "object", "redacted"})),
    "Decimal": (1, str, frozenset({"str", "object", "redacted"})),
    "UUID": (1, str, frozenset({"str", "object", "redacted"})),
}
# Bounds of what is read, far above what the default options keep. A report above one is refused.
_MAX_DIGITS: Final = 100_000  # of one number: arithmetic on larger ones takes its time
_MAX_FRACTION: Final = 2_000  # digits of a numerator or denominator: reducing a fraction takes quadratic time
_MAX_VALUES: Final = 500_000
_MAX_TYPES: Final = 20_000
_MAX_CLASSES: Final = 1_000  # among the values, with the names that they have
_MAX_EXCEPTION_TYPES: Final = 3_000
_MAX_BASES: Final = 20  # of one exception type
_MAX_ANCESTORS: Final = 200  # of one exception type
_MAX_LOCALS: Final = 20_000  # of one frame
_MAX_SHAPES: Final = 200_000  # variables of all frames that are alike in number
_MAX_ENTRIES: Final = 100_000  # frames of all tracebacks
_MAX_PLACES: Final = 2_000  # where one frame of a traceback stands: each lengthens its code
_MAX_STORES: Final = 5_000_000  # variables of all frames of all tracebacks
_MAX_CHILDREN: Final = 100_000  # of a group, and of the groups in it
_MAX_UNFOLDED: Final = 10_000_000  # values in an exception's message, when shared ones are counted each time they are shown
_MAX_KEYS: Final = 4_000_000  # values that are hashed, when shared ones are counted each time
_MAX_KEY_DEPTH: Final = 200  # tuples in tuples that are hashed; C code does that by recursion


def _need(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(f"its {what} is not laid out as in a report")


def _bound(number: int, most: int, what: str) -> None:
    if number > most:
        raise ValueError(f"it has more than {most} {what}")


def check(report: Any) -> None:
    """Raises ValueError unless every table has its form, every index points into its table, and restoring it is bounded."""
    _need(isinstance(report, dict), "report")
    tables = ("exceptions", "frames", "codes", "globals", "types", "values")
    for name in tables:
        _need(isinstance(report.get(name), list), name)
    sizes = {name: range(len(report[name])) for name in tables}
    _need(report["exceptions"] and isinstance(report.get("cuts"), dict) and isinstance(report.get("python"), str), "report")
    _need(all(isinstance(name, str) and isinstance(packed, bytes) for name, packed in report["sources"].items()), "sources")
    _bound(len(report["values"]), _MAX_VALUES, "values")
    for node in report["values"]:
        _check_node(node, sizes)
    _bound(sum(node[0] == "type" and len(node) > 2 for node in report["values"]), _MAX_CLASSES, "classes")
    _check_types(report["types"], sizes)
    for code in report["codes"]:
        _check_code(code)
    for names in report["globals"]:
        _check_refs_by_name(names, sizes, "globals")
    for frame in report["frames"]:
        _check_frame(frame, sizes)
    for record in report["exceptions"]:
        _check_exception(record, sizes)
    _measure_keys(report["values"])
    _measure_messages(report)
    _measure_groups(report["exceptions"])
    _measure_frames(report)


def _is_index(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: Any) -> bool:
    return type(value) is str


def _are_texts(value: Any) -> bool:
    return type(value) is list and all(type(text) is str for text in value)


def _check_ref(ref: Any, sizes: dict[str, range], what: str) -> None:
    if type(ref) is list:
        _need(len(ref) == 1 and type(ref[0]) is int and ref[0] in sizes["values"], what)
    else:
        _need(type(ref) is not dict, what)


def _check_refs(refs: Any, sizes: dict[str, range], what: str) -> None:
    _need(type(refs) is list, what)
    values = sizes["values"]
    for ref in refs:
        if type(ref) is list:
            _need(len(ref) == 1 and type(ref[0]) is int and ref[0] in values, what)
        elif type(ref) is dict:
            _need(False, what)


def _check_refs_by_name(names: Any, sizes: dict[str, range], what: str) -> None:
    _need(type(names) is dict, what)
    _check_refs(list(names.values()), sizes, what)


def _check_position(position: Any) -> None:
    _need(type(position) is list and len(position) == 4, "position")
    _need(all(part is None or (_is_index(part) and part in _SMALL) for part in position), "position")


def _check_types(types: list[Any], sizes: dict[str, range]) -> None:
    _bound(len(types), _MAX_TYPES, "types")
    for entry in types:
        _need(type(entry) is list and len(entry) == 3 and _is_text(entry[0]) and _is_text(entry[1]), "types")
        _need(type(entry[2]) is list and all(_is_index(base) and base in sizes["types"] for base in entry[2]), "types")
        _bound(len(entry[2]), _MAX_BASES, "bases of a type")
    _bound(sum(bool(bases) for _, _, bases in types), _MAX_EXCEPTION_TYPES, "types of exceptions")
    ancestors: dict[int, int] = {}  # as bits
    for index in _in_order([at for at, entry in enumerate(types) if entry[2]], lambda at: types[at][2]):
        above = 1 << index
        for base in types[index][2]:
            above |= ancestors.get(base, 0)
        _bound(above.bit_count(), _MAX_ANCESTORS, "ancestors of a type")
        ancestors[index] = above


def _check_code(code: Any) -> None:
    _need(type(code) is dict and all(_is_text(code[name]) for name in ("file", "name", "qualname")), "code")
    _need(_is_index(code["line"]) and code["line"] in _SMALL and _is_index(code["flags"]) and code["flags"] in _SMALL, "code")
    _need(type(code["args"]) is list and len(code["args"]) == 3 and all(_is_index(count) for count in code["args"]), "code")
    _need(_are_texts(code["names"]) and len(code["names"]) <= _MAX_LOCALS, "code")
    _need("\0" not in code["file"], "code")


def _check_frame(frame: Any, sizes: dict[str, range]) -> None:
    _need(type(frame) is dict and _is_index(frame["code"]) and _is_index(frame["globals"]), "frame")
    _need(frame["code"] in sizes["codes"] and frame["globals"] in sizes["globals"], "frame")
    _check_position(frame["at"])
    if frame["locals"] is not None:
        _check_refs_by_name(frame["locals"], sizes, "locals")
        _bound(len(frame["locals"]), _MAX_LOCALS, "variables in a frame")


def _check_exception(record: Any, sizes: dict[str, range]) -> None:
    _need(type(record) is dict and _is_index(record["type"]) and record["type"] in sizes["types"], "exception")
    _need(type(record["args"]) is list, "exception")
    _check_ref(record["args"], sizes, "exception")
    _check_ref(record.get("notes"), sizes, "exception")
    _check_refs_by_name(record["fields"], sizes, "exception")
    _check_refs_by_name(record["attributes"], sizes, "exception")
    _need(_is_text(record.get("str", "")) and _is_text(record.get("text", "")), "exception")
    _need(type(record.get("children", [])) is list and type(record.get("outer", [])) is list, "exception")
    linked = [*record.get("children", ()), *(record[name] for name in ("cause", "context") if record[name] is not None)]
    _need(all(_is_index(other) and other in sizes["exceptions"] for other in linked), "exception")
    _need(all(_is_index(index) and index in sizes["frames"] for index in record.get("outer", ())), "exception")
    _need(type(record["suppress"]) is bool and type(record["traceback"]) is list, "exception")
    for entry in record["traceback"]:
        _need(type(entry) is list and len(entry) == 2, "traceback")
        if entry[0] == -1:
            _need(_is_index(entry[1]), "traceback")
        else:
            _need(_is_index(entry[0]) and entry[0] in sizes["frames"], "traceback")
            _check_position(entry[1])


def _check_node(node: Any, sizes: dict[str, range]) -> None:
    _need(type(node) is list and node and type(node[0]) is str, "value")
    kind = node[0]
    _need(len(node) in _ARITY.get(kind, ()), f"value of kind {kind[:20]!r}")
    if kind in _CONTAINERS:
        _check_refs(node[2], sizes, kind)
        _need(_is_index(node[1]) and node[1] <= sys.maxsize and len(node[2]) <= node[1] * (2 if kind == "dict" else 1), kind)
    elif kind == "exact":
        _check_exact(node, sizes)
    elif kind in _TEXTS:
        _need(_is_index(node[1]) and node[1] <= sys.maxsize and _is_text(node[2]) and len(node[2]) <= node[1], kind)
    elif kind == "int":
        _need(_is_text(node[1]) and len(node[1]) <= _MAX_DIGITS, kind)
    elif kind == "complex":
        _need(all(type(part) in (int, float) for part in node[1:]), kind)
    elif kind in ("type", "object"):
        _need(_is_index(node[1]) and node[1] in sizes["types"] and (kind == "object" or _are_texts(node[2:] and node[2])), kind)
        if kind == "object":
            _check_stand_in(node, sizes)
    elif kind == "module":
        _need(_is_text(node[1]) and _are_texts(node[2:] and node[2]), kind)
    elif kind == "function":
        _need(_are_texts(node[1:4]) and _is_index(node[4]), kind)
    elif kind == "redacted":
        _need(_is_text(node[1]), kind)
    elif kind == "exception":
        _need(_is_index(node[1]) and node[1] in sizes["exceptions"], kind)
    elif kind == "live":
        _need(_is_index(node[1]), kind)
        _check_ref(node[2], sizes, kind)


def _check_exact(node: list[Any], sizes: dict[str, range]) -> None:
    kind, refs = node[1:]
    _need(type(kind) is str and kind in EXACT, "exact value")
    _check_refs(refs, sizes, kind)
    if kind in _PARTS:
        count, atom, _ = _PARTS[kind]
        _need(len(refs) == count and all(type(ref) in (atom, list) for ref in refs), kind)


def _check_stand_in(node: list[Any], sizes: dict[str, range]) -> None:
    _, _, text, attributes, extra = node
    _need(text is None or type(text) is str, "object")
    if attributes is not None:
        _check_refs_by_name(attributes, sizes, "object")
    if extra is not None:
        _need(type(extra) is dict and _is_index(extra.get("len", 0)) and extra.get("len", 0) <= sys.maxsize, "object")
        _need(_is_index(extra.get("address", 0)) and _are_texts(extra.get("dir", [])), "object")
        _need(_is_text(extra.get("why", "")) and _is_text(extra.get("str", "")), "object")
        for name in ("items", "pairs"):
            _check_refs(extra.get(name, []), sizes, "object")


# What is shared in a report unfolds when it is hashed, compared or shown: a few lines of data can stand for any amount of work.


def _indexes(refs: Iterable[Any]) -> list[int]:
    return [ref[0] for ref in refs if type(ref) is list]


def _parts_of(node: list[Any]) -> list[int]:
    return _indexes(node[2:] if node[0] == "live" else node[2])


def _measure_keys(nodes: list[Any]) -> None:
    """Bounds what hashing the keys of dicts and the elements of sets takes."""
    needs = {index: _parts_of(node) for index, node in enumerate(nodes) if node[0] in _MADE_OF_PARTS}
    cost: dict[int, int] = {}
    depth: dict[int, int] = {}
    for index in _in_order(needs, lambda at: needs.get(at, ())):
        node = nodes[index]
        if index not in needs:
            cost[index] = 1 + (len(node[1]) // 16 if node[0] == "int" else len(node[2]) // 64 if node[0] in _TEXTS else 0)
            depth[index] = 0
            continue
        _need(all(part in cost for part in needs[index]), f"{node[0]} that holds itself")
        cost[index] = 1 + len(node[2] if node[0] != "live" else ()) + sum([cost[part] for part in needs[index]])
        depth[index] = 1 + max([depth[part] for part in needs[index]], default=0)
        if node[0] == "exact" and node[1] in _PARTS:
            allowed = _PARTS[node[1]][2]
            _need(all(nodes[part][0] in allowed for part in needs[index]), node[1])
            digits = max([len(nodes[part][1]) for part in needs[index] if nodes[part][0] == "int"], default=0)
            _bound(digits if node[1] == "Fraction" else 0, _MAX_FRACTION, "digits in a fraction")
    total = 0
    for node in nodes:
        for index in _keys_of(node):
            _bound(depth.get(index, 0), _MAX_KEY_DEPTH, "levels in a key")
            total += cost.get(index) or 1 + (len(nodes[index][1]) // 16 if nodes[index][0] == "int" else _text_cost(nodes[index]))
    _bound(total, _MAX_KEYS, "values in keys")


def _text_cost(node: list[Any]) -> int:
    return len(node[2]) // 64 if node[0] in _TEXTS else 0


def _keys_of(node: list[Any]) -> list[int]:
    kind = node[0]
    if kind == "dict":
        return _indexes(node[2][::2])
    if kind in ("set", "frozenset"):
        return _indexes(node[2])
    if kind == "object" and node[4] and "pairs" in node[4]:
        return _indexes(node[4]["pairs"][::2])
    return []


def _measure_messages(report: dict[str, Any]) -> None:
    """Bounds what str() of an exception takes: it shows the arguments with all that they hold."""
    nodes = report["values"]

    def needs(at: int) -> list[int]:
        return _indexes(nodes[at][2]) if nodes[at][0] in _CONTAINERS or nodes[at][0] == "exact" else []

    roots = {record["args"][0]: None for record in report["exceptions"]}
    for record in report["exceptions"]:
        roots.update(dict.fromkeys(_indexes([record.get("notes"), *record["fields"].values()])))
    sizes: dict[int, int] = {}
    for index in _in_order(roots, needs):
        sizes[index] = 1 + sum([sizes.get(part, 1) for part in needs(index)])
        _bound(sizes[index], _MAX_UNFOLDED, "values in a message")


def _measure_groups(exceptions: list[Any]) -> None:

    def children(at: int) -> list[int]:
        return exceptions[at].get("children", [])  # type: ignore[no-any-return]  # checked before

    sizes: dict[int, int] = {}
    for index in _in_order(range(len(exceptions)), children):
        sizes[index] = 1 + sum([sizes.get(child, 1) for child in children(index)])
        _bound(sizes[index], _MAX_CHILDREN, "exceptions in a group")


def _measure_frames(report: dict[str, Any]) -> None:
    """Bounds how many frames are made, with how many variables, by how many different templates (see _restore)."""
    frames, codes = report["frames"], report["codes"]
    variables: list[int] = []
    shapes: dict[Any, int] = {}
    total = 0
    for frame in frames:
        local, names = frame["locals"] or {}, codes[frame["code"]]["names"]
        variables.append(1 + len(local) + len(names))
        total += variables[-1]
        _bound(total, _MAX_STORES, "variables")
        if variables[-1] > 1:
            missing = tuple([at for at, name in enumerate(names) if name not in local])
            shapes[len(local), missing] = variables[-1]
            _bound(len(shapes), _MAX_SHAPES // 10, "kinds of frames")
    _bound(sum(shapes.values()), _MAX_SHAPES, "variables in frames of different kinds")
    used = [index for record in report["exceptions"] for index in (*record.get("outer", ()), *(entry[0] for entry in record["traceback"]))]
    _bound(len(used), _MAX_ENTRIES, "frames")
    _bound(sum([variables[index] for index in used if index >= 0]), _MAX_STORES, "variables in frames")
    for record in report["exceptions"]:
        for _, entries in groupby(record["traceback"], lambda entry: entry[0]):
            _bound(len({tuple(place) if type(place) is list else place for _, place in entries}), _MAX_PLACES, "places in one frame")
