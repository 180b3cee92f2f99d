"""The command line, as a user meets it: what it prints, its exit codes, and programs under `keeptrace run`."""

from __future__ import annotations

import glob
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pexpect
import pytest
from commands import Done

import keeptrace

pytest.importorskip("typer", reason="the command line is made with typer")
pytest.importorskip("rich", reason="the command line is made with rich")

from keeptrace.__main__ import main as command_main  # noqa: E402
from keeptrace.debug import DEBUGGERS  # noqa: E402
from keeptrace.tools import cli  # noqa: E402
from keeptrace.tools.cli.common import Debugger  # noqa: E402

COMMANDS = [
    "run",
    "show",
    "debug",
    "html",
    "info",
    "diff",
    "repro",
    "ls",
    "prune",
    "log",
    "demo",
    "held",
    "attach",
    "release",
    "dap",
    "mcp",
]


def test_commands_know_every_debugger() -> None:
    """The option --debugger takes the debuggers of post_mortem(), and no others."""
    assert {debugger.value for debugger in Debugger} == DEBUGGERS.keys()


def process(*arguments: object, cwd: Path | None = None, **options: Any) -> Done:
    """Runs a command in a process of its own."""
    command = [sys.executable, "-m", "keeptrace", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        timeout=50,
        encoding="utf-8",
        errors="replace",
        **options,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def secret() -> str:
    return "Tr0ub4" + str(12_345 * 3)


def fail(quantity: str) -> int:
    password = secret()
    many = list(range(500))
    try:
        return {"amount": int(quantity)}["total"]
    except ValueError as problem:
        raise LookupError("no such order") from problem


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dumps") / "crash.keeptrace"
    try:
        fail("two")
    except LookupError as exc:
        keeptrace.dump(exc, path)
    return path


# -- looking


def test_show(call: Any, dump: Path) -> None:
    """show prints chain, source with the failing expression, variables and what was hidden; plain, as this is no terminal."""
    code, out, err = call("show", dump)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert re.search(r"\[2\] LookupError: no such order\n\+- \[1\] cause: ValueError", out)
    assert re.search(r'> \d+ \|         return \{"amount": int\(quantity\)\}', out)
    assert re.search(r"\|\s+\^{13}\n", out)
    assert "quantity = 'two'" in out and "redacted" in out and secret() not in out
    assert out.index("[1] ValueError ") < out.index("[2] LookupError\n")
    frames = re.findall(r"^  #(\d+) ", out, re.M)
    assert frames == sorted(frames, key=int) and frames[0] == "1"


def test_show_in_a_terminal(dump: Path) -> None:
    """In a terminal it is in colour, unless NO_COLOR asks for none."""
    colours = {"NO_COLOR", "FORCE_COLOR"}
    env = {name: value for name, value in os.environ.items() if name not in colours}
    child = pexpect.spawn(
        sys.executable,
        ["-c", SHOW_TWICE, "show", str(dump)],
        env={**env, "TERM": "xterm-256color"},
        timeout=30,
        encoding="utf-8",
        dimensions=(50, 100),
    )
    child.expect_exact("ended with 0\r\n")
    assert "\x1b[1;31m" in child.before
    child.expect_exact("ended with 0\r\n")
    assert "LookupError" in child.before and "\x1b[1;31m" not in child.before
    child.expect(pexpect.EOF)
    child.close()


# Runs a command, and runs it once more with NO_COLOR.
SHOW_TWICE = """
import os
from keeptrace.tools import cli
for setting in ({}, {"NO_COLOR": "1"}):
    os.environ.update(setting)
    try:
        cli.main()
    except SystemExit as ended:
        print("ended with", ended.code or 0)
"""


def test_ls_in_a_terminal(dump: Path) -> None:
    """In a terminal ls is a list to read, with the numbers that other commands take."""
    store = keeptrace.Store(dump.parent / "listed")
    for problem in (KeyError("k"), ValueError()):
        try:
            raise problem
        except Exception as exc:
            store.write(exc)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "keeptrace", "ls", str(dump.parent / "listed")],
        env={**os.environ, "TERM": "xterm-256color"}, timeout=30, encoding="utf-8", dimensions=(50, 300),
    )  # fmt: skip
    child.expect(pexpect.EOF)
    text = re.sub(r"\x1b\[[0-9;]*m", "", child.before or "")
    assert re.search(
        r"  1  .* +1x KeyError: k\r\n +\S*test_cli\.py:\d+ in test_ls_in_a_terminal  \d{8}T", text
    )
    assert re.search(r"  2  .* +1x ValueError\r\n", text) and "2 dumps in " in text


