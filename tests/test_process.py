"""KeepTraceProcess: what a process raised, from the process object."""

from __future__ import annotations

import gc
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pool_tasks as tasks
import pytest

from keeptrace import Options
from keeptrace.concurrent import KeepTraceProcess, get_context

# multiprocessing's own: loky registers two more when it is imported
METHODS = [
    method
    for method in ("fork", "spawn", "forkserver")
    if method in multiprocessing.get_all_start_methods()
]


def ended(process: Any) -> Any:
    process.start()
    process.join(30)
    return process


@pytest.mark.parametrize("method", METHODS)
def test_prints_and_ends_as_any(method: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The process prints what it raised and ends with code 1, as any."""
    process = ended(get_context(method).Process(target=tasks.chained, args=(5,)))
    assert type(process.exception()) is LookupError and process.exitcode == 1
    if method != "forkserver":  # whose stderr is that of the time when it was started
        assert "LookupError: no share of 5" in capfd.readouterr().err
    process.close()


# target, args → the type of exception()
ENDS: list[tuple[Any, tuple[Any, ...], Any]] = [
    (tasks.double, (4,), type(None)),
    (tasks.exit_with, (0,), type(None)),
    (tasks.exit_with, (None,), type(None)),
    (tasks.exit_with, ("fatal",), SystemExit),
    (tasks.die, ("0",), type(None)),
]


@pytest.mark.parametrize(("target", "args", "expected"), ENDS)
def test_ends(target: Any, args: tuple[Any, ...], expected: Any) -> None:
    """However the process ends, exception() says so."""
    exc = ended(KeepTraceProcess(target=target, args=args)).exception()
    assert type(exc) is expected


class Overridden(KeepTraceProcess):
    def run(self) -> None:
        local = self.name
        tasks.divide(len(local))


def test_subclass_with_its_own_run() -> None:
    """A subclass that overrides run() is covered as well."""
    exc = ended(Overridden(name="abc")).exception()
    assert (
        isinstance(exc, ZeroDivisionError) and exc.__traceback__.tb_frame.f_locals["local"] == "abc"
    )


def test_only_after_its_end(tmp_path: Path) -> None:
    """exception() of a process that has not ended is an error that says what to do."""
    file = tmp_path / "here"
    process = KeepTraceProcess(target=tasks.hang, args=(str(file),))
    with pytest.raises(ValueError, match="not started"):
        process.exception()
    process.start()
    with pytest.raises(ValueError, match="join"):
        process.exception()
    process.kill()
    process.join(10)
    assert "SIGKILL" in str(process.exception())


def test_options_and_names() -> None:
    """trace says what to keep; the rest are the arguments of multiprocessing.Process."""
    process = KeepTraceProcess(
        None, tasks.divide, "mine", (1,), {"parts": 0}, daemon=True, trace=Options(depth=0)
    )
    assert process.name == "mine" and process.daemon
    exc = ended(process).exception()
    assert isinstance(exc, ZeroDivisionError) and exc.__traceback__ is None


def test_nothing_left_behind() -> None:
    """close() frees the file."""
    gc.collect()  # what earlier tests left
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    process = ended(KeepTraceProcess(target=tasks.divide, args=(1,)))
    process.exception()
    process.close()
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before
