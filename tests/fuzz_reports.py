"""Forged reports, field by field: `python tests/fuzz_reports.py --count 100000` reads so many, each
in every way that a user would.

A report is made from one of a few shapes by changes that know the layout
(keeptrace/core/report.py): builtin exceptions with fields and attributes of every wrong type, nodes
of every kind with odd parts, references to anything, special names, odd files. It is checked and
restored as load() does it, then walked, touched, printed by traceback and by the interpreter's own
printer, copied, pickled, dumped again, shown, served and debugged.

This takes place in batches, in children that may crash: the parent tells the seed and the number of
what crashed a child, took too long, or did what reading must not (hostile.watch), keeps it as
--keep DIR/NAME.json, and goes on after it. Files in tests/data/fuzz are such reports, and a test
reads them: `--file NAME.json` reads one.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import hashlib
import io
import itertools
import json
import marshal
import os
import pdb
import pickle
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import types
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fuzz
import hostile
import rich.cells

import keeptrace
from keeptrace.format.checking import check
from keeptrace.render.data import to_data
from keeptrace.render.model import make_view
from keeptrace.restore.exact import EXACT
from keeptrace.restore.fields import FIELDS
from keeptrace.restore.policy import BUILTINS
from keeptrace.restore.restore import restore
from keeptrace.tools import dap

KEPT = Path(__file__).parent / "data" / "fuzz"
BATCH = 2_500
# Bounds for one report, however it is read: of the processor, and of waiting on a busy machine.
SECONDS = 10
WAITING_SECONDS = 60
MEGABYTES = 1_500
# Ways to read that are slow are tried on one in so many reports.
SELDOM = 50
# Values of one report that everything is tried on.
MOST_TOUCHED = 8

BUILTIN_EXCEPTIONS = sorted(
    name
    for name, found in vars(__import__("builtins")).items()
    if isinstance(found, type) and issubclass(found, BaseException)
)
FIELD_NAMES = sorted({name for names in FIELDS.values() for name in names})
# Modules that a forged report alone names: nothing imports them.
NEVER_IMPORTED = frozenset({"wave", "antigravity", "idlelib"})
# What tools and the interpreter look for.
SPECIAL_NAMES = [
    *("__array_interface__", "__array_struct__", "__array__", "__cuda_array_interface__", "__dlpack__", "__index__", "__fspath__", "__len__"),
    *("__iter__", "__await__", "__class__", "__dict__", "__reduce__", "__reduce_ex__", "__setstate__", "__deepcopy__", "__copy__", "__slots__"),
    *("__getattr__", "__getattribute__", "__eq__", "__hash__", "__bool__", "__repr__", "__str__", "__doc__", "__module__", "__wrapped__"),
    *("__name__", "__qualname__", "__notes__", "__cause__", "__context__", "__traceback__", "__suppress_context__", "__rich__"),
    *("__rich_repr__", "_repr_html_", "_ipython_display_", "_repr_mimebundle_", "_render_traceback_", "_as_parameter_", "args", "exceptions"),
    *("message", "with_traceback", "add_note", "split", "derive", "__tracebackhide__", "__builtins__", "__loader__", "__spec__", "__file__"),
    *("__return__", "__exception__", "__keeptrace_standin__", "__keeptrace_str__", "<keeptrace>", "self", "cls", ".0", "", "\0", "\ud800"),
    *("__traceback_supplement__", "__traceback_info__", "__annotations__", "__annotate__", "__type_params__", "__abstractmethods__"),
]  # fmt: skip
# The file of the shapes' code: views parse it for each report.
SMALL_FILE = str(Path(__file__).with_name("waiting.py"))
FILES = [
    *("/dev/zero", "/dev/tty", "/dev/stdin", "/proc/self/pagemap", "/proc/kmsg", "/proc/self/mem", "../../../../../dev/zero", "/tmp", ""),
    *("//host/share/x.py", "\\\\host\\share\\x.py", "<string>", "<frozen x>", "<stdin>", "<doctest x>", "absent.py", "a\0b", "\ud800.py"),
    *(SMALL_FILE, "x" * 5_000, "/dev/fd/0", "/dev/zero/", "CON", "http://127.0.0.1/x.py", "~", "wave.py"),
    *("/dev/absent/../zero", "/dev/zero/.", "absent/../pipe.py", "<frozen x", "<frozen os>"),
]  # fmt: skip
NUMBERS = [
    0,
    1,
    -1,
    2,
    255,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    -(1 << 31),
    (1 << 63) - 1,
    -(1 << 63),
    10**12,
    -(10**12),
    10**30,
    -(10**30),
]
ODD: list[Any] = [
    *(
        None,
        True,
        False,
        1.5,
        -0.0,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "\0",
        "\ud800",
        "é" * 50,
        "x" * 5_000,
        "\n\x1b[2J\u202e",
    ),
    *(
        [],
        {},
        [0],
        [[0]],
        [-1],
        {"a": 1},
        "builtins",
        "exec",
        "wave",
        "list",
        "object",
        "utf-8",
        "invalid syntax",
        "self",
        "os",
    ),
    *NUMBERS,
]
NAMES = [
    "exec",
    "eval",
    "open",
    "__import__",
    "len",
    "dict.fromkeys",
    "__loader__",
    "type",
    "wave",
    "x",
    "\0",
    "",
    "a.b",
    "\ud800",
]
MODULES = [
    "builtins",
    "os",
    "wave",
    "antigravity",
    "__main__",
    "",
    "\0",
    "json",
    "numpy",
    "a.b.c",
    "\ud800",
    "wave.x",
]


# -- the shapes that are changed


def _raise_syntax_error() -> None:
    compile("a = (1,\nb c", "broken.py", "exec")


def _raise_import_error() -> None:
    from json import nothing  # type: ignore[attr-defined]  # noqa: F401


def _raise_name_error() -> None:
    nothing_of_the_kind  # type: ignore[name-defined]  # noqa: F821


def _raise_attribute_error() -> None:
    class Thing:
        def __init__(self) -> None:
            self.parts = {"a": [1]}
            self.__dict__["__odd__"] = (1, 2)

    self = Thing()
    self.party  # type: ignore[attr-defined]


@functools.cache
def shapes() -> list[dict[str, Any]]:
    """A report of each shape, as data. The first are those that bytes are mutated of, too."""
    found = [{**report, "sources": {}} for report in (*hostile.reports(), hostile.fresh())]
    for fail in (
        _raise_syntax_error,
        _raise_import_error,
        _raise_name_error,
        _raise_attribute_error,
    ):
        found.append(hostile.report_of(fail, "a note"))
    for code in itertools.chain.from_iterable(report["codes"] for report in found):
        code["file"] = SMALL_FILE
    return found


def _fresh() -> dict[str, Any]:
    """The plainest shape, to be changed."""
    report = {**hostile.fresh(), "sources": {}}
    for code in report["codes"]:
        code["file"] = SMALL_FILE
    return report


# -- the changes; each changes a report in place


def _ref(chance: random.Random, report: Any) -> Any:
    """A ref to any value there is, or an atom."""
    if chance.random() < 0.6 and report["values"]:
        return [chance.randrange(len(report["values"]))]
    return copy.deepcopy(chance.choice(ODD))


def _refs(chance: random.Random, report: Any, most: int = 4) -> list[Any]:
    return [_ref(chance, report) for _ in range(chance.randrange(most + 1))]


def _named(chance: random.Random, report: Any) -> dict[str, Any]:
    return {_name(chance): _ref(chance, report) for _ in range(chance.randrange(4))}


def _name(chance: random.Random) -> str:
    return chance.choice(chance.choice((SPECIAL_NAMES, FIELD_NAMES, NAMES)))


def _any_node(chance: random.Random, report: Any) -> list[Any]:
    """A node of any kind, with parts that its kind may have, or nearly."""
    kind = chance.choice(_NODES)
    refs = _refs(chance, report)
    text = chance.choice(["", "abc", "\xff\0", "\ud800", "é€", "x" * 300])
    longer = chance.choice((0, 0, 1, 10**6, sys.maxsize - 400))
    type_index = chance.randrange(len(report["types"]) or 1)
    made: dict[str, Callable[[], list[Any]]] = {
        "dict": lambda: ["dict", len(refs) // 2 + longer, refs[: len(refs) & ~1]],
        "int": lambda: ["int", chance.choice(["0", "-ff", "f" * 5_000, "1" + "0" * 30, "zz", ""])],
        "complex": lambda: [
            "complex",
            chance.choice([1.5, float("nan"), 0]),
            chance.choice([1, float("inf")]),
        ],
        "exact": lambda: ["exact", chance.choice(sorted(EXACT)), refs],
        "type": lambda: ["type", type_index, *([[_name(chance)]] if chance.random() < 0.5 else [])],
        "module": lambda: [
            "module",
            chance.choice(MODULES),
            *([[_name(chance)]] if chance.random() < 0.5 else []),
        ],
        "function": lambda: [
            "function",
            chance.choice(MODULES),
            chance.choice(NAMES),
            chance.choice(NAMES),
            chance.choice([0, 5, 10**15]),
        ],
        "exception": lambda: ["exception", chance.randrange(len(report["exceptions"]) or 1)],
        "object": lambda: _object(chance, report, type_index, refs, longer),
        "redacted": lambda: ["redacted", text],
        "live": lambda: ["live", chance.randrange(3), _ref(chance, report)],
        **{
            name: lambda name=name: [name, len(text) + longer, text]
            for name in ("str", "bytes", "bytearray")
        },  # type: ignore[misc]
        **{
            name: lambda name=name: [name, len(refs) + longer, refs]
            for name in ("list", "tuple", "set", "frozenset")
        },  # type: ignore[misc]
    }
    return made[kind]()


_NODES = [
    "dict",
    "int",
    "complex",
    "exact",
    "type",
    "module",
    "function",
    "exception",
    "object",
    "redacted",
    "live",
    "str",
    "bytes",
]
_NODES += ["bytearray", "list", "tuple", "set", "frozenset", "object", "object"]


def _object(
    chance: random.Random, report: Any, type_index: int, refs: list[Any], longer: int
) -> list[Any]:
    every = {
        "len": len(refs) + longer,
        "items": refs,
        "pairs": refs[: len(refs) & ~1],
        "address": chance.choice([0, 1, 10**15]),
        "dir": [_name(chance) for _ in range(3)],
        "why": "depth",
        "str": chance.choice(["", "told", "\ud800"]),
    }
    extra = {name: every[name] for name in every if chance.random() < 0.4}
    return [
        "object",
        type_index,
        chance.choice([None, "", "<x>", "\x1b\ud800"]),
        chance.choice([None, _named(chance, report)]),
        extra,
    ]


def add_node(chance: random.Random, report: Any) -> None:
    """A node more, or in the place of another, shown wherever values are."""
    node = _any_node(chance, report)
    if chance.random() < 0.5 or not report["values"]:
        report["values"].append(node)
        at = len(report["values"]) - 1
    else:
        at = chance.randrange(len(report["values"]))
        report["values"][at] = node
    holder = chance.choice(_holders(report))
    holder[_name(chance)] = [at]


def _holders(report: Any) -> list[dict[str, Any]]:
    """Every table of names and refs."""
    found = [*report["globals"]]
    found += [frame["locals"] for frame in report["frames"] if isinstance(frame["locals"], dict)]
    found += [record[name] for record in report["exceptions"] for name in ("fields", "attributes")]
    found += [
        node[3]
        for node in report["values"]
        if node and node[0] == "object" and isinstance(node[3], dict)
    ]
    return found


def add_name(chance: random.Random, report: Any) -> None:
    """A name that means something, for any value."""
    name = _name(chance)
    value = chance.choice(FILES) if name == "__file__" else _ref(chance, report)
    chance.choice(_holders(report))[name] = value


def odd_module(chance: random.Random, report: Any) -> None:
    """A module that says which file it is of, and code that looks frozen."""
    chance.choice(report["codes"])["file"] = chance.choice(("<frozen x>", "<frozen x", "x.py"))
    named = chance.choice(report["globals"])
    named["__file__"] = chance.choice((*FILES, 0, _ref(chance, report)))


def odd_exception(chance: random.Random, report: Any) -> None:
    """A builtin exception, or a class below one, with any fields, attributes, arguments and notes."""
    record = chance.choice(report["exceptions"])
    name = chance.choice(
        chance.choice((BUILTIN_EXCEPTIONS, sorted(cls.__name__ for cls in FIELDS)))
    )
    report["types"].append(["builtins", name, []])
    if chance.random() < 0.3:
        report["types"].append(
            [
                chance.choice(MODULES),
                chance.choice(["E", "a.b", "\ud800", "", "E\0"]),
                [len(report["types"]) - 1],
            ]
        )
    record["type"] = len(report["types"]) - 1
    names = next(
        (names for cls, names in FIELDS.items() if cls.__name__ == name), tuple(FIELD_NAMES)
    )
    for table in ("fields", "attributes"):
        if chance.random() < 0.6:
            record[table] = {
                field: _field(chance, report, field) for field in names if chance.random() < 0.8
            }
    if chance.random() < 0.6:
        record.pop("str", None)
    if chance.random() < 0.3:
        report["values"].append(["tuple", 0, []])
        report["values"][-1][2] = _refs(chance, report)
        report["values"][-1][1] = len(report["values"][-1][2])
        record["args"] = [len(report["values"]) - 1]
    if chance.random() < 0.2:
        record["notes"] = _ref(chance, report)
    if chance.random() < 0.2:
        record["children"] = [
            chance.randrange(len(report["exceptions"])) for _ in range(chance.randrange(3))
        ]


def _field(chance: random.Random, report: Any, field: str) -> Any:
    """A value that such a field has, most times, else any: what a check lets through is what may
    crash.
    """
    likely: dict[str, list[Any]] = {
        "object": [_text_ref(report, "bytes"), _text_ref(report, "str"), "abc"],
        **dict.fromkeys(("filename", "path"), FILES),
        **dict.fromkeys(("name", "name_from"), [*NAMES, *MODULES]),
        **dict.fromkeys(
            (
                "start",
                "end",
                "lineno",
                "end_lineno",
                "offset",
                "end_offset",
                "errno",
                "characters_written",
            ),
            NUMBERS,
        ),
        **dict.fromkeys(
            ("msg", "reason", "encoding", "text", "strerror"),
            ["m", "utf-8", "", "a b\n", "\ud800", "invalid syntax", "x" * 3_000],
        ),
    }
    choices = likely.get(field)
    return chance.choice(choices) if choices and chance.random() < 0.7 else _ref(chance, report)


def _text_ref(report: Any, kind: str) -> Any:
    report["values"].append([kind, 3, "abc"])
    return [len(report["values"]) - 1]


def odd_code(chance: random.Random, report: Any) -> None:
    """A function or module of another file, name, line, kind or number of arguments."""
    code = chance.choice(report["codes"])
    code.update(chance.choice((
        {"file": chance.choice(FILES)},
        {"name": chance.choice(NAMES), "qualname": chance.choice(NAMES)},
        {"line": chance.choice(NUMBERS)},
        {"flags": chance.choice((0, 3, 7, 0x0F, 0x23, 0x83, 0x103, 0x203, 0x7FFFFFFF))},
        {"args": [chance.randrange(4) for _ in range(3)]},
        {"names": [_name(chance) for _ in range(chance.randrange(4))]},
    )))  # fmt: skip


def odd_frames(chance: random.Random, report: Any) -> None:
    """Frames at other places, again and again, of modules, left out, as callers."""
    record = chance.choice(report["exceptions"])
    frames = range(len(report["frames"]))
    places = [
        [1, 1, 0, 5],
        [None] * 4,
        [1, None, None, None],
        [5, 4, 9, 1],
        [(1 << 31) - 1] * 4,
        [0, 0, 0, 0],
        [3, 9, 2, 70_000],
    ]
    entries = (
        [
            [chance.choice(frames), chance.choice(places)]
            for _ in range(chance.choice((0, 1, 3, 60)))
        ]
        if frames
        else []
    )
    entries.insert(chance.randrange(len(entries) + 1), [-1, chance.choice((0, 1, 10**6))])
    record["traceback"] = entries
    if frames:
        record["outer"] = [chance.choice(frames) for _ in range(chance.randrange(3))]
        chance.choice(report["frames"])["locals"] = chance.choice(
            (None, {}, _named(chance, report))
        )


def odd_links(chance: random.Random, report: Any) -> None:
    """Causes, contexts and children that go anywhere, also in circles."""
    record = chance.choice(report["exceptions"])
    if len(report["exceptions"]) < 5:
        report["exceptions"].append(copy.deepcopy(record))
    every = range(len(report["exceptions"]))
    record.update(
        cause=chance.choice([None, *every]),
        context=chance.choice([None, *every]),
        suppress=chance.random() < 0.5,
    )
    if chance.random() < 0.3:
        record["children"] = [chance.choice(every) for _ in range(chance.randrange(4))]


def odd_place(chance: random.Random, report: Any) -> None:
    """Anything in the place of anything."""
    places = fuzz._places(report)
    holder, key = chance.choice(places)
    if chance.random() < 0.5:
        holder[key] = copy.deepcopy(chance.choice(ODD))
    else:
        other, there = chance.choice(places)
        holder[key] = copy.deepcopy(other[there])


def odd_source(chance: random.Random, report: Any) -> None:
    """Sources of any name, whole, damaged or empty."""
    text = chance.choice(
        [
            b"",
            b"x = 1\n" * 50,
            b"\xff\xfe\0",
            b"\0" * 100,
            b"# coding: rot13\n",
            "é\u2028\n".encode() * 20,
        ]
    )
    file = chance.choice(FILES)
    report["sources"][file] = zlib.compress(text) if chance.random() < 0.8 else text
    if report["codes"]:
        chance.choice(report["codes"])["file"] = file


CHANGES = [
    odd_exception,
    odd_exception,
    odd_exception,
    add_node,
    add_node,
    add_node,
    add_name,
    add_name,
]
CHANGES += [odd_code, odd_code, odd_frames, odd_links, odd_place, odd_source, odd_module]


def forged(seed: int, number: int) -> dict[str, Any]:
    """The report of that number."""
    chance = random.Random(f"{seed}:{number}")
    report: dict[str, Any] = marshal.loads(marshal.dumps(chance.choice(shapes())))
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        # a table that an earlier change damaged
        with contextlib.suppress(TypeError, KeyError, IndexError, AttributeError, ValueError):
            chance.choice(CHANGES)(chance, report)
    return report


# -- tables of forged reports, for tests

# What no C field takes, or only some do.
WRONG: list[Any] = [
    None,
    True,
    1.5,
    "x",
    "\ud800",
    -1,
    -(10**12),
    10**12,
    1 << 70,
    [0],
    (1 << 31) - 1,
]


def _of_builtin(name: str, **parts: Any) -> dict[str, Any]:
    report = _fresh()
    report["types"].append(["builtins", name, []])
    report["exceptions"][0].update(type=len(report["types"]) - 1, fields={}, attributes={})
    report["exceptions"][0].pop("str", None)
    report["exceptions"][0].update(parts)
    return report


def odd_fields(where: str) -> Iterator[dict[str, Any]]:
    """Every field of every builtin exception with every wrong value, as a field or as an attribute;
    the others as they should be.
    """
    usual = {
        "start": 0,
        "end": 1,
        "encoding": "u",
        "reason": "r",
        "lineno": 1,
        "offset": 1,
        "text": "a b",
        "msg": "m",
        "filename": "f.py",
    }
    for cls, names in FIELDS.items():
        for name in names:
            for value in WRONG:
                report = _of_builtin(cls.__name__)
                report["values"].append(["bytes" if cls is UnicodeDecodeError else "str", 3, "abc"])
                right = {**usual, "object": [len(report["values"]) - 1]}
                report["exceptions"][0][where] = {
                    **{field: right[field] for field in names if field in right},
                    name: value,
                }
                yield report


def foreign_attributes() -> Iterator[dict[str, Any]]:
    """On exceptions that have no such field: what the interpreter's printer looks for on any, and
    what a base has.
    """
    usual = {"msg": "m", "filename": "f", "lineno": 1, "offset": 1, "text": "t"}
    for name in ("ValueError", "ExceptionGroup", "KeyError", "OSError"):
        for attribute in (*FIELD_NAMES, *SPECIAL_NAMES):
            yield _of_builtin(name, attributes={**usual, attribute: 10**12})
        for attribute in usual:
            for value in WRONG:
                odd = {**usual, "print_file_and_line": None, attribute: value}
                yield _of_builtin(name, attributes=odd)


def odd_files() -> Iterator[dict[str, Any]]:
    """Code in files that never end, never answer, or are none; with and without a text of theirs."""
    sys.path.insert(0, os.getcwd())
    places = [
        os.path.abspath("pipe.py"),
        os.path.abspath("link.py"),
        "pipe.py",
        "/elsewhere/pipe.py",
        os.path.relpath("/dev/zero"),
    ]
    for file in (*places, *FILES):
        for sources in ({}, {file: zlib.compress(b"x = 1\n" * 60)}):
            report = {**_fresh(), "sources": sources}
            report["codes"][0]["file"] = file
            yield report
        yield _of_builtin(
            "SyntaxError",
            fields={
                "filename": file,
                "lineno": 1,
                "msg": "invalid syntax",
                "text": "a b",
                "_metadata": None,
            },
        )


def odd_modules() -> Iterator[dict[str, Any]]:
    """Code that looks frozen, in modules of odd files: linecache opens these from Python 3.14 on."""
    for code in ("<frozen x>", "<frozen x", "<frozen x>/x.py"):
        for file in (*FILES, os.path.abspath("pipe.py"), 0, 255, None, 1.5, [0]):
            report = _fresh()
            report["codes"][0]["file"] = code
            for named in report["globals"]:
                named["__file__"] = file
            yield report


def protocols() -> Iterator[dict[str, Any]]:
    """Stand-ins and exceptions that claim to be arrays, paths, files, pages ..., by attributes of
    any kind.
    """
    for name in SPECIAL_NAMES:
        report = _fresh()
        at = len(report["values"])
        memory = ["dict", 4, ["data", [at + 1], "shape", [at + 2], "typestr", "|u1", "version", 3]]
        report["values"] += [
            memory,
            ["tuple", 2, [4096, False]],
            ["tuple", 1, [100]],
            ["type", 0],
            ["function", "builtins", "len", "len", 0],
        ]
        for index in (at, at + 3, at + 4):
            report["values"].append(["object", 0, "<odd>", {name: [index]}, {"len": 1}])
            report["frames"][0]["locals"][f"odd{index}"] = [len(report["values"]) - 1]
        report["exceptions"][0]["attributes"] = {name: [at]}
        yield report


def misleading_imports() -> Iterator[dict[str, Any]]:
    """Import errors that name modules which nobody has imported."""
    for kind in ("ImportError", "ModuleNotFoundError"):
        for name in (
            "wave",
            "wave.x",
            "idlelib.idle",
            "antigravity",
            "a.b.c",
            "json.wave",
            ".wave",
            "",
        ):
            for name_from in ("x", None):
                yield _of_builtin(kind, fields={"name": name, "name_from": name_from, "msg": "m"})


TABLES: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "fields": lambda: odd_fields("fields"),
    "attributes": lambda: odd_fields("attributes"),
    "foreign attributes": foreign_attributes,
    "files": odd_files,
    "modules": odd_modules,
    "protocols": protocols,
    "imports": misleading_imports,
}


def to_json(report: Any) -> str:
    plain = (
        {
            **report,
            "sources": {name: packed.hex() for name, packed in report.get("sources", {}).items()},
        }
        if isinstance(report, dict)
        else report
    )
    return json.dumps(plain, indent=1).replace(SMALL_FILE, os.path.basename(SMALL_FILE))


def from_json(text: str) -> Any:
    report = json.loads(text)
    report["sources"] = {
        name: bytes.fromhex(packed) for name, packed in report.get("sources", {}).items()
    }
    return report


# -- the ways to read


def every_exception(exc: BaseException) -> list[BaseException]:
    found, seen = [exc], {id(exc)}
    for one in found:
        others = [
            one.__cause__,
            one.__context__,
            *(one.exceptions if isinstance(one, BaseExceptionGroup) else ()),
        ]
        for other in others:
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                found.append(other)
    return found


def every_frame(exc: BaseException) -> Iterator[types.FrameType]:
    for one in every_exception(exc):
        for frame, _ in traceback.walk_tb(one.__traceback__):
            yield frame
        if one.__traceback__ is not None:
            outer = one.__traceback__.tb_frame.f_back
            while outer is not None:
                yield outer
                outer = outer.f_back


def walk(exc: BaseException) -> list[Any]:
    """All that hangs on an exception: its parts, its frames', and their variables."""
    found: list[Any] = []
    for one in every_exception(exc):
        found += [one.args, *vars(one).values()]
        found += [getattr(one, name, None) for name in FIELD_NAMES]
    for frame in itertools.islice(every_frame(exc), 200):
        found += [*frame.f_locals.values(), *frame.f_globals.values()]
        code = frame.f_code
        repr(
            (
                code,
                code.co_name,
                code.co_qualname,
                code.co_firstlineno,
                frame.f_lineno,
                frame.f_lasti,
                code.co_varnames,
            )
        )
        list(code.co_positions())
    return found


