"""Report → bytes: the layout of a dump.

A dump is a pickle of a call. So any Python restores a dump without keeptrace, and without the
modules of the writing program:

    builtins.eval(BOOT, {"payload": {"header": JSON text, "kind": …,
                                     "body": zlib of the report as JSON,
                                     "sources": {file: zlib}, "live": pickle or None},
                         "name": …, "restorer": zlib of the source of restore/})

The header comes first, and names the failure and its place, even in a truncated dump. There are two
ways to read a dump:
- Plain pickle.load evaluates BOOT. BOOT loads the restorer once per process, under a name made of
  the restorer's hash.
- decode() of format/reading.py runs no code of the dump.
"""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ..core.bounds import MAX_DUMP, MAX_PARTS, MAX_SHORT_TEXT
from ..core.clock import now
from ..core.digest import digest
from ..core.nodes import exception_of, kind_of
from ..core.report import FORMAT, OF_SNAPSHOTS, ExceptionRecord, Ref, Report, bare_record
from .fitting import REASON, fit
from .traveller import restorer as _restorer

# sys.modules gets the module once it is whole: another thread may load a dump meanwhile.
BOOT: Final = (
    "[modules := __import__('sys').modules, "
    "name in modules or [module := __import__('types').ModuleType(name), "
    "exec(__import__('zlib').decompress(restorer), module.__dict__), "
    "modules.setdefault(name, module)], "
    "module := modules[name], module.boot(payload)][-1]"
)
# Before: two threads at once could meet a half-made module.
_FIRST_BOOT: Final = (
    "[module := __import__('sys').modules.setdefault(name, __import__('types').ModuleType(name)), "
    "hasattr(module, 'boot') or exec(__import__('zlib').decompress(restorer), module.__dict__), "
    "module.boot(payload)][-1]"
)
# Every BOOT that was ever written.
BOOTS: Final = frozenset({BOOT, _FIRST_BOOT})
MARK: Final = '{"keeptrace":'

# What plain pickle.load of a dump gives.
RESULT_KINDS: Final = ("exception", "exc_info", "traceback")

# Parts of the report that travel beside the body, because they are bytes.
_BESIDE: Final = ("sources", "live")
# Room for the header and the restorer. (bytes)
_REST: Final = 1 << 20

# A report has no cycles: its tables refer by index.
_to_json: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Carrier:
    """Pickles as the call described in the module's docstring."""

    def __init__(self, payload: dict[str, Any], restorer: bool) -> None:
        self._payload = payload
        self._restorer = restorer

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._restorer:
            return eval, (BOOT, {"payload": self._payload})
        name, restorer = _restorer(self._payload["live"] is not None)
        return eval, (BOOT, {"payload": self._payload, "name": name, "restorer": restorer})


def carrier(report: Report, kind: str = "exception", restorer: bool = True) -> Carrier:
    """An object that pickles as a dump, with any protocol from 2 on.

    restorer: let the restorer travel along. Without the restorer the dump is some 15 kB smaller,
        and only keeptrace reads it.
    """
    fit(report)
    body = _body(report)
    if not _is_readable(body):
        body = _shrunk(report)
    if REASON in report["cuts"]:
        report = _checked(report)
        body = _body(report)
    packed = zlib.compress(body.encode(), 6)
    _drop_extras(report, MAX_DUMP - len(packed) - _REST)
    payload = {
        "header": _to_json(_header(report)),
        "kind": kind,
        "body": packed,
        "sources": report["sources"],
        "live": report["live"],
    }
    return Carrier(payload, restorer)


def _shrunk(report: Report) -> str:
    """The body of the report, which is cut until readers accept it."""
    from .shrinking import STEPS, shrink  # few reports are as large

    body = ""
    for step in STEPS:
        shrink(report, step)
        fit(report)
        body = _body(report)
        if _is_readable(body):
            break
    return body


def _checked(report: Report) -> Report:
    """The report that was cut; if a reader would refuse the report, the exception's type alone."""
    from .checking import check

    try:
        check(report)
    except ValueError as problem:  # law 1: a defect of keeptrace must not cost the user's error
        return _bare(report, problem)
    return report


def _bare(report: Report, problem: ValueError) -> Report:
    """A report with the exception's type, and with the reason for keeping nothing else."""
    kept = _bare_types(report["types"], report["exceptions"][0]["type"])
    bare: Any = dict(report)
    bare.update(
        exceptions=[bare_record(f"keeptrace: the report is beyond the {REASON}: {problem}")],
        frames=[],
        codes=[],
        globals=[],
        types=kept,
        values=[["tuple", 0, []]],
        live=None,
        cuts={**report["cuts"], "fallback": 1},
        process={},
    )
    checked: Report = bare
    return checked


def _bare_types(types: list[Any], index: int) -> list[Any]:
    """A table with the type, below its nearest builtin exception."""
    module, qualname, bases = types[index]
    waiting = list(bases)
    while waiting:
        entry = types[waiting.pop(0)]
        home, name, bases = entry
        if home == "builtins" and name != "object":
            return [[module, qualname, [1]], entry]
        waiting += bases
    return [[module, qualname, []]]


def _body(report: Report) -> str:
    body = {name: part for name, part in report.items() if name not in _BESIDE}
    return _to_json(body)


