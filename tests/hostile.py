"""Dumps that nobody's capture wrote: each tries to run something, to take any time or memory, or to crash the interpreter.

As a script, `python hostile.py` reads each as keeptrace.load does, in a process of its own, shows it, and tells what happened. An audit
hook ends the process when reading does what it must not: import what the data names, run code that is not the restorer's, open a file for
writing, connect, start a process. Memory is bounded by the operating system.
"""

from __future__ import annotations

import copy
import functools
import gzip
import json
import linecache
import os
import pickle
import resource
import sys
import time
import traceback
import zlib
from collections.abc import Callable
from typing import Any

import keeptrace
from keeptrace import Options
from keeptrace.capture.capture import capture
from keeptrace.format.writing import BOOT

SECONDS = 5.0
MEGABYTES = 500
CASES: dict[str, Callable[[], bytes]] = {}
HEADER = json.dumps(
    {
        "keeptrace": 1,
        "type": "ValueError",
        "message": "hostile",
        "where": "x.py:1 in f",
        "time": 1.0,
    }
)


def _failing() -> dict[str, Any]:
    def fail(number: int, text: str) -> None:
        values = [1, {"a": (2, 3)}]
        raise ValueError(text)

    try:
        fail(1, "hostile")
    except ValueError as exc:
        exc.__traceback__ = exc.__traceback__.tb_next  # type: ignore[union-attr]
        return json.loads(json.dumps(dict(capture(exc, Options(include_source=False)))))  # type: ignore[no-any-return]
    raise AssertionError


@functools.cache
def _base() -> dict[str, Any]:
    return _failing()


def fresh() -> dict[str, Any]:
    """A report that is as it should be, to be spoilt."""
    return copy.deepcopy(_base())


def fail(number: int, text: str = "hostile") -> None:
    local = {"numbers": [number, number + 1]}
    raise ValueError(text)


def dumped() -> bytes:
    """A dump as keeptrace.dumps makes it."""
    try:
        fail(1)
    except ValueError as exc:
        return keeptrace.dumps(exc)
    raise AssertionError


@functools.cache
def reports() -> list[dict[str, Any]]:
    """Reports of several shapes, to be changed at random."""

    def plain() -> None:
        local = {
            "list": [1, 2.5, None],
            "tuple": (1, (2,)),
            "set": {1, "a"},
            "big": 1 << 80,
            "bytes": b"ab",
            "type": int,
            "len": len,
            "module": json,
        }
        raise KeyError(local)

    def chained() -> None:
        try:
            plain()
        except KeyError as exc:
            raise OSError(2, "absent", "/x") from exc

    def grouped() -> None:
        raise ExceptionGroup(
            "several", [ValueError(1), UnicodeDecodeError("utf-8", b"abc", 0, 1, "bad")]
        )

    def recursive(depth: int) -> None:
        if not depth:
            import datetime
            import decimal
            import fractions
            import pathlib
            import uuid

            exact = (
                decimal.Decimal("1.5"),
                fractions.Fraction(1, 3),
                uuid.UUID(int=5),
                pathlib.Path("/x"),
                datetime.datetime(2020, 1, 1),
                range(3),
                slice(1),
            )
            exact[0].nothing  # type: ignore[attr-defined]
        recursive(depth - 1)

    every = (
        plain,
        chained,
        grouped,
        lambda: recursive(3),
        lambda: exec("class A:\n x = 1\n 1/0\n"),
    )
    return [report_of(fail) for fail in every]


def report_of(fail: Callable[[], object], *notes: str) -> dict[str, Any]:
    """The report of what a function raises, as data. This frame holds no report of another."""
    try:
        fail()
    except Exception as exc:
        for note in notes:
            exc.add_note(note)
        plain = {**capture(exc, Options(include_source=False)), "sources": {}}
        return json.loads(json.dumps(plain))  # type: ignore[no-any-return]
    raise AssertionError


class Boot:
    def __init__(self, names: Any, boot: Any = BOOT, function: Any = eval) -> None:
        self.parts = function, (boot, names)

    def __reduce__(self) -> Any:
        return self.parts


