"""What people look at when a task failed: generators, sockets, databases, mocks, elements,
requests, rows, unknown arrays.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import unittest.mock
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from test_summaries import arrived

import keeptrace


class Order:
    def __init__(self, number: int) -> None:
        self.number = number


# -- generators and coroutines


def _orders(town: str) -> Iterator[Order]:
    order = Order(7)
    yield order


async def _waits(number: int) -> None:
    await asyncio.sleep(3600)


async def _outer(town: str) -> None:
    await _waits(3)


async def _streams() -> AsyncIterator[int]:
    number = 4
    yield number


def test_a_suspended_generator() -> None:
    """A generator has its current line and its variables, and can still be used afterwards."""
    generator = _orders("Lisbon")
    found = arrived(generator)
    assert found.state == "not started" and found.locals == {"town": "Lisbon"}
    next(generator)
    found = arrived(generator)
    line = _orders.__code__.co_firstlineno + 2
    assert (found.state, found.line, found.file) == ("suspended", line, __file__)
    assert found.locals["town"] == "Lisbon" and found.locals["order"].number == 7
    assert repr(found) == repr(generator)
    assert list(generator) == []
    assert arrived(generator).state == "ended"


def test_a_running_generator() -> None:
    """A generator that is running has its line; its variables are those of its frame."""

    def looks(town: str) -> Iterator[Any]:
        yield arrived(generator)

    generator = looks("Lisbon")
    found = next(generator)
    assert found.state == "running" and not hasattr(found, "locals")


def test_a_suspended_coroutine() -> None:
    """A coroutine has its line, its variables, and the coroutine that it waits for."""

    async def main() -> Any:
        coroutine = _outer("Lisbon")
        task = asyncio.ensure_future(coroutine)
        await asyncio.sleep(0)
        found = arrived(coroutine)
        task.cancel()
        return found

    found = asyncio.run(main())
    assert found.state == "suspended" and found.locals == {"town": "Lisbon"}
    assert found.waits_for.locals == {"number": 3} and "_waits" in repr(found.waits_for)


def test_an_asynchronous_generator() -> None:
    """An asynchronous generator has its variables where it yielded."""

    async def main() -> Any:
        stream = _streams()
        await anext(stream)
        found = arrived(stream)
        await stream.aclose()
        return found

    assert asyncio.run(main()).locals == {"number": 4}


# -- what belongs to the system


def test_sockets() -> None:
    """A socket has its descriptor, kind and addresses; a closed one none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            found = arrived(client)
            assert found.raddr == ("127.0.0.1", port) and found.family == "AF_INET"
            assert f"type=SOCK_STREAM, laddr={client.getsockname()!r}" in repr(found)
    assert not hasattr(arrived(server), "laddr") and "fileno=-1" in repr(arrived(server))


def test_databases() -> None:
    """A connection says whether a transaction is open; rows have their values by name."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    connection.execute("begin")
    connection.row_factory = sqlite3.Row
    row = connection.execute("select 3 as number, 'tiger' as password").fetchone()
    count = len(statements)
    assert "in_transaction=True" in repr(arrived(connection))
    found = arrived(row)
    assert found.number == 3 and "tiger" not in f"{found!r} {vars(found)}"
    assert len(statements) == count
    connection.close()
    assert arrived(connection).is_open is False and "not open>" in repr(arrived(connection))


def test_matches() -> None:
    """A match has its place, its text and its named groups."""
    found = arrived(re.search(r"(?P<user>\w+)@(\w+)", "to me@host"))
    assert (found.span, found.groupdict) == ((3, 10), {"user": "me"})
    assert repr(found) == "<re.Match object; span=(3, 10), match='me@host'>"


@pytest.mark.parametrize("room", [14, 25, 40, 46])
def test_a_cut_hides_the_password_of_a_url(room: int) -> None:
    """Redaction knows a password by the host behind it, which a cut text may lack."""
    url = "postgresql://bob:sentinel-words-sentinel-w@db.example.com/shop"
    element = ElementTree.fromstring(f"<a b='{'x' * (79 - room)} {url}'/>")
    match: Any = re.match(".*", f"{'x' * (48 - room)} {url}")
    for value in (element, match):
        found = arrived(value)
        assert " postgresql://" in repr(found)
        assert "sentinel" not in f"{found!r} {vars(found)}"


@pytest.mark.parametrize("cls", ["Mock", "MagicMock"])
def test_mocks(cls: str) -> None:
    """A mock has its name, its calls and what it was given, and none of its machinery."""
    mock = getattr(unittest.mock, cls)(name="service", size=3)
    mock.side_effect = ValueError("no")
    mock.get(Order(5), key=2)
    found = arrived(mock)
    assert repr(found).startswith(f"<{cls} name='service' at ") and "calls=1>" in repr(found)
    (name, arguments, keywords) = found.mock_calls[0]
    assert (name, arguments[0].number, keywords) == ("get", 5, {"key": 2})
    assert found.size == 3 and "get" in found.children
    assert not [name for name in vars(found) if name.startswith("_mock")]
    assert mock.mock_calls == [unittest.mock.call.get(mock.get.call_args.args[0], key=2)]


# -- elements


def _markup() -> str:
    inside = "<p:password xmlns:p='urn:p' p:secret='tiger'>tiger</p:password>"
    return f"<order town='Lisbon' password='tiger'>a few words{inside}</order>"


class Names(dict[str, Any]):
    """Children of a mock, or attributes of an object, whose methods must not run."""

    def __bool__(self) -> bool:
        raise SystemExit("asked whether it is empty")

    def __iter__(self) -> Iterator[str]:
        raise SystemExit("iterated")

    def keys(self) -> Any:
        raise SystemExit("asked for its keys")


def test_children_of_a_mock_run_nothing() -> None:
    """A dict of the program's own class is read as a dict, and anything else is none."""
    mock = unittest.mock.Mock()
    vars(mock)["_mock_children"] = Names(a=1)
    assert arrived(mock).children == {"a": 1}
    vars(mock)["_mock_children"] = 3
    assert arrived(mock).children == {}


