"""Ray, on a real local cluster."""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

import os
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")

import traced_tasks as tasks
from traced_tasks import check_chained, check_kind

import keeptrace.concurrent.ray as traced_ray
from keeptrace import Options

pytestmark = [pytest.mark.engines, pytest.mark.timeout(180), pytest.mark.xdist_group("ray")]
HERE = Path(__file__).parent


def mark():
    """A setup hook of the user's own."""
    os.environ["MARKED"] = "yes"


@pytest.fixture(scope="module", autouse=True)
def cluster():
    path = os.pathsep.join(map(str, [HERE.parent, HERE]))
    env = {"env_vars": {"PYTHONPATH": path}, "worker_process_setup_hook": mark}
    traced_ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=env, trace=Options(depth=4))
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
    """A failed argument, and a failed task that a task waits for: the first failure's frames arrive."""
    failing = ray.remote(tasks.chained)

    @ray.remote
    def use(value):
        return value

    @ray.remote
    def wait(size):
        return ray.get(failing.remote(size))

    check_chained(error_of(use.remote(failing.remote(7))).cause, 7)
    check_chained(error_of(wait.remote(8)).cause, 8)


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