def payload_of(report: Any, **parts: Any) -> dict[str, Any]:
    body = (
        {name: part for name, part in report.items() if name not in ("sources", "live")}
        if isinstance(report, dict)
        else report
    )
    packed = body if isinstance(body, bytes) else zlib.compress(json.dumps(body).encode(), 1)
    sources = report.get("sources", {}) if isinstance(report, dict) else {}
    live = report.get("live") if isinstance(report, dict) else None
    return {
        "header": HEADER,
        "kind": "exception",
        "body": packed,
        "sources": sources,
        "live": live,
        **parts,
    }


def packed(report: Any, **parts: Any) -> bytes:
    return pickle.dumps(
        Boot({"payload": payload_of(report, **parts), "name": "_keeptrace_x", "restorer": b""}), 4
    )


def case(function: Callable[[], bytes]) -> Callable[[], bytes]:
    CASES[function.__name__] = function
    return function


def spoilt(name: str) -> Callable[[Callable[[dict[str, Any]], Any]], Any]:
    """A case that changes a report; what it returns, if anything, takes the report's place."""

    def add(spoil: Callable[[dict[str, Any]], Any]) -> Any:
        def make() -> bytes:
            report = fresh()
            return packed(spoil(report) or report)

        CASES[name] = make
        return spoil

    return add


def value(report: dict[str, Any], *nodes: Any) -> int:
    """Appends nodes, and shows the first as a variable."""
    index = len(report["values"])
    report["values"] += nodes
    report["frames"][0]["locals"]["evil"] = [index]
    return index


def no_arguments(report: dict[str, Any]) -> None:
    report["codes"][0].update(args=[0, 0, 0], names=[])


# -- the pickle around it


@case
def os_system() -> bytes:
    return pickle.dumps(Boot({}, "touch /tmp/keeptrace-was-here", os.system))


@case
def another_boot() -> bytes:
    names = {"payload": payload_of(fresh()), "name": "x", "restorer": b""}
    return pickle.dumps(
        Boot(names, BOOT.replace("module.boot", "__import__('os').getcwd() or module.boot"))
    )


@case
def exec_instead_of_eval() -> bytes:
    return pickle.dumps(
        Boot({"payload": payload_of(fresh()), "name": "x", "restorer": b""}, BOOT, exec)
    )


@case
def a_global_inside() -> bytes:
    return packed(fresh(), extra=os.getcwd)


@case
def a_class_inside() -> bytes:
    return packed(fresh(), extra=functools.partial(print, 1))


@case
def memo_bomb() -> bytes:
    return b"\x80\x04" + b"Kr" + (1 << 31).to_bytes(4, "little") + b"." + packed(fresh())


@case
def memo_bomb_as_text() -> bytes:
    return b"\x80\x02]p" + b"9" * 4000 + b"\n."


@case
def memo_negative() -> bytes:
    return b"\x80\x02}p-1\n."


@case
def number_of_a_million_digits() -> bytes:
    return b"\x80\x02I" + b"9" * 1_000_000 + b"\n."


@case
def fake_length_of_bytes() -> bytes:
    return b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"abc."


@case
def fake_length_of_text() -> bytes:
    return b"\x80\x04X" + (0xFFFFFFF0).to_bytes(4, "little") + b"abc."


@case
def fake_frame() -> bytes:
    return b"\x80\x04\x95" + (1 << 62).to_bytes(8, "little") + b"}."


@case
def fake_long() -> bytes:
    return b"\x80\x02\x8b" + (0x7FFFFFF0).to_bytes(4, "little") + b"1."


@case
def many_opcodes() -> bytes:
    return b"\x80\x04" + b"}0" * 5_000_000 + b"."


@case
def deep_pickle() -> bytes:
    return b"\x80\x04" + b"(" * 10_000 + b"}" + b"t" * 9_000 + b"."


@case
def recursive_pickle() -> bytes:
    return b"\x80\x04}\x94\x8c\x07payloadh\x00s."


@case
def persistent_id() -> bytes:
    return b"\x80\x04Pos.system\n."


@case
def extension_code() -> bytes:
    return b"\x80\x02\x82\x01."


@case
def gzip_bomb() -> bytes:
    return gzip.compress(b"\0" * 70_000_000, 1)


@case
def header_of_megabytes() -> bytes:
    return packed(fresh(), header="[" * 30_000_000)


