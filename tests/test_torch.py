"""PyTorch: real DataLoaders and ranks, of the CPU's build."""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

import gc
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import traceback
import types
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import torch_program as program
import traced_tasks as tasks
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException
from torch.utils.data import dataloader
from torch_program import Samples, Stream
from traced_tasks import PASSING, check_chained, check_kind, frames

import keeptrace
from keeptrace.concurrent import WorkerDied, engines, get_context
from keeptrace.concurrent.torch import (
    DataLoader,
    DataLoaderWorkerDied,
    install,
    spawn,
    start_processes,
    uninstall,
)

pytestmark = [
    pytest.mark.torch,
    pytest.mark.timeout(120),
    # more workers than this machine may have processors
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]
HERE = Path(__file__).parent


def loader(dataset: Any, **how: Any) -> DataLoader[Any]:
    given = {"batch_size": 2, "num_workers": 2, "collate_fn": program.listed}
    return DataLoader(dataset, **{**given, "multiprocessing_context": "fork", **how})


def raised_by(batches: Any, all_frames: bool = False) -> BaseException:
    """What the loop over the batches raises; without this process's frames, which would keep the
    workers.
    """
    try:
        for _ in batches:
            pass
    except BaseException as exc:
        raised = exc
    else:
        raise AssertionError("nothing was raised")
    entry = raised.__traceback__
    while not all_frames and entry is not None and is_of_this_process(entry.tb_frame):
        entry = entry.tb_next
    return raised.with_traceback(entry)


def is_of_this_process(frame: types.FrameType) -> bool:
    """The globals of restored frames are copies."""
    module = sys.modules.get(frame.f_globals.get("__name__", ""))
    return module is not None and vars(module) is frame.f_globals


# -- exceptions


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_failing_dataset(method: str) -> None:
    """The batches before the failure come; then its own exception, with frames, variables and
    original cause.
    """
    batches = iter(loader(Samples("chained"), multiprocessing_context=method))
    assert [next(batches) for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]
    exc = raised_by(batches)
    check_chained(exc, 5)
    assert frames(exc)["__getitem__"].f_locals["local"] == [6, 6]
    assert frames(exc)["fetch"].f_locals["possibly_batched_index"] == [6, 7]
    assert "_worker_loop" not in frames(exc)


@pytest.mark.parametrize("kind", PASSING)
def test_every_exception_arrives(kind: str) -> None:
    """Whatever it holds; those that can neither be pickled nor rebuilt from a text."""
    check_kind(raised_by(loader(Samples(kind))), kind)


def test_the_arguments_are_kept() -> None:
    """A KeyError has its key, where torch makes a text of the whole traceback."""
    exc = raised_by(loader(Samples("key")))
    assert type(exc) is KeyError and exc.args == ("absent",) and exc.__cause__ is None


def test_a_failing_collate_function() -> None:
    """What collate_fn raises comes with the batch that it was given."""
    exc = raised_by(loader(Samples(), collate_fn=program.failing_collate))
    check_chained(exc, 2)
    assert frames(exc)["failing_collate"].f_locals["batch"] == [0, 1]


def test_a_failing_worker_init_fn() -> None:
    """What worker_init_fn raises is what the first batch raises."""
    exc = raised_by(loader(Samples(), worker_init_fn=program.failing_init))
    check_chained(exc, 5)
    assert "failing_init" in frames(exc)


def test_a_failing_iterable_dataset() -> None:
    """What the dataset's own __iter__ raises arrives."""
    exc = raised_by(loader(Stream(1)))
    check_chained(exc, 1)
    assert frames(exc)["__iter__"].f_locals["self"].begun == 1