class Thing:
    pass


def test_attributes_in_a_dict_of_another_class_run_nothing() -> None:
    """An object's __dict__ may be of a subclass, which Python itself reads as a dict."""
    thing = Thing()
    thing.__dict__ = Names(a=1)
    assert vars(arrived(thing))["a"] == 1
    exc = ValueError("x")
    exc.__dict__ = Names(a=1)
    assert vars(keeptrace.loads(keeptrace.dumps(exc))) == {"a": 1}


def test_elements() -> None:
    """An element has its tag, attributes and a little text; secrets in them are hidden."""
    element = ElementTree.fromstring(_markup())
    found = arrived(element)
    assert (found.tag, found.attrib["town"], len(found)) == ("order", "Lisbon", 1)
    assert found.content == {"order": "a few words"}
    for each in (found, arrived(element[0]), arrived([element[0]], depth=1)):
        assert "tiger" not in f"{each!r} {getattr(each, '__dict__', '')}"


def test_elements_of_lxml() -> None:
    """Elements of lxml read as those of the standard library."""
    etree = pytest.importorskip("lxml.etree")
    found = arrived(etree.fromstring(_markup()))
    assert (found.tag, found.attrib["town"]) == ("order", "Lisbon")
    assert "tiger" not in f"{found!r} {vars(found)}"


# -- requests and rows


def test_requests_of_flask() -> None:
    """A request has its method, path and headers; its form only if the program has read it."""
    flask = pytest.importorskip("flask")
    app = flask.Flask("shop")
    headers = {"Authorization": "Bearer tiger-lily-77", "X-Town": "Lisbon"}
    with app.test_request_context("/pay?a=1", method="POST", data={"town": "x"}, headers=headers):
        request = flask.request._get_current_object()
        found = arrived(request)
        assert repr(found) == "<Request POST '/pay?a=1'>"
        assert found.headers["X-Town"] == "Lisbon" and "tiger" not in str(found.headers)
        assert not hasattr(found, "form") and "form" not in vars(request)
        assert request.form["town"] == "x"
        assert "form" in vars(arrived(request))


def test_requests_of_starlette() -> None:
    """A request has its method, path and headers, out of its scope."""
    requests = pytest.importorskip("starlette.requests")
    scope = {"type": "http", "method": "GET", "path": "/pay", "query_string": b"a=1"}
    scope["headers"] = [(b"x-town", b"Lisbon"), (b"authorization", b"Bearer tiger-lily-77")]
    found = arrived(requests.Request(scope))
    assert repr(found) == "<Request GET '/pay?a=1'>"
    assert found.headers["x-town"] == "Lisbon" and "tiger" not in str(found.headers)


