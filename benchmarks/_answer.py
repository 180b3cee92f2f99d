"""What a benchmark answers: tables, figures and the bare numbers that the targets are judged by.
All plain data.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ._plot import Figure, draw

HERE = Path(__file__).parent


@dataclass
class Table:
    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)

    def markdown(self) -> str:
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return (
            f"**{self.title}**\n\n"
            + "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)
            + "\n"
        )

    def text(self) -> str:
        widths = [
            max(len(row[at]) for row in [self.columns, *self.rows])
            for at in range(len(self.columns))
        ]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in [self.columns, *self.rows]
        ]
        return f"\n{self.title}\n" + "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


@dataclass
class Answer:
    """numbers: seconds, bytes or ratios by a path-like name, read by `targets`."""

    name: str
    question: str
    says: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    quick: bool = False
    machine: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Answer:
        found = Answer(**data)
        found.tables = [Table(**table) for table in data["tables"]]
        found.figures = [Figure(**figure) for figure in data["figures"]]
        return found


def machine() -> dict[str, str]:
    """Where and with what this ran."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {
        "Python": f"{python} ({platform.python_compiler()})",
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": _memory(),
        "load before": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # another system: what Python knows has to do
    return platform.processor() or platform.machine()


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (ValueError, OSError, AttributeError):
        return "?"


def _require_whole_captures() -> None:
    """A capture that fails falls back to the text, which is fast: such figures must not be taken
    for ours.
    """
    from keeptrace.capture.capture import capture
    from keeptrace.core.options import Options

    from . import corpus

    for name in corpus.CORPUS:
        if not corpus.missing(name) and "fallback" in capture(corpus.make(name), Options())["cuts"]:
            sys.exit(f"nothing is measured: the capture of {name!r} falls back to the text")


def main(run: Callable[[bool], Answer]) -> None:
    """The command line of one question: prints its tables, draws its figures, writes it as JSON if
    asked.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs: about ten seconds")
    parser.add_argument("--json", type=Path, help="write the answer to this file, and draw nothing")
    given = parser.parse_args()
    _require_whole_captures()
    where = machine()
    begin = time.monotonic()
    answer = run(given.quick)
    answer.seconds = round(time.monotonic() - begin, 1)
    answer.quick = given.quick
    answer.machine = where
    for table in answer.tables:
        print(table.text())
    for line in answer.says:
        print(line)
    if given.json:
        given.json.write_text(json.dumps(answer.to_json()))
    else:
        for figure in answer.figures:
            print("drew", draw(figure).name)
