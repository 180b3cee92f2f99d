"""`keeptrace mcp`: what the tools answer, what they refuse, and the SDK's own client over stdio."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import keeptrace
from keeptrace import KeepTraceError, OptionError, Store
from keeptrace.tools.mcp.answers import Answers
from keeptrace.tools.mcp.inside import Inside

LOG = """2026-11-28 12:00:00 serving
Traceback (most recent call last):
  File "shop.py", line 3, in price
    return int(text)
ValueError: invalid literal for int() with base 10: 'two'
2026-11-28 12:00:01 serving
Traceback (most recent call last):
  File "shop.py", line 3, in price
    return int(text)
ValueError: invalid literal for int() with base 10: 'six'
"""


def total(order: dict[str, Any]) -> float:
    return sum(line["price"] for line in order["lines"]) / order["count"]


def failed(count: int) -> Exception:
    try:
        with keeptrace.context(tenant="acme"):
            total({"lines": [{"price": 30.5}] * 3, "count": count})
    except Exception as exc:
        return exc
    raise AssertionError("it did not fail")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A store with one failure, two dumps with names of their own, a log, and a file outside."""
    path = tmp_path / "dumps"
    Store(path).write(failed(0))
    (path / "deep").mkdir()
    keeptrace.dump(failed(0), path / "a.keeptrace")
    keeptrace.dump(failed("x"), path / "deep" / "b.keeptrace")  # type: ignore[arg-type]
    (path / "app.log").write_text(LOG, encoding="utf-8")
    (path / "app.log.gz").write_bytes(gzip.compress(LOG.encode()))
    keeptrace.dump(failed(0), tmp_path / "outside.keeptrace")
    return path


@pytest.fixture
def answers(directory: Path) -> Answers:
    return Answers(Inside(str(directory)))


def test_list_names_failures_and_other_files(answers: Answers, directory: Path) -> None:
    """Each failure with the name by which the other tools take it; a text narrows the list."""
    told = answers.list().split("\n")
    kept = next(name for name in os.listdir(directory) if "ZeroDivisionError" in name)
    assert any(row.startswith(f"{kept}  1x  ") for row in told)
    assert any(row.startswith("a.keeptrace  1x  ") for row in told)
    assert "other file: app.log" in told and "other file: app.log.gz" in told
    assert answers.list(containing="KeyError") == "there is no failure in the directory"


def test_show_about_expand_and_diff(answers: Answers) -> None:
    """The failing line with its values; facts; a value by its path and from a part on; two dumps."""
    shown = answers.show("a.keeptrace")
    assert "ZeroDivisionError: float division by zero" in shown or "division by zero" in shown
    assert "order = " in shown and "context: {'tenant': 'acme'}" in shown
    about = answers.about("a.keeptrace")
    assert "'tenant': 'acme'" in about and "directory " in about
    frame = next(
        int(line.partition("#")[2].split()[0]) for line in shown.split("\n") if " total" in line
    )
    assert "price" in answers.expand("a.keeptrace", frame, "order['lines'][0]")
    rest = answers.expand("a.keeptrace", frame, "order['lines']", start=2)
    assert "  2 = " in rest and "  1 = " not in rest
    differs = answers.diff("a.keeptrace", "deep/b.keeptrace")
    assert "TypeError" in differs and "order['count']" in differs
    assert answers.diff("a.keeptrace", "a.keeptrace") == "nothing differs"


def test_find_in_log_counts_equal_tracebacks(answers: Answers) -> None:
    """Plain and gzipped; a text that no exception has finds nothing."""
    for name in ("app.log", "app.log.gz"):
        assert "2 times, first in line 2" in answers.find_in_log(name)
    assert "'two'" in answers.find_in_log("app.log", containing="invalid literal")
    assert answers.find_in_log("app.log", containing="KeyError").startswith("there is no such")


