"""Writes the golden dumps of this Python, with what they hold, into tests/data/golden: `python
tests/make_golden.py`.

A file that is there is never written again: the dumps of a format stay as a release wrote them.
Every later Python and keeptrace has to read them (test_dump.py).
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keeptrace
from keeptrace.core.report import FORMAT

GOLDEN = Path(__file__).parent / "data" / "golden"


class OrderError(Exception):
    def __init__(self, number: int, reason: str) -> None:
        super().__init__(number, reason)
        self.number = number


def plain(total: int = 7) -> None:
    values = {"list": [1, 2.5, None], "day": datetime.date(2024, 2, 29), "big": 1 << 90}
    raise OrderError(total, "no stock")


def chain() -> None:
    try:
        plain()
    except OrderError as exc:
        exc.add_note("seen in the morning")
        raise OSError(2, "No such file", "/orders") from exc


def group() -> None:
    children = []
    for number in range(3):
        try:
            plain(number)
        except OrderError as exc:
            children.append(exc)
    raise ExceptionGroup("orders failed", children)


def recursion(depth: int = 40) -> int:
    return 1 // depth if not depth else recursion(depth - 1)


def with_pickler() -> None:
    fraction = {"nested": [complex(1, 2)]}
    raise ValueError(fraction)


def cut() -> None:
    many, text = list(range(1000)), "x" * 100_000
    raise KeyError("cut")


CASES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "plain": (plain, {}),
    "chain": (chain, {}),
    "group": (group, {}),
    "recursion": (recursion, {"limit": 20}),
    "with_pickler": (with_pickler, {"pickler": "pickle"}),
    "cut": (cut, {"max_text": 50, "max_items": 5}),
}


def told(exc: BaseException) -> dict[str, Any]:
    """What a reader has to find: the text, and of each frame the name and the variables'
    representations.
    """
    frames = [
        (frame.f_code.co_name, {name: repr(value)[:200] for name, value in frame.f_locals.items()})
        for frame, _ in traceback.walk_tb(exc.__traceback__)
    ]
    return {
        "type": type(exc).__qualname__,
        "text": "".join(traceback.format_exception(exc)),
        "frames": frames,
    }


def main() -> None:
    python = "{}.{}".format(*sys.version_info)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, (fail, options) in CASES.items():
        path = GOLDEN / f"{FORMAT}-{python}-{name}.keeptrace"
        if path.exists():
            continue
        try:
            fail()
        except Exception as exc:
            exc.__traceback__ = exc.__traceback__.tb_next  # type: ignore[union-attr]
            data = keeptrace.dumps(exc, **options)
        path.write_bytes(data)
        path.with_suffix(".json").write_text(
            json.dumps(told(keeptrace.loads(data)), indent=1) + "\n"
        )


if __name__ == "__main__":
    # under a name without a folder: the dumps need not tell where they were made
    os.chdir(Path(__file__).parent)
    _namespace: dict[str, Any] = {"__name__": "make_golden", "__file__": "make_golden.py"}
    exec(compile(Path("make_golden.py").read_text(), "make_golden.py", "exec"), _namespace)
    _namespace["main"]()
