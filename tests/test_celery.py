"""Celery, with real workers of every pool, on a file system and on Redis, where there is one."""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

import base64
import contextlib
import importlib
import itertools
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest

celery = pytest.importorskip("celery")

import traced_tasks as tasks
from celery.exceptions import (
    ChordError,
    SoftTimeLimitExceeded,
    TaskRevokedError,
    TimeLimitExceeded,
    WorkerLostError,
)
from traced_tasks import PASSING, check_chained, check_kind

import keeptrace
from keeptrace.concurrent.celery import install
from keeptrace.concurrent.parcels import MAX_INLINE

pytestmark = [pytest.mark.engines, pytest.mark.timeout(120), pytest.mark.xdist_group("celery")]
HERE = Path(__file__).parent
PROGRAM = "celery_program"
needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None or importlib.util.find_spec("redis") is None,
    reason="needs redis and a redis-server",
)


@contextlib.contextmanager
def redis_server(home):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()


@contextlib.contextmanager
def running(home, broker, pool="prefork", serializer="json", backend=None, **installed):
    """The program, imported here as in the worker that runs it."""
    for name in ("queue", "results", "control", "processed"):
        (home / name).mkdir()
    settings = {
        "CELERY_HOME": str(home), "CELERY_SERIALIZER": serializer, "CELERY_INSTALL": repr(installed),
        "CELERY_BROKER": broker, "CELERY_BACKEND": backend or f"file://{home}/results",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            **settings,
            "PYTHONPATH": os.pathsep.join(map(str, [HERE.parent, HERE])),
        }.items():
            patch.setenv(name, value)
        sys.modules.pop(PROGRAM, None)
        program = importlib.import_module(PROGRAM)
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            PROGRAM,
            "worker",
            "--pool",
            pool,
            "-c",
            "2",
            "--without-mingle",
            "--without-gossip",
        ]
        with (
            (home / "log").open("w") as log,
            subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True) as worker,
        ):
            try:
                assert program.double.delay(4).get(timeout=60) == 8
                yield program
            finally:
                worker.terminate()
                try:
                    worker.wait(10)
                except subprocess.TimeoutExpired:
                    pass
                with contextlib.suppress(ProcessLookupError):  # whatever is left of its processes
                    os.killpg(worker.pid, signal.SIGKILL)
                program.app.close()


@pytest.fixture(scope="module")
def brokers(tmp_path_factory):
    """Redis where there is one: a worker on files reads, now and then, one that is not written yet,
    and ends.
    """
    if needs_redis.args[0]:
        yield itertools.repeat("filesystem://")
        return
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield (
            f"{url}/{number}" for number in range(16)
        )  # a database for each worker, lest they take one another's tasks


@pytest.fixture
def broker(brokers):
    return next(brokers)


@pytest.fixture(scope="module")
def program(tmp_path_factory, brokers):
    with running(tmp_path_factory.mktemp("celery"), next(brokers)) as program:
        yield program


def raised_by(result, **how):
    with pytest.raises(BaseException) as info:
        result.get(**{"timeout": 60, **how})
    return info.value


def wait_for(state, result):
    end = time.monotonic() + 40
    while result.state != state:
        assert time.monotonic() < end, result.state
        time.sleep(0.05)


def check_result(result, task="chained"):
    """Whether chained(5), called by the task, failed as it should, whichever way one asks."""
    for _ in range(3):
        exc = raised_by(result)
        check_chained(exc, 5)
        names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(exc.__traceback__)]
        assert names[-2:] == [task, "chained"] and len(names) < 12
        assert not {"trace_task", "__protected_call__"} & set(names)
    assert result.result is exc and result.get(propagate=False) is exc
    assert result.state == "FAILURE" and result.failed()
    assert (
        result.traceback.startswith("Traceback (most recent call last):\n")
        and "ValueError: cannot share 5" in result.traceback
    )


def test_a_task(program):
    """get(), again and again, raises the restored exception with its frames and original cause; the
    rest is as Celery has it.
    """
    check_result(program.chained.delay(5))
    check_result(program.app.AsyncResult(program.chained.delay(5).id))
    check_result(program.late.delay(5), "late")