_TOUCHES: list[Callable[[Any], object]] = [
    repr, str, len, bool, hash, dir, vars, abs, iter, reversed, bytes, os.fspath, int, float,
    lambda value: list(itertools.islice(value, 20)), lambda value: value == value, lambda value: value == 1, lambda value: value[0],
    lambda value: value["a"], lambda value: value[-1:], lambda value: 1 in value, lambda value: value + 1, lambda value: value(),
    lambda value: value.attribute, lambda value: f"{value:>10}", lambda value: "%s %r" % (value, value), lambda value: memoryview(value),
    lambda value: isinstance(value, (int, str)), lambda value: [getattr(value, name, None) for name in SPECIAL_NAMES],
    lambda value: [0, 1][value], copy.copy, lambda value: value.items(), lambda value: {value: 1},
]  # fmt: skip


def touch(values: list[Any]) -> None:
    """What a person or a tool may do with a value. It may raise any Exception, and nothing else may
    come of it.
    """
    array = getattr(sys.modules.get("numpy"), "asarray", None)
    chosen = list(
        {id(value): value for value in values if type(value) not in (int, str, type(None))}.values()
    )[:MOST_TOUCHED]
    for value in chosen:
        for act in (*_TOUCHES, *([array] if array is not None else ())):
            with contextlib.suppress(Exception):
                act(value)
    with contextlib.suppress(Exception):
        copy.deepcopy(chosen)