def test_find_in_log_hides_secrets(answers: Answers, directory: Path) -> None:
    """A secret of a message, of a source line and of a URL is hidden; the rest of the traceback is
    there.
    """
    (directory / "login.log").write_text(
        "Traceback (most recent call last):\n"
        '  File "/srv/login.py", line 7, in login\n'
        "    connect(user='bob', password='Tr0ub4dor-9xQ2')\n"
        "ValueError: cannot reach postgres://bob:Tr0ub4dor-9xQ2@db/app with token=a1b2c3d4e5f6g7h8\n",
        encoding="utf-8",
    )
    told = answers.find_in_log("login.log")
    assert "Tr0ub4dor" not in told and "a1b2c3d4" not in told
    assert "cannot reach postgres://bob:" in told and "connect(user='bob'" in told


def test_repro_writes_nothing(answers: Answers, directory: Path) -> None:
    """The text of a test that calls the function; no file is made."""
    before = sorted(os.listdir(directory))
    assert "original('total')(order)" in answers.repro("a.keeptrace")
    assert sorted(os.listdir(directory)) == before


def test_every_answer_has_a_bound(answers: Answers) -> None:
    """At most so many characters, and a count of what is left out; a budget has its own bounds."""
    for call in (
        lambda budget: answers.list(budget=budget),
        lambda budget: answers.show("a.keeptrace", budget),
        lambda budget: answers.about("a.keeptrace", budget),
        lambda budget: answers.diff("a.keeptrace", "deep/b.keeptrace", budget),
        lambda budget: answers.find_in_log("app.log", budget=budget),
        lambda budget: answers.repro("a.keeptrace", budget=budget),
    ):
        assert 0 < len(call(300)) <= 300
        for wrong in (0, 10**9):
            with pytest.raises(OptionError, match="characters"):
                call(wrong)
    assert "more: a larger budget shows them" in answers.about("a.keeptrace", 300)


NAMES = [
    *("../outside.keeptrace", "deep/../../outside.keeptrace", "link.keeptrace", "away/passwd"),
    *("", ".", "..", "deep", "a\0b", "a.keeptrace\0", "no such", "a.keeptrace/x"),
]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere_are_refused(
    answers: Answers, directory: Path, tmp_path: Path, name: str
) -> None:
    """Dots, links to files and directories, NUL, directories: one sentence, from every tool."""
    (directory / "link.keeptrace").symlink_to(tmp_path / "outside.keeptrace")
    (directory / "away").symlink_to("/etc")
    for tool in (answers.show, answers.about, answers.repro, answers.find_in_log):
        with pytest.raises(KeepTraceError, match="director") as refused:
            tool(name)
        assert "\0" not in str(refused.value)
    assert "link.keeptrace" not in answers.list() and "away" not in answers.list()


def test_absolute_paths_and_pipes_are_refused(
    answers: Answers, directory: Path, tmp_path: Path
) -> None:
    """Also the absolute path of a file within; and a named pipe, which would never end."""
    for path in (directory / "a.keeptrace", tmp_path / "outside.keeptrace", "/etc/passwd"):
        with pytest.raises(KeepTraceError, match="relative to the directory"):
            answers.show(str(path))
    if hasattr(os, "mkfifo"):
        os.mkfifo(directory / "pipe.keeptrace")
        with pytest.raises(KeepTraceError, match="there is no file"):
            answers.show("pipe.keeptrace")
        assert "pipe" not in answers.list()


def test_links_within_are_followed(answers: Answers, directory: Path) -> None:
    """A link to a dump of the directory is that dump."""
    (directory / "latest").symlink_to(directory / "a.keeptrace")
    assert answers.show("latest") == answers.show("a.keeptrace")