def test_an_exception_that_ends_a_worker() -> None:
    """Where torch's own loop lets an exception end the worker, the error has it as its cause: in
    the second epoch of persistent workers, and SystemExit.
    """
    again = loader(Stream(2), persistent_workers=True)
    assert len(list(again)) == 4
    exc = raised_by(again)
    assert type(exc) is DataLoaderWorkerDied and exc.__cause__ is not None
    check_chained(exc.__cause__, 2)
    exc = raised_by(loader(Samples("exit")))
    assert type(exc) is DataLoaderWorkerDied and type(exc.__cause__) is SystemExit
    check_kind(exc.__cause__, "exit")
    assert "exited with code 3 while it ran DataLoader worker 1, batch 3, indices [6, 7]" in str(
        exc
    )


def test_a_batch_that_cannot_be_pickled() -> None:
    """It fails by itself, and the batches after it come; torch waits for it forever."""
    batches = iter(loader(Samples("unpicklable")))
    assert [next(batches) for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises((AttributeError, TypeError, ValueError)) as info:
        next(batches)
    assert "lambda" in str(info.value)
    assert list(batches) == [[8, 9], [10, 11]]


def test_an_exception_of_the_pinning_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pinning the memory of a batch raises is the very exception. Without a device, its
    functions do nothing.
    """
    for module, name, found in (
        (torch.accelerator, "is_available", True),
        (torch.accelerator, "current_accelerator", torch.device("cuda")),
        (torch.accelerator, "current_device_index", 0),
        (torch.accelerator, "set_device_index", None),
        (torch.cuda, "is_available", True),  # of these PyTorch 2.6 asks
        (torch.cuda, "current_device", 0),
        (torch.cuda, "set_device", None),
    ):
        monkeypatch.setattr(module, name, lambda *given, found=found: found)
    exc = raised_by(loader(Samples(), collate_fn=program.pinned, pin_memory=True), all_frames=True)
    check_chained(exc, 5)
    assert isinstance(frames(exc)["pin_memory"].f_locals["self"], program.Unpinnable)
    # what fails in a worker passes the thread
    check_chained(raised_by(loader(Samples("chained"), pin_memory=True)), 5)


# -- the drop-in


def test_the_drop_in() -> None:
    """Batches, lengths, generic names and pickles are torch's; without workers everything is."""
    for dataset, workers in itertools.product((Samples(), Stream(0)), (0, 2)):
        context = "fork" if workers else None
        how = {"batch_size": 3, "num_workers": workers, "multiprocessing_context": context}
        ours, torchs = DataLoader(dataset, **how), torch.utils.data.DataLoader(dataset, **how)
        assert isinstance(ours, torch.utils.data.DataLoader)
        for mine, others in zip(ours, torchs, strict=True):
            assert torch.equal(mine, others)
    assert len(loader(Samples())) == 6 and DataLoader[int] is not None
    alone = loader(Samples("chained"), num_workers=0, multiprocessing_context=None)
    check_chained(raised_by(alone, all_frames=True), 5)


def test_options() -> None:
    """trace= bounds what is kept; a wrong one is an OptionError."""
    exc = raised_by(loader(Samples("chained"), trace=keeptrace.Options(limit=1)))
    assert list(frames(exc))[-1] == "chained" and "__getitem__" not in frames(exc)
    with pytest.raises(keeptrace.OptionError):
        loader(Samples(), trace=7)


def test_persistent_workers_and_epochs() -> None:
    """A second epoch of persistent workers goes on after a failure in the first."""
    again = loader(Samples("chained"), persistent_workers=True)
    for _ in range(2):
        check_chained(raised_by(again), 5)


def test_a_context_of_keeptrace() -> None:
    """A context of get_context() is a multiprocessing_context like any other."""
    exc = raised_by(loader(Samples("chained"), multiprocessing_context=get_context("fork")))
    check_chained(exc, 5)


def test_nothing_is_kept_alive() -> None:
    """An iterator that failed is freed with its exception, without the collector, and its workers
    end.
    """
    batches = iter(loader(Samples("chained")))
    workers, gone = batches._workers, weakref.ref(batches)
    gc.disable()
    try:
        try:
            list(batches)
        except ValueError:
            del batches
        assert gone() is None and not any(worker.is_alive() for worker in workers)
    finally:
        gc.enable()


# -- install()


@pytest.fixture
def installed() -> Iterator[None]:
    install()
    yield
    uninstall()


def test_install_again(place: None) -> None:
    """A second install() changes the options; uninstall() undoes both, and install() may follow."""
    how = {"batch_size": 2, "num_workers": 1, "multiprocessing_context": "fork"}
    install(hold=True)
    install(trace=keeptrace.Options(limit=1))
    try:
        exc = raised_by(torch.utils.data.DataLoader(Samples("chained"), **how))
        assert "__getitem__" not in frames(exc) and keeptrace.held() == []
    finally:
        uninstall()
    assert dataloader._MultiProcessingDataLoaderIter.__module__ == dataloader.__name__


def test_install(installed: None) -> None:
    """A DataLoader that others make, a subclass too, does the same, until uninstall()."""

    class Others(torch.utils.data.DataLoader):
        pass

    how = {"batch_size": 2, "num_workers": 1, "multiprocessing_context": "fork"}
    check_chained(raised_by(Others(Samples("chained"), **how)), 5)
    iterator = iter(Others(Samples(), **how))
    assert type(iterator).__name__ == "_MultiProcessingDataLoaderIter"
    assert iterator._profile_name == "enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__"
    uninstall()
    exc = raised_by(Others(Samples("chained"), **how))
    assert "Original Traceback" in str(exc) and exc.__cause__ is None


# -- deaths


@pytest.mark.parametrize(
    ("how", "method"), [("SIGKILL", "fork"), ("SIGSEGV", "fork"), ("SIGSEGV", "spawn")]
)
def test_a_killed_worker(how: str, method: str) -> None:
    """The error, a RuntimeError as torch's, says which worker, by what, at which indices; and
    where, if there was time.
    """
    exc = raised_by(loader(Samples(how), multiprocessing_context=method))
    assert isinstance(exc, RuntimeError) and isinstance(exc, WorkerDied)
    (death,) = exc.deaths
    assert death.signal == how
    assert death.tasks == ("DataLoader worker 1, batch 3, indices [6, 7]",)
    assert f"was killed by {how}" in str(exc)
    if how == "SIGSEGV":
        names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(death.stack)]
        assert names[0] == "fetch" and names[-2:] == ["__getitem__", "act"]
        assert "Its Python stack at death" in "".join(exc.__notes__)


