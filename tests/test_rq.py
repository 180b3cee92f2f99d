"""RQ, with real workers on a real Redis."""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

import base64
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

rq = pytest.importorskip("rq")
redis = pytest.importorskip("redis")

import rq_jobs as jobs
import traced_tasks as tasks
from rq.serializers import JSONSerializer
from traced_tasks import PASSING, check_chained, check_kind

import keeptrace
from keeptrace.concurrent.parcels import MAX_INLINE
from keeptrace.concurrent.rq import exception_of

pytestmark = [
    pytest.mark.engines,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("rq"),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs a redis-server"),
]
HERE = Path(__file__).parent
KEEP = "keeptrace.concurrent.rq.keep_exception"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("redis")
    command = [
        "redis-server",
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(home),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        connection = redis.Redis(port=port)
        end = time.monotonic() + 20
        while True:
            try:
                connection.ping()
                break
            except redis.ConnectionError:
                assert time.monotonic() < end
                time.sleep(0.05)
        yield connection
        connection.close()
        process.terminate()


def work(server, *arguments, **environment):
    """Runs a worker until the queue is empty."""
    port = server.connection_pool.connection_kwargs["port"]
    url = ["--url", f"redis://127.0.0.1:{port}/0", "--burst", *arguments]
    env = {
        **os.environ,
        **environment,
        "PYTHONPATH": os.pathsep.join(map(str, [HERE.parent, HERE])),
    }
    command = [sys.executable, "-m", "rq.cli", "worker", *url]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def queue(server):
    server.flushdb()
    return rq.Queue(connection=server)


def failed(job):
    exc = exception_of(job)
    assert exc is not None, job.latest_result()
    return exc


def test_a_job(server, queue):
    """The exception with frames and original cause, also of a job that is fetched; RQ's own text
    stays, and so does the job's meta.
    """
    job = queue.enqueue(jobs.noting, 5, meta={"owner": "me"})
    work(server, "--exception-handler", KEEP)
    for asked in (job, rq.job.Job.fetch(job.id, connection=server)):
        exc = failed(asked)
        check_chained(exc, 5)
        assert list(tasks.frames(exc)) == ["noting", "chained"]
    assert asked.is_failed and "ValueError: cannot share 5" in asked.latest_result().exc_string
    assert {key: asked.meta[key] for key in ("owner", "progress")} == {
        "owner": "me",
        "progress": "half",
    }
    assert job.id in rq.registry.FailedJobRegistry(queue=queue)


@pytest.mark.parametrize("worker", ["rq.Worker", "rq.SimpleWorker"])
def test_every_exception_arrives(server, queue, worker):
    """Whatever it holds, from a work-horse and from the worker's own process; jobs that succeed
    have none.
    """
    failing = {kind: queue.enqueue(tasks.fail_with, kind) for kind in (*PASSING, "stop")}
    short, fine = queue.enqueue(jobs.short, "bolt"), queue.enqueue(tasks.double, 4)
    work(server, "--worker-class", worker, "--exception-handler", KEEP)
    for kind, job in failing.items():
        check_kind(failed(job), kind)
    exc = failed(short)
    assert type(exc) is jobs.Shortage and (exc.item, exc.left) == ("bolt", 2)
    assert (
        fine.return_value() == 8
        and exception_of(fine) is None
        and "keeptrace" not in fine.get_meta()
    )


def test_bounds_secrets_and_limits(server, queue):
    """What is kept is bounded, without secrets; timeouts have frames; a killed work-horse, and a
    worker without the handler, have none.
    """
    large, secret, slow, dead = (
        queue.enqueue(jobs.large, 90), queue.enqueue(jobs.secret), queue.enqueue(jobs.slow, "a", job_timeout=1), queue.enqueue(jobs.die),
    )  # fmt: skip
    work(server, "--exception-handler", KEEP)
    assert tasks.frames(failed(large))["large"].f_locals["size"] == 90
    assert len(large.get_meta()["keeptrace"]) < MAX_INLINE * 4 / 3 + 10
    local = tasks.frames(failed(secret))["secret"].f_locals
    assert local["user"] == "somebody" and "redacted" in repr(local["password"])
    assert type(failed(slow)).__name__ == "JobTimeoutException"
    assert tasks.frames(failed(slow))["slow"].f_locals["began"] == ["began", "a"]
    assert (
        exception_of(dead) is None and "terminated unexpectedly" in dead.latest_result().exc_string
    )
    bare = queue.enqueue(tasks.chained, 5)
    work(server)
    assert exception_of(bare) is None and bare.is_failed


def test_retry(server, queue, tmp_path):
    """A retried job goes on as ever; what it raised before can still be had."""
    job = queue.enqueue(jobs.attempt, str(tmp_path / "made"), retry=rq.Retry(max=2))
    work(server, "--exception-handler", KEEP)
    assert job.return_value() == "second"
    assert type(failed(job)) is ConnectionError


def test_json_serializer(server):
    """A queue that stores JSON."""
    server.flushdb()
    queue = rq.Queue("plain", connection=server, serializer=JSONSerializer)
    job = queue.enqueue(tasks.chained, 5)
    work(
        server,
        "plain",
        "--serializer",
        "rq.serializers.JSONSerializer",
        "--exception-handler",
        KEEP,
    )
    check_chained(failed(job), 5)


def test_directory(server, queue, tmp_path):
    """All dumps in a directory, which the reader must know."""
    job = queue.enqueue(jobs.large, 90)
    work(server, "--exception-handler", "rq_jobs.to_directory", RQ_DUMPS=str(tmp_path))
    assert len(tasks.frames(exception_of(job, directory=tmp_path))["large"].f_locals["texts"]) == 90
    with pytest.raises(keeptrace.DumpError, match="pass the same directory= that the worker used"):
        exception_of(job)
    for path in tmp_path.glob("*.keeptrace"):
        path.unlink()
    with pytest.raises(FileNotFoundError):
        exception_of(job, directory=tmp_path)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_stored_is_run(server, queue, tmp_path):
    """A dump that is something else is refused, and does nothing."""
    job = queue.enqueue(tasks.double, 5)
    job.meta["keeptrace"] = (
        "dump:" + base64.b64encode(pickle.dumps(Evil(tmp_path / "made"))).decode()
    )
    job.save_meta()
    with pytest.raises(keeptrace.DumpError):
        exception_of(job)
    assert not (tmp_path / "made").exists()