def print_all(exc: BaseException) -> None:
    """As traceback prints, with and without variables, and as the interpreter does when nobody
    catches it.
    """
    with contextlib.suppress(Exception):
        "".join(traceback.format_exception(exc))
    with contextlib.suppress(Exception):
        "".join(
            traceback.TracebackException.from_exception(
                exc, capture_locals=True, compact=True
            ).format()
        )
    print_uncaught(exc)
    for one in every_exception(exc):
        with contextlib.suppress(Exception):
            repr(one), str(one), "".join(traceback.format_exception_only(one))


def print_uncaught(exc: BaseException) -> None:
    """By the interpreter's own printer, which tells only descriptor 2 that it failed."""
    before = os.fstat(2).st_size
    sys.__excepthook__(type(exc), exc, exc.__traceback__)
    if os.fstat(2).st_size > before and not any(map(_is_unprintable, every_exception(exc))):
        raise AssertionError("the interpreter's printer failed")


def _is_unprintable(exc: BaseException) -> bool:
    """Whether Python before 3.13 cannot print it, made here or restored: a line with surrogates."""
    text = exc.text if isinstance(exc, SyntaxError) else None
    return isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text)


def copy_all(exc: BaseException) -> None:
    for one in every_exception(exc)[:3]:
        with contextlib.suppress(Exception):
            copied = copy.copy(one)
            str(copied)
            "".join(traceback.format_exception(copied))
        with (
            contextlib.suppress(Exception),
            asked_for("import"),
        ):  # pickle looks every class up by its name
            pickle.dumps(one)
        for name in NEVER_IMPORTED:
            sys.modules.pop(name, None)