@pytest.mark.parametrize("how", ["leave", "leave well"])
def test_a_worker_that_leaves(how: str) -> None:
    """A worker that leaves within a batch, even with success, is told of by its exit code."""
    exc = raised_by(loader(Samples(how), batch_size=None))
    assert isinstance(exc, DataLoaderWorkerDied)
    assert exc.deaths[0].exitcode == (7 if how == "leave" else 0)
    assert exc.deaths[0].tasks == ("DataLoader worker 0, batch 6, index 6",)


def test_a_death_while_the_program_does_something_else() -> None:
    """torch's SIGCHLD handler raises wherever the main thread is: it says the same there."""
    batches = iter(loader(Samples("wait", at=2)))
    assert next(batches) == [0, 1]
    with pytest.raises(DataLoaderWorkerDied) as info:
        os.kill(batches._workers[1].pid, signal.SIGKILL)
        end = time.monotonic() + 60
        while time.monotonic() < end:  # trains
            time.sleep(0.01)
    assert info.value.deaths[0].signal == "SIGKILL"


def test_a_late_batch() -> None:
    """torch's error of a timeout has the stacks of the workers that are at a batch."""
    exc = raised_by(loader(Samples("wait"), timeout=5))
    assert type(exc) is RuntimeError and "timed out" in str(exc)
    (note,) = exc.__notes__
    assert "DataLoader worker 1, batch 3, indices [6, 7]" in note and "in act" in note


