"""WSGI and ASGI middleware around bare applications, and what leaves dumps in Flask, Starlette,
FastAPI, Django and Celery.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import pytest

import keeptrace
from keeptrace.middleware import ASGIMiddleware, WSGIMiddleware
from keeptrace.store import Store


def innermost(path):
    entry = keeptrace.load(path).__traceback__
    while entry.tb_next:
        entry = entry.tb_next
    return entry.tb_frame


# -- WSGI


class Body:
    def __init__(self, chunks, closing=None):
        self.chunks = chunks
        self.closing = closing
        self.closed = 0

    def __iter__(self):
        for chunk in self.chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    def close(self):
        self.closed += 1
        if self.closing:
            raise self.closing


def serve(app, environ=None):
    """What a server does with an application."""
    started = []
    body = app(
        environ if environ is not None else {},
        lambda status, headers, exc_info=None: started.append(status),
    )
    try:
        return b"".join(body)
    finally:
        getattr(body, "close", int)()


def raise_it(exc):
    raise exc


@pytest.mark.parametrize(
    "app",
    [
        lambda environ, start: raise_it(ValueError("call")),
        lambda environ, start: Body([b"a", ValueError("chunk")]),
        lambda environ, start: Body([b"a"], ValueError("close")),
        lambda environ, start: 5,
    ],
    ids=["call", "chunk", "close", "no iterable"],
)
def test_wsgi_failures(tmp_path, app):
    """Wherever the application fails, in the call, while its answer is sent or closed: a dump, and
    the same exception.
    """
    with pytest.raises((ValueError, TypeError)) as bare:
        serve(app)
    with pytest.raises(type(bare.value)) as caught:
        serve(WSGIMiddleware(app, tmp_path))
    assert caught.value.args == bare.value.args or type(bare.value) is TypeError
    assert len(Store(tmp_path).entries()) == 1


def test_wsgi_success(tmp_path):
    """An answer passes as it is, is closed once, and nothing is written."""
    body = Body([b"a", b"b"])
    assert (
        serve(WSGIMiddleware(lambda environ, start: start("200 OK", []) or body, tmp_path)) == b"ab"
    )
    assert body.closed == 1 and os.listdir(tmp_path) == []


def test_wsgi_answers_that_cannot_fail_are_not_wrapped(tmp_path):
    """A list stays a list, and the server's own kind of file stays that."""
    answer = [b"a"]
    assert WSGIMiddleware(lambda environ, start: answer, tmp_path)({}, None) is answer
    file = Body([b"a"])
    assert (
        WSGIMiddleware(lambda environ, start: file, tmp_path)({"wsgi.file_wrapper": Body}, None)
        is file
    )


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_wsgi_ending_on_purpose(tmp_path, error):
    """A server that is stopped leaves no dump."""
    for app in (
        lambda environ, start: raise_it(error()),
        lambda environ, start: Body([error()]),
        lambda environ, start: Body([], error()),
    ):
        with pytest.raises(error):
            serve(WSGIMiddleware(app, tmp_path))
    assert os.listdir(tmp_path) == []


def flask_app():
    flask = pytest.importorskip("flask")
    app = flask.Flask("shop")

    @app.route("/pay/<int:amount>")
    def pay(amount):
        return str(amount / 0)

    @app.route("/stream")
    def stream():
        def chunks():
            yield "a"
            raise ValueError("chunk")

        return chunks()

    @app.route("/fine")
    def fine():
        return "fine"

    return app


def test_flask(tmp_path):
    """A view's exception passes through with a dump of its frames; what Flask answers itself makes
    none.
    """
    app = flask_app()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.wsgi_app = WSGIMiddleware(app.wsgi_app, tmp_path)
    client = app.test_client()
    assert client.get("/fine").text == "fine" and client.get("/none").status_code == 404
    assert os.listdir(tmp_path) == []
    with pytest.raises(ZeroDivisionError):
        client.get("/pay/7")
    with pytest.raises(ValueError):
        client.get("/stream").text
    pay, stream = Store(tmp_path).entries()
    assert innermost(pay.path).f_locals == {"amount": 7} and pay.where.endswith("pay")
    assert stream.message == "chunk"


