"""docs/engines.md: what became of every case, by engine and column. A run makes the rows of the engines that it ran."""

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
under each start method that it has; this table is made of the outcomes, by

```sh
{COMMAND}   # with the extras test and engines, on Python 3.14 or newer
```

A run makes the rows of the engines that are installed and were asked every case, and keeps all others; the last column says
with what a row was made, on {platform.system()}.

"yes" means that every case of the column passed, and, unless a worker died, that the same pool did another task afterwards.
A number leads to what an engine cannot do, and why. "–" means that the question does not arise: within one process nothing
is pickled, and there is no worker process that could die.

"""
MADE_WITH = "made with"


class Outcome(NamedTuple):
    row: str
    column: str
    case: str
    outcome: str  # passed, failed, limit, not run
    reason: str


class Cell(NamedTuple):
    text: str
    notes: tuple[str, ...] = ()  # each gets a number, which stands behind the text


def write(path: Path, outcomes: list[Outcome]) -> list[str]:
    """Writes the page, and gives the engines whose rows are those that the page had before.

    An engine that was not asked every case keeps its row; without one it counts as not run.
    """
    before = _rows(path)
    made, kept = [], []
    for engine in ENGINES:
        row = _row(engine, outcomes)
        if row is None:
            kept.append(engine.name)
            row = before.get(shown(engine), [Cell("not run")] * (len(COLUMNS) + 1))
        made.append([Cell(shown(engine)), *row])
    notes = list(dict.fromkeys(note for row in made for cell in row for note in cell.notes))
    heads = [*_heads(), *(_line([_numbered(cell, notes) for cell in row]) for row in made)]
    columns = [f"- **{column}**: {meaning}" for column, meaning in COLUMNS.items()]
    numbered = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    text = "\n".join([*heads, "", *columns, "", *numbered, "", section()])
    path.write_text(HEAD + text, encoding="utf-8")
    return kept


def _heads() -> list[str]:
    names = ["engine", *COLUMNS, MADE_WITH]
    return [_line(names), "|---" * len(names) + "|"]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _numbered(cell: Cell, notes: list[str]) -> str:
    numbers = ", ".join(str(notes.index(note) + 1) for note in cell.notes)
    return f"{cell.text} ({numbers})" if numbers else cell.text


# -- the rows of this run


def _row(engine: Engine, outcomes: list[Outcome]) -> list[Cell] | None:
    """The cells of an engine's row; None if it was not asked every case."""
    found = [each for each in outcomes if each.row == engine.name]
    is_absent = all(each.outcome == "not run" for each in found)
    if is_absent or len(found) < len(list(engine.asked())):
        return None
    cells = [_cell([each for each in found if each.column == column]) for column in COLUMNS]
    return [*cells, Cell(_made_with(engine))]


def _cell(outcomes: list[Outcome]) -> Cell:
    if not outcomes:
        return Cell("–")
    failed = dict.fromkeys(each.case for each in outcomes if each.outcome == "failed")
    if failed:
        return Cell("**failed**: " + ", ".join(failed))
    if all(each.outcome == "not run" for each in outcomes):
        return Cell(f"not run: {outcomes[0].reason}")
    limits: dict[str, list[str]] = {}
    for each in outcomes:
        if each.outcome == "limit" and each.case not in limits.setdefault(each.reason, []):
            limits[each.reason].append(each.case)
    if not limits:
        return Cell("yes")
    if any(each.outcome == "passed" for each in outcomes):
        notes = (f"{', '.join(cases)}: {reason}." for reason, cases in limits.items())
        return Cell("yes, but", tuple(notes))
    return Cell("no", tuple(f"{reason}." for reason in limits))


def shown(engine: Engine) -> str:
    """The engine's name as the first cell of its row, the start methods behind it."""
    methods = ", ".join(method for method in engine.methods if method)
    return f"{engine.name} ({methods})" if methods else engine.name


def _made_with(engine: Engine) -> str:
    libraries = [f"{name} {metadata.version(name)}" for name in engine.needs]
    return ", ".join([f"Python {platform.python_version()}", *libraries])


# -- the rows of the page


def _rows(path: Path) -> dict[str, list[Cell]]:
    """The rows of the page's table by their first cells; none if it has other columns."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8").partition("\n## ")[0]
    rows = _split(text)
    if not rows or rows[0] != ["engine", *COLUMNS, MADE_WITH]:
        return {}
    notes = dict(re.findall(r"^(\d+)\. (.+)$", text, re.MULTILINE))
    return {first: [_told(cell, notes) for cell in cells] for first, *cells in rows[2:]}


def _split(text: str) -> list[list[str]]:
    lines = [line.strip() for line in text.splitlines() if line.startswith("|")]
    return [re.split(r"\s*\|\s*", line)[1:-1] for line in lines]


def _told(cell: str, notes: dict[str, str]) -> Cell:
    numbers = re.search(r" \(([\d, ]+)\)$", cell)
    if numbers is None:
        return Cell(cell)
    return Cell(cell[: numbers.start()], tuple(notes[number] for number in numbers[1].split(", ")))


def read(path: Path) -> tuple[list[str], list[str]]:
    """The columns and the first cells of the rows of the page's table."""
    rows = _split(path.read_text(encoding="utf-8").partition("\n## ")[0])
    return rows[0][1:], [row[0] for row in rows[2:]]


def expected() -> tuple[list[str], Iterable[str]]:
    """What read() must find."""
    return [*COLUMNS, MADE_WITH], [shown(engine) for engine in ENGINES]