# -- ranks


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_rank_that_raises(method: str) -> None:
    """torch's ProcessRaisedException, with torch's text, whose cause is the rank's exception."""
    with pytest.raises(ProcessRaisedException) as info:
        start_processes(program.rank, ("chained",), 2, start_method=method)
    error = info.value
    assert error.error_index == 1 and "cannot share 5" in str(error)
    assert "in _call" not in str(error)
    check_chained(error.__cause__, 5)
    assert list(frames(error.__cause__)) == ["rank", "act", "chained"]
    assert frames(error.__cause__)["rank"].f_locals["local"] == [1, 1]


def test_spawn(tmp_path: Path) -> None:
    """All ranks run; without join a context is returned, as torch's."""
    assert spawn(program.note, (str(tmp_path),), 1) is None
    context = start_processes(program.note, (str(tmp_path),), 2, join=False, start_method="fork")
    assert isinstance(context, torch.multiprocessing.ProcessContext) and len(context.pids()) == 2
    while not context.join(timeout=1):
        pass
    assert sorted(os.listdir(tmp_path)) == ["0", "1"]


def test_several_ranks_that_raise() -> None:
    """Those that failed besides the first are named in notes."""
    context = start_processes(program.act, (), 1, join=False, start_method="fork")  # act(0) returns
    assert context.join()
    context = start_processes(
        lambda rank: tasks.chained(rank), (), 2, join=False, start_method="fork"
    )
    for process in context.processes:
        process.join(60)
    with pytest.raises(ProcessRaisedException) as info:
        context.join()
    other = 1 - info.value.error_index
    assert info.value.__notes__ == [f"Rank {other} raised ValueError: cannot share {other}"]


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "leave", "exit"])
def test_a_rank_that_dies(how: str) -> None:
    """torch's ProcessExitedException, with the deaths of ranks, and not of those that torch ended."""
    with pytest.raises(ProcessExitedException) as info:
        start_processes(program.rank, (how,), 2, start_method="fork")
    error: Any = info.value
    if how == "exit":
        check_kind(error.__cause__, "exit")
        assert error.deaths == []
        return
    (death,) = error.deaths
    assert death.tasks == (f"rank 1, rank(1, {how!r})",)
    assert death.signal == (None if how == "leave" else how)
    if how == "SIGSEGV":
        names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(death.stack)]
        assert names[:2] == ["rank", "act"]


# -- torchrun


def failing(directory: Path, *arguments: str) -> tuple[str, list[Path]]:
    """What a failing program prints on stderr, and the dumps that it leaves."""
    environment = {**os.environ, "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, env=environment, cwd=directory
    )
    assert done.returncode == 1, done.stderr
    return done.stderr, list(directory.rglob("*.keeptrace"))


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1")
PROGRAM = str(HERE / "torch_program.py")


def test_record_under_torchrun(tmp_path: Path) -> None:
    """The dump lies beside torch's error file, is named in it, and in what torchrun prints."""
    told, (dump,) = failing(tmp_path, *TORCHRUN, "--log-dir", str(tmp_path), PROGRAM, "chained")
    assert f"keeptrace debug {dump}" in told
    data = json.loads(dump.with_suffix(".json").read_text())
    assert data["message"]["extraInfo"]["keeptrace"] == str(dump)
    assert data["message"]["message"] == "ValueError: cannot share 5"
    exc = keeptrace.load(dump)
    assert frames(exc)["chained"].f_locals["rows"] == [0, 1, 2, 3, 4]
    assert type(exc.__cause__) is ZeroDivisionError


def test_torchrun_under_keeptrace_run(tmp_path: Path) -> None:
    """A rank that is killed leaves a dump, and so does torchrun."""
    pytest.importorskip("typer")
    _, dumps = failing(
        tmp_path, "-m", "keeptrace", "run", "--dir", ".", *TORCHRUN, PROGRAM, "SIGKILL"
    )
    kinds = {type(keeptrace.load(dump)).__name__ for dump in dumps}
    assert kinds == {"ProcessDied", "ChildFailedError"}


