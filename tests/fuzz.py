"""Mutated dumps: `python tests/fuzz.py 100000` reads so many, and tells of each that did what
reading must not.

Bytes are changed, cut, doubled and inserted; and the report within is changed as data, and packed
again. Each is read within a second of processor time, gives an exception or a DumpError, and runs
nothing (see hostile.py for the watch).
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
import traceback
from typing import Any

import hostile

import keeptrace

_MOST_SECONDS = 2.0
_ODD: list[Any] = [
    None, True, 0, 1, -1, 2, 7, 1 << 31, 1 << 63, -(1 << 63), 10**30, 1.5, float("nan"), float("inf"), "", "x", "\0", "\ud800", "builtins", "exec", "__loader__", "list", "tuple",
    "dict", "set", "frozenset", "object", "exact", "Fraction", "Decimal", "range", "live", "type", "module", "function", "exception", "redacted", "int", "str", "bytes",
    [], [0], [1], [-1], [[0]], {}, {"a": [0]}, {"__builtins__": 1}, "ExceptionGroup", "UnicodeDecodeError", "OSError", "SyntaxError", "KeyError", [1, 1, 1, 1], "<keeptrace>", "/dev/zero",
]  # fmt: skip


def _places(data: Any) -> list[tuple[Any, Any]]:
    """Every place in the data: its holder and its key there."""
    found = []
    waiting = [data]
    while waiting:
        holder = waiting.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            if isinstance(holder[key], (dict, list)):
                waiting.append(holder[key])
    return found


def mutated_report(chance: random.Random, report: dict[str, Any]) -> Any:
    report = json.loads(json.dumps(report))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        places = _places(report)
        if not places:
            break
        holder, key = chance.choice(places)
        action = chance.randrange(6)
        if action < 2:
            holder[key] = json.loads(json.dumps(chance.choice(_ODD)))
        elif action == 2:
            other, there = chance.choice(places)
            holder[key] = json.loads(json.dumps(other[there]))
        elif action == 3:
            del holder[key]
        elif action == 4 and isinstance(holder, list):
            holder[key:key] = [json.loads(json.dumps(holder[key]))] * chance.choice((1, 2, 300))
        elif type(holder[key]) is int:
            holder[key] += chance.choice((-1, 1, 2, 1000, 1 << 31))
        elif isinstance(holder, dict):
            holder[chance.choice(["__loader__", "__class__", "<keeptrace>", "args", "", "len"])] = (
                holder[key]
            )
    return report


def mutated_bytes(chance: random.Random, data: bytes) -> bytes:
    spoilt = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(spoilt) or 1)
        action = chance.randrange(5)
        if action == 0:
            spoilt[at : at + 1] = bytes([chance.randrange(256)])
        elif action == 1:
            del spoilt[at : at + chance.choice((1, 2, 8, 64))]
        elif action == 2:
            spoilt[at:at] = chance.choice(
                (
                    b"\x94",
                    b".",
                    b"R",
                    b"}",
                    b"r\xff\xff\xff\x7f",
                    b"cos\nsystem\n",
                    b"(",
                    b"0",
                    b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
                )
            )
        elif action == 3:
            spoilt[at:at] = spoilt[at : at + 40]
        else:
            del spoilt[at:]
    return bytes(spoilt)


def run(count: int, seed: int) -> int:
    """Reads `count` mutated dumps; how many did what they must not, each of which is told."""
    chance = random.Random(seed)
    reports = hostile.reports()
    dumps = [hostile.packed(report) for report in reports]
    bad = 0
    for number in range(count):
        if number % 2:
            data = mutated_bytes(chance, chance.choice(dumps))
        else:
            try:
                data = hostile.packed(mutated_report(chance, chance.choice(reports)))
            except (TypeError, ValueError, RecursionError):  # not even JSON can say it
                continue
        started = time.process_time()
        try:
            exc = keeptrace.loads(data)
        except keeptrace.DumpError:
            exc = None
        except BaseException as problem:
            bad += 1
            print(f"seed {seed}, number {number}: {type(problem).__name__}: {problem}")
            continue
        try:
            if exc is not None:
                "".join(traceback.format_exception(exc))
        except Exception:  # showing a forged exception may fail; it must not run or hang
            pass
        if time.process_time() - started > _MOST_SECONDS:
            bad += 1
            print(f"seed {seed}, number {number}: took {time.process_time() - started:.1f} s")
    return bad


if __name__ == "__main__":
    _count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    _seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
    keeptrace.loads(hostile.packed(hostile.fresh()))
    hostile.reports()
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    import datetime, decimal, fractions, pathlib, uuid  # noqa: E401, F401, I001  # so that little is imported under watch

    sys.addaudithook(hostile.watch)
    _began = time.time()
    _bad = run(_count, _seed)
    print(f"{_count} mutated dumps, seed {_seed}: {_bad} bad, {time.time() - _began:.0f} s")
    sys.exit(bool(_bad))
