"""A program for test_mpi.py, which starts it under mpiexec: runs its checks and prints, as JSON,
what became of each.
"""

# ruff: noqa: E402
from __future__ import annotations

import json
import os
import sys
import traceback

import traced_tasks as tasks
from mpi4py import MPI
from mpi4py.futures import MPIPoolExecutor
from traced_tasks import KINDS, check_chained, check_kind

from keeptrace import Options
from keeptrace.concurrent.mpi import KeepTraceMPICommExecutor, KeepTraceMPIPoolExecutor


class Ours(Exception):
    """A class of the program's own, which workers know by another module's name."""


class Arrival:
    """Can be pickled, and not unpickled."""

    def __init__(self):
        self.state = "there"

    def __setstate__(self, state):
        wanted = state["state"]
        raise LookupError(f"not {wanted}")


def fail_with_ours(code):
    exc = Ours(code)
    exc.rows = [1, 2, 3]
    raise exc


def fail_with_live():
    owner = MPI.COMM_WORLD.rank
    raise ValueError({1, 2}, Ours("inside"))


def arrival():
    return Arrival()


def generator():
    return (number for number in range(3))


def take(arrival):
    return "taken"


def set_up(value):
    os.environ["SET_UP"] = value


def fail_to_set_up(value):
    unset = value
    raise RuntimeError(f"no {value}")


def environment():
    return os.environ.get("SET_UP")


def end():
    os._exit(7)


def chained_future(pool):
    future = pool.submit(tasks.chained, 5)
    exc = future.exception(60)
    check_chained(exc, 5)
    assert list(tasks.frames(exc)) == ["chained"]
    try:
        future.result()
    except ValueError as raised:
        assert raised is exc and list(tasks.frames(raised))[-1] == "chained"


def mapped(pool):
    for size in (1, 2):
        results = pool.map(tasks.chained, [5, 5], chunksize=size)
        try:
            list(results)
        except ValueError as exc:
            check_chained(exc, 5)
            assert not {"_apply_chunks", "call"} & set(tasks.frames(exc))
        else:
            raise AssertionError("nothing was raised")
    assert list(pool.map(tasks.double, range(5))) == [0, 2, 4, 6, 8]
    assert list(pool.starmap(pow, [(2, 3), (3, 2)], chunksize=2)) == [8, 9]


def own_class(pool):
    exc = pool.submit(fail_with_ours, 4).exception(60)
    assert type(exc) is Ours and exc.args == (4,) and exc.rows == [1, 2, 3]
    assert tasks.frames(exc)["fail_with_ours"].f_locals["code"] == 4


def live(pool):
    exc = pool.submit(fail_with_live).exception(60)
    assert exc.args[0] == {1, 2} and type(exc.args[0]) is set and type(exc.args[1]) is Ours
    assert type(tasks.frames(exc)["fail_with_live"].f_locals["owner"]) is int


def argument(pool):
    exc = pool.submit(take, Arrival()).exception(60)
    assert (
        type(exc) is LookupError and tasks.frames(exc)["__setstate__"].f_locals["wanted"] == "there"
    )
    assert pool.submit(tasks.double, 4).result(60) == 8


def result(pool):
    assert type(pool.submit(arrival).exception(60)) is LookupError
    exc = pool.submit(generator).exception(60)
    assert type(exc) is TypeError and "generator" in str(exc)
    assert pool.submit(tasks.double, 4).result(60) == 8


def recursion(pool):
    exc = pool.submit(tasks.recurse, 0).exception(60)
    assert type(exc) is RecursionError and len([*traceback.walk_tb(exc.__traceback__)]) > 500


def many(pool):
    futures = [pool.submit(tasks.chained, number) for number in range(50)]
    for number, future in enumerate(futures):
        check_chained(future.exception(60), number)


CHECKS = {
    function.__name__: function
    for function in (chained_future, mapped, own_class, live, argument, result, recursion, many)
}
CHECKS.update(
    {
        f"kind {kind}": lambda pool, kind=kind: check_kind(
            pool.submit(tasks.fail_with, kind).exception(60), kind
        )
        for kind in KINDS
    }
)


def run(pool):
    told = {}
    for name, check in CHECKS.items():
        try:
            check(pool)
            told[name] = "passed"
        except BaseException:
            told[name] = traceback.format_exc()
    return told


def main(how):
    """Runs the checks, or shows one thing about starts and ends."""
    if how == "communicator":
        with KeepTraceMPICommExecutor(MPI.COMM_WORLD, root=0) as pool:
            if pool is not None:
                print(json.dumps(run(pool)), flush=True)
    elif how == "checks":
        with KeepTraceMPIPoolExecutor(2) as pool:
            print(json.dumps(run(pool)), flush=True)
    elif how == "initializer":
        with KeepTraceMPIPoolExecutor(
            2, initializer=set_up, initargs=("yes",), trace=Options(depth=1), env={"OTHER": "1"}
        ) as pool:
            assert isinstance(pool, MPIPoolExecutor)
            exc = pool.submit(tasks.chained, 5).exception(60)
            rows = tasks.frames(exc)["chained"].f_locals["rows"]
            print(
                json.dumps([pool.submit(environment).result(60), type(rows) is list, repr(rows)]),
                flush=True,
            )
    elif how == "failing initializer":
        with KeepTraceMPIPoolExecutor(2, initializer=fail_to_set_up, initargs=("room",)) as pool:
            print(json.dumps(repr(pool.submit(environment).exception(60))), flush=True)
    elif how == "no initializer":
        try:
            KeepTraceMPIPoolExecutor(2, initializer=5)
        except TypeError as exc:
            print(json.dumps(str(exc)), flush=True)
    elif how == "death":
        with KeepTraceMPIPoolExecutor(2) as pool:
            pool.submit(end).result()
            print(json.dumps("went on"), flush=True)
    elif how == "bare":
        with MPIPoolExecutor(2) as pool:
            told = {
                kind: repr(pool.submit(tasks.fail_with, kind).exception(60))
                for kind in ("init", "attributes")
            }
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