def dump_again(exc: BaseException) -> None:
    again = keeptrace.loads(keeptrace.dumps(exc))
    with contextlib.suppress(Exception):
        "".join(traceback.format_exception(again))


def show(report: Any) -> None:
    """As data, which is all that the views print."""
    json.dumps(to_data(make_view(report), {}, everything=True))


def show_pages(report: Any) -> None:
    from rich.console import Console

    from keeptrace.render import terminal
    from keeptrace.render.html import to_html

    terminal.show(
        make_view(report),
        Console(file=io.StringIO(), width=100, force_terminal=True),
        everything=True,
    )
    to_html(make_view(report), {})


def serve(report: Any) -> None:
    """A conversation of an editor: where it stands, and all its variables."""
    session = dap.Session(dap.Target(make_view(report), {}), None)
    number = itertools.count(1)

    def ask(command: str, **arguments: Any) -> Any:
        answers = list(
            session._answers(
                {"type": "request", "seq": next(number), "command": command, "arguments": arguments}
            )
        )
        json.dumps(answers)
        return answers[0].get("body") or {}

    ask("initialize")
    ask("launch")
    ask("configurationDone")
    for thread in ask("threads").get("threads", ())[:5]:
        ask("exceptionInfo", threadId=thread["id"])
        for frame in ask("stackTrace", threadId=thread["id"]).get("stackFrames", ())[:10]:
            for scope in ask("scopes", frameId=frame["id"]).get("scopes", ()):
                for variable in ask(
                    "variables", variablesReference=scope["variablesReference"]
                ).get("variables", ())[:20]:
                    if variable["variablesReference"]:
                        ask("variables", variablesReference=variable["variablesReference"])