LOADING = """
from torch.utils.data import DataLoader
from torch_program import Samples
if __name__ == "__main__":
    for batch in DataLoader(Samples("chained"), num_workers=1, multiprocessing_context="fork"):
        pass
"""


@pytest.mark.parametrize("first", ["", "import keeptrace.concurrent.torch"])
def test_a_loader_under_keeptrace_run(tmp_path: Path, first: str) -> None:
    """The workers of a program keep their frames, whether or not the program names keeptrace."""
    pytest.importorskip("typer")
    (tmp_path / "loading.py").write_text(first + LOADING)
    told, (dump,) = failing(tmp_path, "-m", "keeptrace", "run", "--dir", ".", "loading.py")
    assert "no dumps" not in told
    exc = keeptrace.load(dump)
    assert frames(exc)["chained"].f_locals["rows"] == [0, 1, 2, 3, 4]
    assert type(exc.__cause__) is ZeroDivisionError


# -- failures that are held


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A place for this test's held processes alone."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    yield
    keeptrace.release(all=True)


def in_debugger(exc: BaseException, expression: str) -> str:
    """What a debugger on a terminal prints, in the process that holds the exception."""
    assert "held with its live objects" in "".join(exc.__notes__)
    (held,) = keeptrace.held()
    command = ["-m", "keeptrace", "attach", str(held.number)]
    environment = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", "PYTHON_COLORS": "0"}
    child = pexpect.spawn(sys.executable, command, timeout=90, env=environment, encoding="utf-8")
    try:
        child.expect(r"\(Pdb\) ")
        child.sendline(f"p 'told', {expression}")
        child.expect(r"\('told', (.*?)\)\s")
        return str(child.match[1])
    finally:
        child.close(force=True)


def test_a_loaders_worker_is_held(place: None) -> None:
    """With hold=True a copy of the worker waits in the failed frame; the loader is as ever."""
    exc = raised_by(loader(Samples("chained"), hold=True))
    check_chained(exc, 5)
    assert in_debugger(exc, "sum(rows)") == "10"
    with pytest.raises(keeptrace.OptionError):
        loader(Samples(), hold=keeptrace.Hold(how="stop"))


def test_a_rank_is_held(place: None) -> None:
    """The same for ranks."""
    with pytest.raises(ProcessRaisedException) as info:
        start_processes(program.rank, ("chained",), 2, start_method="fork", hold=True)
    assert in_debugger(info.value.__cause__, "sum(rows)") == "10"


def test_a_loaders_worker_is_held_under_keeptrace_run(place: None, tmp_path: Path) -> None:
    """With --hold the workers of a program that knows nothing of keeptrace are held."""
    pytest.importorskip("typer")
    (tmp_path / "loading.py").write_text(LOADING)
    failing(tmp_path, "-m", "keeptrace", "run", "--hold", "--dir", ".", "loading.py")
    (held,) = keeptrace.held()
    assert held.where == "traced_tasks.chained"


# -- an unknown torch


@pytest.fixture
def another_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A torch that lacks one private name of each kind."""
    for home in ("torch.utils.data._utils.worker", "torch.multiprocessing.spawn"):
        monkeypatch.setitem(engines._NAMES, home, (*engines._NAMES[home], "no_such_name"))
    engines.missing.cache_clear()
    yield
    engines.missing.cache_clear()


def test_without_a_private_name(another_torch: None) -> None:
    """One warning names what is missing, and everything is as torch has it."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            exc = raised_by(loader(Samples("chained")))
        install()
        with pytest.raises(ProcessRaisedException) as info:
            start_processes(program.rank, ("chained",), 2, start_method="fork")
    assert type(exc) is ValueError and "Original Traceback" in str(exc)
    assert dataloader._MultiProcessingDataLoaderIter.__module__ == dataloader.__name__
    assert info.value.__cause__ is None and "cannot share 5" in str(info.value)
    about = [str(each.message) for each in told if "keeptrace" in str(each.message)]
    assert len(about) == 2 and all("no_such_name" in text for text in about)
