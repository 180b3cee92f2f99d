"""mpi4py.futures, on real MPI processes: mpi_program.py is started under mpiexec in each way that
mpi4py knows.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAM = str(HERE / "mpi_program.py")
# an MPI that came as a package from the same place as mpi4py has it beside the interpreter
MPIEXEC = shutil.which(
    "mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)

pytestmark = [
    pytest.mark.engines,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("mpi"),
    pytest.mark.skipif(
        importlib.util.find_spec("mpi4py") is None or MPIEXEC is None,
        reason="needs mpi4py, an MPI and its mpiexec",
    ),
]
CHECKS = [
    "chained_future", "mapped", "own_class", "live", "argument", "result", "recursion", "many",
    *(f"kind {kind}" for kind in ("init", "attributes", "reduce", "local", "falsy", "group", "notes", "stop", "os", "keyboard", "exit")),
]  # fmt: skip
WAYS = {
    "shared workers": [
        MPIEXEC,
        "-n",
        "3",
        sys.executable,
        "-m",
        "mpi4py.futures",
        PROGRAM,
        "checks",
    ],
    "spawned workers": [MPIEXEC, "-n", "1", sys.executable, PROGRAM, "checks"],
    "spawned without mpiexec": [sys.executable, PROGRAM, "checks"],
    "a communicator": [MPIEXEC, "-n", "3", sys.executable, PROGRAM, "communicator"],
}


def run(command, timeout=150):
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, [HERE.parent, HERE])),
        # a program that was started without mpiexec looks it up, and waits for ever for one of
        # another MPI
        "PATH": os.pathsep.join([str(Path(MPIEXEC).parent), os.environ["PATH"]]),
        # Open MPI asks root, and machines with few cores, to say that they mean it
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }  # fmt: skip
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)


def shared(how):
    return run([MPIEXEC, "-n", "3", sys.executable, "-m", "mpi4py.futures", PROGRAM, how])


@functools.cache
def told_by(way):
    done = run(WAYS[way])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("way", WAYS)
def test_checks(way, check):
    """Frames, variables, chain and live values arrive, whatever the exception, in each way of
    starting workers.
    """
    told = told_by(way)
    assert told[check] == "passed", told[check]
    assert set(told) == set(CHECKS)


def test_initializer_and_options():
    """The user's initializer runs, mpi4py's own arguments are taken, and `trace` says what is kept."""
    assert json.loads(shared("initializer").stdout) == ["yes", False, "[0, 1, 2, 3, 4]"]


def test_a_failing_initializer():
    """mpi4py's BrokenExecutor, and the traceback on the worker's stderr, where mpi4py says nothing."""
    done = shared("failing initializer")
    assert json.loads(done.stdout) == "BrokenExecutor('initializer failed')"
    assert "in fail_to_set_up" in done.stderr and "RuntimeError: no room" in done.stderr


def test_an_initializer_that_is_none():
    """What cannot be called is refused at once, as mpi4py does."""
    assert json.loads(shared("no initializer").stdout) == "initializer must be a callable"


def test_what_the_bare_engine_does():
    """The difference: mpi4py alone gives another exception for those that cannot be pickled or
    unpickled.
    """
    told = json.loads(shared("bare").stdout)
    assert all(text.startswith("TypeError") for text in told.values())


def test_a_rank_that_dies():
    """MPI ends the whole job, the master included: a limit, and no hang."""
    done = shared("death")
    assert done.returncode != 0 and "went on" not in done.stdout