def debug(exc: BaseException) -> None:
    if exc.__traceback__ is None:
        return
    commands = io.StringIO("w\nargs\nll\nl\nup\np vars(__exception__)\nwhatis self\nq\n")
    debugger = pdb.Pdb(stdin=commands, stdout=io.StringIO(), nosigint=True, readrc=False)
    debugger.use_rawinput = False
    debugger.reset()
    with contextlib.suppress(Exception), asked_for("exec"):  # of what the commands say
        debugger.interaction(None, exc if sys.version_info >= (3, 13) else exc.__traceback__)


def read(report: Any, seldom: bool) -> bool:
    """Reads a report in every way. Returns whether it was one to restore; what raises is a fault."""
    try:
        check(report)
        exc = restore(report, BUILTINS)
    except Exception:  # what load() makes a DumpError of
        return False
    touch(walk(exc))
    print_all(exc)
    copy_all(exc)
    if len(report["values"]) % 4 == 0:  # one in four, and the same again for the same report
        with contextlib.suppress(keeptrace.DumpError):
            show(report)
    if seldom:
        dump_again(exc)
        debug(exc)
        with contextlib.suppress(keeptrace.DumpError):
            show_pages(report)
            serve(report)
    return True


# -- a child that may crash


_asked_for: list[str] = []


