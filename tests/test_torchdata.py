"""torchdata's StatefulDataLoader, whose iterator install() replaces beside torch's."""

# ruff: noqa: E402  # the libraries may be absent
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")

import torch_program as program
from test_torch import raised_by
from torch_program import Samples, Stream
from traced_tasks import check_chained, frames

import keeptrace
from keeptrace.concurrent.torch import DataLoaderWorkerDied, install, uninstall

pytestmark = [pytest.mark.torch, pytest.mark.timeout(120)]
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    install()
    yield
    uninstall()


def loader(dataset: Any, **how: Any) -> Any:
    given = {"batch_size": 2, "num_workers": 2, "collate_fn": program.listed}
    return stateful.StatefulDataLoader(
        dataset, **{**given, "multiprocessing_context": "fork", **how}
    )


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_failing_dataset(method: str) -> None:
    """The exception of a worker arrives with its frames and cause, without those of the loop."""
    batches = iter(loader(Samples("chained"), multiprocessing_context=method))
    assert [next(batches) for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]
    exc = raised_by(batches)
    check_chained(exc, 5)
    assert frames(exc)["__getitem__"].f_locals["local"] == [6, 6]
    assert "_worker_loop" not in frames(exc)


def test_exceptions_at_the_start_of_an_epoch() -> None:
    """What worker_init_fn or an iterable dataset's __iter__ raises, which the loop sends by itself."""
    check_chained(raised_by_making(loader(Samples(), worker_init_fn=program.failing_init)), 5)
    check_chained(raised_by_making(loader(Stream(1))), 1)


def raised_by_making(batches: Any) -> BaseException:
    with pytest.raises(ValueError) as info:
        list(batches)
    return info.value


def test_a_batch_that_cannot_be_pickled() -> None:
    """It fails by itself, and the batches after it come."""
    batches = iter(loader(Samples("unpicklable")))
    assert [next(batches) for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises((AttributeError, TypeError, ValueError), match="lambda"):
        next(batches)
    assert list(batches) == [[8, 9], [10, 11]]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_killed_worker(method: str) -> None:
    """The error says which worker, by what, and at which indices."""
    exc = raised_by(loader(Samples("SIGSEGV"), multiprocessing_context=method))
    assert isinstance(exc, DataLoaderWorkerDied)
    (death,) = exc.deaths
    assert death.signal == "SIGSEGV" and "in act" in "".join(exc.__notes__)
    assert death.tasks == ("DataLoader worker 1, batch 3, indices [6, 7]",)
    assert "_worker_loop" not in "".join(exc.__notes__)


def test_states() -> None:
    """A loader that goes on from a state, and persistent workers, give what torchdata's own give."""
    first = loader(Samples(), persistent_workers=True)
    batches = iter(first)
    seen, state = [next(batches), next(batches)], first.state_dict()
    assert seen == [[0, 1], [2, 3]] and list(batches) == [[4, 5], [6, 7], [8, 9], [10, 11]]
    assert len(list(first)) == 6
    second = loader(Samples("chained"))
    second.load_state_dict(state)
    batches = iter(second)
    assert next(batches) == [4, 5]
    check_chained(raised_by(batches), 5)


def test_uninstall() -> None:
    """Then StatefulDataLoaders are torchdata's own."""
    uninstall()
    exc = raised_by(loader(Samples("chained")))
    assert "Original Traceback" in str(exc) and exc.__cause__ is None


LOADING = """
from torchdata.stateful_dataloader import StatefulDataLoader
from torch_program import Samples
if __name__ == "__main__":
    for batch in StatefulDataLoader(Samples("chained"), num_workers=1, multiprocessing_context="fork"):
        pass
"""


def test_under_keeptrace_run(tmp_path: Path) -> None:
    """torchdata that is imported after install() is covered, too."""
    pytest.importorskip("typer")
    (tmp_path / "loading.py").write_text(LOADING)
    done = subprocess.run(
        [sys.executable, "-m", "keeptrace", "run", "--dir", ".", "loading.py"],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"},
        cwd=tmp_path,
    )
    assert done.returncode == 1 and "no dumps" not in done.stderr, done.stderr
    (dump,) = tmp_path.rglob("*.keeptrace")
    exc = keeptrace.load(dump)
    assert frames(exc)["chained"].f_locals["rows"] == [0, 1, 2, 3, 4]
    assert type(exc.__cause__) is ZeroDivisionError