@case
def header_is_no_dict() -> bytes:
    return packed(fresh(), header="[1]")


@case
def newer_format() -> bytes:
    return packed(fresh(), header=HEADER.replace('"keeptrace": 1', '"keeptrace": 99'))


@case
def wrong_parts() -> bytes:
    return packed(fresh(), body="no bytes", sources=[])


# -- the JSON in it


@case
def body_bomb() -> bytes:
    return packed(zlib.compress(b" " * 70_000_000, 1))


@case
def body_of_lists() -> bytes:
    return packed(zlib.compress(b'{"exceptions":[' + b"[]," * 15_000_000 + b"[]]}", 1))


@case
def body_of_numbers() -> bytes:
    return packed(zlib.compress(b'{"exceptions":[' + b"1.5," * 15_000_000 + b"1]}", 1))


@case
def body_of_one_text() -> bytes:
    return packed(
        zlib.compress(b'{"exceptions":["' + b"\\ud83d\\ude00" + b"a" * 66_000_000 + b'"]}', 1)
    )


@case
def body_of_escapes() -> bytes:
    return packed(zlib.compress(b'{"exceptions":["' + b'\\"' * 10_000_000, 1))


@case
def deep_json() -> bytes:
    return packed(zlib.compress(b"[" * 30_000_000, 1))


@case
def deep_json_closed() -> bytes:
    return packed(zlib.compress(b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000, 1))


@case
def json_list() -> bytes:
    return packed(zlib.compress(b"[1,2]"))


@spoilt("not_ascii")
def _(report: Any) -> Any:
    return zlib.compress(json.dumps(report, ensure_ascii=False).encode("utf-16"))


# -- the report

for _table in ("exceptions", "frames", "codes", "globals", "types", "values", "cuts"):
    for _name, _replacement in (
        ("absent", ...),
        ("null", None),
        ("text", "x"),
        ("empty", []),
        ("number", -1),
        ("of nulls", [None]),
    ):

        def _spoil(report: Any, table: str = _table, replacement: Any = _replacement) -> Any:
            if replacement is ...:
                del report[table]
            else:
                report[table] = replacement

        spoilt(f"{_table} {_name}")(_spoil)


@spoilt("loader_in_globals")
def _(report: Any) -> None:
    """linecache asks a namespace's __loader__ for the source: it must not be the data's."""
    report["types"].append(["m", "Loader", []])
    index = value(
        report,
        ["object", len(report["types"]) - 1, None, {}, {}],
        ["function", "builtins", "exec", "exec", 0],
    )
    report["values"][index][3]["get_source"] = [index + 1]
    report["globals"][0].update(
        __name__="import os; os.mkdir('/tmp/keeptrace-was-here')",
        __loader__=[index],
        __spec__=[index],
    )
    report["codes"][0]["file"] = "nowhere.py"


@spoilt("restorer_key_in_locals")
def _(report: Any) -> None:
    index = value(report, ["function", "builtins", "breakpoint", "breakpoint", 0])
    no_arguments(report)
    report["codes"][0]["flags"] = 0
    report["frames"][0]["locals"] = {"<keeptrace>": [index]}
    report["globals"][0]["<keeptrace>"] = [index]


@spoilt("builtins_in_globals")
def _(report: Any) -> None:
    report["globals"][0]["__builtins__"] = 7


@spoilt("dangerous_functions")
def _(report: Any) -> None:
    for at, name in enumerate(
        ("exec", "eval", "__import__", "open", "input", "breakpoint", "compile")
    ):
        report["values"].append(["function", "builtins", name, name, 0])
        report["frames"][0]["locals"][f"v{at}"] = [len(report["values"]) - 1]
    report["exceptions"][0]["attributes"]["_render_traceback_"] = [len(report["values"]) - 1]
    report["frames"][0]["locals"]["__tracebackhide__"] = [len(report["values"]) - 2]


@spoilt("modules_and_types")
def _(report: Any) -> None:
    report["types"] += [["antigravity", "X", [0]], ["os", "system", []]]
    value(
        report,
        ["module", "antigravity"],
        ["type", 1],
        ["type", len(report["types"]) - 1],
        ["function", "os", "system", "system", 0],
    )
    report["exceptions"][0]["type"] = len(report["types"]) - 2


