"""Clients of editors that nobody here wrote: VS Code's own client for tests of debug adapters."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import keeptrace

ROOT = Path(__file__).parent.parent
CLIENT = Path(__file__).parent / "editors" / "dap_client.js"
# Where `npm install` in editors/vscode puts packages, or a directory of one's own.
MODULES = Path(os.environ.get("KEEPTRACE_NODE_MODULES", ROOT / "editors/vscode/node_modules"))
PACKAGE = "@vscode/debugadapter-testsupport"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="needs node"),
    pytest.mark.skipif(
        not (MODULES / PACKAGE).is_dir(), reason=f"needs {PACKAGE}: npm install in editors/vscode"
    ),
]
pytest.importorskip("typer", reason="the server is started by the command line")

PROGRAM = """\
def price(order):
    total = 34
    return total / order["quantity"]

def main():
    price({"quantity": 0})
"""


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A dump of a program whose file is still there."""
    program = tmp_path / "shop.py"
    program.write_text(PROGRAM, encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "shop"}
    exec(compile(PROGRAM, str(program), "exec"), namespace)
    try:
        namespace["main"]()  # type: ignore[operator]
    except ZeroDivisionError as problem:
        keeptrace.dump(problem, tmp_path / "crash.keeptrace")
    return tmp_path / "crash.keeptrace"


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": path, "NODE_PATH": str(MODULES)}


def converse(*arguments: object) -> None:
    """Runs the client, which fails at the first answer that is not as it should be."""
    done = subprocess.run(
        ["node", str(CLIENT), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("the conversation is over\n")


def test_over_standard_streams(dump: Path, tmp_path: Path) -> None:
    """VS Code's client starts the server, stands in the failing frame, reads variables, hovers, and
    is refused to step or run code.
    """
    adapter = tmp_path / "adapter.py"
    adapter.write_text(
        "import sys\n"
        f"sys.argv = ['keeptrace', 'dap', {str(dump)!r}]\n"
        "from keeptrace.__main__ import main\n"
        "main()\n"
    )
    converse(sys.executable, adapter, dump.parent / "shop.py", 3)


@pytest.fixture
def port(dump: Path) -> Iterator[tuple[str, str]]:
    """The port of a server, and its token."""
    command = [sys.executable, "-m", "keeptrace", "dap", str(dump), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment()) as server:
        assert server.stderr is not None
        line = server.stderr.readline().decode()
        found = re.search(r"127\.0\.0\.1:(\d+), token (\S+)", line)
        assert found, line
        yield found[1], found[2]
        server.kill()


def test_over_a_port(dump: Path, port: tuple[str, str]) -> None:
    """The same over a port, with the token."""
    converse("--port", *port, dump.parent / "shop.py", 3)