@contextlib.contextmanager
def asked_for(event: str) -> Iterator[None]:
    """While it is not the report that causes this."""
    _asked_for.append(event)
    try:
        yield
    finally:
        _asked_for.pop()


def _forbid(event: str, arguments: tuple[Any, ...]) -> None:
    """hostile.watch, and no file is opened that need not end, nor a module imported that a forged
    report alone names.
    """
    if event in _asked_for or hostile.is_over():
        return
    if event == "open":
        _forbid_open(arguments[0])
    if event == "import" and arguments[0].partition(".")[0] in {*NEVER_IMPORTED, "a"}:
        _caught(f"import {arguments[0]}")
    if event == "exec" and arguments[0].co_filename.startswith(_OURS):
        return  # a module of ours or of rich's that was not needed before; data names none of them
    if hostile.is_forbidden(event, arguments):
        _caught(f"{event} {arguments}")


# The directories of what reads and shows.
_OURS = tuple(os.path.dirname(found.__file__) + os.sep for found in (keeptrace, rich))


def _forbid_open(file: Any) -> None:
    """Ends the child if the file need not end, or is a number that a report has for a name."""
    if isinstance(file, (str, bytes)):
        path = os.fsdecode(file)
        ends = os.path.isfile(path) or os.path.isdir(path)
        is_odd = path.startswith(("/dev/", "/proc/", "/sys/", "//", "\\")) or not ends
        if path in _own_files():
            return
        if is_odd and os.path.exists(path):
            _caught(f"open {path!r}")
    elif file in (0, 1, 2, 255):
        _caught(f"open of descriptor {file}")