def test_show_options(call: Any, dump: Path) -> None:
    """--frame shows one frame with trees, --all leaves nothing out, --json is for programs."""
    data = json.loads(call("show", dump, "--json").out)
    assert [exception["message"] for exception in data["exceptions"]] == [
        "no such order",
        "invalid literal for int() with base 10: 'two'",
    ]
    assert data["header"]["type"] == "LookupError"
    frame = data["exceptions"][0]["frames"][-1]
    assert frame["function"] == "fail" and frame["source"].strip().startswith("raise LookupError")
    many = next(variable for variable in frame["locals"] if variable["name"] == "many")
    assert (many["length"], many["missing"], len(many["parts"])) == (500, 400, 100)
    one = call("show", dump, "--frame", frame["number"])
    assert one.code == 0 and "globals that its code uses" in one.out
    assert len(call("show", dump, "--all").out) > len(call("show", dump).out)
    assert call("show", dump, "-v").out == call("show", dump, "--all").out
    assert (
        json.loads(call("show", dump, "--json", "--frame", frame["number"]).out)["exceptions"][1][
            "frames"
        ]
        == []
    )
    for wrong in ("0", "77", "-1"):
        done = call("show", dump, f"--frame={wrong}")
        assert done.code == 2 and "numbered from 1" in done.err and not done.out


def test_show_reads_gzip_and_standard_input(
    call: Any, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump may be compressed with gzip, and may come through a pipe."""
    packed = tmp_path / "crash.keeptrace.gz"
    packed.write_bytes(gzip.compress(dump.read_bytes()))
    assert "LookupError: no such order" in call.out("show", packed)
    with open(packed) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert "LookupError: no such order" in call.out("show", "-")


def test_reader_that_has_seen_enough(dump: Path) -> None:
    """`keeptrace show … | head -1` ends without a word."""
    command = f"{sys.executable} -m keeptrace show {dump} --all | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=50)
    assert done.stdout and not done.stderr


def test_terminal_that_lacks_letters(call: Any, tmp_path: Path) -> None:
    """Where the output's encoding has no such letter, its escape is printed."""
    log = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nValueError: ü中\n'
    path = tmp_path / "app.log"
    path.write_text(log, "utf-8")
    assert "ValueError: ü中" in call.out("log", path)
    done = subprocess.run(
        [sys.executable, "-m", "keeptrace", "log", "-"],
        input=log.encode(),
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=50,
    )
    assert done.returncode == 0 and "ValueError: \\xfc\\u4e2d" in done.stdout.decode()


def test_info(call: Any, dump: Path) -> None:
    """info says versions, sizes, what was cut and what was redacted."""
    code, out, _ = call("info", dump)
    facts = dict(line.split(None, 1) for line in out.splitlines())
    assert code == 0
    assert facts["python"] == "{}.{}.{}".format(*sys.version_info)
    assert facts["size"] == f"{dump.stat().st_size:,} bytes"
    assert "max_items 400" in facts["cut"] and facts["hidden"] != "nothing"
    assert json.loads(call("info", dump, "--json").out)["cut"]["max_items"] == 400


def test_html(call: Any, dump: Path, tmp_path: Path) -> None:
    """html writes the page to the named file, beside the dump, or to standard output."""
    pytest.importorskip("jinja2", reason="the page is a template of jinja2")
    target = tmp_path / "report.html"
    assert call("html", dump, "-o", target).code == 0
    page = target.read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>") and "LookupError" in page
    assert call("html", dump, "-o", "-").out.strip() == page.strip()
    assert call("html", dump).code == 0
    assert dump.with_suffix(".html").read_text("utf-8") == page
    assert call("html", dump, "-o", tmp_path / "absent" / "x.html").code == 2


# -- what is wrong is one sentence


BROKEN = {
    "absent": None,
    "empty": b"",
    "text": b"Traceback (most recent call last):\n",
    "pickle of something else": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x08echo bad\x85R.",
    "noise": bytes(range(256)) * 20,
    "truncated": -200,
    "truncated early": 600,
    "gzip, truncated": b"\x1f\x8b\x08\x00\x00",
    "escapes in its name": "x\x1b[31mred.keeptrace",
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("command", ["show", "debug", "html", "info", "dap"])
def test_broken_files(call: Any, dump: Path, tmp_path: Path, command: str, kind: str) -> None:
    """A file that is no dump, or half of one, is one sentence and exit code 2, from every command."""
    content = BROKEN[kind]
    path = tmp_path / (content if isinstance(content, str) else "file.keeptrace")
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, int):
        path.write_bytes(dump.read_bytes()[:content])
    code, out, err = call(command, path)
    assert (code, out) == (2, "")
    assert (
        err.startswith("keeptrace: ")
        and err.count("\n") == 1
        and "Traceback (most" not in err
        and "\x1b" not in err
    )
    if isinstance(content, int):
        assert "LookupError: no such order" in err  # the header can still be read, and tells


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "."),
        ("ls", "/nowhere/at/all"),
        ("prune", "/nowhere/at/all"),
        ("prune", ".", "--max-files", "0"),
        ("log", "/nowhere"),
        ("log", os.devnull),
        ("log", os.devnull, "--debug", "1"),
        ("log", "-", "--debug", "1"),
        ("debug", "-"),
        ("dap", "-"),
    ],
)
def test_wrong_arguments(call: Any, arguments: tuple[str, ...]) -> None:
    """So is an argument that makes no sense."""
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("keeptrace: ") and err.count("\n") == 1