@pytest.mark.parametrize("kind", [*PASSING, "stop"])
def test_every_exception_arrives(program, kind):
    """Whatever it holds; those that can neither be serialized nor rebuilt from their arguments."""
    check_kind(raised_by(program.fail_with.delay(kind)), kind)


def test_classes_of_the_program(program):
    """`except` clauses catch what they did and more: attributes, and classes whose constructor JSON
    cannot call.
    """
    exc = raised_by(program.short.delay("bolt"))
    assert type(exc) is program.Shortage and (exc.item, exc.left, str(exc)) == (
        "bolt",
        2,
        "2 of bolt",
    )
    exc = raised_by(program.known.delay("a"))
    assert type(exc) is program.Known and exc.args == ("a", {"deep": [1, 2]}) and exc.extra == ["a"]


def test_secrets_are_hidden(program):
    """As in every dump."""
    result = program.secret.delay()
    exc = raised_by(result)
    local = tasks.frames(exc)["secret"].f_locals
    assert local["user"] == "somebody" and "redacted" in repr(local["password"])


def stored(program, result):
    return Path(program.HOME, "results", f"celery-task-meta-{result.id}")


def test_what_is_stored_is_bounded(program):
    """A result stays within the bound, with less of its variables; small ones hold no restorer."""
    large, small = program.large.delay(90), program.chained.delay(5)
    exc = raised_by(large)
    assert str(exc) == "90 texts" and tasks.frames(exc)["large"].f_locals["size"] == 90
    assert type(tasks.frames(exc)["large"].f_locals["texts"]) is not list
    assert stored(program, large).stat().st_size < MAX_INLINE * 4 / 3 + 2000
    raised_by(small)
    assert stored(program, small).stat().st_size < 16000


def test_retries(program, tmp_path):
    """self.retry and autoretry_for: the last error, with frames; between the attempts, the one that
    is retried for.
    """
    exc = raised_by(program.retried.delay(str(tmp_path / "absent")))
    assert type(exc) is FileNotFoundError and tasks.frames(exc)["retried"].f_locals["attempt"] == 1
    exc = raised_by(program.retried_by_itself.delay(7))
    assert type(exc) is ZeroDivisionError and tasks.frames(exc)["retried_by_itself"].f_locals == {
        "number": 7,
        "limit": 0,
    }
    waiting = program.waiting_to_be_retried.delay("a")
    wait_for("RETRY", waiting)
    assert type(waiting.result) is LookupError
    assert tasks.frames(waiting.result)["waiting_to_be_retried"].f_locals["marker"] == [
        "waits",
        "a",
    ]


def test_time_limits_and_deaths(program):
    """A soft limit has frames; what happens to a process that is killed is Celery's."""
    exc = raised_by(program.slow.delay("a"))
    # of a subclass, which tells the recorded message: the class has a __str__ of its own, and none
    # is run for a stored dump
    assert (
        isinstance(exc, SoftTimeLimitExceeded)
        and str(exc) == str(SoftTimeLimitExceeded())
        and tasks.frames(exc)["slow"].f_locals["began"] == ["began", "a"]
    )
    assert type(raised_by(program.too_slow.delay())) is TimeLimitExceeded
    assert type(raised_by(program.die.delay())) is WorkerLostError
    check_result(program.chained.delay(5))


def test_canvas(program):
    """Chains and groups raise the failing task's exception; the tasks after it are not run.
    Errbacks get what was raised.
    """
    check_chained(raised_by(celery.chain(program.chained.s(5), program.double.s()).delay()), 5)
    check_chained(raised_by(celery.chain(program.double.s(3), program.chained.s()).delay()), 6)
    group = celery.group(program.double.s(1), program.chained.s(5)).delay()
    check_chained(raised_by(group), 5)
    assert group.results[0].get(timeout=40) == 2
    failing = program.chained.apply_async((5,), link_error=program.noted_by_errback.s())
    raised_by(failing)
    noted = Path(program.HOME, f"errback-{failing.id}")
    end = time.monotonic() + 20
    while not noted.exists() or not noted.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert noted.read_text() == "ValueError from ZeroDivisionError"