@spoilt("hundred_thousand_frames")
def _(report: Any) -> None:
    no_arguments(report)
    report["frames"] = [{**report["frames"][0], "locals": {}} for _ in range(100_000)]
    report["exceptions"][0]["traceback"] = [[at, [1, 1, 1, 2]] for at in range(100_000)]


@spoilt("thirty_thousand_module_frames")
def _(report: Any) -> None:
    no_arguments(report)
    report["codes"][0]["flags"] = 0
    report["frames"] = [{**report["frames"][0], "locals": None} for _ in range(30_000)]
    report["exceptions"][0]["traceback"] = [[at, [1, 1, 1, 2]] for at in range(30_000)]


@spoilt("fifty_thousand_locals")
def _(report: Any) -> None:
    report["frames"][0]["locals"].update({f"v{at}": at for at in range(50_000)})


@spoilt("frames_of_every_size")
def _(report: Any) -> None:
    no_arguments(report)
    report["frames"] = [
        {**report["frames"][0], "locals": {f"v{at}": at for at in range(size)}}
        for size in range(700)
    ]
    report["exceptions"][0]["traceback"] = [[at, [1, 1, 1, 2]] for at in range(700)]


@spoilt("shared_names")
def _(report: Any) -> None:
    report["codes"][0]["names"] = [f"v{at}" for at in range(20_000)]
    report["frames"] = [{**report["frames"][0], "locals": {"x": at}} for at in range(4_000)]
    report["exceptions"][0]["traceback"] = [[at, [1, 1, 1, 2]] for at in range(4_000)]


@spoilt("one_frame_again_and_again")
def _(report: Any) -> None:
    report["frames"][0]["locals"].update({f"v{at}": at for at in range(15_000)})
    report["frames"].append({**report["frames"][0], "locals": {}})
    report["exceptions"][0]["traceback"] = [[at % 2, [1, 1, 1, 2]] for at in range(90_000)]


@spoilt("one_frame_at_every_line")
def _(report: Any) -> None:
    report["exceptions"][0]["traceback"] = [[0, [at, at, 1, 2]] for at in range(30_000)]


@spoilt("frames_left_out")
def _(report: Any) -> None:
    report["exceptions"][0]["traceback"] = [[-1, 10**300], [0, [1, 1, 1, 2]], [-1, 0]]


@spoilt("huge_positions")
def _(report: Any) -> None:
    huge = (1 << 31) - 1
    report["exceptions"][0]["traceback"] = [
        [0, [1, huge, 0, huge]],
        [0, [huge, huge, huge, huge]],
        [0, [5, 4, 9, 1]],
    ]
    report["codes"][0]["line"] = huge
    report["codes"][0]["file"] = __file__


for _bad in (
    [-1, -1, -1, -1],
    [1 << 40, 1, 1, 1],
    [1.5, 1, 1, 1],
    ["1", 1, 1, 1],
    [1],
    [None] * 4,
    [True, 1, 1, 1],
):

    def _position(report: Any, bad: Any = _bad) -> None:
        report["exceptions"][0]["traceback"] = [[0, bad]]
        report["frames"][0]["at"] = bad

    spoilt(f"position {_bad}")(_position)

for _flags in (0x20, 0x80, 0x100, 0x200, 0x2AF, 0x7FFFFFFF, 0x0C, 3 | 0x20000000):

    def _with_flags(report: Any, flags: int = _flags) -> None:
        report["codes"][0]["flags"] = flags

    spoilt(f"flags {_flags:#x}")(_with_flags)

for _arguments in (
    [0, 99, 0],
    [5, 1, 0],
    [0, 0, 99],
    [-1, 0, 0],
    [1 << 70, 1 << 70, 0],
    [0, 2],
    "abc",
):

    def _with_arguments(report: Any, arguments: Any = _arguments) -> None:
        report["codes"][0].update(args=arguments, flags=0x0F)

    spoilt(f"argument counts {_arguments}")(_with_arguments)

for _names in (
    ["a", "a"],
    ["a\0b", ""],
    ["\ud800"],
    ["x" * 1_000_000],
    [1],
    None,
    ["number", "text"] * 3,
):

    def _with_names(report: Any, names: Any = _names) -> None:
        report["codes"][0]["names"] = names
        report["codes"][0]["args"] = [0, len(names or ()), 0]

    spoilt(f"argument names {str(_names)[:20]!r}")(_with_names)


