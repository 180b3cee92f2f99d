"""Which cases an engine is asked, and the table that is made of the outcomes:

    python -m pytest tests/conformance --table docs/engines.md

runs every engine, those behind the marker `engines` too, and writes the rows of those that were asked every case. With
`-k NAME` or the name of one class of test_engines.py it runs one engine, and the rows of all others stay as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("conformance.cases")

from .cases import CASES, Case  # noqa: E402  # after its assertions are to be rewritten
from .engines import Engine  # noqa: E402
from .table import Outcome, write  # noqa: E402

_PROPERTY = "conformance"  # of a test's report: row, column, case


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--table",
        metavar="FILE",
        help="write the rows of the engines that this run asks every case to the table in a file",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("table", None) is not None:
        config.option.markexpr = ""  # all engines
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(_Table(Path(config.option.table)))


class _Table:
    """Collects the outcomes, in the process that sees them all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: list[Outcome] = []
        self._kept: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told: Any = dict(report.user_properties).get(_PROPERTY)
        if told is None or (report.when != "call" and report.outcome == "passed"):
            return
        reason = getattr(report, "wasxfail", None)
        if reason is not None:
            outcome = "limit"
        elif report.skipped:
            outcome, reason = "not run", report.longrepr[2].removeprefix("Skipped: ")  # type: ignore[index]  # file, line, reason
        else:
            outcome = report.outcome
        self._outcomes.append(
            Outcome(
                *told, outcome, (reason or "").removeprefix("reason: ").removeprefix("[NOTRUN] ")
            )
        )

    def pytest_sessionfinish(self) -> None:
        self._kept = write(self._path, self._outcomes)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._kept:
            told = ", ".join(self._kept)
            terminalreporter.write_line(f"{self._path}: not run in full, rows as before: {told}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    engine: Engine | None = getattr(metafunc.cls, "engine", None)
    if engine is None:
        return
    absent = engine.absent()
    rows = []
    for method, case in engine.asked():
        marks = [pytest.mark.timeout(engine.timeout)]
        keys = (f"{method}: {case.name}", case.name, case.column)
        limit = next(filter(None, map(engine.limits.get, keys)), None)
        if absent:
            marks.append(pytest.mark.skip(reason=absent))
        elif limit:
            marks.append(pytest.mark.xfail(reason=limit.reason, run=limit.tried, strict=True))
        if engine.marked or method in engine.costly and not is_first(case):
            marks.append(pytest.mark.engines)
        name = f"{method}-{case.name}".strip("-")
        rows.append(pytest.param(method, case, marks=marks, id=name))
    metafunc.parametrize(("pools", "case"), rows, indirect=["pools"], scope="class")


def pytest_itemcollected(item: pytest.Item) -> None:
    case: Case | None = getattr(item, "callspec", None) and item.callspec.params.get("case")  # type: ignore[attr-defined]
    if case is not None:
        item.user_properties.append((_PROPERTY, (item.cls.engine.name, case.column, case.name)))  # type: ignore[attr-defined]


def is_first(case: Case) -> bool:
    return next(other for other in CASES if other.column == case.column) is case
