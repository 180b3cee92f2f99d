"""`keeptrace snapshot PID`: another process says what it does, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import Commands

import keeptrace
from keeptrace import KeepTraceError, OptionError, Options
from keeptrace.hooks import answering, meeting
from keeptrace.hooks.answering import Answering
from keeptrace.hooks.meeting import facts_of
from keeptrace.tools.asking import snapshot_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and private directories")
PROGRAM = Path(__file__).with_name("living_program.py")
with_remote_exec = pytest.mark.skipif(
    not hasattr(sys, "remote_exec"), reason="sys.remote_exec is of Python 3.14"
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory of the test's own."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    return runtime / "keeptrace"


@contextmanager
def living(how: str, directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The program, and the number of the process that stands in its tasks."""
    with subprocess.Popen(
        [sys.executable, str(PROGRAM), how, str(directory)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        word, pid = process.stdout.readline().split()
        assert word == "ready"
        try:
            yield process, int(pid)
            process.stdin.close()
            assert process.stdout.readline() == "right\n"
            assert process.wait(60) == 0
        finally:
            process.kill()


def check(dump: Path) -> None:
    """The stacks of the living program are in a dump."""
    snapshot: Any = keeptrace.load(dump)
    found = {member.name: member for member in snapshot.exceptions}
    assert {"MainThread", "stander", "fetch-0", "fetch-1", "fetch-2"} <= found.keys()
    frames = [frame for frame, _ in traceback.walk_tb(found["stander"].__traceback__)]
    variables = next(frame.f_locals for frame in frames if frame.f_code.co_name == "stand")
    assert variables["doubled"] == 42 and "hunter2" not in str(variables)
    main = [frame.name for frame in traceback.extract_tb(found["MainThread"].__traceback__)]
    assert main[0] == "<module>" and not any("keeptrace/hooks" in name for name in main)


def asked(pid: int, output: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "keeptrace", "snapshot", str(pid), "-o", str(output)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("how", ["prepared", "forked"])
def test_a_prepared_process(how: str, tmp_path: Path, place: Path, call: Commands) -> None:
    """A process that called install(signal=...), or was forked from one, answers each time that it
    is asked, goes on, and leaves nothing behind.
    """
    with living(how, tmp_path / "dumps") as (process, pid):
        for number in range(3):
            done = call("snapshot", pid, "-o", tmp_path / f"{number}.dump")
            assert not done.code, done.err
            check(tmp_path / f"{number}.dump")
            assert (tmp_path / f"{number}.dump").stat().st_mode & 0o777 == 0o600
    assert list(place.iterdir()) == []


@with_remote_exec
def test_a_process_that_nobody_prepared(tmp_path: Path, place: Path) -> None:
    """From Python 3.14 on any Python process answers, by sys.remote_exec."""
    with living("unprepared", tmp_path) as (process, pid):
        done = asked(pid, tmp_path / "live.dump")
        assert not done.returncode, done.stderr
        check(tmp_path / "live.dump")
    assert list(place.iterdir()) == []


@pytest.mark.skipif(hasattr(sys, "remote_exec"), reason="any process answers")
def test_without_remote_exec(tmp_path: Path) -> None:
    """On older Pythons the command says how to prepare a process."""
    with living("unprepared", tmp_path) as (process, pid):
        done = asked(pid, tmp_path / "live.dump")
    assert done.returncode == 2 and "install(signal=signal.SIGUSR1)" in done.stderr


@with_remote_exec
def test_no_python_takes_no_script() -> None:
    """A process of another kind is told in a sentence."""
    with subprocess.Popen(["sleep", "60"]) as process:
        with pytest.raises(KeepTraceError, match="must be a Python 3"):
            snapshot_of(process.pid, 5)
        process.kill()


def test_a_signal_that_is_put_to_another_use(tmp_path: Path) -> None:
    """The signal is not sent to a process that has no handler of ours any more."""
    with living("taken", tmp_path) as (process, pid):
        with pytest.raises(KeepTraceError, match="another use"):
            snapshot_of(pid, 5)


def test_no_answer(tmp_path: Path, place: Path) -> None:
    """A process that does not get to its handler is told of, and can be asked again."""
    with living("blocked", tmp_path) as (process, pid):
        for _ in range(2):
            with pytest.raises(KeepTraceError, match="did not answer within 0.2 seconds"):
                snapshot_of(pid, 0.2)
    assert list(place.iterdir()) == []


def test_no_process() -> None:
    """A number of no process is a sentence."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(60)
    with pytest.raises(KeepTraceError, match="there is no process"):
        snapshot_of(process.pid, 1)


def test_a_killed_process_is_forgotten(tmp_path: Path, place: Path) -> None:
    """What a killed process had announced is found out, and removed."""
    code = (
        "import keeptrace, os, signal, sys\n"
        "keeptrace.install(sys.argv[1], signal=signal.SIGUSR1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as process:
        process.wait(60)
    assert len(list(place.iterdir())) == 1
    assert facts_of(process.pid) is None
    assert list(place.iterdir()) == []


def test_a_directory_of_others_is_not_used(tmp_path: Path, place: Path) -> None:
    """Where others could put files, a process is not prepared, and says so."""
    place.mkdir(0o777)
    place.chmod(0o777)
    with pytest.raises(KeepTraceError, match="others could use it"):
        keeptrace.install(tmp_path, signal=signal.SIGUSR1)


@pytest.mark.parametrize("number", [signal.SIGKILL if os.name == "posix" else 9, 12345, "USR1"])
def test_wrong_signals(number: Any, tmp_path: Path) -> None:
    """A signal that no handler may have is an OptionError, and nothing is installed."""
    before = sys.excepthook
    with pytest.raises(OptionError, match="signal="):
        keeptrace.install(tmp_path, signal=number)
    assert sys.excepthook is before


def test_uninstall_puts_the_handler_back(tmp_path: Path, place: Path) -> None:
    """The handler that was there gets the signals that are not for us, and is back afterwards."""
    got: list[int] = []

    def theirs(number: int, frame: object) -> None:
        got.append(number)

    before = signal.signal(signal.SIGUSR1, theirs)
    try:
        with keeptrace.install(tmp_path, signal=signal.SIGUSR1):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert len(list(place.iterdir())) == 1
        assert got == [signal.SIGUSR1]
        assert signal.getsignal(signal.SIGUSR1) is theirs
        assert list(place.iterdir()) == []
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_needs_the_main_thread(place: Path) -> None:
    """Another thread cannot set the handler, and some signals take none; the error says so."""
    problems: list[str] = []

    def prepare(number: int) -> None:
        with pytest.raises(OptionError) as caught:
            Answering(number, str(place), Options())
        problems.append(str(caught.value))

    thread = threading.Thread(target=prepare, args=(signal.SIGUSR1,))
    thread.start()
    thread.join()
    prepare(signal.SIGKILL)
    assert problems[0] == "signal=... is for the main thread: call install() there"
    assert problems[1].startswith("signal=") and "argument" in problems[1].lower()


def test_what_fails_in_an_answer_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The asking process gets the reason; where not even that can be written, the program goes on."""
    place.mkdir(0o700)
    frame = sys._getframe()
    options = Options(depth=1)  # pytest's own frames lead to all that pytest knows

    def full(*args: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(answering, "snapshot_report", full)
        answering.answer(str(place), "1", frame)
    with pytest.raises(
        KeepTraceError, match="could not take a snapshot: OSError: the disk is full"
    ):
        meeting.take_answer(str(place), "1")
    with monkeypatch.context() as patch:
        patch.setattr(answering._thread, "start_new_thread", no_threads)
        patch.setattr(answering, "put_answer", full)
        answering.answer(str(place), "2", frame, options, max_seconds=5.0)
        with pytest.raises(KeepTraceError, match="the disk is full"):
            meeting.take_answer(str(place), "2")
        patch.setattr(answering, "put_failure", full)
        answering.answer(str(place), "3", frame, options)
    assert meeting.take_answer(str(place), "3") is None


def no_threads(*args: object) -> None:
    raise RuntimeError("can't start new thread")
