"""What all tests share: the settings of property tests, and that no test leaves the interpreter changed."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Generator, Iterator

import pytest
from commands import Commands
from depth import DEPTH
from hypothesis import HealthCheck, settings

settings.register_profile(
    "keeptrace",
    deadline=None,
    max_examples=50 * DEPTH,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("keeptrace")

# A shell that runs the tests in the background has them ignore Ctrl-C, and so the programs that they start, which are to be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Thousands of processes that the tests start import the same files: each is compiled once, not in every process.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False  # nor are the tests themselves compiled anew in each run


@pytest.fixture(autouse=True)
def unchanged_interpreter() -> Iterator[None]:
    """The recursion limit is raised for moments only, and nothing replaces the hooks for good."""
    before = sys.getrecursionlimit(), sys.excepthook
    yield
    assert (sys.getrecursionlimit(), sys.excepthook) == before


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    """Runs a command of keeptrace in this process."""
    pytest.importorskip("typer", reason="the command line is made with typer")
    pytest.importorskip("rich", reason="the command line is made with rich")
    return Commands(monkeypatch, capfd)


@pytest.fixture(autouse=True, scope="session")
def time_for_repeats() -> Iterator[None]:
    """On a busy machine a few dumps of repeats would use up the time that they may take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keeptrace.store.repeats._BURST", 60.0)
        yield


# Files that take longest, the longest first. Whatever runs last should be short, or one process waits for another.
_LONG = (
    "test_engines.py", "test_hold.py", "test_repro.py", "test_healing.py", "test_records.py", "test_format.py", "test_types.py", "test_cli.py", "test_fidelity.py", "test_budgets.py", "test_bounds.py",
    "test_deaths.py", "test_render.py", "test_reading.py", "test_restore.py", "test_ends.py", "test_soak.py", "test_descriptors.py",
    "test_pytest_plugin.py", "test_surroundings.py", "test_joblib.py", "test_executor.py", "test_init.py", "test_dap.py", "test_hooks.py",
    "test_printing.py", "test_ladder.py", "test_pool.py", "test_loky.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; pytest-xdist is told (in pyproject.toml) not to reorder them by numbers of tests."""
    rank = {name: at for at, name in enumerate(_LONG)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Ten thousand tests are made, and none is garbage: searches for it took a sixth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What collecting made stays for good: no later search for garbage walks ten thousand tests, and no forked worker copies them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def few_objects() -> None:
    """The same for what the modules before have left.

    pytest's assertions call locals(), and before Python 3.13 a capture of a function that does looks at every object
    that is not frozen.
    """
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers() -> int | None:
    """One process more than there are processors: many tests wait for processes that they start."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return (os.cpu_count() or 1) + 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names what was skipped, a line for each reason; not with -q."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped or terminalreporter.verbosity < 0:
        return
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    terminalreporter.section("skipped, by reason")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:5} {reason}")


# Files of tests of heavy engines alone. Collecting them imports those, and Dask's import changes how the process pickles exceptions.
_ENGINES = {
    **dict.fromkeys(
        ("test_celery.py", "test_dask.py", "test_mpi.py", "test_ray.py", "test_rq.py"), "engines"
    ),
    **dict.fromkeys(("test_torch.py", "test_torchdata.py"), "torch"),
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Heavy engines are imported where their tests are wanted."""
    mark = _ENGINES.get(collection_path.name)
    if mark is not None and f"not {mark}" in config.option.markexpr:
        return True
    return None


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Values beyond what int → str converts have no repr to be named by."""
    return (
        f"{argname}-{val.bit_length()}-bits"
        if type(val) is int and val.bit_length() > 1000
        else None
    )