def check_chord(program):
    """Celery's error, whose cause is the failing task's exception, in the chord's body; and that
    exception in its parents.
    """
    assert (
        celery.chord([program.double.s(1), program.double.s(2)])(program.add.s()).get(timeout=60)
        == 6
    )
    result = celery.chord([program.double.s(1), program.chained.s(5)])(program.add.s())
    exc = raised_by(result, follow_parents=False)
    assert type(exc) is ChordError and "cannot share 5" in str(exc)
    if exc.__cause__ is not None:  # older versions of Celery give it none
        check_chained(exc.__cause__, 5)
    check_chained(raised_by(result), 5)


def test_chord(program):
    """A chord fails as Celery's do, and with the restored exception behind it."""
    check_chord(program)


def test_what_stays_celery_s(program):
    """Results that succeed, are ignored or revoked; those that cannot be serialized fail with the
    serializer's error.
    """
    assert program.double.delay(21).get(timeout=40) == 42
    assert program.ignored.delay(5).get(timeout=40) is None
    revoked = program.double.apply_async((1,), countdown=2)
    program.app.backend.mark_as_revoked(revoked.id, "revoked")
    assert type(raised_by(revoked)) is TaskRevokedError
    assert type(raised_by(program.unserializable.delay())).__name__ == "EncodeError"


def test_task_class(program):
    """Tasks of the base class bring their app along."""
    task = program.based.tasks["celery_program.based_task"]
    check_result(task.delay(5), "based_task")


def test_readers_without_keeptrace(program):
    """Another app on the same results gets what it always got."""
    result = program.known.delay("a")
    raised_by(result)
    bare = program.make_app(set_as_current=False)
    exc = raised_by(bare.AsyncResult(result.id))
    assert type(exc) is program.Known and exc.args == ("a", {"deep": [1, 2]})
    assert "known" not in tasks.frames(exc)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def hostile(path):
    return {
        "a pickle": "dump:" + base64.b64encode(pickle.dumps(Evil(path))).decode(),
        "no text": 7,
        "another kind": "link:x",
        "not base64": "dump:%%%",
        "a file": "file:../../../../etc/passwd",
        "an address": "file:http://127.0.0.1:1/x",
    }


@pytest.mark.parametrize("how", hostile(""))
def test_nothing_stored_is_run(program, tmp_path, how):
    """What others write to the store runs nothing and opens nothing: the exception is Celery's
    then, and a note says why.
    """
    result = program.known.delay("a")
    raised_by(result)
    path = stored(program, result)
    meta = json.loads(path.read_text())
    meta["result"]["keeptrace"] = hostile(tmp_path / "made")[how]
    path.write_text(json.dumps(meta))
    exc = raised_by(program.app.AsyncResult(result.id))
    assert type(exc) is program.Known and "cannot be read" in exc.__notes__[0]
    assert not (tmp_path / "made").exists()


def test_eager(program):
    """Nothing is stored, and propagated errors are the ones that were raised."""
    program.app.conf.task_always_eager = program.app.conf.task_eager_propagates = True
    try:
        check_chained(raised_by_call(lambda: program.chained.delay(5)), 5)
        program.app.conf.task_eager_propagates = False
        exc = raised_by(program.chained.delay(5))
        assert type(exc) is ValueError and type(exc.__cause__) is ZeroDivisionError
    finally:
        program.app.conf.task_always_eager = program.app.conf.task_eager_propagates = False


def raised_by_call(call):
    with pytest.raises(BaseException) as info:
        call()
    return info.value


@pytest.mark.parametrize("pool", ["threads", "solo", "gevent"])
def test_other_pools(tmp_path, broker, pool):
    """The same in threads, in the worker's own process, and in greenlets."""
    if pool == "gevent":
        pytest.importorskip("gevent")
    with running(tmp_path, broker, pool) as program:
        check_result(program.chained.delay(5))
        for kind in ("init", "attributes", "group"):
            check_kind(raised_by(program.fail_with.delay(kind)), kind)
        results = [program.chained.delay(number) for number in range(20)]
        for number, result in enumerate(results):
            check_chained(raised_by(result), number)


