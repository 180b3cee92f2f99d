"""What do the rooms that read text by rules cost: redaction, and the tracebacks of logs?

Each case is done at a size and at twice that size: the ratio says whether time grows with the text
alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from keeptrace.format.api import report_of
from keeptrace.redact.redactor import Redactor
from keeptrace.textlog import parse_tracebacks

from ._answer import Answer, Table, main
from ._measure import duration, spread

_LINE = "2026-01-01 12:00:00,123 INFO shop.orders: order 17 was shipped to Bonn in 3 days\n"
_TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/srv/shop.py", line 3, in total\n    return int("two")\n'
    "ValueError: invalid literal for int() with base 10: 'two'\n"
)


def _many_users(count: int, frames: int = 40) -> Any:
    """The report of a failure with users and their passwords in the variables of many frames."""

    def down(level: int) -> None:
        users = [{"name": f"user{n}", "password": f"pw{level}x{n}Qz7"} for n in range(count)]
        if level:
            down(level - 1)
        raise ValueError(f"no such user among {len(users)}")

    try:
        down(frames)
    except ValueError as exc:
        return report_of(exc, redact=False, max_values=1_000_000, max_bytes=1 << 28)


def _redact(report: Any) -> Callable[[], object]:
    packed = json.dumps({**report, "sources": {}, "live": None})

    def run() -> object:
        begin = json.loads(packed)
        begin["sources"] = {}
        return Redactor().report(begin)

    return run


def _cases(size: int) -> dict[str, tuple[str, Callable[[], object]]]:
    """What is measured -> its size in words, and the work."""
    ordinary = _LINE * (10_000 * size)
    literals = "".join(f'PASSWORD_{n} = "secret{n}xY{n * 7}"\n' for n in range(10_000 * size))
    one_line = "x" * (25_000_000 * size)
    records = "".join(
        json.dumps({"log": _LINE, "stream": "stdout", "time": "2026-01-01T12:00:00Z"}) + "\n"
        for _ in range(20_000 * size)
    )
    plain = _LINE * (50_000 * size)
    failing = (_LINE * 20 + _TRACEBACK) * (500 * size)
    return {
        "redact ordinary text": (f"{len(ordinary) >> 20} MiB", lambda: Redactor().text(ordinary)),
        "redact a module of literals": (
            f"{10_000 * size:,} passwords",
            lambda: Redactor().source(literals),
        ),
        "redact one line": (f"{len(one_line) // 1_000_000} MB", lambda: Redactor().text(one_line)),
        "redact a report": (f"{50 * size} users in 40 frames", _redact(_many_users(50 * size))),
        "read a plain log": (
            f"{50_000 * size:,} lines",
            lambda: list(parse_tracebacks(plain)),
        ),
        "read a log of JSON records": (
            f"{20_000 * size:,} lines",
            lambda: list(parse_tracebacks(records)),
        ),
        "read a log full of tracebacks": (
            f"{500 * size:,} tracebacks",
            lambda: list(parse_tracebacks(failing)),
        ),
    }


def _seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def run(quick: bool) -> Answer:
    answer = Answer("texts", "What do redaction and the reading of logs cost?")
    answer.says.append(
        "Processor time. “Twice” is the time for twice the size: 2.0 is linear. Lines a second "
        "are of the larger size."
    )
    table = Table("Reading text by rules", ["what", "size", "time", "twice", "lines a second"])
    small, large = _cases(1), _cases(2)
    for name, (_, work) in small.items():
        size, twice = large[name]
        rounds = 3 if quick else 7
        first = spread([_seconds(work) for _ in range(rounds)])
        second = spread([_seconds(twice) for _ in range(rounds)])
        lines = int(size.replace(",", "").partition(" ")[0]) if size.endswith("lines") else 0
        answer.numbers[f"{name}/seconds"] = second.median
        answer.numbers[f"{name}/growth"] = second.median / first.median
        table.rows.append(
            [
                name,
                size,
                duration(second.median),
                f"{second.median / first.median:.2f}",
                f"{lines / second.median:,.0f}" if lines else "",
            ]
        )
    answer.tables.append(table)
    return answer


if __name__ == "__main__":
    main(run)