@spoilt("names_with_nul")
def _(report: Any) -> None:
    report["types"] += [["m\0", "C\0", []], ["m", "E\0rror", [0]]]
    value(report, ["object", len(report["types"]) - 2, "x", {"a\0": 1, "": 2}, {}])
    report["codes"][0].update(name="f\0", qualname="\0")
    report["exceptions"][0]["type"] = len(report["types"]) - 1


@spoilt("file_with_nul")
def _(report: Any) -> None:
    report["codes"][0]["file"] = "a\0b"


@spoilt("endless_file")
def _(report: Any) -> None:
    report["codes"][0]["file"] = "/dev/zero"


for _kind in ("unknown", "", "live2", "\0"):

    def _of_kind(report: Any, kind: str = _kind) -> None:
        value(report, [kind, 1, []])

    spoilt(f"node of kind {_kind!r}")(_of_kind)

for _node in (
    [], None, 5, [5, 5, 5], ["list", -1, []], ["list", 1 << 70, []], ["list", 1, [1, 2, 3]], ["dict", 1, [1]], ["dict", 2, [[9999], 1]], ["str", 1 << 70, "x"],
    ["bytes", 1, "\u1234"], ["bytes", 2, "x"], ["int", "zz"], ["int", "f" * 90_000], ["int", "0x" + "f" * 90_000], ["int", "0x" + "f" * 200_000], ["complex", "1", {}], ["type", -1], ["type", 10**9],
    ["type", 0, [1]], ["module", []], ["function", "builtins", "x", "y", "z"], ["function", 1, 2, 3, 4], ["exception", 7], ["exception", -1],
    ["object", 0, 1, {}, {}], ["object", 0, None, {"a": [1, 2]}, {}], ["object", 0, None, None, {"len": -1}], ["object", 0, None, None, {"len": 1 << 62}],
    ["object", 0, None, None, {"dir": 5}], ["object", 0, None, None, {"address": "x"}], ["object", 0, None, {}, {"str": 5, "why": []}],
    ["object", 0, None, None, {"items": 5}], ["object", 0, None, {"__class__": 5, "__dict__": 6}, {"len": 3}], ["redacted", []], ["live", 0, [0]], ["live", 10**30, None],
    ["set", 2, [{}, 1]], ["tuple", 1, [[-1]]], ["frozenset", 1, [[1.0]]],
):  # fmt: skip

    def _with_node(report: Any, node: Any = _node) -> None:
        value(report, node)

    spoilt(f"node {str(_node)[:60]}")(_with_node)

for _exact in (
    ["range", [1 << 62, -(1 << 62), 0]], ["range", ["x"]], ["slice", []], ["Decimal", ["1e999999999999"]], ["Decimal", ["x"]], ["Decimal", [1.5]],
    ["Fraction", ["1e999999999"]], ["Fraction", [1, 0]], ["Fraction", [1]], ["Fraction", ["1e999999999", 1]], ["UUID", [5]], ["UUID", ["x" * 1_000_000]], ["UUID", []],
    ["datetime", [1]], ["datetime", [99999, 1, 1, 1, 1, 1, 1, None, 0]], ["datetime", [1, 1, 1, 1, 1, 1, 1, None, 10**30]], ["date", ["x"]], ["timedelta", [1e308, 1e308, 1e308]],
    ["timezone", [1]], ["PosixPath", [1]], ["WindowsPath", ["\0" * 1000]], ["Ellipsis", [1]], ["os.system", ["ls"]], ["__import__", ["os"]], [[], []],
):  # fmt: skip

    def _with_exact(report: Any, exact: Any = _exact) -> None:
        value(report, ["exact", *exact])

    spoilt(f"exact {str(_exact)[:60]}")(_with_exact)


@spoilt("billion_laughs")
def _(report: Any) -> None:
    index = len(report["values"])
    value(
        report, *([["list", 10, [[index + at + 1]] * 10] for at in range(60)]), ["list", 1, ["ha"]]
    )