def _is_readable(body: str) -> bool:
    """Whether a reader accepts the body. format/reading.py counts the same marks, except within
    texts.
    """
    parts = sum([body.count(mark) for mark in (",", "[", "{")])
    return len(body) <= MAX_DUMP and parts <= MAX_PARTS


def _drop_extras(report: Report, most: int) -> None:
    """Drops live objects, and then sources, if the dump would be too large."""
    live = report["live"]
    sources = report["sources"]
    cuts = report["cuts"]
    sizes: dict[str, int] = {}
    for file, packed in sources.items():
        sizes[file] = len(packed) + 4 * len(file)
    size = sum(sizes.values())
    if live is not None and size + len(live) > most:
        report["live"] = None
        cuts["live"] = 1
    for file in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if size <= most:
            break
        size -= sizes[file]
        del sources[file]
        cuts["sources"] = cuts.get("sources", 0) + 1


def encode(report: Report, kind: str = "exception", restorer: bool = True) -> bytes:
    """The report as a dump. restorer: as in carrier()."""
    # Every Python reads protocol 4; protocol 5 would gain nothing here.
    return pickle.dumps(carrier(report, kind, restorer), 4)


def _header(report: Report) -> dict[str, Any]:
    import os

    root = report["exceptions"][0]
    module, name, _ = report["types"][root["type"]]
    if module != "builtins":
        name = f"{module}.{name}"
    return {
        "keeptrace": FORMAT,
        "type": name[:MAX_SHORT_TEXT],
        "message": _message(report)[:MAX_SHORT_TEXT],
        "where": _where(report)[-MAX_SHORT_TEXT:],
        "time": now(),
        "pid": os.getpid(),
        "host": _host()[:MAX_SHORT_TEXT],
        "python": report["python"],
        "fingerprint": fingerprint_of(report),
    }


def _host() -> str:
    """The name of this machine; empty if the system does not answer at once."""
    import os

    if hasattr(os, "uname"):
        return os.uname().nodename
    return os.environ.get("COMPUTERNAME", "")


def fingerprint_of(report: Report) -> str:
    """The fingerprint of a report's failure."""
    root = report["exceptions"][0]
    module, qualname, _ = report["types"][root["type"]]
    return fingerprint(f"{module}.{qualname}", _places(report))


def fingerprint(root: str, places: Iterable[str]) -> str:
    """16 hexadecimal digits, equal for the same failure; store.py defines sameness.

    root: the exception's type. places: the results of place() for each exception of the chain and
        each entry of the tracebacks.
    """
    told = "\n".join([root, *sorted(set(places))])
    return digest(told.encode("utf-8", "replace"))[:16]


def place(kind: str, file: str, qualname: str, line: int | None, first: int) -> str:
    """One place that a failure passed: the exception's type, the function, the line within it."""
    return f"{kind} {file}:{qualname}+{(line or first) - first}"


def _places(report: Report) -> Iterable[str]:
    for record in _linked(report["exceptions"]):
        module, qualname, _ = report["types"][record["type"]]
        kind = f"{module}.{qualname}"
        if kind in OF_SNAPSHOTS:  # other threads are no part of the failure
            continue
        entries = set()
        for index, position in record["traceback"]:
            if index >= 0:
                frame = report["frames"][index]
                entries.add((frame["code"], position[0]))
        if not entries:
            yield kind
        for code_index, line in entries:
            code = report["codes"][code_index]
            yield place(kind, code["file"], code["qualname"], line, code["line"])


def _linked(records: list[ExceptionRecord]) -> Iterator[ExceptionRecord]:
    """The captured exception and its chain, without exceptions in arguments and attributes: these
    may be other ones each time.
    """
    waiting = [0]
    seen = {0}
    for index in waiting:  # the list grows meanwhile
        record = records[index]
        yield record
        linked = [record["cause"], record["context"], *record.get("children", ())]
        for other in linked:
            if other is not None and other not in seen:
                seen.add(other)
                waiting.append(other)


def _where(report: Report) -> str:
    root = report["exceptions"][0]
    entries = root["traceback"]
    if not entries or entries[-1][0] < 0:
        return _where_syntax(root["fields"])
    index, position = entries[-1]
    frame = report["frames"][index]
    code = report["codes"][frame["code"]]
    return f"{code['file']}:{position[0]} in {code['qualname']}"


def _where_syntax(fields: dict[str, Any]) -> str:
    """The file and line of a SyntaxError; "" for any other exception."""
    file, line = fields.get("filename"), fields.get("lineno")
    if type(file) is str and type(line) is int:
        return f"{file}:{line}"
    return ""


def _message(report: Report) -> str:
    index: int | None = 0
    for _ in report["exceptions"]:  # an exception may be the argument of the next one
        record = report["exceptions"][index or 0]
        if "str" in record:
            return record["str"]
        arguments = report["values"][record["args"][0]][2]
        index = _only_exception(report, arguments)
        if index is None:
            break
    known = [argument for argument in arguments if not isinstance(argument, list)]
    if len(arguments) == 1 and isinstance(arguments[0], str):
        return arguments[0]
    return ", ".join(map(repr, known))


def _only_exception(report: Report, arguments: list[Ref]) -> int | None:
    """The index of an exception that is the only argument."""
    if len(arguments) != 1 or type(arguments[0]) is not list:
        return None
    node = report["values"][arguments[0][0]]
    if kind_of(node) != "exception":
        return None
    return exception_of(node)
