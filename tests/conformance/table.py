"""docs/engines.md: what became of every case in one run, by engine and column."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from .cases import CASES, COLUMNS
from .engines import ENGINES, Engine
from .others import section

COMMAND = "python -m pytest tests/conformance --table docs/engines.md"

HEAD = f"""\
# Engines

What arrives through which engine. The conformance suite (tests/conformance) sends the same {len(CASES)} cases through every one,
under each start method that it has; this table is made of the outcomes of one run, by

```sh
{COMMAND}   # with the extras test and engines, on Python 3.14 or newer
```

"yes" means that every case of the column passed, and, unless a worker died, that the same pool did another task afterwards.
A number leads to what an engine cannot do, and why. "–" means that the question does not arise: within one process nothing
is pickled, and there is no worker process that could die.

"""


class Outcome(NamedTuple):
    row: str
    column: str
    case: str
    outcome: str  # passed, failed, limit, not run
    reason: str


def write(path: Path, outcomes: list[Outcome]) -> None:
    """Writes the page. An engine without an outcome counts as not run."""
    notes: list[str] = []
    lines = ["| engine | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for engine in ENGINES:
        cells = [
            _cell(
                [each for each in outcomes if (each.row, each.column) == (engine.name, column)],
                notes,
            )
            for column in COLUMNS
        ]
        if not any(each.row == engine.name for each in outcomes):
            cells = ["not run"] * len(COLUMNS)
        lines.append(f"| {shown(engine)} | " + " | ".join(cells) + " |")
    columns = [f"- **{column}**: {meaning}" for column, meaning in COLUMNS.items()]
    numbered = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    path.write_text(
        HEAD + "\n".join([*lines, "", *columns, "", *numbered, "", _versions(), "", section()]),
        encoding="utf-8",
    )


def _cell(outcomes: list[Outcome], notes: list[str]) -> str:
    if not outcomes:
        return "–"
    if any(each.outcome == "failed" for each in outcomes):
        return "**failed**: " + ", ".join(
            dict.fromkeys(each.case for each in outcomes if each.outcome == "failed")
        )
    if all(each.outcome == "not run" for each in outcomes):
        return f"not run: {outcomes[0].reason}"
    limits: dict[str, list[str]] = {}
    for each in outcomes:
        if each.outcome == "limit" and each.case not in limits.setdefault(each.reason, []):
            limits[each.reason].append(each.case)
    if not limits:
        return "yes"
    whole = not any(each.outcome == "passed" for each in outcomes)
    numbers = []
    for reason, cases in limits.items():
        note = f"{reason}." if whole else f"{', '.join(cases)}: {reason}."
        if note not in notes:
            notes.append(note)
        numbers.append(str(notes.index(note) + 1))
    return f"{'no' if whole else 'yes, but'} ({', '.join(numbers)})"


def shown(engine: Engine) -> str:
    """The engine's name as the first cell of its row, the start methods behind it."""
    methods = ", ".join(method for method in engine.methods if method)
    return f"{engine.name} ({methods})" if methods else engine.name


def _versions() -> str:
    names = dict.fromkeys(name for engine in ENGINES for name in engine.needs)
    found = [f"{name} {version}" for name in names if (version := _version(name)) is not None]
    return (
        f"Made on {platform.system()} with Python {platform.python_version()}, {', '.join(found)}."
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def read(path: Path) -> tuple[list[str], list[str]]:
    """The columns and the first cells of the rows of the page's table."""
    rows = [
        re.split(r"\s*\|\s*", line.strip())[1:-1]
        for line in path.read_text(encoding="utf-8").partition("\n## ")[0].splitlines()
        if line.startswith("|")
    ]
    return rows[0][1:], [row[0] for row in rows[2:]]


def expected() -> tuple[list[str], Iterable[str]]:
    """What read() must find."""
    return list(COLUMNS), [shown(engine) for engine in ENGINES]
