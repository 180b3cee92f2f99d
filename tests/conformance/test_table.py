"""docs/engines.md is of this suite."""

from __future__ import annotations

from pathlib import Path

from .table import COMMAND, Outcome, expected, read, write

PAGE = Path(__file__).parent.parent.parent / "docs" / "engines.md"


def test_the_page_has_the_suites_engines_and_columns() -> None:
    """Whoever adds an engine, a start method or a column makes the page again, by the command that stands in it."""
    assert read(PAGE) == expected()
    assert COMMAND in PAGE.read_text(encoding="utf-8")


def test_the_page_knows_no_failure() -> None:
    """What was written was made from a run in which every engine was there, and nothing failed."""
    text = PAGE.read_text(encoding="utf-8")
    assert "**failed**" not in text and "not run" not in text


def test_cells_say_what_happened(tmp_path: Path) -> None:
    """A failure is never a yes; a limit is named with its reason; what did not run is not told as anything else."""
    row = "KeepTraceLokyExecutor"
    write(
        tmp_path / "page.md",
        [
            Outcome(row, "frames", "frames", "passed", ""),
            Outcome(row, "frames", "map", "failed", ""),
            Outcome(row, "locals", "variables", "passed", ""),
            Outcome(row, "chain", "cause", "passed", ""),
            Outcome(row, "chain", "notes", "limit", "it has none"),
            Outcome(row, "group", "group", "limit", "no groups"),
            Outcome(row, "base exceptions", "SystemExit", "not run", "needs luck"),
        ],
    )
    text = (tmp_path / "page.md").read_text()
    assert (
        f"| {row} | **failed**: map | yes | yes, but (1) | no (2) | – | not run: needs luck |"
        in text
    )
    assert "\n1. notes: it has none.\n2. no groups.\n" in text
    assert read(tmp_path / "page.md") == expected()