def test_flask_in_production(tmp_path):
    """There Flask answers with 500 and lets nothing through; its signal gives the exception, as the
    docs say.
    """
    app = flask_app()
    import flask

    store = keeptrace.Store(tmp_path)
    flask.got_request_exception.connect(
        lambda sender, exception, **_: store.write(exception), app, weak=False
    )
    assert app.test_client().get("/pay/7").status_code == 500
    (entry,) = store.entries()
    assert innermost(entry.path).f_locals == {"amount": 7}


# -- ASGI


def call(app, scope=None):
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope or {"type": "http"}, receive, send))
    return sent


def test_asgi_failure(tmp_path):
    """The exception goes on, the same object, and there is a dump with the frames of the
    coroutines.
    """
    error = ValueError(1)

    async def inner(value):
        await asyncio.sleep(0)
        raise error

    async def app(scope, receive, send):
        await inner(7)

    with pytest.raises(ValueError) as caught:
        call(ASGIMiddleware(app, tmp_path))
    assert caught.value is error
    (entry,) = Store(tmp_path).entries()
    assert innermost(entry.path).f_locals["value"] == 7


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_asgi_ending_on_purpose(tmp_path, error):
    """A client that goes away cancels its request: no failure."""

    async def app(scope, receive, send):
        raise error

    with pytest.raises(error):
        call(ASGIMiddleware(app, tmp_path))
    assert os.listdir(tmp_path) == []


def test_starlette(tmp_path):
    """Added as Starlette's middleware: dumps of endpoints that fail, sync and async; the answer is
    Starlette's own 500.
    """
    pytest.importorskip("starlette")
    pytest.importorskip("httpx")
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    async def pay(request):
        amount = int(request.path_params["amount"])
        return PlainTextResponse(str(amount / 0))

    def in_thread(request):
        raise KeyError("thread")

    async def fine(request):
        return PlainTextResponse("fine")

    routes = [Route("/pay/{amount}", pay), Route("/thread", in_thread), Route("/fine", fine)]
    app = Starlette(routes=routes, middleware=[Middleware(ASGIMiddleware, directory=tmp_path)])
    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/fine").text == "fine" and client.get("/none").status_code == 404
    assert os.listdir(tmp_path) == []
    assert client.get("/pay/7").status_code == 500 and client.get("/thread").status_code == 500
    with pytest.raises(ZeroDivisionError):
        TestClient(app).get("/pay/7")
    pay_entry, thread_entry = Store(tmp_path).entries()
    assert pay_entry.count == 2 and innermost(pay_entry.path).f_locals["amount"] == 7
    assert thread_entry.type == "KeyError"


def test_secrets_of_a_request_stay_out_of_the_dump(tmp_path):
    """The headers of the failed request are in its frames; an authorization is hidden."""

    async def app(scope, receive, send):
        raise ValueError

    with pytest.raises(ValueError):
        call(
            ASGIMiddleware(app, tmp_path),
            {"type": "http", "headers": [(b"authorization", b"Bearer abcdef0123456789abcdef")]},
        )
    (entry,) = Store(tmp_path).entries()
    frame = innermost(entry.path)
    assert (
        "abcdef0123456789" not in repr(frame.f_locals) and frame.f_locals["scope"]["type"] == "http"
    )


def test_fastapi(tmp_path):
    """Added as the docs say: a dump of the endpoint that fails, none of an HTTPException."""
    fastapi = pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    from fastapi.testclient import TestClient

    app = fastapi.FastAPI()
    app.add_middleware(ASGIMiddleware, directory=tmp_path)

    @app.get("/pay/{amount}")
    def pay(amount: int):
        return amount / 0

    @app.get("/closed")
    async def closed():
        raise fastapi.HTTPException(503)

    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/pay/7").status_code == 500 and client.get("/closed").status_code == 503
    (entry,) = Store(tmp_path).entries()
    assert innermost(entry.path).f_locals == {"amount": 7}


