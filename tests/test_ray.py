"""Ray, on a real local cluster."""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")

import traced_tasks as tasks
from traced_tasks import check_chained, check_kind

import keeptrace.concurrent.ray as traced_ray
from keeptrace.concurrent.crossing import DISTANT

pytestmark = [pytest.mark.engines, pytest.mark.timeout(180), pytest.mark.xdist_group("ray")]
HERE = Path(__file__).parent


def mark():
    """A setup hook of the user's own."""
    os.environ["MARKED"] = "yes"


@pytest.fixture(scope="module", autouse=True)
def cluster():
    path = os.pathsep.join(map(str, [HERE.parent, HERE]))
    env = {"env_vars": {"PYTHONPATH": path}, "worker_process_setup_hook": mark}
    traced_ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env=env,
        trace=DISTANT.replace(depth=4),
    )
    yield
    ray.shutdown()


def error_of(reference):
    with pytest.raises(ray.exceptions.RayTaskError) as info:
        ray.get(reference, timeout=60)
    return info.value


def test_task():
    """ray.get raises Ray's error of two types, whose cause is the restored exception."""
    error = error_of(ray.remote(tasks.chained).remote(5))
    assert isinstance(error, ValueError) and isinstance(error, ray.exceptions.RayTaskError)
    assert error.cause is error.__cause__
    check_chained(error.cause, 5)
    assert list(tasks.frames(error.cause)) == ["chained"]


def test_attributes():
    """The attributes of the task's exception are reachable on Ray's error, as ever."""
    assert error_of(ray.remote(tasks.fail_with).remote("init")).code == 7


def test_actors_and_the_users_own_hook():
    """Methods of actors, plain and async; the setup hook that the user gave runs too."""

    @ray.remote
    class Actor:
        def marked(self):
            return os.environ.get("MARKED")

        def method(self, size):
            return tasks.chained(size)

    @ray.remote
    class AsyncActor:
        async def method(self, size):
            return tasks.chained(size)

    plain = Actor.remote()
    assert ray.get(plain.marked.remote()) == "yes"
    for actor in (plain, AsyncActor.remote()):
        cause = error_of(actor.method.remote(6)).cause
        check_chained(cause, 6)
        assert list(tasks.frames(cause))[-2:] == ["method", "chained"]


def test_through_other_tasks():
    """A failed argument, and a failed task that a task waits for: the first failure's frames
    arrive.
    """
    failing = ray.remote(tasks.chained)

    @ray.remote
    def use(value):
        return value

    @ray.remote
    def wait(size):
        return ray.get(failing.remote(size))

    check_chained(error_of(use.remote(failing.remote(7))).cause, 7)
    check_chained(error_of(wait.remote(8)).cause, 8)


class Remote:
    """An actor that fails in every way."""

    def __init__(self, size=0):
        if size:
            tasks.chained(size)

    def method(self, size):
        return tasks.chained(size)

    def generator(self, size):
        yield "first"
        tasks.chained(size)


class RemoteAsync:
    async def generator(self, size):
        yield "first"
        tasks.chained(size)


def last_of(references):
    """Takes what a streaming generator yields, one by one."""
    for reference in references:
        last = reference
        if ray.get(reference, timeout=60) != "first":
            break
    return last


def first_waited_for(reference):
    done, _ = ray.wait([reference], timeout=60)
    return ray.get(done[0])


async def awaited(reference):
    return await reference


def stream(function, size):
    return last_of(function.options(num_returns="streaming").remote(size))


def generator(size):
    yield "first"
    tasks.chained(size)


WAYS = {
    "several": lambda: ray.get(
        [ray.remote(tasks.double).remote(3), ray.remote(tasks.chained).remote(5)], timeout=60
    ),
    "wait": lambda: first_waited_for(ray.remote(tasks.chained).remote(5)),
    "a future": lambda: ray.remote(tasks.chained).remote(5).future().result(60),
    "await": lambda: asyncio.run(awaited(ray.remote(tasks.chained).remote(5))),
    "the second of two returns": lambda: ray.get(
        ray.remote(tasks.chained).options(num_returns=2).remote(5)[1], timeout=60
    ),
    "a generator": lambda: stream(ray.remote(generator), 5),
    "an actor's generator": lambda: stream(ray.remote(Remote).remote().generator, 5),
    "an async actor's generator": lambda: stream(ray.remote(RemoteAsync).remote().generator, 5),
    "a threaded actor": lambda: ray.get(
        ray.remote(Remote).options(max_concurrency=2).remote().method.remote(5), timeout=60
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_asking(way):
    """Whichever way Ray raises it, existing clauses hold, and the cause is the restored exception."""
    with pytest.raises(ValueError) as info:
        WAYS[way]()
    check_chained(info.value.cause, 5)


def test_an_actor_that_cannot_be_made():
    """Ray's ActorDiedError, as before; the cause is what __init__ raised."""
    with pytest.raises(ray.exceptions.ActorDiedError) as info:
        ray.get(ray.remote(Remote).remote(5).method.remote(6), timeout=60)
    assert "cannot share 5" in str(info.value)
    check_chained(info.value.cause, 5)
    assert info.value.__cause__ is info.value.cause


def test_worker_death_is_ray_s():
    """The error of a task whose worker died is as before."""

    def die():
        os._exit(1)

    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(ray.remote(die).options(max_retries=0).remote(), timeout=60)


def test_retries(tmp_path):
    """A task is tried again for the exceptions that it names, as before; the last failure arrives."""

    @ray.remote(max_retries=2, retry_exceptions=[ValueError])
    def retried():
        with (tmp_path / "tries").open("a") as file:
            file.write("x")
        return tasks.chained(5)

    check_chained(error_of(retried.remote()).cause, 5)
    assert (tmp_path / "tries").read_text() == "xxx"


def test_raised_from_another_task_s_failure():
    """A failure that a task answers with its own: both have their frames, in one chain."""

    @ray.remote
    def answering():
        try:
            ray.get(ray.remote(tasks.chained).remote(5))
        except ValueError as exc:
            raise LookupError("outer") from exc

    cause = error_of(answering.remote()).cause
    assert type(cause) is LookupError and list(tasks.frames(cause)) == ["answering"]
    assert isinstance(cause.__cause__, ValueError)
    check_chained(cause.__cause__.cause, 5)


def test_a_report_is_bounded():
    """What crosses of one failure is at most 1 MiB, whatever its frames hold."""

    def fail():
        large = [[f"{number}" * 300] * 100 for number in range(1000)]
        raise ValueError([f"{number}" * 3_000 for number in range(1_000)])

    cause = error_of(ray.remote(fail).remote()).cause
    assert list(tasks.frames(cause)) == ["fail"]
    assert len(cause.__reduce_ex__(4)[1][0]) <= 1 << 20


def test_decorated_task():
    """@keep_trace below @ray.remote."""
    check_chained(error_of(ray.remote(tasks.traced_chained).remote(5)).cause, 5)


def test_pool():
    """ray.util.multiprocessing.Pool, which returns exceptions as values."""
    pool = traced_ray.Pool(1, initializer=mark)
    try:
        with pytest.raises(ValueError) as info:
            pool.map(tasks.chained, [5])
        check_chained(info.value, 5)
        assert pool.map(tasks.double, [1, 2]) == [2, 4]
        for kind in ("init", "attributes", "local", "group"):
            with pytest.raises(Exception) as info:
                pool.map(tasks.fail_with, [kind])
            check_kind(info.value, kind)
    finally:
        pool.terminate()
