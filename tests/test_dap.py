"""The Debug Adapter Protocol server, by a real client's conversation: over standard streams and
over a port.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, Iterator

import pytest
from commands import in_a_fork

import keeptrace

pytest.importorskip("typer", reason="the server is started by the command line")

PROGRAM = """\
class Order:
    def __init__(self, lines):
        self.lines = lines
        self.me = self

def price(order):
    é = "ü" * 3; 𝒳 = 1; return sum(line["price"] for line in order.lines) / 0

def main():
    order = Order([{"price": 2}, {"price": 3, "name": "café"}])
    many = list(range(60))
    try:
        price(order)
    except ZeroDivisionError as problem:
        raise ExceptionGroup("two", [ValueError("bad"), KeyError("k")]) from problem

main()
"""


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A dump with the objects alive, of a program whose file has changed since."""
    folder = tmp_path_factory.mktemp("program")
    program = folder / "shop.py"
    program.write_text(PROGRAM, encoding="utf-8")
    writer = (
        "import sys, runpy, keeptrace\n"
        "try: runpy.run_path(sys.argv[1], run_name='shop')\n"
        "except BaseException as exc: keeptrace.dump(exc, sys.argv[2], pickler='cloudpickle', redact=False, depth=5)\n"
    )
    subprocess.run(
        [sys.executable, "-c", writer, str(program), str(folder / "crash.keeptrace")],
        check=True,
        timeout=60,
    )
    program.write_text("# edited since\n", encoding="utf-8")
    yield folder / "crash.keeptrace"