@spoilt("billion_laughs_in_the_message")
def _(report: Any) -> None:
    index = len(report["values"])
    value(
        report, *([["list", 10, [[index + at + 1]] * 10] for at in range(60)]), ["list", 1, ["ha"]]
    )
    report["values"].append(["tuple", 1, [[index]]])
    report["exceptions"][0]["args"] = [len(report["values"]) - 1]


@spoilt("billion_laughs_as_a_key")
def _(report: Any) -> None:
    index = len(report["values"])
    tower = [["tuple", 2, [[index + at + 1]] * 2] for at in range(60)]
    value(report, *tower, ["tuple", 1, ["ha"]], ["dict", 1, [[index], 1]], ["set", 1, [[index]]])


@spoilt("deep_key")
def _(report: Any) -> None:
    index = len(report["values"])
    tower = [["tuple", 1, [[index + at + 1]]] for at in range(30_000)]
    value(report, *tower, ["tuple", 0, []], ["set", 1, [[index]]])


@spoilt("tuple_that_holds_itself")
def _(report: Any) -> None:
    index = len(report["values"])
    value(
        report,
        ["tuple", 1, [[index + 1]]],
        ["tuple", 1, [[index]]],
        ["frozenset", 1, [[index + 2]]],
    )


@spoilt("deep_values")
def _(report: Any) -> None:
    index = len(report["values"])
    kinds = [
        lambda ref: ["list", 1, [ref]],
        lambda ref: ["tuple", 1, [ref]],
        lambda ref: ["object", 0, None, {"a": ref}, {"items": [ref], "len": 1}],
    ]
    value(report, *[kinds[at % 3]([index + at + 1]) for at in range(30_000)], ["list", 0, []])


@spoilt("keys_of_one_hash")
def _(report: Any) -> None:
    keys = [["int", hex((2**61 - 1) * (at + 8))] for at in range(30_000)]
    index = len(report["values"])
    value(report, ["set", len(keys), [[index + 1 + at] for at in range(len(keys))]], *keys)


@spoilt("long_keys")
def _(report: Any) -> None:
    index = len(report["values"])
    keys = [
        ["int", "0x" + "f" * 90_000],
        ["str", 9_000_000, "x" * 9_000_000],
        ["str", 9_000_000, "x" * 9_000_000],
    ]
    value(
        report,
        *keys,
        *[["dict", 2, [[index + at % 2 + 1], 1, [index + 2], 2]] for at in range(20_000)],
    )


@spoilt("long_fractions")
def _(report: Any) -> None:
    index = len(report["values"])
    value(
        report,
        ["int", "0x" + "f" * 90_001],
        ["int", "0x" + "e" * 90_000 + "1"],
        *[["exact", "Fraction", [[index], [index + 1]]] for _ in range(1000)],
    )


@spoilt("long_cut_text")
def _(report: Any) -> None:
    value(report, ["str", 50_000_000, "x" * 10_000_000])


@spoilt("many_values")
def _(report: Any) -> None:
    value(report, *[["object", 0, None, {}, {"len": 1}]] * 60_000)


@spoilt("too_many_values")
def _(report: Any) -> None:
    value(report, *[["redacted", ""]] * 500_001)


@spoilt("classes_with_names")
def _(report: Any) -> None:
    value(report, *[["type", 0, ["a"]]] * 20_000)


@spoilt("chain_of_types")
def _(report: Any) -> None:
    start = len(report["types"])
    report["types"] += [["m", f"E{at}", [start + at - 1 if at else 0]] for at in range(3_000)]
    report["exceptions"][0]["type"] = len(report["types"]) - 1


@spoilt("types_of_each_other")
def _(report: Any) -> None:
    start = len(report["types"])
    report["types"] += [
        ["m", f"E{at}", [start + (at + 1) % 50, start + (at + 7) % 50, 0]] for at in range(50)
    ]
    report["exceptions"][0]["type"] = start


@spoilt("cyclic_causes")
def _(report: Any) -> None:
    report["exceptions"] = [
        {**report["exceptions"][0], "cause": (at + 1) % 3, "context": at} for at in range(3)
    ]


@spoilt("many_causes")
def _(report: Any) -> None:
    report["exceptions"] = [
        {**report["exceptions"][0], "cause": at + 1 if at < 9_999 else 0, "traceback": []}
        for at in range(10_000)
    ]


