"""A watcher notes the memory of processes, for the records of those that are killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from waiting import until

import keeptrace
from keeptrace.core.watching import LINE, Sample, address_of, sample_in
from keeptrace.store.boxes import box_of


def _can_watch() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):  # another system, or a sandbox
        return False
    return os.path.exists("/proc/self/status")


pytestmark = pytest.mark.skipif(not _can_watch(), reason="a watcher needs Linux's pidfd_open")

SIZE = 200_000_000  # of what a program allocates (bytes)
LIMIT = 60  # for what takes a second (seconds)

PROGRAM = """
import os, signal, sys

def grow(size):
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    data = bytearray(size)
    data[::4096] = bytes(len(data[::4096]))
    sys.stdin.readline()  # until it is killed, or the end

def below_a_server(size):
    pid = os.fork()
    if not pid:
        grow(size)
        os._exit(0)
    print(os.waitpid(pid, 0)[1], flush=True)

{install}
{what}
"""

RUN = ("-m", "keeptrace", "run", "--dir")


def program(directory: Path, what: str, install: bool = False) -> list[str]:
    """The command of a program that keeps its records in the directory, with a watcher."""
    started = f"import keeptrace; keeptrace.install({str(directory)!r}, watch=True)"
    text = PROGRAM.format(install=started if install else "", what=what)
    directory.parent.joinpath("program.py").write_text(text)
    run = () if install else (*RUN, str(directory))
    return [sys.executable, *run, str(directory.parent / "program.py")]


class Growing:
    """A process that has grown when it was told to."""

    def __init__(self, process: Any, directory: Path) -> None:
        self._process = process
        self._directory = directory
        self.pid = int(process.stdout.readline())

    def grow(self) -> None:
        """Returns when a watcher has seen that it has."""
        self._tell()
        until(lambda: (sample := self.sample()) is not None and sample.resident > SIZE, LIMIT)

    def kill(self) -> None:
        """Returns when a watcher has seen that it is dead."""
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: (sample := self.sample()) is not None and bool(sample.ended), LIMIT)

    def end(self) -> None:
        self._tell()
        self._tell()

    def _tell(self) -> None:
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def sample(self) -> Sample | None:
        (path,) = self._directory.glob(f".{self.pid}-*.box")
        box = box_of(str(path))
        return None if box is None else box.sample


def growing(directory: Path, what: str, install: bool = False) -> AbstractContextManager[Growing]:
    return started(directory, program(directory, what, install))


@contextmanager
def started(directory: Path, command: list[str]) -> Iterator[Growing]:
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield Growing(process, directory)
            process.wait(LIMIT)
        finally:
            process.kill()


def record(directory: Path) -> Any:
    """The one death that is recorded in the directory."""
    (entry,) = keeptrace.Store(directory).entries()
    (path,) = entry.kept
    return keeptrace.load(path)


def has_watcher(directory: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as place:
        try:
            place.bind(address_of(str(directory)))
        except OSError:
            return True
    return False


@pytest.mark.parametrize(
    "what, install", [("grow", False), ("grow", True), ("below_a_server", True)]
)
def test_a_killed_process_had_memory(what: str, install: bool, tmp_path: Path) -> None:
    """The record of a process that SIGKILL ends, also of a forked child, tells its memory and the
    time of its death.
    """
    with growing(tmp_path / "dumps", f"{what}({SIZE})", install) as process:
        process.grow()
        process.kill()
    exc = record(tmp_path / "dumps")
    assert SIZE < exc.resident <= exc.peak < 2 * SIZE
    assert exc.began < exc.ended
    assert f"died without a word, last seen with {exc.resident / 1e6:,.0f} MB of memory" in str(exc)
    assert f" s before (at most {exc.peak / 1e6:,.0f} MB): by SIGKILL" in str(exc)
    assert "the machine stopped" not in str(exc)


def test_the_peak_of_a_process_that_shrank(tmp_path: Path) -> None:
    """A record tells the most memory that the process ever had, also after it has freed it."""
    what = f"grow({SIZE}); data = None; grow(1)"
    with growing(tmp_path / "dumps", what, install=True) as process:
        process.grow()
        process._tell()
        again = Growing(process._process, tmp_path / "dumps")
        assert again.pid == process.pid
        process.kill()
    exc = record(tmp_path / "dumps")
    assert exc.peak > SIZE


def test_foreign_messages_to_the_watcher(tmp_path: Path) -> None:
    """Whatever another user sends to the watcher, the watcher goes on."""
    directory = tmp_path / "dumps"
    with growing(directory, f"grow({SIZE})", install=True) as process:
        until(lambda: has_watcher(directory), LIMIT)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as place:
            for message in (b"", b"x", b"-1", b"9" * 64):
                place.sendto(message, address_of(str(directory)))
        process.grow()
        process.kill()
    assert record(directory).resident > SIZE


def test_what_nobody_has_watched(tmp_path: Path) -> None:
    """Without a watcher a record says nothing of the process's memory."""
    code = "import keeptrace, os, sys; keeptrace.install(sys.argv[1]); os.kill(os.getpid(), 9)"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "dumps")], check=False, timeout=LIMIT
    )
    exc = record(tmp_path / "dumps")
    assert exc.resident is None and exc.peak is None and "last seen" not in str(exc)