def test_rows_of_sqlalchemy() -> None:
    """A mapped object has its loaded columns, and its identity where nothing is loaded."""
    orm = pytest.importorskip("sqlalchemy.orm")
    sqlalchemy = pytest.importorskip("sqlalchemy")

    class Base(orm.DeclarativeBase):  # type: ignore[name-defined, misc]
        pass

    class User(Base):
        __tablename__ = "user"
        id = orm.mapped_column(sqlalchemy.Integer, primary_key=True)
        town = orm.mapped_column(sqlalchemy.String)
        password = orm.mapped_column(sqlalchemy.String)

    engine = sqlalchemy.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        user = User(id=1, town="Lisbon", password="tiger")
        session.add(user)
        session.flush()
        found = arrived(user)
        assert (found.id, found.town, found.identity) == (1, "Lisbon", (1,))
        assert repr(found).endswith("User(id=1, town='Lisbon', password='<redacted>')")
        assert "tiger" not in str(vars(found)) and not hasattr(found, "_sa_instance_state")
        session.commit()
        expired = arrived(user)
        assert "nothing is loaded: {'identity': (1,)}" in repr(expired)
        assert "town" not in vars(user)


_MODELS = """
import django
from django.conf import settings

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
django.setup()
from django.db import models
from django.test import RequestFactory
from test_summaries import arrived


class Order(models.Model):
    town = models.CharField(max_length=9)
    password = models.CharField(max_length=9)

    class Meta:
        app_label = "shop"


class Named(Order):
    def __str__(self):
        return f"order to {self.town}"

    class Meta:
        app_label = "shop"


found = arrived(Order(id=3, town="Lisbon", password="tiger"))
assert repr(found) == "Order(id=3, town='Lisbon', password='<redacted>')", repr(found)
assert (found.id, found.town) == (3, "Lisbon") and "tiger" not in str(vars(found))
deferred = Order.from_db("default", ["id"], [3])
assert repr(arrived(deferred)) == "Order(id=3)" and deferred.get_deferred_fields()
assert "order to Lisbon" in repr(arrived(Named(id=3, town="Lisbon"))), repr(arrived(Named(id=3, town="Lisbon")))
request = RequestFactory().post("/pay?a=1", {"town": "x"}, headers={"X-Town": "Lisbon"})
found = arrived(request)
assert repr(found) == "<WSGIRequest POST '/pay?a=1'>" and found.headers["X-Town"] == "Lisbon"
assert not hasattr(request, "_post")
"""


def test_models_and_requests_of_django() -> None:
    """A model has its loaded fields, or what its plain __str__ says; a request is not parsed."""
    pytest.importorskip("django")
    tests = os.path.dirname(__file__)
    path = os.pathsep.join([os.path.dirname(tests), tests])
    subprocess.run(
        [sys.executable, "-c", _MODELS], check=True, env={**os.environ, "PYTHONPATH": path}
    )


# -- arrays of unknown classes


def _never(*args: object) -> Any:
    time.sleep(3600)


class Stored:
    """An array whose shape and dtype are its own attributes."""

    def __init__(self) -> None:
        self.shape, self.dtype, self.device = (3, 4), "float32", "gpu:1"

    __repr__ = __array__ = _never


class Constant:
    shape, dtype = (5,), int
    __repr__ = _never


class Offering:
    __cuda_array_interface__ = {"shape": (2, 2), "typestr": "<f4", "data": (0, False), "version": 3}
    __repr__ = _never


class Computed:
    """An array whose shape and dtype are computed."""

    shape = dtype = property(_never)
    __repr__ = _never


UNKNOWN = [
    (Stored, "Stored(shape=(3, 4), dtype=float32, device='gpu:1')"),
    (Constant, "Constant(shape=(5,), dtype=int)"),
    (Offering, "Offering(shape=(2, 2), dtype=<f4)"),
]


@pytest.mark.parametrize(("cls", "text"), UNKNOWN, ids=lambda value: getattr(value, "__name__", ""))
def test_unknown_arrays(cls: type, text: str) -> None:
    """An array of any class is told by the shape and dtype that are stored of it."""
    assert repr(arrived(cls())) == text
    assert repr(arrived([cls()], depth=1)) == f"[{text}]"


def test_computed_shapes() -> None:
    """Where the shape is computed, neither its code nor the repr runs, with run_reprs=True either."""
    for run_reprs in (None, True):
        assert "Computed object" in repr(arrived(Computed(), run_reprs=run_reprs, max_seconds=60.0))
    assert repr(arrived(Stored(), run_reprs=True, max_seconds=60.0)).startswith(
        "Stored(shape=(3, 4)"
    )