@spoilt("cyclic_group")
def _(report: Any) -> None:
    report["types"].append(["builtins", "ExceptionGroup", []])
    group = {
        **report["exceptions"][0],
        "type": len(report["types"]) - 1,
        "children": [0, 1],
        "fields": {"message": "m"},
    }
    report["exceptions"] = [group, group]


@spoilt("group_of_the_same_again_and_again")
def _(report: Any) -> None:
    report["types"].append(["builtins", "ExceptionGroup", []])
    group = {
        **report["exceptions"][0],
        "type": len(report["types"]) - 1,
        "fields": {"message": "m"},
    }
    report["exceptions"] = [
        *({**group, "children": [at + 1, at + 1]} for at in range(60)),
        report["exceptions"][0],
    ]


@spoilt("group_that_is_none")
def _(report: Any) -> None:
    report["types"].append(["builtins", "ExceptionGroup", []])
    report["exceptions"][0]["type"] = len(report["types"]) - 1


for _fields in (
    {"object": 5, "start": 0, "end": 1}, {"start": -(10**12), "end": -(10**12) + 1}, {"start": 10**30}, {"start": 10**12, "end": 10**12 + 1}, {"reason": [0]}, {"encoding": None},
):  # fmt: skip

    def _unicode(report: Any, fields: Any = _fields) -> None:
        report["types"].append(["builtins", "UnicodeDecodeError", []])
        bytes_ = value(report, ["bytes", 3, "abc"])
        report["exceptions"][0].update(
            type=len(report["types"]) - 1,
            fields={
                "object": [bytes_],
                "start": 0,
                "end": 1,
                "encoding": "u",
                "reason": "r",
                **fields,
            },
        )

    spoilt(f"unicode error {_fields}")(_unicode)

for _builtin in (
    "OSError",
    "SyntaxError",
    "ImportError",
    "StopIteration",
    "SystemExit",
    "AttributeError",
    "NameError",
    "KeyError",
    "BaseExceptionGroup",
    "type",
    "object",
    "print",
):

    def _odd_fields(report: Any, builtin: str = _builtin) -> None:
        report["types"].append(["builtins", builtin, []])
        names = (
            "errno",
            "strerror",
            "filename",
            "lineno",
            "offset",
            "text",
            "end_lineno",
            "end_offset",
            "msg",
            "print_file_and_line",
            "name",
            "obj",
            "_metadata",
            "value",
        )
        report["exceptions"][0].update(
            type=len(report["types"]) - 1, fields={name: -(10**15) for name in names}
        )
        report["exceptions"][0]["attributes"] = {
            "__suppress_context__": "x",
            "args": 5,
            "__class__": 6,
            "__notes__": 7,
            "errno": {}.get(1),
            "__traceback__": 1,
        }

    spoilt(f"odd fields of {_builtin}")(_odd_fields)


@spoilt("notes_of_anything")
def _(report: Any) -> None:
    report["exceptions"][0]["notes"] = 5
    report["exceptions"][0]["args"] = [report["exceptions"][0]["args"][0]]
    report["values"][report["exceptions"][0]["args"][0]] = ["str", 1, "x"]


# -- sources


@spoilt("sources_bomb")
def _(report: Any) -> None:
    one = zlib.compress(b"x\n" * 16_000_000, 1)
    report["sources"] = {f"f{at}.py": one for at in range(50)}


@spoilt("source_of_a_live_module")
def _(report: Any) -> None:
    report["sources"] = {
        json.__file__: zlib.compress(b"forged\n"),
        "<frozen importlib._bootstrap>": zlib.compress(b"forged\n"),
        "<string>": zlib.compress(b"forged\n"),
    }
    report["codes"][0]["file"] = json.__file__


@spoilt("damaged_source")
def _(report: Any) -> None:
    report["codes"][0]["file"] = "absent.py"
    report["sources"] = {"absent.py": b"no zlib"}


@spoilt("sources_of_odd_names")
def _(report: Any) -> None:
    report["sources"] = {
        "\0": zlib.compress(b"x"),
        "": zlib.compress(b"y"),
        "\ud800": zlib.compress(b"z"),
    }


