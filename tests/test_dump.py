"""Exceptions in files: written whole or not at all, read here and on a Python that has neither
keeptrace nor the program.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import hostile
import make_golden
import pytest

import keeptrace
from keeptrace import KeepTraceError, OptionError
from keeptrace.format import api as _dump
from keeptrace.format.reading import decode

SECRET = "hunter2xyzzy"
ROOT = Path(__file__).parent.parent
# What a golden dump's reader does without keeptrace.
BARE = """
import json, pickle, sys, traceback
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        exc = pickle.load(file)
    frames = [(f.f_code.co_name, {name: repr(value)[:200] for name, value in f.f_locals.items()}) for f, _ in traceback.walk_tb(exc.__traceback__)]
    print(json.dumps({"type": type(exc).__qualname__, "text": "".join(traceback.format_exception(exc)), "frames": frames}))
assert not any("keeptrace" in name and not name.startswith("_keeptrace_") for name in sys.modules)
"""


def failed(*arguments: Any) -> BaseException:
    """A failure in another file: this one has secrets, and so is not the same when it has
    travelled.
    """
    try:
        hostile.fail(7, *arguments)
    except ValueError as exc:
        return exc
    raise AssertionError


def bare(*paths: Path, cwd: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BARE, *map(str, paths)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def text_of(exc: BaseException) -> str:
    """From the function on that failed."""
    assert exc.__traceback__ is not None
    return "".join(traceback.format_exception(type(exc), exc, exc.__traceback__.tb_next))


def test_dumps_and_loads() -> None:
    """The text and the variables are the same after dumps and loads."""
    exc = failed()
    read = keeptrace.loads(keeptrace.dumps(exc))
    assert text_of(read) == text_of(exc)
    assert read.__traceback__ is not None and read.__traceback__.tb_next is not None
    assert read.__traceback__.tb_next.tb_frame.f_locals["local"] == {"numbers": [7, 8]}


@pytest.mark.parametrize("how", ["path", "str", "file", "gzip"])
def test_dump_and_load(how: str, tmp_path: Path) -> None:
    """dump and load take a path, a text, a file, and files of gzip."""
    exc, path = failed(), tmp_path / "x.keeptrace"
    if how == "gzip":
        with gzip.open(path, "wb") as file:
            keeptrace.dump(exc, file)
        read = keeptrace.load(path)
    elif how == "file":
        buffer = io.BytesIO()
        keeptrace.dump(exc, buffer)
        buffer.seek(0)
        read = keeptrace.load(buffer)
    else:
        target = path if how == "path" else str(path)
        keeptrace.dump(exc, target)
        read = keeptrace.load(target)
        assert [found.name for found in tmp_path.iterdir()] == ["x.keeptrace"]
    assert text_of(read) == text_of(exc)


def test_the_current_exception() -> None:
    """Without an exception, the one that is being handled is dumped."""
    try:
        raise KeyError("current")
    except KeyError:
        data = keeptrace.dumps()
    assert keeptrace.loads(data).args == ("current",)


def test_errors() -> None:
    """No exception, something else, and wrong options are told in a sentence."""
    with pytest.raises(KeepTraceError, match="no exception to dump"):
        keeptrace.dumps()
    with pytest.raises(OptionError, match="not of str"):
        keeptrace.dumps("text")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="depth must be"):
        keeptrace.dumps(failed(), depth="deep")
    with pytest.raises(OptionError, match="no option 'dept'"):
        keeptrace.dumps(failed(), dept=1)


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interruption in the middle of writing leaves what was there, and nothing else."""
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_dump.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        keeptrace.dump(failed(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that is absent is made; what cannot be written is the OSError that open() gives,
    or one line.
    """
    keeptrace.dump(failed(), tmp_path / "absent" / "deep" / "x")
    assert (tmp_path / "absent").stat().st_mode & 0o077 == 0
    for unwritable in (tmp_path, tmp_path / "absent" / "deep" / "x" / "y"):
        with pytest.raises(OSError):
            keeptrace.dump(failed(), unwritable)
        assert capsys.readouterr().err == ""
        keeptrace.dump(failed(), unwritable, on_error="tell")
        assert re.match(r"keeptrace: no dump of this \w+: \w+Error: ", capsys.readouterr().err)
    with pytest.raises(keeptrace.OptionError, match="on_error must be one of raise, tell"):
        keeptrace.dump(failed(), tmp_path / "x", on_error="ignore")  # type: ignore[arg-type]


def test_dumped_again() -> None:
    """A loaded exception can be dumped again, and nothing is lost."""
    once = keeptrace.loads(keeptrace.dumps(failed(), max_text=10))
    again = keeptrace.loads(keeptrace.dumps(once))
    assert text_of(again) == text_of(once)
    assert make_golden.told(again) == make_golden.told(once)


def test_bare_python(tmp_path: Path) -> None:
    """Plain pickle.load on a Python without keeptrace, in another directory, the program's file and
    module absent.
    """
    program = tmp_path / "program_xyz.py"
    program.write_text(
        "class OwnError(LookupError): pass\ndef fail(n):\n    local = [n]\n    raise OwnError(n)\n"
    )
    script = "import program_xyz, keeptrace, traceback\ntry: program_xyz.fail(3)\nexcept Exception as e: keeptrace.dump(e, 'x'); traceback.print_exc(file=open('text', 'w'))"
    (tmp_path / "main.py").write_text(script)
    subprocess.run(
        [sys.executable, "main.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        check=True,
    )
    program.unlink()
    (tmp_path / "main.py").unlink()
    (found,) = bare(tmp_path / "x", cwd=Path("/"))
    assert found["text"] == (tmp_path / "text").read_text()
    assert found["frames"][-1] == ["fail", {"n": "3", "local": "[3]"}]


def test_post_mortem_on_a_bare_python(tmp_path: Path) -> None:
    """pdb.post_mortem works there: the place, the listing, the variables."""
    keeptrace.dump(failed(), tmp_path / "x")
    code = (
        "import pickle, pdb; exc = pickle.load(open('x', 'rb')); pdb.post_mortem(exc.__traceback__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path,
        input="p number\nargs\nll\nup\nq\n",
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    assert "(Pdb) 7" in done.stdout and "number = 7" in done.stdout
    assert (
        "raise ValueError(text)" in done.stdout and "def fail(number: int, text: str" in done.stdout
    )


GOLDEN = sorted(make_golden.GOLDEN.glob("*.keeptrace"))


def test_there_are_golden_dumps() -> None:
    """Each supported Python has written its own."""
    assert {path.name.split("-")[1] for path in GOLDEN} == {"3.11", "3.12", "3.13", "3.14"}
    assert len(GOLDEN) == 4 * len(make_golden.CASES)


def expected(path: Path) -> dict[str, Any]:
    return json.loads(path.with_suffix(".json").read_text())


def without_carets(text: str) -> list[str]:
    """What every Python shows alike; which expressions are underlined, and how, is each Python's
    own.
    """
    return [line for line in text.splitlines() if line.strip(" |^~")]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_by_load(path: Path) -> None:
    """keeptrace.load reads what any supported Python wrote."""
    found = json.loads(json.dumps(make_golden.told(keeptrace.load(path))))
    assert without_carets(found.pop("text")) == without_carets(expected(path)["text"])
    assert found == {name: part for name, part in expected(path).items() if name != "text"}


def test_golden_by_plain_pickle(tmp_path: Path) -> None:
    """Plain pickle.load reads them without keeptrace."""
    for path, found in zip(GOLDEN, bare(*GOLDEN, cwd=tmp_path)):
        assert without_carets(found["text"]) == without_carets(expected(path)["text"]), path
        assert [frame[0] for frame in found["frames"]] == [
            frame[0] for frame in expected(path)["frames"]
        ]


def with_secrets() -> BaseException:
    def connect(password: str, api_key: str) -> None:
        headers = {"Authorization": f"Bearer {SECRET}"}
        url = f"https://user:{SECRET}@example.org"
        raise ConnectionError(f"login failed, password={SECRET}")

    try:
        connect(SECRET, SECRET)
    except ConnectionError as exc:
        return exc
    raise AssertionError


def everything_in(data: bytes) -> bytes:
    read = decode(data)
    import zlib

    return (
        data
        + json.dumps({**read.report, "sources": None, "live": None}).encode()
        + (read.report["live"] or b"")
        + b"".join(map(zlib.decompress, read.report["sources"].values()))
    )


@pytest.mark.parametrize("pickler", [None, "pickle", "cloudpickle", "dill"])
def test_secrets(pickler: str | None) -> None:
    """A secret is nowhere in a dump, not in its compressed parts nor in the live objects;
    redact=False keeps it.
    """
    # the planted text stands in this file as a literal, so the source is told apart
    assert SECRET.encode() not in everything_in(
        keeptrace.dumps(with_secrets(), pickler=pickler, include_source=False)
    )
    assert SECRET.encode() in everything_in(
        keeptrace.dumps(with_secrets(), pickler=pickler, include_source=False, redact=False)
    )


def test_redaction_of_one_s_own() -> None:
    """A callable says what else is secret."""
    data = keeptrace.dumps(
        failed("tell nobody"), redact=lambda name, text: "nobody" in text, include_source=False
    )
    assert b"nobody" not in everything_in(data)


def test_redaction_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """When hiding fails, only the type is left, and why."""

    def broken(name: str, text: str) -> bool:
        raise RuntimeError("defect")

    data = keeptrace.dumps(with_secrets(), redact=broken)
    assert SECRET.encode() not in everything_in(data)
    assert type(keeptrace.loads(data)) is ConnectionError


def test_outer_frames_and_limit() -> None:
    """outer_frames keeps the callers, linked by f_back; limit keeps both ends and says what it cut."""

    def recurse(depth: int) -> None:
        if not depth:
            raise ValueError("deep")
        recurse(depth - 1)

    def catching() -> BaseException:
        marker = "outer"
        try:
            recurse(50)
        except ValueError as exc:
            return keeptrace.loads(keeptrace.dumps(exc, outer_frames=True, limit=8))
        raise AssertionError

    read = catching()
    frames = [frame for frame, _ in traceback.walk_tb(read.__traceback__)]
    assert frames[0].f_code.co_name == "catching" and frames[-1].f_locals["depth"] == 0
    assert any("frames left out" in frame.f_code.co_name for frame in frames)
    assert (
        frames[0].f_back is not None
        and frames[0].f_back.f_code.co_name == "test_outer_frames_and_limit"
    )