class Client:
    """What an editor does: writes requests, reads responses and events."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._sequence = 0
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def send(self, command: str, **arguments: Any) -> None:
        self._sequence += 1
        data = json.dumps(
            {"seq": self._sequence, "type": "request", "command": command, "arguments": arguments}
        ).encode()
        self._outgoing.write(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
        self._outgoing.flush()

    def read(self) -> dict[str, Any]:
        length = 0
        while (line := self._incoming.readline()).strip():
            name, _, value = line.partition(b":")
            assert name == b"Content-Length"
            length = int(value)
        assert length, "the server has gone"
        message: dict[str, Any] = json.loads(self._incoming.read(length))
        assert message["seq"] == self._last + 1
        self._last = message["seq"]
        return message

    def answer(self, command: str, **arguments: Any) -> dict[str, Any]:
        """The response, with what the protocol demands of every response checked."""
        self.send(command, **arguments)
        while (message := self.read())["type"] == "event":
            self.events.append(message)
        assert (
            message["type"] == "response"
            and message["command"] == command
            and message["request_seq"] == self._sequence
        )
        return message

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        message = self.answer(command, **arguments)
        assert message["success"], message
        return message.get("body") or {}

    def refused(self, command: str, **arguments: Any) -> str:
        message = self.answer(command, **arguments)
        assert not message["success"]
        return str(message["message"])

    def event(self, name: str) -> dict[str, Any]:
        while not any(event["event"] == name for event in self.events):
            message = self.read()
            assert message["type"] == "event"
            self.events.append(message)
        found = next(event for event in self.events if event["event"] == name)
        self.events.remove(found)
        return found["body"]  # type: ignore[no-any-return]

    def begin(self, request: str = "launch", **arguments: Any) -> dict[str, Any]:
        """The handshake, as VS Code does it; the capabilities."""
        capabilities = self.ask(
            "initialize",
            clientID="test",
            adapterID="keeptrace",
            linesStartAt1=True,
            columnsStartAt1=True,
            pathFormat="path",
        )
        self.ask(request, name="dump", type="keeptrace", request=request, **arguments)
        self.event("initialized")
        self.ask("setBreakpoints", source={"path": "/x.py"}, breakpoints=[{"line": 1}])
        self.ask("setExceptionBreakpoints", filters=[])
        self.ask("configurationDone")
        return capabilities

    def variables(self, reference: int, **paging: Any) -> dict[str, dict[str, Any]]:
        return {
            variable["name"]: variable
            for variable in self.ask("variables", variablesReference=reference, **paging)[
                "variables"
            ]
        }


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "keeptrace", "dap", *map(str, arguments)]


class Port:
    """A server on a port, and its token."""

    def __init__(self, dump: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            command(dump, "--port", 0, *options), stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline().decode()
        found = re.search(r"127\.0\.0\.1:(\d+), token (\S+)", line)
        assert found, line
        self.port, self.token = int(found[1]), found[2]
        self._open: list[Any] = []

    def connect(self) -> Client:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        self._open.append(connection)
        return Client(connection.makefile("rb"), connection.makefile("wb"))

    def close(self) -> int:
        for connection in self._open:
            connection.close()
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(30)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


@pytest.fixture(scope="module")
def server(dump: Path) -> Iterator[Port]:
    """A server on a port that serves the clients of several tests."""
    server = Port(dump)
    yield server
    server.close()


@pytest.fixture(params=["stdio", "port"])
def connected(
    request: pytest.FixtureRequest, dump: Path
) -> Iterator[tuple[Client, dict[str, Any]]]:
    """A client of each transport, and what it gives at its launch."""
    if request.param == "stdio":
        process = subprocess.Popen(
            command(dump, "--live"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin and process.stdout and process.stderr
        yield Client(process.stdout, process.stdin), {}  # type: ignore[arg-type]
        process.stdin.close()
        assert process.wait(30) == 0
        assert process.stderr.read() in (b"", b"printed to the file itself\n")
        process.stdout.close()
        process.stderr.close()
    else:
        server = Port(dump, "--live")
        yield server.connect(), {"token": server.token}
        assert server.close() == 0


def test_a_whole_conversation(connected: tuple[Client, dict[str, Any]]) -> None:
    """The handshake, the stop, threads of the chain, frames with positions, scopes, trees with a
    cycle, source, evaluate, the end.
    """
    client, token = connected
    capabilities = client.begin("launch", **token)
    assert (
        capabilities["supportsExceptionInfoRequest"] and capabilities["supportsEvaluateForHovers"]
    )
    assert "ExceptionGroup: two" in client.event("output")["output"]
    stopped = client.event("stopped")
    assert stopped["reason"] == "exception" and stopped["threadId"] == 1

    threads = client.ask("threads")["threads"]
    assert [thread["name"].partition("]")[2].strip().partition(" (")[0] for thread in threads] == [
        "ExceptionGroup: two",
        "ZeroDivisionError: division by zero",
        "ValueError: bad",
        "KeyError: 'k'",
    ]
    info = client.ask("exceptionInfo", threadId=1)
    assert (
        info["exceptionId"] == "ExceptionGroup"
        and info["details"]["innerException"][0]["typeName"] == "ZeroDivisionError"
    )
    assert "in main" in info["details"]["stackTrace"]

    cause = threads[1]["id"]
    stack = client.ask("stackTrace", threadId=cause)
    assert stack["totalFrames"] == 2
    top = stack["stackFrames"][0]
    assert (top["name"], top["line"]) == ("price", 7)
    line = PROGRAM.splitlines()[6]
    failing = 'sum(line["price"] for line in order.lines) / 0'
    # columns count units of UTF-16, from 1; the letter before the expression takes two
    assert top["column"] == len(line[: line.index(failing)].encode("utf-16-le")) // 2 + 1
    assert top["endColumn"] == top["column"] + len(failing)
    assert (
        client.ask("stackTrace", threadId=cause, startFrame=1, levels=1)["stackFrames"][0]["name"]
        == "main"
    )

    reference = top["source"]["sourceReference"]
    assert (
        client.ask("source", source=top["source"], sourceReference=reference)["content"] == PROGRAM
    )

    scopes = {scope["name"]: scope for scope in client.ask("scopes", frameId=top["id"])["scopes"]}
    assert list(scopes) == ["Locals", "Globals", "Exception ZeroDivisionError", "Process"]
    variables = client.variables(scopes["Locals"]["variablesReference"])
    assert variables["é"]["value"] == "'üüü'" and variables["é"]["variablesReference"] == 0
    order = client.variables(variables["order"]["variablesReference"])
    assert order["me"]["variablesReference"] == variables["order"]["variablesReference"]
    second = client.variables(order["lines"]["variablesReference"], start=1, count=1)
    assert list(second) == ["1"]
    assert client.variables(second["1"]["variablesReference"])["'name'"]["value"] == "'café'"

    main = stack["stackFrames"][1]["id"]
    locals_of_main = client.variables(
        client.ask("scopes", frameId=main)["scopes"][0]["variablesReference"]
    )
    assert locals_of_main["many"]["indexedVariables"] == 60

    result = client.ask(
        "evaluate",
        expression="[line['price'] for line in order.lines] + [é]",
        frameId=top["id"],
        context="repl",
    )
    assert result["result"] == "[2, 3, 'üüü']"
    assert client.variables(result["variablesReference"])["1"]["value"] == "3"
    client.ask("evaluate", expression="x = 5; print('said')", frameId=top["id"])
    assert client.event("output")["output"] == "said\n"
    client.ask(
        "evaluate",
        expression="import os; os.write(1, b'printed to the file itself\\n')",
        frameId=top["id"],
    )
    assert client.ask("evaluate", expression="x + 1", frameId=top["id"])["result"] == "6"
    assert (
        client.refused("evaluate", expression="1 / 0", frameId=top["id"])
        == "ZeroDivisionError: division by zero"
    )
    assert "SystemExit" in client.refused("evaluate", expression="exit(3)", frameId=top["id"])

    assert "stands still" in client.refused("next", threadId=1)
    client.ask("disconnect")
    client.event("terminated")


def test_nothing_runs_without_live(dump: Path) -> None:
    """Without --live evaluate reads names, attributes and subscripts; what would run is refused
    with what to do.
    """
    with subprocess.Popen(command(dump), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        client = Client(process.stdout, process.stdin)  # type: ignore[arg-type]
        assert client.begin("attach")["supportsEvaluateForHovers"]
        cause = client.ask("threads")["threads"][1]["id"]
        frame = client.ask("stackTrace", threadId=cause)["stackFrames"][0]["id"]

        def read(expression: str) -> str:
            answer = client.ask("evaluate", expression=expression, frameId=frame, context="hover")
            return str(answer["result"])

        assert read("é") == "'üüü'" and read("order.me.lines[-1]['name']") == "'café'"
        assert read("order.lines[0]") == "{'price': 2}"
        lines = client.ask("evaluate", expression="order.lines", frameId=frame, context="watch")
        assert list(client.variables(lines["variablesReference"])) == ["0", "1"]
        for wrong in ("order.color", "lines", "order.lines[2]", "order.lines[0]['x']"):
            assert "kept" in client.refused("evaluate", expression=wrong, frameId=frame)
        for more in ("1 + 1", "len(order.lines)", "order.lines[x]", "order.lines[0:1]", "(", ""):
            assert "--live" in client.refused("evaluate", expression=more, frameId=frame)
        assert client.ask("continue", threadId=1) == {"allThreadsContinued": True}
        client.event("terminated")
        process.stdin.close()
        assert process.wait(30) == 0


def test_wrong_requests_are_answered(server: Port) -> None:
    """A request that makes no sense gets a response that says so, and the conversation goes on."""
    client = server.connect()
    client.begin(token=server.token)
    for request, arguments in (
        ("goto", {}),
        ("stackTrace", {}),
        ("stackTrace", {"threadId": 99}),
        ("stackTrace", {"threadId": [1]}),
        ("scopes", {"frameId": {}}),
        ("scopes", {"frameId": 0}),
        ("variables", {"variablesReference": 10_000}),
        ("variables", {"variablesReference": -1}),
        ("source", {"sourceReference": 5}),
        ("exceptionInfo", {"threadId": None}),
    ):
        client.refused(request, **arguments)
    assert client.ask("threads")["threads"]
    client.ask("disconnect")


def test_zero_based_columns(server: Port) -> None:
    """A client that counts from 0 gets positions from 0."""
    client = server.connect()
    client.ask("initialize", linesStartAt1=False, columnsStartAt1=False)
    client.ask("launch", token=server.token)
    frame = client.ask("stackTrace", threadId=1)["stackFrames"][0]
    assert (frame["line"], frame["column"]) == (14, 8)
    client.ask("disconnect")


def test_port_needs_the_token(server: Port) -> None:
    """On a port nothing is told without the token, a wrong one ends the connection, and other
    clients are still served.
    """
    stranger = server.connect()
    stranger.ask("initialize")
    for request in ("threads", "stackTrace", "variables", "evaluate", "configurationDone"):
        assert "token" in stranger.refused(request, threadId=1, variablesReference=1)
    assert "token is wrong" in stranger.refused("attach", token="guess")
    with pytest.raises(AssertionError, match="has gone"):
        stranger.read()
    for given in ({}, {"token": None}, {"token": ["x"]}, {"token": "é"}):
        assert "token is wrong" in server.connect().refused("launch", **given)
    friend = server.connect()
    friend.begin("attach", token=server.token)
    assert friend.ask("threads")["threads"]


def test_port_is_of_this_machine_only(server: Port) -> None:
    """The port listens on 127.0.0.1 and on no other address; a browser's request is not taken for a
    message.
    """
    if (
        sys.platform == "linux"
    ):  # where all of 127.* is this machine, and a server of every address would answer
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", server.port), timeout=5)
    body = json.dumps(
        {"seq": 1, "type": "request", "command": "attach", "arguments": {"token": server.token}}
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as browser:
        browser.sendall(
            f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        try:
            assert browser.recv(100) == b""
        except ConnectionResetError:  # closed with something unread
            pass


def test_token_from_the_environment(dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KEEPTRACE_DAP_TOKEN gives the token, so that a launch configuration can hold it."""
    monkeypatch.setenv("KEEPTRACE_DAP_TOKEN", "agreed-before")
    server = Port(dump)
    try:
        assert server.token == "agreed-before"
        server.connect().begin("attach", token="agreed-before")
    finally:
        server.close()


@pytest.mark.parametrize(
    "noise",
    [
        b"hello\r\n\r\n",
        b"Content-Length: 99999999999\r\n\r\n",
        b"Content-Length: 3\r\n\r\n{{{",
        b"Content-Length: 2\r\n\r\n[]",
        b"\r\n\r\n",
        b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000,
    ],
)
def test_noise_on_stdio(dump: Path, noise: bytes) -> None:
    """What is not DAP is one sentence and exit code 2."""
    done = in_a_fork("dap", dump, given=noise)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1 and done.err.startswith("keeptrace: ")


def test_client_that_leaves_without_a_word(dump: Path) -> None:
    """The end of the input ends the server."""
    assert in_a_fork("dap", dump) == (0, "", "")


def test_port_that_is_taken(dump: Path) -> None:
    """A port that cannot be had is one sentence and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = in_a_fork("dap", dump, "--port", taken.getsockname()[1])
    assert done.code == 2 and done.err.count("\n") == 1
    assert keeptrace.__version__ and os.path.exists(dump)
