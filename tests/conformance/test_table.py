"""docs/engines.md is of this suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import CASES, COLUMNS
from .engines import ENGINES, Engine
from .table import COMMAND, Outcome, expected, read, shown, write

PAGE = Path(__file__).parent.parent.parent / "docs" / "engines.md"


def test_the_page_has_the_suites_engines_and_columns() -> None:
    """Whoever adds an engine, a start method or a column makes the page again, by the command that stands in it."""
    assert read(PAGE) == expected()
    assert COMMAND in PAGE.read_text(encoding="utf-8")


def test_the_page_knows_no_failure() -> None:
    """What was written was made from a run in which every engine was there, and nothing failed."""
    text = PAGE.read_text(encoding="utf-8")
    assert "**failed**" not in text and "not run" not in text


def _engine(name: str) -> Engine:
    return next(engine for engine in ENGINES if engine.name == name)


def _whole_run(name: str, *others: Outcome) -> list[Outcome]:
    """The outcomes of a run that asked an engine every case: `others`, and that the rest passed."""
    other = {(each.column, each.case): each for each in others}
    return [
        other.get((case.column, case.name), Outcome(name, case.column, case.name, "passed", ""))
        for _, case in _engine(name).asked()
    ]


def _row(path: Path, name: str) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"| {shown(_engine(name))} |"))


LOKY, REUSABLE, THREADS = (
    *("KeepTraceLokyExecutor", "get_reusable_executor"),
    "KeepTraceThreadPoolExecutor",
)


def test_cells_say_what_happened(tmp_path: Path) -> None:
    """A failure is never a yes; a limit is named with its reason; what did not run is not told as anything else."""
    pytest.importorskip("loky")
    page = tmp_path / "page.md"
    groups = {case.name for case in CASES if case.column == "group"}
    bases = {case.name for case in CASES if case.column == "base exceptions"}
    write(
        page,
        _whole_run(
            LOKY,
            Outcome(LOKY, "frames", "map", "failed", ""),
            Outcome(LOKY, "chain", "notes", "limit", "it has none"),
            *(Outcome(LOKY, "group", name, "limit", "no groups") for name in groups),
            *(Outcome(LOKY, "base exceptions", name, "not run", "needs luck") for name in bases),
        ),
    )
    told = "**failed**: map | yes | yes, but (1) | no (2) | yes | not run: needs luck | yes"
    assert f"| {LOKY} | {told} |" in _row(page, LOKY)
    assert "\n1. notes: it has none.\n2. no groups.\n" in page.read_text()
    write(page, _whole_run(THREADS))
    assert "| – | – | – | Python " in _row(page, THREADS)
    assert read(page) == expected()


def test_a_run_makes_the_rows_of_its_engines(tmp_path: Path) -> None:
    """Rows that another environment made stay, with their notes; so does that of an engine that was asked in part."""
    pytest.importorskip("loky")
    page = tmp_path / "page.md"
    limit = Outcome(LOKY, "chain", "notes", "limit", "it has none")
    write(page, _whole_run(LOKY, limit))
    before = _row(page, LOKY)
    assert "yes, but (1)" in before
    other = Outcome(THREADS, "locals", "variables", "limit", "it sees none")
    absent = [each._replace(outcome="not run") for each in _whole_run(LOKY)]
    in_part = _whole_run(LOKY)[1:]
    for run in (_whole_run(THREADS, other), _whole_run(THREADS, other) + absent, in_part):
        kept = write(page, run)
        assert LOKY in kept and (THREADS in kept) == (run is in_part)
        assert _row(page, LOKY) == before.replace("(1)", "(2)")
        assert "\n1. variables: it sees none.\n2. notes: it has none.\n" in page.read_text()
    assert _row(page, REUSABLE).count("not run") == len(COLUMNS) + 1
    assert LOKY not in write(page, _whole_run(LOKY)) and "it has none" not in page.read_text()