def _own_files() -> set[str]:
    """What a new dump of the restored exception says of this process comes from there; no forged
    report knows its number.
    """
    return {os.devnull, f"/proc/{os.getpid()}/stat", f"/proc/{os.getpid()}/statm"}


def _caught(what: str) -> None:
    """Ends the child, and tells from where this came."""
    frame: types.FrameType | None = sys._getframe(1)
    where = ""
    while frame is not None:
        where += f"\n  {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    hostile.end_watch()
    os.write(2, f"forbidden: {what}{where}\n".encode("utf-8", "replace"))
    os._exit(99)


def _prepare() -> None:
    """Imports and opens beforehand what reading needs of the standard library and of the package,
    then watches.
    """
    import datetime, decimal, fractions, pathlib, unicodedata, uuid  # noqa: E401, F401, I001

    with contextlib.suppress(ImportError):
        import numpy  # noqa: F401
    sys.dont_write_bytecode = True  # what is imported later would write a file
    rich.cells.cell_len("漢")  # rich imports its table of widths at the first wide character
    for report in shapes():
        read(copy.deepcopy(report), True)
    warnings.simplefilter("ignore")
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (MEGABYTES << 20),) * 2)
    sys.addaudithook(_forbid)


def _look_after() -> None:
    """Raises if a module was imported in a way that no audit event tells."""
    imported = NEVER_IMPORTED & sys.modules.keys()
    if imported:
        raise AssertionError(f"imported {imported}")


