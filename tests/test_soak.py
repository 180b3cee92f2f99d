"""A small part of soak.py, which see: it also shows that a violation is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soak

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="soak.py reads /proc")


@pytest.mark.parametrize(
    "engine", ["executor:fork", "pool:fork", "executor:forkserver", "healing:fork", "loky:loky"]
)
def test_short_soak(
    engine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every way to fail and a killed worker: each task has its answer, and nothing is left behind."""
    if engine == "loky:loky":
        pytest.importorskip("loky")
    monkeypatch.setattr(sys, "argv", ["soak.py", "--tasks", "300", "--limit", "50", engine])
    code, told = soak.main(), capsys.readouterr().out
    assert code == 0, told
    assert "nothing" in told.splitlines()[-1]


def test_wrong_answers_are_violations() -> None:
    """What is not the answer of the task is found out."""
    exc = LookupError(7)
    assert "raised LookupError" in str(soak.wrong(7, "chained", None, exc))
    assert "no exception" in str(soak.wrong(7, "chained", 7, None))
    assert "gave" in str(soak.wrong(7, "", 8, None)) and soak.wrong(7, "", 7, None) is None
    assert "without the frame" in str(soak.wrong(7, "holds a lock", None, RuntimeError(7)))
    assert "as it was" in str(soak.wrong(7, "holds a lock", None, RuntimeError(8)))


def test_growth_is_a_violation() -> None:
    """Memory is compared between the thirds, without the beginning."""
    assert soak.growth([50.0, *range(100, 109)]) == (107.0, 6.0)
    assert soak.growth([1.0, *[9.0] * 99])[1] == 0.0


def test_what_is_left_is_found(tmp_path: Path) -> None:
    """A process that stays in a session is seen."""
    left = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        assert soak.in_session(left.pid) == [left.pid]
    finally:
        left.kill()
        left.wait()
        left.stdin.close()  # type: ignore[union-attr]
    assert soak.in_session(left.pid) == []