def test_without_the_extra(tmp_path: Path) -> None:
    """Where typer or rich is not installed, `python -m keeptrace` says which extra brings it, and ends with 2."""
    for absent in ("typer", "rich.console"):
        code = f"import sys, runpy; sys.modules[{absent!r}] = None; runpy.run_module('keeptrace', run_name='__main__')"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=50
        )
        assert (
            done.returncode == 2
            and done.stderr.count("\n") == 1
            and "keeptrace-concurrent[cli]" in done.stderr
        )
    code = "import sys; sys.modules['jinja2'] = None; sys.argv[1:] = sys.argv[1:]; from keeptrace.__main__ import main; main()"
    crash = tmp_path / "x.keeptrace"
    try:
        fail("1")
    except LookupError as exc:
        keeptrace.dump(exc, crash)
    done = subprocess.run(
        [sys.executable, "-c", code, "html", str(crash)], capture_output=True, text=True, timeout=50
    )
    assert (
        done.returncode == 2
        and done.stderr.count("\n") == 1
        and "keeptrace-concurrent[html]" in done.stderr
    )


def test_show_within_a_budget(call: Any, dump: Path) -> None:
    """--budget keeps to its characters: message, failing line and the values that it names come first."""
    texts = {most: call("show", dump, "--budget", most).out for most in (300, 1_000, 100_000)}
    assert all(len(text.rstrip("\n")) <= most for most, text in texts.items())
    assert "LookupError: no such order" in texts[300] and "left out" in texts[300]
    middle = texts[1_000]
    assert (
        middle.index("[1] ValueError")
        < middle.index("> return {")
        < middle.index("quantity = 'two'")
    )
    assert "many = [0, 1" in texts[100_000] and "left out" not in texts[100_000]
    for most in (1_000, 3_000):
        out = call("show", dump, "--json", "--budget", most).out
        data = json.loads(out)
        assert len(out.rstrip("\n")) <= most and data["format"] == 1
        assert data["exceptions"][0]["message"] == "no such order"
        frame = data["exceptions"][-1]["frames"][-1]
        assert {each["name"]: each["value"] for each in frame["locals"]}["quantity"] == "'two'"
    wrong = call("show", dump, "--budget", 10)
    assert wrong.code == 2 and "at least 200 characters" in wrong.err


def test_diff(call: Any, dump: Path, tmp_path: Path) -> None:
    """diff says what differs: messages, the path, variables by their paths; exit code 1 if anything does."""
    other = tmp_path / "other.keeptrace"
    try:
        fail("three")
    except LookupError as exc:
        keeptrace.dump(exc, other)
    done = call("diff", dump, other)
    assert done.code == 1
    assert re.search(r"^    quantity: 'two'  ->  'three'$", done.out, re.M)
    assert "message [2]: invalid literal for int() with base 10: 'two'  ->" in done.out
    assert "many" not in done.out and secret() not in done.out
    sections = json.loads(call("diff", dump, other, "--json").out)
    (frame,) = [title for title in sections if title.startswith("fail  ")]
    assert {"name": "quantity", "first": "'two'", "second": "'three'"} in sections[frame]
    try:
        fail("1")
    except LookupError as exc:
        keeptrace.dump(exc, other)
    except KeyError as exc:
        keeptrace.dump(exc, other)
    differs = call("diff", dump, other).out
    assert re.search(r"^    type \[1\]: LookupError  ->  KeyError$", differs, re.M)
    same = call("diff", dump, dump)
    assert (same.code, same.out) == (0, "nothing differs\n")