def test_pickle_serializer(tmp_path, broker):
    """The exception that Celery unpickles is given, live, with the restored one's traceback and
    chain; else the restored one.
    """
    with running(tmp_path, broker, serializer="pickle") as program:
        check_result(program.chained.delay(5))
        exc = raised_by(program.known.delay(3))
        assert type(exc) is program.Known and exc.args == (3, {"deep": [1, 2]}) and exc.extra == [3]
        assert tasks.frames(exc)["known"].f_locals["value"] == 3
        exc = raised_by(program.about_item.delay("nut"))
        assert (
            type(exc.args[0]) is program.Item
            and exc.args[0].name == "nut"
            and "about_item" in tasks.frames(exc)
        )
        for kind in PASSING:
            check_kind(raised_by(program.fail_with.delay(kind)), kind)
        bare = program.make_app(set_as_current=False)
        result = program.known.delay(3)
        raised_by(result)
        assert type(raised_by(bare.AsyncResult(result.id))) is program.Known


@pytest.mark.parametrize("kind", ["path", "url"])
def test_directory(tmp_path, broker, kind):
    """Large dumps go to a directory, or all do; readers that do not know it, or come too late, get
    Celery's exception and a note.
    """
    if kind == "url":
        pytest.importorskip("fsspec")
    dumps = tmp_path / "dumps"
    (tmp_path / "home").mkdir()
    directory = str(dumps) if kind == "path" else f"file://{dumps}"
    with running(tmp_path / "home", broker, directory=directory, max_inline=8000) as program:
        check_result(program.chained.delay(5))
        assert not dumps.exists()
        large = [program.large.delay(90), program.large.delay(91)]
        for size, result in zip(
            (90, 91), large
        ):  # each has its own: alike as they are, they are not counted as one
            local = tasks.frames(raised_by(result))["large"].f_locals
            assert type(local["texts"]) is list and len(local["texts"]) == size
        names = sorted(path.name for path in dumps.glob("*.keeptrace"))
        assert len(names) == 2 and type(pickle.loads((dumps / names[0]).read_bytes())) is ValueError
        install(program.app)
        told = raised_by(program.app.AsyncResult(large[0].id))
        assert (
            type(told) is ValueError
            and "pass the same directory= that the worker used" in told.__notes__[0]
        )
        install(program.app, directory=directory)
        for path in dumps.glob("*.keeptrace"):
            path.unlink()
        told = raised_by(program.app.AsyncResult(large[1].id))
        assert type(told) is ValueError and "FileNotFoundError" in told.__notes__[0]


@needs_redis
@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_results_in_redis(tmp_path, broker, serializer):
    """The same where the client is told of results and does not ask for them."""
    with running(tmp_path, broker, serializer=serializer, backend=broker) as program:
        check_result(program.chained.delay(5))
        for kind in PASSING:
            check_kind(raised_by(program.fail_with.delay(kind)), kind)
        check_chained(raised_by(celery.group(program.double.s(1), program.chained.s(5)).delay()), 5)
        check_chained(raised_by(celery.chain(program.chained.s(5), program.double.s()).delay()), 5)
        check_chord(program)


def test_broker_of_files(tmp_path):
    """Without any server: messages and results in files."""
    with running(tmp_path, "filesystem://") as program:
        check_result(program.chained.delay(5))


def test_options():
    """Wrong ones are refused, with a word on what to do."""
    app = celery.Celery("options", set_as_current=False)
    with pytest.raises(keeptrace.OptionError, match="max_inline must be"):
        install(app, max_inline=-1)
    with pytest.raises(keeptrace.OptionError, match="needs a directory"):
        install(app, max_inline=0)
    with pytest.raises(keeptrace.OptionError, match="depth"):
        install(app, depth="much")
    assert install(app, depth=2) is app