def test_a_forged_time_leaves_the_list(
    answers: Answers, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One dump whose header has a number beyond all floats hides no other failure."""
    with monkeypatch.context() as forging:
        forging.setattr("keeptrace.format.writing.now", lambda: 10**400)
        keeptrace.dump(failed(0), directory / "forged.keeptrace")
    assert "forged.keeptrace  1x" in answers.list()


def test_a_gzipped_log_may_be_cut_or_hold_one_endless_line(
    answers: Answers, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut log gives one sentence; of a line without an end only a piece is in memory."""
    (directory / "cut.gz").write_bytes(gzip.compress(LOG.encode())[:-20])
    with pytest.raises(KeepTraceError, match=r"cut\.gz cannot be read to its end"):
        answers.find_in_log("cut.gz")
    monkeypatch.setattr("keeptrace.tools.logs._MOST_LINE", 1 << 16)
    (directory / "endless.gz").write_bytes(gzip.compress(b"a" * (1 << 24) + b"\n" + LOG.encode()))
    tracemalloc.start()
    try:
        assert "2 times" in answers.find_in_log("endless.gz")
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
    finally:
        tracemalloc.stop()


def test_a_wrong_directory_is_one_sentence(tmp_path: Path) -> None:
    """A directory that is not there is said before a client waits for it."""
    with pytest.raises(KeepTraceError, match="there is no directory"):
        Inside(str(tmp_path / "none"))


def test_the_sdks_client_over_stdio(directory: Path) -> None:
    """The client gets our version, lists the tools, calls them, and gets our sentences as errors."""
    pytest.importorskip("mcp.server.mcpserver", reason="the SDK is the extra mcp")
    from mcp import Client, StdioServerParameters

    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "keeptrace", "mcp", str(directory)],
        env={"PYTHONPATH": str(Path(keeptrace.__file__).parent.parent)},
    )

    async def talk() -> None:
        async with Client(server) as client:
            assert client.server_info.version == keeptrace.__version__
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {
                *("list", "show", "about", "expand", "diff", "find_in_log", "repro")
            }
            assert all(tool.annotations.read_only_hint for tool in tools.values())
            assert tools["expand"].input_schema["required"] == ["file", "frame", "path"]
            assert "Nothing runs" in tools["expand"].description

            async def call(name: str, **arguments: Any) -> tuple[bool, str]:
                done = await client.call_tool(name, arguments)
                return done.is_error, done.content[0].text

            assert "ZeroDivisionError" in (await call("list"))[1]
            for name, arguments in (
                ("show", {"file": "a.keeptrace", "budget": 500}),
                ("about", {"file": "a.keeptrace"}),
                ("diff", {"first": "a.keeptrace", "second": "deep/b.keeptrace"}),
                ("find_in_log", {"file": "app.log"}),
                ("repro", {"file": "a.keeptrace"}),
            ):
                is_error, text = await call(name, **arguments)
                assert not is_error and text
            is_error, text = await call("show", file="../outside.keeptrace")
            assert is_error and "leads out of the directory of dumps" in text
            is_error, text = await call("show", file="app.log")
            assert is_error and "app.log" in text and "not a dump" in text
            is_error, text = await call("expand", file="a.keeptrace", frame=1, path="nothing")
            assert is_error and "the frame has kept no nothing" in text

    asyncio.run(talk())


def test_ctrl_c_ends_the_server_in_a_terminal(directory: Path) -> None:
    """A line says what the command waits for, and one Ctrl-C ends it."""
    pytest.importorskip("mcp.server.mcpserver", reason="the SDK is the extra mcp")
    pexpect = pytest.importorskip("pexpect")
    environment = {**os.environ, "PYTHONPATH": str(Path(keeptrace.__file__).parent.parent)}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "keeptrace", "mcp", str(directory)],
        env=environment,
        encoding="utf-8",
        timeout=60,
    )
    child.expect_exact("waiting for an assistant on standard input; Ctrl-C ends")
    child.sendline('{"jsonrpc": "2.0", "id": 4711, "method": "ping"}')
    child.expect(r'"id": ?4711,"\w+"')  # an answer: the thread that reads has begun
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.signalstatus == signal.SIGINT


def test_without_the_sdk_the_command_names_the_extra(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence says what to install."""
    from keeptrace.tools.mcp.server import serve

    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    with pytest.raises(
        keeptrace.MissingExtraError, match=r"pip install 'keeptrace-concurrent\[mcp"
    ):
        serve(str(directory))