# -- help


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(call: Any, command: str) -> None:
    """Every command's help shows how it is called."""
    code, out, _ = call(command, "--help")
    assert code == 0 and f"keeptrace {command}" in out.partition("Examples:")[2]


def test_all_commands_are_listed(call: Any) -> None:
    """The help lists every command, and tells how to begin."""
    out = call("--help").out
    assert (
        all(re.search(rf"\b{command}\b", out) for command in COMMANDS) and "keeptrace demo" in out
    )


def test_completion(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell completes commands, options, names of debuggers, and paths and names of dumps."""
    dumps = tmp_path / "keeptrace-dumps"
    dumps.mkdir()
    for name in ("20260102T-a.keeptrace", "20260103T-b.keeptrace", "crash.keeptrace", ".hidden"):
        (dumps / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_KEEPTRACE_COMPLETE", "complete_bash")

    def completed(words: str) -> str:
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
        return str(call().out)

    code = "import sys; sys.argv[0] = 'keeptrace'; from keeptrace.__main__ import main; main()"
    env = {**os.environ, "COMP_WORDS": "keeptrace sh", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=50)
    assert done.stdout.split() == ["show"]
    assert completed("keeptrace sh").split() == ["show"]
    assert "--frame" in completed("keeptrace show --f")
    assert completed("keeptrace debug x --debugger ip").split() == ["ipdb", "ipython"]
    names = ["20260102T-a.keeptrace", "20260103T-b.keeptrace"]
    assert completed("keeptrace show 2026").split() == names
    assert completed("keeptrace show keep").split() == ["keeptrace-dumps/"]
    below = [f"keeptrace-dumps/{name}" for name in (*names, "crash.keeptrace")]
    assert completed("keeptrace show keeptrace-dumps/").split() == below
    assert completed("keeptrace show nowhere/").split() == []


def test_a_dump_that_is_not_there(call: Any, dump: Path, tmp_path: Path) -> None:
    """What names no dump, or several, is said in a sentence; a directory means its newest dump."""
    for name in ("first", "second"):
        shutil.copy(dump, tmp_path / f"{name}.keeptrace")
    os.utime(tmp_path / "first.keeptrace", (4e9, 4e9))
    assert call("show", tmp_path).out == call("show", tmp_path / "first.keeptrace").out
    for name in ("run-1", "run-2"):
        shutil.copy(dump, tmp_path / name)
    assert "2 names in" in call("show", tmp_path / "run").err
    gone = "20260102T030405.000006Z-KeyError-shop.price-0123456789abcdef.keeptrace"
    assert "No such file" in call("show", tmp_path / gone).err
    (tmp_path / "empty").mkdir()
    assert "there is no dump in" in call("show", tmp_path / "empty").err


# -- debugging


def pdb(*arguments: object, cwd: Path | None = None, prompt: str = r"\(Pdb\) ") -> Any:
    env = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", "PYTHON_COLORS": "0"}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "keeptrace", *map(str, arguments)],
        timeout=30,
        encoding="utf-8",
        cwd=cwd,
        env=env,
    )
    child.expect(prompt)
    return child


def say(child: Any, line: str, prompt: str = r"\(Pdb\) ") -> str:
    child.sendline(line)
    child.expect(prompt)
    return str(child.before)


def test_debug(call: Any, dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """debug stands in the root cause, and --exception in any other exception of the chain."""
    child = pdb("debug", dump)
    assert "-> [1]   ValueError" in child.before and "[2] LookupError" in child.before
    assert "'two'" in say(child, "p quantity")
    assert "redacted" in say(child, "p password")
    child.sendline("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("exceptions\nexceptions 0\nq\n"))
    said = call.out("debug", dump, "-e", 2, "--debugger", "pdb").split("(Pdb) ")
    assert "-> [2]" in said[0] and "raise LookupError" in said[0]
    assert "0 ValueError" in said[1] and "int(quantity)" in said[2]


def test_debug_without_the_extra(dump: Path) -> None:
    """Where typer and rich are not installed, debug opens pdb all the same."""
    code = "import sys; sys.modules['typer'] = None; from keeptrace.__main__ import main; main()"
    child = pexpect.spawn(
        sys.executable, ["-c", code, "debug", str(dump)], timeout=30, encoding="utf-8"
    )
    child.expect(r"\(Pdb\) ")
    assert "'two'" in say(child, "p quantity")
    child.close()
    for arguments in (["show", str(dump)], ["debug", "/nowhere/x.keeptrace"]):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50)
        assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_which_dump(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without FILE the newest dump is meant; or a directory, a number of ls, the start of a name, one that is gone."""
    monkeypatch.chdir(tmp_path)
    assert (
        call("show").err
        == "keeptrace: there is no directory keeptrace-dumps: name a dump, or the directory\n"
    )
    store = keeptrace.Store(tmp_path / "keeptrace-dumps")
    paths = []
    for quantity in ("1", "two", "3", "1", "1", "1", "1", "1"):
        try:
            fail(quantity)
        except LookupError as exc:
            paths.append(str(store.write(exc)))
    stamps = [os.path.basename(path).partition("-")[0] for path in paths]
    listed = call("ls").out.splitlines()
    assert ["LookupError" in line for line in listed] == [True, False]

    def quantity_in(*arguments: object) -> str:
        done = call("show", "--json", *arguments)
        assert done.code == 0, done.err
        exceptions = json.loads(done.out)["exceptions"]
        (name,) = [
            variable["value"]
            for variable in exceptions[0]["frames"][-1]["locals"]
            if variable["name"] == "quantity"
        ]
        return str(name)

    assert quantity_in() == quantity_in(".//keeptrace-dumps") == quantity_in(2) == "'1'"
    assert quantity_in(1) == quantity_in("keeptrace-dumps/1") == quantity_in(stamps[1]) == "'two'"
    assert quantity_in(f"keeptrace-dumps/{stamps[1]}") == "'two'"
    gone = next(path for path in paths if not os.path.exists(path))
    nearest = call("show", gone)
    assert nearest.code == 0 and "this is the nearest" in nearest.err
    for wrong, said in (
        ("3", "there is no dump 3"),
        ("2026112", "there is no dump 2026112"),
        ("zz", "zz"),
    ):
        done = call("info", wrong)
        assert done.code == 2 and said in done.err and done.err.count("\n") == 1
    monkeypatch.setenv("KEEPTRACE_DIR", str(tmp_path))
    assert "there is no dump in" in call("info").err and call("ls").code == 0


def test_the_line_after_a_crash_works_when_pasted(tmp_path: Path) -> None:
    """The command on stderr names this very Python and one dump, and opens it, from another directory."""
    folder = tmp_path / "two words"
    folder.mkdir()
    (folder / "program.py").write_text("def f(x): return 1 / x\nf(0)\n")
    err = process("run", "program.py", cwd=folder).err
    line = err.splitlines()[-1]
    command = line.partition("see it with: ")[2]
    assert len(line) - len(str(folder)) - len(sys.executable) < 140
    done = subprocess.run(
        command, shell=True, cwd="/", input="p x\nq\n", capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0 and "(Pdb) 0" in done.stdout


def test_version(call: Any) -> None:
    """--version tells the version of keeptrace and of Python."""
    assert call("--version").out.startswith(f"keeptrace {keeptrace.__version__}, Python 3.")


def test_html_opens_in_a_browser(
    call: Any, dump: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """--open gives the page to the browser that $BROWSER names."""
    pytest.importorskip("jinja2", reason="the page is a template of jinja2")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/opened"\n')
    browser.chmod(0o755)
    done = process(
        "html",
        dump,
        "-o",
        tmp_path / "x.html",
        "--open",
        env={**os.environ, "BROWSER": f"{browser} %s"},
    )
    assert done.code == 0 and (tmp_path / "opened").read_text() == f"file://{tmp_path}/x.html\n"


def test_debug_by_another_debugger(dump: Path) -> None:
    """--debugger opens that one."""
    pytest.importorskip("ipdb", reason="ipdb is not installed")
    child = pdb("debug", dump, "--debugger", "ipdb", prompt="ipdb> ")
    assert "'two'" in say(child, "p quantity", "ipdb> ")
    child.close()


# -- directories


def test_ls_and_prune(call: Any, tmp_path: Path) -> None:
    """ls tells each failure once, with its count; prune removes the oldest."""
    from keeptrace.store import Store

    store = Store(tmp_path / "dumps")
    for quantity in ("two", "two", "1"):
        try:
            fail(quantity)
        except LookupError as exc:
            store.write(exc)
    rows = [line.split("\t") for line in call("ls", tmp_path / "dumps").out.splitlines()]
    assert [(count, kind) for _, count, kind, *_ in rows] == [
        ("2", "LookupError"),
        ("1", "KeyError"),
    ]
    assert all(os.path.exists(row[-1]) for row in rows)
    data = json.loads(call("ls", tmp_path / "dumps", "--json").out)
    assert data[0]["message"] == "no such order" and data[0]["count"] == 2
    assert call("prune", tmp_path / "dumps").out == "removed 0 dumps\n"
    assert call("prune", tmp_path / "dumps", "--max-files", "1").out == "removed 2 dumps\n"
    assert [row.split("\t")[2] for row in call("ls", tmp_path / "dumps").out.splitlines()] == [
        "KeyError"
    ]


# -- logs and the demo


LOG = """\
2026-01-01 12:00:00 INFO all is well
Traceback (most recent call last):
  File "/srv/shop.py", line 3, in total
    return int("two")
ValueError: invalid literal for int() with base 10: 'two'
2026-01-01 12:00:01 INFO going on
Traceback (most recent call last):
  File "/srv/shop.py", line 9, in main
    total()
KeyError: 'k'
"""


def test_log(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """log shows each traceback of a text; --json gives one object a line; --debug opens one of them."""
    path = tmp_path / "app.log"
    path.write_bytes(LOG.encode() + b"\xff\xfe broken bytes\n")
    code, out, _ = call("log", path)
    assert code == 0 and out.count("--- traceback ") == 2
    assert 'return int("two")' in out and "KeyError: 'k'" in out
    lines = [json.loads(line) for line in call("log", path, "--json").out.splitlines()]
    assert [line["exceptions"][0]["type"] for line in lines] == ["ValueError", "KeyError"]
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    assert "total()\n(Pdb) " in call.out("log", path, "--debug", 2)
    assert "it has 2" in call("log", path, "--debug", "3").err


def test_demo(call: Any, tmp_path: Path) -> None:
    """demo makes a worker fail, and shows its frames and where its dump is."""
    code, out, err = process("demo", "--dir", tmp_path)
    assert (code, err) == (0, "")
    assert "invalid literal for int()" in out and "order = {" in out
    assert call.out("show", tmp_path / "demo.keeptrace").strip() in out


# -- run: as without it


PROGRAMS = {
    "ends well": "print('done'); print(input())",
    "exit code": "import sys; sys.exit(7)",
    "exit text": "import sys; sys.exit('a reason')",
    "exit none": "raise SystemExit",
    "exit code beyond a byte": "import sys; sys.exit(300)",
    "os._exit": "import os; os._exit(5)",
    "ctrl-c": "raise KeyboardInterrupt",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "aborted": "import os; os.abort()",
    "a pipe that is closed": "import os, sys; r, w = os.pipe(); os.close(r); os.write(w, b'x')",
    "standard output is closed": "import sys; sys.stdout.close(); sys.exit(3)",
    "exception": "def f(x): return 1 / x\nf(0)",
    "exception at exit": "import atexit\n@atexit.register\ndef last(): raise ValueError('late')",
    "exception in a thread": "import threading\nt = threading.Thread(target=lambda: 1 / 0, name='worker'); t.start(); t.join()",
    "exception in a finalizer": "class A:\n    def __del__(self): raise ValueError('gone')\nA()",
    "exception in a task": "import asyncio\nasync def f(): raise ValueError('task')\nasyncio.run(f())",
    "group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "syntax error": "def f(:\n  pass",
    "its own hook": "import sys\nsys.excepthook = lambda *told: print('mine', told[0].__name__)\n1 / 0",
    "what it sees of itself": "import sys, os, __main__\nprint(__name__, __file__, sys.argv, sys.path, __main__.__dict__.keys(), sys.flags, __spec__, __doc__)",
    "pickled by name": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A)",
}
# Those that leave a dump.
DUMPED = {
    "a pipe that is closed", "exception", "exception at exit", "exception in a thread", "exception in a finalizer", "exception in a task", "group", "syntax error",
}  # fmt: skip


def without_ours(text: str) -> str:
    text = "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("keeptrace: ")
    )
    return re.sub(r"0x[0-9a-f]+", "0x…", text)


@pytest.mark.parametrize("name", PROGRAMS)
def test_run_changes_nothing(name: str, tmp_path: Path) -> None:
    """Exit code, signal and output of a program are those that it has without us; what fails leaves a dump."""
    (tmp_path / "program.py").write_text(PROGRAMS[name])
    options: dict[str, Any] = dict(
        cwd=tmp_path, capture_output=True, text=True, timeout=50, input="typed\n"
    )
    plain = subprocess.run([sys.executable, "program.py", "--option", "two words"], **options)
    ours = subprocess.run(
        [
            sys.executable,
            "-m",
            "keeptrace",
            "run",
            "-d",
            "dumps",
            "program.py",
            "--option",
            "two words",
        ],
        **options,
    )
    assert ours.returncode == plain.returncode
    assert without_ours(ours.stdout) == without_ours(plain.stdout)
    assert without_ours(ours.stderr) == without_ours(plain.stderr)
    dumps = list((tmp_path / "dumps").glob("*.keeptrace"))
    assert len(dumps) == (name in DUMPED)
    if dumps:
        stamp = dumps[0].name.partition("-")[0]
        assert f"{sys.executable} -m keeptrace debug {dumps[0].parent}/{stamp}\n" in ours.stderr
        assert isinstance(keeptrace.load(dumps[0]), BaseException)


RUNS = [
    ["x.py"],
    ["x.py", "--debug", "-m", "-d", "y"],
    ["--debug", "x.py", "--hold"],
    ["-m", "package", "-m", "--help"],
    ["-m", "--hold", "--debug", "package"],
    ["-d", "one", "--dir", "two", "x.py"],
    ["--dir=one", "--", "--odd.py", "a b"],
    ["-md", "one", "package"],
    ["-done", "x.py"],
]


@pytest.mark.parametrize("arguments", RUNS, ids=" ".join)
@pytest.mark.parametrize("environment", [{}, {"KEEPTRACE_DIR": "there"}, {"KEEPTRACE_DIR": ""}])
def test_run_reads_its_options_as_typer_does(
    arguments: list[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run` reads its options without typer, to start at once; the meaning is that of the table of commands."""
    monkeypatch.delenv("KEEPTRACE_DIR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    started: list[tuple[object, ...]] = []

    def start(*given: object) -> None:
        started.append(given)
        sys.exit()

    monkeypatch.setattr("keeptrace.tools.run.run", start)
    monkeypatch.setattr(sys, "argv", ["keeptrace", "run", *arguments])
    for main in (cli.main, command_main):
        with pytest.raises(SystemExit):
            main()
    theirs, ours = started
    assert ours == theirs


def test_run_needs_no_extra(tmp_path: Path) -> None:
    """Without typer and rich a program is run, and its failure dumped; help names the extra."""
    (tmp_path / "program.py").write_text("1 / 0")
    code = "import sys; sys.modules['typer'] = None; from keeptrace.__main__ import main; main()"
    for arguments, is_run in ((["run", "program.py"], True), (["run", "--help"], False)):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert done.returncode == (1 if is_run else 2)
        assert ("ZeroDivisionError" in done.stderr) == is_run
        assert ("keeptrace-concurrent[cli]" in done.stderr) != is_run
    assert len(list((tmp_path / "keeptrace-dumps").glob("*.keeptrace"))) == 1


def test_run_a_module(tmp_path: Path) -> None:
    """-m runs a module of the current directory, and what follows is its own."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(
        "import sys\nprint(__package__, sys.argv[1:])\nraise ValueError('from a module')"
    )
    done = process("run", "-m", "package", "-m", "--help", cwd=tmp_path)
    assert done.code == 1 and "package ['-m', '--help']" in done.out
    (dump,) = (tmp_path / "keeptrace-dumps").glob("*.keeptrace")
    assert str(keeptrace.load(dump)) == "from a module"
    assert (
        process("run", "absent.py", cwd=tmp_path).code
        == subprocess.run([sys.executable, "absent.py"], capture_output=True).returncode
    )


POOL = """\
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor

class Needs(Exception):
    def __init__(self, one, two):
        super().__init__(one)

def work(x):
    local_of_the_worker = [x, "here"]
    if x == 2:
        raise Needs(1, 2)
    return 1 / x

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[2])
    if sys.argv[1] == "Pool":
        with multiprocessing.get_context(sys.argv[2]).Pool(1) as pool:
            pool.map(work, [1, int(sys.argv[3])])
    else:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            list(pool.map(work, [1, int(sys.argv[3])]))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("pool", ["ProcessPoolExecutor", "Pool"])
def test_run_covers_pool_workers(pool: str, method: str, tmp_path: Path) -> None:
    """A program with the stdlib's own pools, unchanged, leaves a dump with the worker's frames and variables."""
    (tmp_path / "program.py").write_text(POOL)
    # Needs cannot be unpickled: without us the executor would break, and the Pool hang
    done = process("run", "-d", "dumps", "program.py", pool, method, 2, cwd=tmp_path)
    assert done.code == 1
    (dump,) = (tmp_path / "dumps").glob("*.keeptrace")
    exc = keeptrace.load(dump)
    assert type(exc).__name__ == "Needs"
    entry = exc.__traceback__
    assert entry is not None
    while entry.tb_next:
        entry = entry.tb_next
    assert entry.tb_frame.f_locals["local_of_the_worker"] == [2, "here"]


def test_run_covers_child_processes(tmp_path: Path) -> None:
    """So do processes that the program starts, by multiprocessing or as programs of their own."""
    (tmp_path / "child.py").write_text("raise ValueError('in a program of its own')")
    (tmp_path / "program.py").write_text(
        textwrap.dedent(
            """\
            import multiprocessing, subprocess, sys
            def target():
                raise KeyError("in a child")
            if __name__ == "__main__":
                child = multiprocessing.get_context("spawn").Process(target=target)
                child.start(); child.join()
                print(child.exitcode, subprocess.run([sys.executable, "child.py"]).returncode)
            """
        )
    )
    done = process("run", "-d", "dumps", "program.py", cwd=tmp_path)
    assert done.code == 0 and done.out == "1 1\n"
    assert sorted(
        type(keeptrace.load(path)).__name__ for path in (tmp_path / "dumps").glob("*.keeptrace")
    ) == ["KeyError", "ValueError"]


def test_run_keeps_the_users_sitecustomize(tmp_path: Path) -> None:
    """A sitecustomize of the user's is imported as without us; one that fails is reported as without us, and we still work."""
    (tmp_path / "path").mkdir()
    (tmp_path / "program.py").write_text(
        "import sys, sitecustomize\nprint(sitecustomize.__file__, getattr(sys, 'from_site', None))\n1 / 0\n"
    )
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            [str(tmp_path / "path"), os.environ.get("PYTHONPATH", "")]
        ).strip(os.pathsep),
    }
    for text in (
        "import sys; sys.from_site = 'set'",
        "import sys; sys.from_site = 1; import not_installed_anywhere",
    ):
        (tmp_path / "path" / "sitecustomize.py").write_text(text)
        plain = subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=50,
        )
        done = process("run", "-d", "dumps", "program.py", cwd=tmp_path, env=env)
        assert done.code == 1
        if "not_installed" not in text:
            assert done.out == plain.stdout
        else:
            assert "not_installed_anywhere" in done.err
    assert list((tmp_path / "dumps").glob("*.keeptrace"))


def test_run_shows_its_own_failure(call: Any, tmp_path: Path) -> None:
    """A program that fails again in the same way leaves a dump of this failure, which the line on stderr names."""
    (tmp_path / "program.py").write_text(
        "import sys\ndef f(x): return 1 / x\nday = sys.argv[1]\nf(0)\n"
    )
    for day in ("monday", "tuesday", "wednesday"):
        err = process("run", "-d", "dumps", "program.py", day, cwd=tmp_path).err
        found = re.search(r"see it with: .* debug (\S+)", err)
        assert found is not None
        (path,) = glob.glob(f"{found[1]}-*")
        namespace = keeptrace.load(path).__traceback__.tb_frame.f_globals  # type: ignore[union-attr]
        assert namespace["day"] == day
    (row,) = call.out("ls", tmp_path / "dumps").splitlines()
    assert row.split("\t")[1] == "3"


def test_run_debug(tmp_path: Path) -> None:
    """--debug opens the debugger on the live exception at the program's end; afterwards its exit code is its own."""
    (tmp_path / "program.py").write_text(
        "class A: word = 'alive'\ndef f(x):\n    a = A()\n    return 1 / x\nf(0)\n"
    )
    child = pdb("run", "--debug", "program.py", cwd=tmp_path)
    assert "ZeroDivisionError" in child.before
    assert "'alive'" in say(child, "p a.word")
    child.sendline("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1


def test_run_debug_does_not_open_for_what_is_on_purpose(tmp_path: Path) -> None:
    """Ctrl-C and sys.exit() end the program as ever."""
    (tmp_path / "program.py").write_text(
        "import sys\nraise KeyboardInterrupt if sys.argv[1:] else SystemExit(4)"
    )
    assert process("run", "--debug", "program.py", cwd=tmp_path, stdin=subprocess.DEVNULL).code == 4
    assert (
        process("run", "--debug", "program.py", "x", cwd=tmp_path, stdin=subprocess.DEVNULL).code
        == -signal.SIGINT
    )


def test_run_where_no_dump_can_be_written(tmp_path: Path) -> None:
    """A directory that cannot be made costs a line on stderr, and nothing else."""
    (tmp_path / "program.py").write_text("1 / 0")
    (tmp_path / "file").write_text("")
    done = process("run", "-d", "file/dumps", "program.py", cwd=tmp_path)
    assert done.code == 1 and "ZeroDivisionError" in done.err and "keeptrace: no dump" in done.err
