"""Dask, on a real cluster of worker processes."""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

distributed = pytest.importorskip("distributed")

import dask
import traced_tasks as tasks
from distributed.protocol import deserialize
from traced_tasks import check_chained

from keeptrace import Options
from keeptrace.concurrent import dask as traced_dask
from keeptrace.concurrent import dask_reports
from keeptrace.concurrent.crossing import DISTANT
from keeptrace.concurrent.dask import KeepTraceClient, error_message, install, uninstall
from keeptrace.concurrent.dask_reports import patch, patched

pytestmark = [pytest.mark.engines, pytest.mark.timeout(120)]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def cluster():
    path = os.pathsep.join(map(str, [HERE.parent, HERE]))
    before, os.environ["PYTHONPATH"] = os.environ.get("PYTHONPATH"), path
    given = {"allowed_failures": 0}  # nannies take long over restarts that follow each other
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=None,
        silence_logs=50,
        scheduler_kwargs=given,
    ) as made:
        yield made
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster, set_as_default=True) as made:
        install(made)
        yield made
        uninstall(made)


class Awkward(Exception):
    def __repr__(self):
        raise SystemExit


def fail_awkwardly():
    raise Awkward


def fail_with_deep_group():
    exc = ValueError("innermost")
    for _ in range(2000):
        exc = ExceptionGroup("around", [exc])
    raise exc


def fail_unless(path):
    """Fails when it is called first."""
    try:
        Path(path).open("x").close()
    except FileExistsError:
        return "second"
    raise ConnectionError(path)


def use(value):
    return value


async def chained_coroutine(size):
    return tasks.chained(size)


def in_a_task(size):
    with distributed.worker_client() as client:
        return client.submit(tasks.chained, size).result()


def chained_rows(rows):
    return tasks.chained(len(rows))


def compute_dataframe():
    pandas, dataframe = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    made = dataframe.from_pandas(pandas.DataFrame({"a": range(5)}), npartitions=1)
    return made.map_partitions(chained_rows, meta=("a", int)).compute()


class Actor:
    def __init__(self, size=0):
        if size:
            tasks.chained(size)

    def method(self, size):
        return tasks.chained(size)

    async def coroutine(self, size):
        return tasks.chained(size)

    def double(self, number):
        return number * 2

    @property
    def attribute(self):
        return tasks.chained(5)


def fail_at(number):
    """Fails always at the same place, and with other variables each time."""
    rows = [number] * 50
    return rows[number + 100]


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def bases(dask_scheduler):
    """What the scheduler keeps of the workers' reports: how many, and their bytes."""
    kept = dask_scheduler.plugins["keeptrace"]._bases.values()
    return sum(len(of_one._kept) for of_one in kept), sum(of_one._size for of_one in kept)


def own_bytes(prefix, dask_scheduler):
    """Bytes that each failed task of a name takes for itself on the scheduler; those that they
    share, each once.
    """
    exceptions = [
        ts.exception
        for key, ts in dask_scheduler.tasks.items()
        if str(key).startswith(prefix) and ts.exception
    ]
    return [len(exc.frames[0]) for exc in exceptions], sum(
        {id(exc.frames[1]): len(exc.frames[1]) for exc in exceptions}.values()
    )


def raised_by(call):
    with pytest.raises(BaseException) as info:
        call()
    if isinstance(info.value, pytest.skip.Exception):
        raise info.value
    return info.value


def test_future(client):
    """exception(), traceback() and result() have real frames with variables and the original cause;
    raised twice, it does not grow.
    """
    future = client.submit(tasks.chained, 5)
    exc = future.exception(timeout=60)
    check_chained(exc, 5)
    assert list(tasks.frames(exc)) == ["chained"] and future.traceback() is exc.__traceback__
    for _ in range(2):
        again = raised_by(future.result)
        assert (
            again is exc
            and list(tasks.frames(again))[-1] == "chained"
            and len(tasks.frames(again)) < 5
        )


