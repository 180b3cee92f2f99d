"""joblib's backend "keeptrace"."""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

import os
import pickle
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

joblib = pytest.importorskip("joblib")

import pool_tasks
import traced_tasks as tasks
from joblib_workers import end_workers, lean_workers
from traced_tasks import check_chained
from waiting import until

import keeptrace.concurrent.joblib  # noqa: F401  # it registers the backend
from keeptrace import Options
from keeptrace.concurrent import WorkerDied
from keeptrace.concurrent.deaths.black_box import RUNNING, STATE, WAITING

Parallel, delayed = joblib.Parallel, joblib.delayed


def caught(parallel, function, arguments):
    with pytest.raises(BaseException) as info:
        result = parallel(delayed(function)(argument) for argument in arguments)
        list(result)
    return info.value


@pytest.fixture(autouse=True, scope="module")
def workers_that_start_soon():
    with lean_workers():
        yield


@pytest.fixture
def workers_with_numpy(monkeypatch):
    """For tests of what workers do with NumPy."""
    numpy = pytest.importorskip("numpy")
    end_workers()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setattr("joblib._memmapping_reducer.np", numpy)
    yield
    end_workers()


@pytest.fixture(autouse=True)
def backend():
    with joblib.parallel_config(backend="keeptrace", n_jobs=2):
        yield


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"batch_size": 3},
        {"pre_dispatch": "all"},
        {"return_as": "generator"},
        {"return_as": "generator_unordered"},
    ],
)
def test_frames_and_cause(how):
    """Parent's frames, then the worker's, with the original cause, though joblib takes the traceback off."""
    exc = caught(Parallel(**how), tasks.chained, [5] * 4)
    check_chained(exc, 5)
    names = list(tasks.frames(exc))
    assert (
        names[0] == "caught"
        and names[-1] == "chained"
        and "_entry_holding" not in names
        and "_process_worker" not in names
    )
    assert Parallel(**{**how, "return_as": "list"})(
        delayed(tasks.double)(number) for number in range(5)
    ) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("backend", ["keeptrace", "loky", "multiprocessing"])
def test_decorated(backend):
    """The decorator and a backend, ours or not, and an exception that joblib itself cannot ask for its truth value."""
    with joblib.parallel_config(backend=backend, n_jobs=2):
        exc = caught(Parallel(), tasks.traced_fail_with, ["falsy"])
    tasks.check_kind(exc, "falsy")
    assert list(tasks.frames(exc))[-2:] == [
        "traced_fail_with",
        "fail_with",
    ] and "leaving" not in tasks.frames(exc)


def through_backends(kinds, through_loky):
    """Every kind through forks. A failure through loky, joblib's or ours, costs two new workers:
    so only a kind of each way to refuse.
    """
    return [
        *(("multiprocessing", kind) for kind in kinds),
        *((backend, kind) for backend in ("keeptrace", "loky") for kind in through_loky),
    ]


@pytest.mark.parametrize(
    ("backend", "kind"), through_backends(tasks.SEALED, ["sealed", "ignoring", "property"])
)
def test_a_sealed_exception(backend, kind):
    """An exception that refuses attributes, which joblib sets more than once."""
    with joblib.parallel_config(backend=backend, n_jobs=2):
        tasks.check_sealed(caught(Parallel(), tasks.traced_raise_sealed, [kind]), kind)


@pytest.mark.parametrize(("backend", "kind"), through_backends(tasks.OPEN, ["exiting"]))
def test_an_exception_that_lets_joblib_set_attributes(backend, kind):
    """A harmless `__setattr__` does not change the exception's class, and makes no subclass."""
    with joblib.parallel_config(backend=backend, n_jobs=2):
        exc = caught(Parallel(), tasks.traced_raise_sealed, [kind])
    tasks.check_sealed(exc, kind)
    assert type(exc) is type(tasks.OPEN[kind]())


def test_a_sealed_exception_pickles_as_its_own_class():
    """Also the subclass where joblib sets attributes, which no module has under its name."""
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        exc = caught(Parallel(), tasks.traced_raise_sealed, ["sealed"])
    assert type(exc) is not tasks.Sealed
    again = pickle.loads(pickle.dumps(exc))
    assert type(again) is type(exc) is tasks.Sealed and again.args == (3,)


def test_nested_calls():
    """A Parallel call in a worker runs in threads there; its frames and cause arrive as well."""
    exc = caught(Parallel(), tasks.nested, [5])
    check_chained(exc, 5)
    assert "nested" in tasks.frames(exc)


def test_one_job_runs_in_place():
    """n_jobs=1 is joblib's sequential mode: nothing crosses anything."""
    exc = caught(Parallel(n_jobs=1), tasks.chained, [5])
    check_chained(exc, 5)
    assert type(exc.__cause__.__traceback__) is not None and vars(exc) == {}


