"""However a program ends whose pool is at something, it leaves neither processes nor files, and ends as with the engine's own pool.

ending.py is the program; each runs in a session of its own, so that what it leaves can be found.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from soak import in_session
from waiting import until

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/stat"), reason="looks for processes in /proc"
)

PROGRAM = str(Path(__file__).with_name("ending.py"))
POOLS = [
    ("executor", "fork"),
    ("executor", "forkserver"),
    ("healing", "fork"),
    ("healing", "forkserver"),
    ("pool", "fork"),
    ("pool", "spawn"),
    ("loky", "loky"),
]
COMPARED = [("executor", "fork"), ("healing", "fork"), ("pool", "fork"), ("loky", "loky")]


@dataclass
class Ended:
    code: int | None
    out: str
    err: str
    left: list[int]  # processes
    files: list[str]


def prepared(folder: Path, kind: str) -> tuple[Path, Path]:
    """Where a program's temporary files go, and where it runs."""
    if kind.endswith("loky"):
        pytest.importorskip("loky")
    files, run = folder / kind, folder / f"{kind}-run"
    files.mkdir()
    run.mkdir()
    return files, run


def ended(folder: Path, kind: str, method: str, state: str, end: str, wait: float = 20.0) -> Ended:
    """Runs the program to its end, and waits up to `wait` seconds for all of its processes to go; what is left is killed."""
    files, run = prepared(folder, kind)
    with open(run / "out", "w+") as out, open(run / "err", "w+") as err:
        process = subprocess.Popen(
            [sys.executable, PROGRAM, kind, method, state, end],
            cwd=run, env={**os.environ, "TMPDIR": str(files)}, stdout=out, stderr=err, start_new_session=True,
        )  # fmt: skip
        try:
            if (state, end) == ("sending", "kill"):
                until(
                    lambda: status(process.pid) == "T", 30
                )  # it has stopped: nobody reads what the workers send
                time.sleep(0.2)
                process.kill()
            code = process.wait(40)
        finally:
            deadline = time.monotonic() + wait
            while (left := in_session(process.pid)) and time.monotonic() < deadline:
                time.sleep(0.02)
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        return Ended(
            code, Path(out.name).read_text(), Path(err.name).read_text(), left, os.listdir(files)
        )


@functools.cache
def ended_of_stock(kind: str, method: str, end: str) -> Ended:
    """The same with tasks at work in the engine's own pool; whatever that leaves is killed."""
    with tempfile.TemporaryDirectory(prefix="kt") as folder:
        return ended(Path(folder), f"stock-{kind}", method, "working", end, wait=0.0)


def status(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def at_rest(pid: int) -> bool:
    """Its first thread has not run for a moment: it waits."""
    before, _ = run_of(pid), time.sleep(0.1)
    return status(pid) == "S" and run_of(pid) == before


def run_of(pid: int) -> list[str]:
    """How often its first thread has left the processor."""
    return [
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if "ctxt_switches" in line
    ]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one: the fork server's socket is in it."""
    with tempfile.TemporaryDirectory(prefix="kt") as made:
        yield Path(made)


# test_deaths.py has idle workers of fork and spawn
@pytest.mark.parametrize("state", ["idle", "working", "sending"])
@pytest.mark.parametrize(("kind", "method"), POOLS)
def test_killed(kind: str, method: str, state: str, folder: Path) -> None:
    """When the program is killed, its workers end, be it that they wait, work or send; those of the stdlib's executor stay for ever.

    They say nothing. (The stdlib's own directory for the fork server's socket stays, as it does there.)
    """
    if state == "idle" and method in ("fork", "spawn") and kind != "healing":
        pytest.skip("in test_deaths.py")
    found = ended(folder, kind, method, state, "kill")
    assert (found.code, found.left) == (
        -signal.SIGKILL,
        [],
    ) and "Traceback" not in found.err + found.out
    assert not [
        name for name in found.files if not (method == "forkserver" and name.startswith("pymp-"))
    ]


@pytest.mark.parametrize("end", ["return", "raise", "exit"])
@pytest.mark.parametrize(("kind", "method"), COMPARED)
def test_ended_with_tasks_at_work(kind: str, method: str, end: str, folder: Path) -> None:
    """With futures pending and no shutdown(): the exit code and the output are those of the engine's own pool, and nothing is left."""
    found = ended(folder, kind, method, "working", end)
    theirs = ended_of_stock(kind.replace("healing", "executor"), method, end)
    assert (found.code, found.out, found.left) == (theirs.code, theirs.out, [])
    assert found.err.count("Traceback") == (end == "raise") and found.files == []


@pytest.mark.parametrize(("kind", "method"), POOLS)
def test_ended_after_a_death(kind: str, method: str, folder: Path) -> None:
    """A program that goes on after a worker was killed, and ends without shutdown(), leaves nothing either."""
    found = ended(folder, kind, method, "idle", "break")
    assert (found.code, found.left, found.files, found.err) == (0, [], [], "")
    assert found.out.split() == [
        "ready",
        {
            "executor": "BrokenProcessPool",
            "healing": "TaskLost",
            "pool": "WorkerDied",
            "loky": "TerminatedWorkerError",
        }[kind],
    ]


@pytest.mark.parametrize(("kind", "method"), COMPARED)
def test_interrupted(kind: str, method: str, folder: Path) -> None:
    """Ctrl-C in the terminal, to program and workers alike: it ends at once, as one that SIGINT killed, and says it once a process.

    Not compared in the same run, since a multiprocessing.Pool of the stdlib's, so interrupted, sometimes never ends: see
    test_terminated_within_a_result in test_pool.py.
    """
    found = interrupted(folder, kind, method)
    assert (found.code, found.left, found.files) == (-signal.SIGINT, [], [])
    assert "KeyboardInterrupt" in found.out and found.out.count("Traceback") <= 1 + 2


def interrupted(folder: Path, kind: str, method: str) -> Ended:
    pexpect = pytest.importorskip("pexpect")
    files, run = prepared(folder, kind)
    env = {**os.environ, "TMPDIR": str(files)}
    child = pexpect.spawn(
        sys.executable,
        [PROGRAM, kind, method, "stuck", "wait"],
        cwd=str(run),
        env=env,
        timeout=25,
        encoding="utf-8",
    )
    try:
        child.expect("ready")
        until(
            lambda: at_rest(child.pid), 30
        )  # in result(): Python may lose a lock that it is just taking as it is interrupted
        child.sendintr()
        child.expect(pexpect.EOF)
        child.wait()
        deadline = time.monotonic() + 10
        while (left := in_session(child.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        for pid in in_session(child.pid):
            os.kill(pid, signal.SIGKILL)
        child.close(force=True)
    code = -child.signalstatus if child.signalstatus else child.exitstatus
    return Ended(code, child.before, "", left, os.listdir(files))