def child(reports: Iterator[tuple[int, Any, bool]]) -> None:
    """Reads numbered reports, all or some ways; the number of what it is about to read goes to
    descriptor 1, whatever comes of it.
    """
    told = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    said = os.dup(2)
    sys.stderr = open(
        os.devnull, "w", errors="backslashreplace"
    )  # the interpreter's own printer writes there
    _prepare()
    restored = 0
    for number, report, in_all_ways in reports:
        os.write(told, b"%d %d\n" % (number, restored))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(WAITING_SECONDS)
        try:
            restored += read(report, in_all_ways)
            _look_after()
        except Exception as problem:
            at = traceback.extract_tb(problem.__traceback__)[-1]
            os.write(
                said,
                f"{type(problem).__name__}: {problem!s:.200} ({at.filename}:{at.lineno})\n".encode(
                    "utf-8", "replace"
                ),
            )
            os._exit(98)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    os.write(told, b"%d %d\n" % (-1, restored))
    hostile.end_watch()
    os._exit(0)


# -- the parent


def _start(python: str, *arguments: str) -> tuple[int, int, int, str]:
    """Runs a child, in a directory with odd files: its exit, the number that it was about to read,
    how many were restored, what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.mkfifo(os.path.join(folder, "pipe.py"))
        os.symlink("/dev/zero", os.path.join(folder, "link.py"))
        return _run_child(python, arguments, folder)


def _run_child(python: str, arguments: tuple[str, ...], folder: str) -> tuple[int, int, int, str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
        ),
    }
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
        done = subprocess.run(
            [python, "-X", "faulthandler", os.path.abspath(__file__), *arguments],
            stdin=subprocess.DEVNULL, stdout=told, stderr=said, env=environment, cwd=folder,
        )  # fmt: skip
        told.seek(0)
        lines = told.read().splitlines()
        said.seek(0)
        number, restored = map(int, lines[-1].split()) if lines else (-1, 0)
        return done.returncode, number, restored, said.read()[-3000:].decode("utf-8", "replace")


def run(
    count: int, seed: int, python: str = sys.executable, keep: str | None = None, first: int = 0
) -> list[str]:
    """Reads so many forged reports; what was wrong, a line each."""
    faults: list[str] = []
    restored = 0
    end = first + count
    began = time.time()
    while first < end:
        size = min(BATCH, end - first)
        numbers = ("--seed", str(seed), "--first", str(first), "--count", str(size))
        code, number, good, said = _start(python, "--child", *numbers)
        restored += good
        if not code:
            first += size
            print(f"read up to {first}: {restored} restored, {len(faults)} bad", flush=True)
            continue
        if number < 0:
            faults.append(f"the child does not start: exit {code}: {said}")
            print(faults[-1], flush=True)
            return faults
        text = to_json(forged(seed, number))
        name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]
        if keep is not None:
            Path(keep).mkdir(parents=True, exist_ok=True)
            (Path(keep) / f"{name}.json").write_text(text)
        faults.append(f"seed {seed}, number {number} ({name}): exit {code}: {said.strip()[-1200:]}")
        print(faults[-1], flush=True)
        first = number + 1
    print(
        f"{python}: {count} forged reports, seed {seed}: {restored} restored, {len(faults)} bad, {time.time() - began:.0f} s",
        flush=True,
    )
    return faults


def run_files(*files: str | os.PathLike[str], python: str = sys.executable) -> str:
    """What is wrong with reading reports that are kept; empty if nothing is."""
    paths = [os.path.abspath(file) for file in files]  # the child runs elsewhere
    code, number, _, said = _start(python, "--child", "--file", *paths)
    return f"{files[number]}: exit {code}: {said.strip()[-1200:]}" if code else ""


def all_tables() -> Iterator[dict[str, Any]]:
    for table in TABLES.values():
        yield from table()


def run_tables() -> str:
    """What is wrong with reading the tables, in one process; empty if nothing is."""
    code, number, _, said = _start(sys.executable, "--child", "--tables")
    if not code:
        return ""
    report = next(itertools.islice(all_tables(), max(number, 0), None), None)
    return f"number {number}: exit {code}: {said.strip()[-1200:]} {report and report['exceptions'][0]} {report and report['codes'][0]}"


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options.add_argument("--python", default=sys.executable, help="the Python that reads")
    options.add_argument("--keep", metavar="DIR", help="where reports that do harm are kept")
    options.add_argument(
        "--file", nargs="+", metavar="FILE", help="read these reports that were kept"
    )
    options.add_argument("--first", type=int, default=0, help="the number of the first report")
    options.add_argument("--tables", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child and given.file:
        child((at, from_json(Path(file).read_text()), True) for at, file in enumerate(given.file))
    if given.child and given.tables:
        child((at, report, at % SELDOM == 0) for at, report in enumerate(all_tables()))
    if given.child:
        numbers = range(given.first, given.first + given.count)
        child((number, forged(given.seed, number), number % SELDOM == 0) for number in numbers)
    if given.file:
        told = run_files(*given.file, python=given.python)
        print(told or "nothing is wrong")
        sys.exit(bool(told))
    sys.exit(bool(run(given.count, given.seed, given.python, given.keep, given.first)))


if __name__ == "__main__":
    main()
