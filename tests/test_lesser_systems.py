"""What a system lacks costs what needed it: without /proc, pidfd, memfd or control groups keeptrace
tells less.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keeptrace.core import digest, processes, reserve, telling
from keeptrace.format import facts
from keeptrace.store import deaths as store_deaths
from keeptrace.store import telling as store_telling
from keeptrace.store.boxes import Box, BoxFacts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="takes away what POSIX systems have")


def absent(*args: Any, **kwargs: Any) -> Any:
    raise FileNotFoundError(2, "No such file or directory")


@pytest.fixture
def ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system such as macOS, where files tell nothing of a process."""
    monkeypatch.setattr(processes, "open", absent, raising=False)


@pytest.mark.usefixtures("without_proc")
def test_processes_without_proc(ended: int) -> None:
    """Whether a process is alive is known there; since when, and how large, is not."""
    assert processes.start_of(os.getpid()) is None and processes.resident(os.getpid()) == 0
    assert processes.is_alive(os.getpid(), None) and not processes.is_alive(ended, None)
    assert processes.is_alive(1, None)  # another user's, perhaps
    assert processes.memory_kills() is None and processes.memory_of_group() is None


def test_the_memory_of_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control group with a limit tells its peak, and what was killed in it; one without a limit
    does not.
    """
    told = {"memory.events": "oom 3\noom_kill 2\n", "memory.peak": "5000000\n"}
    monkeypatch.setattr(processes, "_of_group", {**told, "memory.max": "9000000\n"}.__getitem__)
    assert (processes.memory_kills(), processes.memory_of_group()) == (2, (5_000_000, 9_000_000))
    monkeypatch.setattr(processes, "_of_group", {**told, "memory.max": "max\n"}.__getitem__)
    assert processes.memory_of_group() is None


def test_a_death_for_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record of a killed process tells what was killed in its group since, and the group's peak
    and limit.
    """
    began = BoxFacts(1, None, None, "program", 0.0, 2, None, False, None)
    box = Box("name", began, "", 0.0, None)
    monkeypatch.setattr(store_deaths, "memory_kills", lambda: 5)
    monkeypatch.setattr(store_deaths, "memory_of_group", lambda: (5_000_000, 9_000_000))
    assert store_deaths._lack_of_memory(box) == (
        "; killed for lack of memory since, in its control group: 3"
        "; its control group's memory has peaked at 5 MB of 9 MB"
    )
    monkeypatch.setattr(store_deaths, "memory_kills", lambda: None)
    monkeypatch.setattr(store_deaths, "memory_of_group", lambda: None)
    assert store_deaths._lack_of_memory(box) == ""


def test_a_python_without_subinterpreters(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, each caller is in the main interpreter."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        monkeypatch.setitem(sys.modules, name, None)
    assert processes.is_main_interpreter()


@pytest.mark.parametrize("lacking", [("_sha2",), ("_sha2", "_sha256")], ids=len)
def test_a_python_without_its_own_sha(
    lacking: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digests are the same, whoever computes them."""
    for name in lacking:
        monkeypatch.setitem(sys.modules, name, None)
    other: Callable[[bytes], str] = runpy.run_path(digest.__file__)["digest"]
    assert other(b"data") == digest.digest(b"data")


@pytest.mark.parametrize(
    "problem", [None, PermissionError(1, "no pidfd in this sandbox")], ids=repr
)
def test_programs_without_pidfd(
    problem: OSError | None, ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the program of a held process has ended is then asked by its number."""
    from keeptrace.hold.program import Program

    def refuse(pid: int) -> int:
        assert problem is not None
        raise problem

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    if problem is None:
        monkeypatch.delattr(os, "pidfd_open")
    assert Program(os.getpid()).fd is None and not Program(os.getpid()).has_ended()
    assert Program(ended).has_ended()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux's pidfd_open")
def test_a_program_that_has_ended_before(ended: int) -> None:
    """A number that no process has is of a program that has ended."""
    from keeptrace.hold.program import Program

    assert Program(ended).has_ended()


@pytest.mark.parametrize("is_forbidden", [False, True])
def test_black_boxes_without_memfd(is_forbidden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A black box is a file without a name then."""
    from keeptrace.concurrent.deaths.black_box import BlackBox

    monkeypatch.setattr(os, "memfd_create", absent, raising=False)
    if not is_forbidden:
        monkeypatch.delattr(os, "memfd_create")
    box = BlackBox()
    box.open()
    box.put(b"failure")
    box.note(b"note")
    assert (box.failure(), box.noted()) == (b"failure", b"note")
    box.close()


def test_memory_without_proc_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peak stands for the memory of the moment there; without groups the machine's memory is
    the limit.
    """
    memory = pytest.importorskip("keeptrace.concurrent.deaths.memory")
    now = memory.resident_memory()
    monkeypatch.setattr(memory, "open", absent, raising=False)
    assert memory.resident_memory() > now // 2
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert memory.memory_limit() == machine
    monkeypatch.setattr(os, "sysconf", lambda name: int(name))  # raises ValueError
    assert memory.memory_limit() == 0


def test_facts_of_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump names the system and the user in the words that there are."""
    for name in ("uname", "getuid"):
        monkeypatch.delattr(os, name)
    monkeypatch.setenv(facts._USER_NAMES[0], "Ada")
    assert facts._system({}) == sys.platform  # type: ignore[typeddict-item]
    assert facts._user({}) == f"{facts._USER_NAMES[0]} Ada"  # type: ignore[typeddict-item]


def test_the_python_of_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command has the short word where that is this Python, and the whole path otherwise."""
    ours, other = tmp_path / "ours", tmp_path / "other"
    for directory in (ours, other):
        directory.mkdir()
        (directory / "python").touch()
    monkeypatch.setattr(sys, "executable", str(ours / "python"))
    for path, word in (
        (f"{tmp_path}:{ours}:{other}", "python"),
        (f"{other}:{ours}", str(ours / "python")),
        (str(tmp_path), str(ours / "python")),
    ):
        monkeypatch.setenv("PATH", path)
        assert store_telling.command_to_open("crash") == f"{word} -m keeptrace debug crash"
    monkeypatch.setattr(sys, "executable", "")
    assert store_telling.command_to_open("crash") == "python -m keeptrace debug crash"


class Silent(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def test_telling_has_no_way_to_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is raised where standard error is no stream, or a problem has no words."""
    telling.failed(KeyError("k"), Silent())
    assert capsys.readouterr().err == "keeptrace: no dump of this exception, and no word on why\n"
    telling.failed(KeyError("k"), OSError("full"))
    assert capsys.readouterr().err == "keeptrace: no dump of this KeyError: OSError: full\n"
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", None)
        telling.tell("nobody hears")


def test_no_memory_for_the_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reserve that cannot be had is asked for again at the next time."""
    for size in ("_SIZE", "_SIZE_BY_SEGMENTS"):
        monkeypatch.setattr(reserve, size, sys.maxsize // 2)
    reserve.release_reserve()
    reserve.hold_reserve()
    assert reserve._reserve is None
    monkeypatch.undo()
    reserve.hold_reserve()
    assert reserve._reserve is not None