# -- Django: its settings are those of a whole process

DJANGO = """
import asyncio, sys
from django.conf import settings
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="the-signing-key-of-this-site",
    ROOT_URLCONF="__main__",
    ALLOWED_HOSTS=["*"],
    **SETTINGS,
)

def pay(request, amount):
    return HttpResponse(amount / 0)

async def pay_later(request, amount):
    return HttpResponse(amount / 0)

def none(request):
    raise Http404

def stream(request):
    def chunks():
        yield "a"
        raise ValueError("chunk")
    return StreamingHttpResponse(chunks())

def broken(get_response):
    def middleware(request):
        if request.path == "/middleware":
            raise KeyError("middleware")
        return get_response(request)
    return middleware

urlpatterns = [
    path("pay/<int:amount>", pay),
    path("pay-later/<int:amount>", pay_later),
    path("none", none),
    path("stream", stream),
]

import django
from django.test import AsyncClient, Client
django.setup()
client = Client(raise_request_exception=False)
later = AsyncClient(raise_request_exception=False)
"""


def run_django(tmp_path, settings, requests):
    """Runs requests in a process of their own; the statuses that they print, and the dumps."""
    pytest.importorskip("django")
    program = tmp_path / "site.py"
    program.write_text(f"SETTINGS = {settings!r}\n{DJANGO}\n{requests}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    return done, Store(tmp_path / "keeptrace-dumps").entries()


OURS = "keeptrace.middleware.DjangoMiddleware"


@pytest.mark.parametrize("debug", [False, True])
def test_django(tmp_path, debug):
    """Each request that Django answers with 500 leaves a dump, sync and async, of views and of
    middleware; a 404 none.
    """
    _, entries = run_django(
        tmp_path,
        {"MIDDLEWARE": [OURS, "__main__.broken"], "DEBUG": debug},
        """
assert client.get("/none").status_code == 404
assert client.get("/pay/7").status_code == 500
assert asyncio.run(later.get("/pay-later/8")).status_code == 500
assert client.get("/middleware").status_code == 500
""",
    )
    by_place = {entry.where.rpartition(" ")[2]: entry for entry in entries}
    assert innermost(by_place["pay"].path).f_locals["amount"] == 7
    assert innermost(by_place["pay_later"].path).f_locals["amount"] == 8
    assert len(entries) == 3 and "KeyError" in {entry.type for entry in entries}


def test_django_settings(tmp_path):
    """KEEPTRACE names directory and options; the last settings count, and a failure is written
    once.
    """
    run_django(
        tmp_path,
        {"MIDDLEWARE": [OURS], "KEEPTRACE": {"directory": "first"}},
        """
from django.test import override_settings
client.get("/pay/7")
with override_settings(KEEPTRACE={"directory": "second", "max_values": 200}):
    Client(raise_request_exception=False).get("/pay/8")
for wrong in ({"directory": "third", "deep": 2}, "third"):
    with override_settings(KEEPTRACE=wrong):
        try:
            Client().get("/pay/9")
        except Exception as problem:
            assert type(problem).__name__ == "OptionError", problem
            assert wrong == "third" or "options are directory, trace, depth" in str(problem)
        else:
            raise SystemExit(f"{wrong!r} was taken")
""",
    )
    for name, amount in (("first", 7), ("second", 8)):
        (entry,) = Store(tmp_path / name).entries()
        assert entry.count == 1 and innermost(entry.path).f_locals["amount"] == amount


def test_django_secrets(tmp_path):
    """Neither the signing key of the site nor what a request carries is in its dump."""
    _, (entry,) = run_django(
        tmp_path,
        {"MIDDLEWARE": [OURS]},
        """
client.cookies["sessionid"] = "the-session-of-somebody"
client.post("/pay/7", {"password": "hunter2hunter2"}, headers={"authorization": "Bearer the-bearer-token-1"})
""",
    )
    shown = subprocess.run(
        [sys.executable, "-m", "keeptrace", "show", "--json", entry.path],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ).stdout
    assert "amount" in shown
    for secret in (
        "the-signing-key",
        "the-session-of",
        "hunter2hunter2",
        "the-bearer-token",
    ):
        assert secret not in shown


def test_django_logging(tmp_path):
    """The handler, named in LOGGING as the docs say, writes the dump and puts its path into the
    log.
    """
    handlers = {
        "dumps": {"class": "keeptrace.LoggingHandler", "level": "ERROR"},
        "text": {"class": "logging.StreamHandler", "level": "ERROR", "formatter": "short"},
    }
    logging = {
        "version": 1,
        "formatters": {"short": {"format": "%(message)s %(keeptrace)s"}},
        "handlers": handlers,
        "loggers": {"django.request": {"handlers": ["dumps", "text"], "propagate": False}},
    }
    done, (entry,) = run_django(
        tmp_path, {"LOGGING": logging}, 'client.get("/pay/7"); client.get("/none")'
    )
    assert innermost(entry.path).f_locals["amount"] == 7
    assert f"Internal Server Error: /pay/7 {entry.path}\n" in done.stderr


def test_django_streams(tmp_path):
    """An answer that fails while it is sent leaves a dump by the middleware around the application."""
    _, (entry,) = run_django(
        tmp_path,
        {"MIDDLEWARE": [OURS]},
        """
from django.core.wsgi import get_wsgi_application
from django.test import RequestFactory
from keeptrace.middleware import WSGIMiddleware
application = WSGIMiddleware(get_wsgi_application(), "keeptrace-dumps")
environ = RequestFactory().get("/stream").environ
try:
    list(application(environ, lambda status, headers, exc_info=None: None))
except ValueError:
    print("raised in the server")
""",
    )
    assert entry.message == "chunk"


# -- Celery

CELERY = """
import keeptrace
from celery import Celery, signals

app = Celery("celery_tasks", broker="filesystem://", backend="file://results")
app.conf.update(
    broker_transport_options={"data_folder_in": "queue", "data_folder_out": "queue"},
    worker_hijack_root_logger=False, broker_connection_retry_on_startup=True,
)
store = keeptrace.Store("dumps")
signals.task_failure.connect(lambda exception, **_: store.write(exception), weak=False)

@app.task(bind=True, max_retries=1)
def pay(self, amount):
    try:
        return amount / 0
    except ZeroDivisionError as problem:
        raise self.retry(exc=problem, countdown=0)
"""


@pytest.mark.engines
def test_celery(tmp_path):
    """The signal, connected as the docs say, writes the failed task's dump in the worker, after its
    retries.
    """
    pytest.importorskip("celery")
    (tmp_path / "celery_tasks.py").write_text(CELERY)
    for name in ("queue", "results"):
        (tmp_path / name).mkdir()
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path}
    how = {"cwd": tmp_path, "env": environment}
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--pool", "solo"]
    ask = "import celery_tasks; celery_tasks.pay.delay(7)"
    subprocess.run([sys.executable, "-c", ask], check=True, timeout=60, **how)
    with (tmp_path / "log").open("w") as log:
        worker = subprocess.Popen(command, stdout=log, stderr=log, **how)
    try:
        end = time.monotonic() + 60
        while not (entries := Store(tmp_path / "dumps").entries()):
            assert time.monotonic() < end and worker.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.1)
    finally:
        worker.kill()
        worker.wait()
    (entry,) = entries
    frame = innermost(entry.path)
    assert entry.count == 1 and frame.f_code.co_name == "pay" and frame.f_locals["amount"] == 7
