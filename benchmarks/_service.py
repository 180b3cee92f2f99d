"""A small web service: what an application holds in its locals and globals when a request fails. A
part of the corpus.
"""

# ruff: noqa: F841  # unused locals are what these frames are to hold

from __future__ import annotations

import argparse
import json
import logging
import sqlite3
import threading

logger = logging.getLogger("benchmarks.service")
parser = argparse.ArgumentParser("service")
for _number in range(20):
    parser.add_argument(f"--option-{_number}", type=int, default=_number, help="one of the options")
connection = sqlite3.connect(":memory:", check_same_thread=False)
connection.execute("create table customers (id integer, name text)")
sessions = {
    f"session-{_number}": {"user": _number, "roles": ["reader", "writer"]} for _number in range(200)
}


class Request:
    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body
        self.state = {}
        self.app = None


class Router:
    def __init__(self):
        self.routes = {f"/things/{number}": make_handler(number) for number in range(50)}
        self.parent = None


class Application:
    def __init__(self):
        self.router = Router()
        self.router.parent = self
        self.config = vars(parser.parse_args([]))
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.worker = threading.Thread(target=self.stopped.wait, daemon=True)
        self.logger = logger
        self.connection = connection

    def serve(self, request):
        request.app = self
        worker = self.worker
        return self.dispatch(request)

    def dispatch(self, request):
        router = self.router
        handler = router.routes.get(request.path, read_customer)
        log = logger.getChild("dispatch")
        return with_session(self, request, handler)


def make_handler(number):
    def handle(request):
        return number

    return handle


def with_session(app, request, handler):
    session = sessions.get(request.headers.get("cookie"), {})
    request.state["session"] = session
    return with_transaction(app.connection, request, handler)


def with_transaction(connection, request, handler):
    cursor = connection.cursor()
    with connection:
        return handler(request)


def read_customer(request):
    body = json.loads(request.body)
    settings = parser.parse_args([])
    logger.debug("reading %s", body)
    return find_customer(request.app.connection, body["id"])


def find_customer(connection, number):
    query = "select name from customers where id = ?"
    rows = connection.execute(query, (number,)).fetchall()
    return first_of(rows, number)


def first_of(rows, number):
    return rows[0][0]


def main(path):
    app = Application()
    request = Request(path, {"cookie": "session-7", "accept": "text/html"}, '{"id": 17}')
    thread = threading.current_thread()
    return app.serve(request)
