"""WSGI and ASGI middleware around bare applications, Flask and Starlette."""

from __future__ import annotations

import asyncio
import os

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
    """Wherever the application fails, in the call, while its answer is sent or closed: a dump, and the same exception."""
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
    """A view's exception passes through with a dump of its frames; what Flask answers itself makes none."""
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
    """There Flask answers with 500 and lets nothing through; its signal gives the exception, as the docs say."""
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
    """The exception goes on, the same object, and there is a dump with the frames of the coroutines."""
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
    """Added as Starlette's middleware: dumps of endpoints that fail, sync and async; the answer is Starlette's own 500."""
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