WAYS = {
    "gather": lambda client: client.gather(client.map(tasks.chained, [5, 5])),
    "compute a delayed": lambda client: dask.compute(dask.delayed(tasks.chained)(5)),
    "compute a dataframe": lambda client: compute_dataframe(),
    "a coroutine": lambda client: client.submit(chained_coroutine, 5).result(),
    "a task in a task": lambda client: client.submit(in_a_task, 5).result(),
    "map of an executor": lambda client: list(client.get_executor().map(tasks.chained, [5])),
    "making an actor": lambda client: client.submit(Actor, 5, actor=True).result(),
    "an actor's method": lambda client: (
        client.submit(Actor, actor=True).result().method(5).result()
    ),
    "an actor's coroutine": lambda client: (
        client.submit(Actor, actor=True).result().coroutine(5).result()
    ),
    "an actor's attribute": lambda client: client.submit(Actor, actor=True).result().attribute,
    "compute a bag": lambda client: (
        pytest.importorskip("dask.bag").from_sequence([5]).map(tasks.chained).compute()
    ),
    "as_completed": lambda client: list(
        distributed.as_completed([client.submit(tasks.chained, 5)], with_results=True)
    ),
    "an executor": lambda client: client.get_executor().submit(tasks.chained, 5).result(),
    "a dependency": lambda client: client.submit(use, client.submit(tasks.chained, 5)).result(),
    "run": lambda client: client.run(tasks.chained, 5),
    "retries used up": lambda client: client.submit(
        tasks.chained, 5, retries=2, pure=False
    ).result(),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_asking(client, way):
    """Whichever way Dask raises it, it is the restored exception."""
    check_chained(raised_by(lambda: WAYS[way](client)), 5)


def test_exceptions_that_leave_dask_without_an_answer(client):
    """A __repr__ that raises SystemExit, and a group 2,000 deep."""
    assert type(client.submit(fail_awkwardly).exception(timeout=60)).__name__ == "Awkward"
    assert isinstance(client.submit(fail_with_deep_group).exception(timeout=60), ExceptionGroup)


def test_what_stays_dask_s(client, tmp_path):
    """Retries, cancellation, release and results are as before."""
    assert (
        client.submit(fail_unless, str(tmp_path / "once"), retries=1).result(timeout=60) == "second"
    )
    assert client.gather(client.map(tasks.double, range(5))) == [0, 2, 4, 6, 8]
    future = client.submit(tasks.chained, 9)
    future.exception()
    future.release()
    check_chained(client.submit(tasks.chained, 9).exception(), 9)
    future.cancel()
    assert future.cancelled()


def test_actors_that_do_not_fail(client):
    """Their results are as before."""
    assert client.submit(Actor, actor=True).result().double(4).result() == 8


def test_a_failure_is_sent_in_full_once(cluster, client):
    """Of tasks that fail alike the scheduler has one full report a worker, and of each what
    differs; all arrive whole.
    """
    futures = client.map(fail_at, range(200))
    for number, future in enumerate(futures):
        frame = tasks.frames(future.exception(timeout=60))["fail_at"]
        assert frame.f_locals == {"number": number, "rows": [number] * 50}
    own, shared = client.run_on_scheduler(own_bytes, "fail_at")
    assert len(own) == 200 and max(own) < 500
    assert shared < 2 * 2_000


def test_whole_for_whoever_asks_and_whenever(cluster, client):
    """A later client gets the whole exception when the task that was first to fail so is released,
    and its worker is gone.
    """
    address = next(iter(client.scheduler_info()["workers"]))
    first, second = (
        client.submit(fail_at, number, key=f"whole-{number}", workers=[address])
        for number in (1_000, 1_001)
    )
    distributed.wait([first, second])
    first.release()
    client.restart_workers([address], timeout=60)
    with distributed.Client(cluster, set_as_default=False) as later:
        exc = later.submit(fail_at, 1_001, key="whole-1001").exception(timeout=60)
    assert tasks.frames(exc)["fail_at"].f_locals == {"number": 1_001, "rows": [1_001] * 50}


def test_what_a_scheduler_keeps_for_a_worker_is_bounded(monkeypatch):
    """Both ends forget the oldest reports together; what was forgotten is sent in full again, and
    nothing is lost.
    """
    monkeypatch.setattr(dask_reports, "_MOST_BASES", 3_000)
    sender, receiver, whole = traced_dask._Sender(), traced_dask._Scheduler(), []
    receiver._bases = {}
    draw = random.Random(5)
    for number in range(60):
        data = draw.randbytes(900)
        sent = sender.share(f"place {number % 2 if number < 40 else number}", b"12345678", data)
        arrived = receiver._whole(sent, {"worker": "one"})
        assert (
            receiver._bases["one"]._kept == sender._bases._kept
            and receiver._bases["one"]._size <= 3_000
        )
        message = deserialize(arrived.header, arrived.frames)
        monkeypatch.setattr(
            dask_reports, "from_bytes", lambda data: whole.append(data) or ValueError()
        )
        distributed.core.clean_exception(message)
        assert whole.pop() == data
        assert len(sent.frames) == (1 if 1 < number < 40 else 2)
    assert len(sender._number_of) <= 4


def test_a_report_whose_base_is_lost():
    """The user still gets type and text."""
    receiver = traced_dask._Scheduler()
    receiver._bases = {}
    sender = traced_dask._Sender()
    sender.share("place", b"12345678", b"data")
    arrived = receiver._whole(
        sender.share("place", b"12345678", b"data"),
        {"worker": "one", "exception_text": "KeyError('x')"},
    )
    told = distributed.core.clean_exception(deserialize(arrived.header, arrived.frames))[1]
    assert str(told).startswith("KeyError('x')")


@pytest.mark.parametrize("size", [0, 1, 999, 16_384, 16_385, 200_000])
@pytest.mark.parametrize("change", ["none", "other", "a byte", "longer", "shorter"])
def test_patches_lose_nothing(size, change):
    """Whatever two reports have in common; of two equal ones, hardly anything is left."""
    base = random.Random(size).randbytes(size)
    data = {
        "none": base, "other": random.Random("other").randbytes(size), "a byte": base[: size // 2] + b"!" + base[size // 2 + 1 :],
        "longer": b"more" * 500 + base, "shorter": base[size // 3 :],
    }[change]  # fmt: skip
    pieces = patch(data, base)
    assert patched(pieces, base) == data
    if change in ("none", "a byte"):
        assert sum(map(len, pieces)) <= 300 + size // 50


def test_a_scheduler_without_keeptrace(monkeypatch):
    """Then reports are sent whole, and a warning says so."""
    monkeypatch.setattr(
        traced_dask._Scheduler,
        "__reduce__",
        lambda self: (__import__, ("module_that_is_not_there",)),
    )

    async def main():
        async with distributed.LocalCluster(
            n_workers=1, dashboard_address=None, asynchronous=True, silence_logs=50
        ) as cluster:
            async with distributed.Client(cluster, asynchronous=True) as client:
                with pytest.warns(UserWarning, match="module_that_is_not_there"):
                    await install(client)
                return [await client.submit(tasks.chained, size).exception() for size in (5, 6)]

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, [HERE.parent, HERE])))
    for size, exc in zip((5, 6), asyncio.run(main())):
        check_chained(exc, size)


