"""Dask, on a real cluster of worker processes."""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

distributed = pytest.importorskip("distributed")

import dask
import traced_tasks as tasks
from traced_tasks import check_chained

from keeptrace import Options
from keeptrace.concurrent.dask import DEFAULTS, KeepTraceClient, error_message, install, uninstall

pytestmark = [pytest.mark.engines, pytest.mark.timeout(120)]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def cluster():
    path = os.pathsep.join(map(str, [HERE.parent, HERE]))
    before, os.environ["PYTHONPATH"] = os.environ.get("PYTHONPATH"), path
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as made:
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


def raised_by(call):
    with pytest.raises(BaseException) as info:
        call()
    return info.value


def test_future(client):
    """exception(), traceback() and result() have real frames with variables and the original cause; raised twice, it does not grow."""
    future = client.submit(tasks.chained, 5)
    exc = future.exception(timeout=60)
    check_chained(exc, 5)
    assert list(tasks.frames(exc)) == ["chained"] and future.traceback() is exc.__traceback__
    for _ in range(2):
        again = raised_by(future.result)
        assert again is exc and list(tasks.frames(again))[-1] == "chained" and len(tasks.frames(again)) < 5


WAYS = {
    "gather": lambda client: client.gather(client.map(tasks.chained, [5, 5])),
    "compute a delayed": lambda client: dask.compute(dask.delayed(tasks.chained)(5)),
    "compute a bag": lambda client: pytest.importorskip("dask.bag").from_sequence([5]).map(tasks.chained).compute(),
    "as_completed": lambda client: list(distributed.as_completed([client.submit(tasks.chained, 5)], with_results=True)),
    "an executor": lambda client: client.get_executor().submit(tasks.chained, 5).result(),
    "a dependency": lambda client: client.submit(use, client.submit(tasks.chained, 5)).result(),
    "run": lambda client: client.run(tasks.chained, 5),
    "retries used up": lambda client: client.submit(tasks.chained, 5, retries=2, pure=False).result(),
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
    assert client.submit(fail_unless, str(tmp_path / "once"), retries=1).result(timeout=60) == "second"
    assert client.gather(client.map(tasks.double, range(5))) == [0, 2, 4, 6, 8]
    future = client.submit(tasks.chained, 9)
    future.exception()
    future.release()
    check_chained(client.submit(tasks.chained, 9).exception(), 9)
    future.cancel()
    assert future.cancelled()


def test_uninstall(cluster):
    """Removed, the plugin leaves Dask as it was."""
    with distributed.Client(cluster) as client:
        install(client, depth=5)
        uninstall(client)
        assert "size" not in tasks.frames(client.submit(tasks.chained, 31).exception())["chained"].f_locals


def test_client_and_restarted_workers(cluster):
    """KeepTraceClient installs it by itself, also in the workers that replace others."""
    with KeepTraceClient(cluster) as client:
        check_chained(client.submit(tasks.chained, 32).exception(), 32)
        client.restart()
        check_chained(client.submit(tasks.chained, 33).exception(), 33)
        uninstall(client)


def test_asynchronous_client_in_one_process():
    """Awaited, with the workers in this very process; afterwards the process is as before."""
    from distributed import worker

    original = worker.error_message

    async def main():
        async with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None, asynchronous=True) as cluster:
            async with KeepTraceClient(cluster, asynchronous=True) as client:
                return await client.submit(tasks.chained, 5).exception()

    check_chained(asyncio.run(main()), 5)
    assert worker.error_message is original


@pytest.mark.parametrize("options, most", [(DEFAULTS, 1 << 20), (Options(max_bytes=20_000, max_live_bytes=10_000), 30_000)])
def test_message_is_bounded(options, most):
    """However much the task's frames hold, what a scheduler keeps of one failure is at most 1 MiB."""
    def fail():
        large = [[f"{number}" * 300] * 100 for number in range(1000)]
        raise ValueError([f"{number}" * 3_000 for number in range(1_000)])

    message = error_message(raised_by(fail), "error", options)
    assert len(message["exception"].data) + len(message["traceback"].data) < most