@spoilt("live_pickle")
def _(report: Any) -> None:
    value(report, ["live", 0, [0]])
    report["live"] = b"cos\nsystem\n(S'touch /tmp/keeptrace-was-here'\ntR."


# -- reading one, under watch

_FORBIDDEN = (
    "os.system",
    "subprocess.",
    "socket.",
    "os.exec",
    "os.fork",
    "os.spawn",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "shutil.",
    "ctypes.",
    "builtins.input",
    "builtins.breakpoint",
)
# What reading and showing need of the standard library, when such values turn up.
_IMPORTS = frozenset(sys.stdlib_module_names) - {"antigravity", "this", "idlelib", "turtle"}


def is_forbidden(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether reading must not do this."""
    if event == "import":
        return arguments[0].partition(".")[0] not in _IMPORTS | {"keeptrace"}
    if event == "open":
        return isinstance(arguments[1], str) and arguments[1].strip("rbtU") != ""
    if event == "exec":
        code = arguments[0]
        ours = all(name == "<keeptrace>" for name in code.co_names)
        return not ours and not code.co_filename.startswith((sys.base_prefix, "<frozen"))
    return event.startswith(_FORBIDDEN)


_is_over = False


def end_watch() -> None:
    """Ends the watch, just before the process exits: what measures tests writes its data then."""
    global _is_over
    _is_over = True


def is_over() -> bool:
    return _is_over


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Ends the process that reads, as an audit hook, if it does what reading must not."""
    if not _is_over and is_forbidden(event, arguments):
        end_watch()
        os.write(2, f"forbidden: {event} {arguments}\n".encode("utf-8", "replace"))
        os._exit(99)


def read(name: str) -> tuple[float, str]:
    """Reads one and shows it, under watch: processor seconds of the reading, and what came of it."""
    data = CASES[name]()
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    limit = used + (MEGABYTES << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sys.addaudithook(watch)
    started = time.process_time()
    exc = None
    try:
        exc = keeptrace.loads(data)
    except keeptrace.DumpError as problem:
        assert len(str(problem)) < 2_000
        outcome = f"DumpError: {problem}" + (
            " (salvaged)" if problem.salvaged.get("message") == "hostile" else ""
        )
    took = time.process_time() - started
    if exc is None:
        return took, outcome
    outcome = f"{type(exc).__name__}"
    try:
        shown = "".join(traceback.format_exception(exc, limit=1000))
        outcome += f" of {len(shown)} characters"
    except (
        Exception
    ) as problem:  # what is shown of a forged exception may fail, as it may for a user's own
        outcome += f", showing it raised {type(problem).__name__}"
    for file in (json.__file__, "<string>", "<frozen importlib._bootstrap>"):
        assert "forged" not in "".join(linecache.getlines(file)), file
    if exc.__traceback__ is not None:
        frame = exc.__traceback__.tb_frame
        assert "<keeptrace>" not in frame.f_locals and "<keeptrace>" not in frame.f_globals
    return took, outcome


def in_a_fork(name: str) -> dict[str, Any]:
    """What reading one does to a process of its own."""
    began = time.time()
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(ours)
        resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
        os.dup2(theirs, 2)
        status = 97
        try:
            took, outcome = read(name)
            os.write(theirs, json.dumps([took, outcome[:1000]]).encode())
            del outcome
            status = 0
        except BaseException as problem:
            os.write(
                theirs, f"{type(problem).__name__}: {problem}".encode("utf-8", "replace")[:1000]
            )
        finally:
            end_watch()
            os._exit(status)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    took, outcome = json.loads(said) if not code else (0.0, said)
    return {
        "name": name,
        "code": code,
        "seconds": took,
        "outcome": outcome,
        "wall": time.time() - began,
    }


def main() -> None:
    """Reads all, or those that are named; one line of JSON each."""
    import datetime, decimal, fractions, pathlib, uuid  # noqa: E401, F401, I001  # so that little is imported under watch

    traceback.format_exception(keeptrace.loads(packed(fresh())))  # on 3.15 printing imports more
    linecache.getlines(json.__file__)
    for name in sys.argv[1:] or CASES:
        print(json.dumps(in_a_fork(name)), flush=True)


if __name__ == "__main__":
    main()