def test_uninstall(cluster):
    """Removed, the plugin leaves Dask as it was."""
    with distributed.Client(cluster) as client:
        install(client, depth=5)
        install(client, depth=4)
        uninstall(client)
        assert (
            "size"
            not in tasks.frames(client.submit(tasks.chained, 31).exception())["chained"].f_locals
        )
        exc = raised_by(client.submit(Actor, actor=True).result().method(5).result)
        assert "size" not in tasks.frames(exc)["chained"].f_locals


def test_client_and_restarted_workers(cluster):
    """KeepTraceClient installs it by itself, also in workers that replace others, restarted or
    killed; a killed one is Dask's error.
    """
    with KeepTraceClient(cluster) as client:
        check_chained(client.submit(tasks.chained, 32).exception(), 32)
        client.restart()
        check_chained(client.submit(tasks.chained, 33).exception(), 33)
        assert isinstance(
            client.submit(kill).exception(timeout=60), distributed.scheduler.KilledWorker
        )
        client.wait_for_workers(2, timeout=90)
        for number, address in enumerate(client.scheduler_info()["workers"]):
            check_chained(
                client.submit(tasks.chained, 34 + number, workers=[address]).exception(timeout=60),
                34 + number,
            )
        uninstall(client)


def test_asynchronous_client_in_one_process():
    """Awaited, with the workers in this very process; afterwards the process is as before."""
    from distributed import worker

    original = worker.error_message

    async def main():
        async with distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address=None, asynchronous=True
        ) as cluster:
            async with KeepTraceClient(cluster, asynchronous=True) as client:
                return await client.submit(tasks.chained, 5).exception()

    check_chained(asyncio.run(main()), 5)
    assert worker.error_message is original


@pytest.mark.parametrize(
    "options, most",
    [(DISTANT, 1 << 20), (Options(max_bytes=20_000, max_live_bytes=10_000), 30_000)],
)
def test_message_is_bounded(options, most):
    """However much the task's frames hold, what a scheduler keeps of one failure is at most 1 MiB."""

    def fail():
        large = [[f"{number}" * 300] * 100 for number in range(1000)]
        raise ValueError([f"{number}" * 3_000 for number in range(1_000)])

    def fail_with_many():
        raise ExceptionGroup("many", [KeyError(f"{number}" * 2_000) for number in range(10_000)])

    for failing in (fail, fail_with_many):
        message = error_message(raised_by(failing), "error", options)
        assert len(message["exception"].data) + len(message["traceback"].data) < most