def test_failing_initializer_is_told():
    """The error has what the initializer raised as its cause."""
    with joblib.parallel_config(
        backend="keeptrace", n_jobs=2, initializer=tasks.refuse, initargs=("no entry",)
    ):
        exc = caught(Parallel(), tasks.double, [1])
        assert repr(exc.__cause__) == "RuntimeError('no entry')" and "refuse" in tasks.frames(
            exc.__cause__
        )


def test_killed_worker():
    """The error says which worker died, how, at which of the batch's calls, and where."""
    exc = caught(Parallel(batch_size=2), pool_tasks.die, ["SIGSEGV"] * 2)
    assert type(exc).__name__ == "TerminatedWorkerError"
    for death in exc.deaths:  # the second worker may have got as far as the first
        assert death.signal == "SIGSEGV" and death.tasks == ("die('SIGSEGV')",)
        assert death.stack.tb_frame.f_code.co_name == "die" and str(death) in "\n".join(
            exc.__notes__
        )
    assert exc.deaths


@pytest.mark.skipif(os.name != "posix", reason="POSIX alone")
def test_workers_that_are_replaced(tmp_path):
    """With on_death="replace" a waiting worker that is killed costs nothing; a task's death is a WorkerDied, and the next call goes on."""
    go_on = tmp_path / "go on"

    def run(function, arguments):
        with joblib.parallel_config(backend="keeptrace", n_jobs=2, on_death="replace"):
            return Parallel()(delayed(function)(argument) for argument in arguments)

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(run, tasks.stay_until, [go_on])
        try:
            until(lambda: {RUNNING, WAITING} <= {*states().values()})
            chosen = next(pid for pid, state in states().items() if state == WAITING)
            os.kill(chosen, signal.SIGKILL)
            until(lambda: chosen not in states())
        finally:
            go_on.touch()
        assert done.result(60) == ["went on"]
    with pytest.raises(WorkerDied) as info:
        run(pool_tasks.die, ["SIGKILL"])
    assert info.value.deaths[0].signal == "SIGKILL"
    assert run(abs, [-1, -2, -3]) == [1, 2, 3]


def states():
    """What each worker of joblib's executor is at."""
    pool = joblib.externals.loky.reusable_executor._executor
    workers = list(pool._processes.items()) if pool is not None else []
    return {pid: process._keeptrace_box.words[STATE] for pid, process in workers}


def test_options():
    """trace= can be given with the backend and with the call; workers are replaced when it changes."""
    with joblib.parallel_config(backend="keeptrace", n_jobs=2, trace=Options(depth=0)):
        assert "chained" in "".join(caught(Parallel(), tasks.chained, [5]).__notes__)
    check_chained(
        caught(Parallel(backend="keeptrace", trace=Options(depth=4)), tasks.chained, [5]), 5
    )


def test_other_backends_are_untouched():
    """joblib's own loky backend, used before and after, is as it was."""
    exc = caught(Parallel(backend="loky"), tasks.chained, [5])
    assert type(exc.__cause__).__name__ == "_RemoteTraceback"
    check_chained(caught(Parallel(), tasks.chained, [5]), 5)


def test_memory_mapping(workers_with_numpy):
    """Large arrays are shared with the workers as joblib does."""
    import numpy

    array = numpy.arange(1 << 18)
    kinds = Parallel(max_nbytes=1000)(delayed(tasks.name_of_type)(array) for _ in range(2))
    assert kinds == ["memmap", "memmap"]


def test_scikit_learn(workers_with_numpy):
    """A library that uses joblib inside gains it without change."""
    pytest.importorskip("sklearn")
    from sklearn.base import BaseEstimator
    from sklearn.model_selection import cross_val_score

    class Failing(BaseEstimator):
        def fit(self, rows, labels):
            wanted = len(rows) * 2
            raise LookupError(f"{wanted} rows")

        def score(self, rows, labels):
            return 0.0

    with pytest.raises(LookupError) as info:
        cross_val_score(Failing(), [[0], [1], [2], [3]], [0, 1, 0, 1], cv=2, error_score="raise")
    assert tasks.frames(info.value)["fit"].f_locals["wanted"] == 4


def test_killed_worker_of_scikit_learn(workers_with_numpy):
    """The error names the function that scikit-learn's own Parallel runs, not scikit-learn's wrapper."""
    pytest.importorskip("sklearn")
    from sklearn.utils import parallel

    with pytest.raises(RuntimeError) as info:
        parallel.Parallel()([parallel.delayed(pool_tasks.die)("SIGSEGV")])
    exc: Any = info.value
    assert [death.tasks for death in exc.deaths] == [("die('SIGSEGV')",)]
