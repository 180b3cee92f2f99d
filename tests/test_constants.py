"""Constants of modules in exceptions: `exc.default is MISSING` holds in the parent as in the worker."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from typing import Any

import constant_tasks as tasks
import pytest

import keeptrace
from keeptrace.concurrent import KeepTraceProcessPoolExecutor

METHODS = ["fork", "spawn"] if sys.platform != "win32" else ["spawn"]


@pytest.fixture(scope="module", params=METHODS)
def arrived(request: pytest.FixtureRequest) -> Any:
    """The exception as a pool's parent gets it."""
    context = multiprocessing.get_context(request.param)
    with KeepTraceProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(tasks.refuse).exception(timeout=60)


def test_constants_are_the_parents_own(arrived: Any) -> None:
    """As arguments and attributes, with and without state, within containers; so the message is the worker's."""
    assert all(tasks.constants_of(arrived).values()), tasks.constants_of(arrived)
    assert type(arrived) is tasks.Refused and str(arrived) == "nothing is set"


def test_alike_is_not_the_same(arrived: Any) -> None:
    """Another instance with the same state stays another."""
    assert type(arrived.alike) is tasks.Named and arrived.alike is not tasks.UNSET
    assert arrived.alike.name == "UNSET"


def test_what_changes_is_no_constant(arrived: Any) -> None:
    """A module's object with state of its own arrives as the worker's, not as what the parent has."""
    assert arrived.registry is not tasks.REGISTRY and arrived.registry.seen == [3]
    assert arrived.counter is not tasks.COUNTER and arrived.counter.count == 5
    assert tasks.REGISTRY.seen == [] and tasks.COUNTER.count == 0


def test_an_object_that_cannot_be_read_costs_only_itself() -> None:
    """A constant whose attribute cannot be read leaves the other objects of the exception live."""
    with KeepTraceProcessPoolExecutor(1) as pool:
        found: Any = pool.submit(tasks.refuse_oddly).exception(timeout=60)
    assert type(found.alike) is tasks.Named


def caught() -> BaseException:
    try:
        tasks.refuse()
    except tasks.Refused as problem:
        return problem
    finally:
        tasks.REGISTRY.seen.clear()
        del tasks.COUNTER.count


@pytest.mark.parametrize("pickler", ["pickle", "cloudpickle", "dill"])
def test_dumps_with_live_objects(pickler: str) -> None:
    """Brought to life in a process that has the module, variables and attributes are its constants."""
    if pickler != "pickle":
        pytest.importorskip(pickler)
    data = keeptrace.dumps(caught(), pickler=pickler)
    exc: Any = keeptrace.loads(data, live=True)
    assert all(tasks.constants_of(exc).values()), tasks.constants_of(exc)
    frame = exc.__traceback__.tb_next.tb_frame
    assert frame.f_locals["found"] is tasks.MISSING


def test_a_dump_read_elsewhere(tmp_path: Any) -> None:
    """Plain pickle in a program without keeptrace and without the module: stand-ins, and no import."""
    path = tmp_path / "a.dump"
    path.write_bytes(keeptrace.dumps(caught(), pickler="pickle"))
    program = (
        "import pickle, sys\n"
        f"exc = pickle.load(open({str(path)!r}, 'rb'))\n"
        "print(exc, type(exc.unset).__name__, exc.unset.name, 'constant_tasks' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    assert told.stdout == "nothing is set Named UNSET False\n", told


def test_a_dump_is_read_without_the_module() -> None:
    """load() by default brings nothing to life: the message is the recorded one, the parts are stand-ins."""
    exc: Any = keeptrace.loads(keeptrace.dumps(caught()))
    assert str(exc) == "nothing is set" and exc.missing is not tasks.MISSING
    assert repr(exc.missing) == "MISSING"