@pytest.mark.parametrize("install", [False, True])
def test_a_watcher_ends_with_the_last_process(install: bool, tmp_path: Path) -> None:
    """After a program that ends well there is neither a watcher nor a file."""
    directory = tmp_path / "dumps"
    with growing(directory, "grow(1)", install) as process:
        until(lambda: has_watcher(directory), LIMIT)
        process.end()
    until(lambda: not has_watcher(directory), LIMIT)
    assert not directory.exists()


def test_one_watcher_for_two_programs(tmp_path: Path) -> None:
    """A second program in the same directory has the watcher of the first, also when the first has
    ended.
    """
    with growing(tmp_path / "dumps", f"grow({SIZE})") as second:
        with growing(tmp_path / "dumps", f"grow({SIZE})") as first:
            first.grow()
            first.end()
        second.grow()
        second.kill()
    until(lambda: not has_watcher(tmp_path / "dumps"), LIMIT)
    assert record(tmp_path / "dumps").pid == second.pid


@pytest.mark.parametrize("install", [False, True])
def test_a_watcher_is_no_child(install: bool, tmp_path: Path) -> None:
    """A program that waits for all of its children does not meet the watcher."""
    what = (
        "try: os.wait()\n"
        "except ChildProcessError: sys.exit(7)"
    )  # fmt: skip
    done = subprocess.run(program(tmp_path / "dumps", what, install), check=False, timeout=LIMIT)
    assert done.returncode == 7


WATCH = """
import sys
from keeptrace.core.watching import watch
watch(sys.argv[1], int(sys.argv[2]))
"""


def test_watchers_of_one_directory(tmp_path: Path) -> None:
    """The first watcher serves until the last process has ended; another one gives it a process and
    ends.
    """
    directory = tmp_path / "dumps"
    install = f"import keeptrace; keeptrace.install({str(directory)!r})"
    grow = [sys.executable, "-c", PROGRAM.format(install=install, what=f"grow({SIZE})")]
    watch = [sys.executable, "-c", WATCH, str(directory)]
    wait = [sys.executable, "-c", "input()"]
    with started(directory, grow) as process:
        other = subprocess.Popen(wait, stdin=subprocess.PIPE, text=True)
        first = subprocess.Popen([*watch, str(process.pid)])
        try:
            until(lambda: has_watcher(directory), LIMIT)
            for name in (f".{os.getpid()}-1.box", ".999999999-1.box"):  # of no living process
                (directory / name).touch()
            subprocess.run([*watch, str(other.pid)], check=True, timeout=LIMIT)
            process.grow()
            process.kill()
            assert first.poll() is None
            other.communicate("\n", LIMIT)
            assert first.wait(LIMIT) == 0
        finally:
            other.kill()
            first.kill()
    sample = process.sample()
    assert sample is not None and SIZE < sample.resident <= sample.peak and sample.ended


def test_a_watcher_without_a_process(tmp_path: Path) -> None:
    """A watcher whose process has ended before it looks ends as well."""
    done = subprocess.run([sys.executable, "-c", WATCH, str(tmp_path), "999999999"], timeout=LIMIT)
    assert done.returncode == 0


IN_A_WORKER = f"""
import glob, os, signal, sys
from waiting import until
from keeptrace.store.boxes import box_of

def test_it():
    data = bytearray({SIZE})
    data[::4096] = bytes(len(data[::4096]))
    (path,) = glob.glob(f"dumps/.{{os.getpid()}}-*.box")
    until(lambda: (sample := box_of(path).sample) is not None and sample.resident > {SIZE}, 60)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_of_xdist(tmp_path: Path) -> None:
    """The report of a killed worker of pytest-xdist tells the worker's memory."""
    pytest.importorskip("xdist")
    (tmp_path / "test_it.py").write_text(IN_A_WORKER)
    plugins = ("-p", "xdist", "-p", "keeptrace.pytest_plugin", "-p", "no:cacheprovider")
    options = (*plugins, "-n", "1", "--keeptrace=dumps", "--max-worker-restart=0")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, "test_it.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
    )  # fmt: skip
    assert "was killed by SIGKILL, last seen with 2" in done.stdout, done.stdout + done.stderr


def test_a_line_of_a_box() -> None:
    """A sample is a line of a fixed length, which nobody takes for a sample while it is empty."""
    sample = Sample(resident=1 << 50, peak=1 << 51, seen=4e9, ended=4e9 + 0.5)
    assert len(sample.line()) == LINE and sample_in(sample.line()) == sample
    assert sample_in(b" " * LINE) is None
