"""Dumps behind URLs: whatever fsspec knows, shown on the memory and on local files."""

# ruff: noqa: E402  # the library may be absent

from __future__ import annotations

import errno
import os
import sys

import pytest

fsspec = pytest.importorskip("fsspec")

import keeptrace
from keeptrace.format import files as _files
from keeptrace.store import Store


def failing():
    rows = [1, 2]
    return rows[5]


def dump_to(path):
    try:
        failing()
    except IndexError as exc:
        keeptrace.dump(exc, path)


@pytest.mark.parametrize("kind", ["path", "file", "memory", "dir in memory"])
def test_dump_and_load(tmp_path, kind):
    """dump() and load() take any URL; what was there is replaced."""
    place = {
        "path": str(tmp_path),
        "file": f"file://{tmp_path}",
        "memory": "memory://dumps",
        "dir in memory": "memory://some/where/else",
    }[kind]
    for _ in range(2):
        dump_to(f"{place}/one.dump")
        exc = keeptrace.load(f"{place}/one.dump")
        assert type(exc) is IndexError and exc.__traceback__.tb_next.tb_frame.f_locals["rows"] == [
            1,
            2,
        ]


def test_local_urls_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    """A file:// URL is written as a path is: what is there stays until the new file is complete,
    and nothing is left behind.
    """
    dump_to(f"file://{tmp_path}/one.dump")
    before = (tmp_path / "one.dump").read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="full"):
        dump_to(f"file://{tmp_path}/one.dump")
    assert [path.name for path in tmp_path.iterdir()] == ["one.dump"] and (
        tmp_path / "one.dump"
    ).read_bytes() == before


@pytest.mark.parametrize("url", ["memory://nowhere/one.dump", "file:///nowhere/at/all/one.dump"])
def test_what_is_not_there(url):
    """FileNotFoundError, which names the URL."""
    with pytest.raises(FileNotFoundError) as info:
        keeptrace.load(url)
    assert info.value.filename == url


def test_whatever_a_file_system_raises_is_an_oserror(monkeypatch):
    """Each library behind fsspec has errors of its own; the caller needs to know one."""

    def refuse(*_, **__):
        raise RuntimeError("token expired")

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "pipe_file", refuse)
    with pytest.raises(OSError, match="memory://one.dump: RuntimeError: token expired"):
        dump_to("memory://one.dump")


def test_a_url_of_an_unknown_kind():
    """A wrong name is told at once."""
    with pytest.raises(keeptrace.OptionError, match="nonsense"):
        dump_to("nonsense://one.dump")
    with pytest.raises(keeptrace.OptionError, match="nonsense"):
        Store("nonsense://dumps")


def test_a_library_that_is_missing(monkeypatch):
    """One sentence says what to install: fsspec, or what fsspec needs for this kind of URL."""
    import fsspec.core

    def needs(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", needs)
    with pytest.raises(keeptrace.MissingExtraError, match="s3fs"):
        keeptrace.load("s3://bucket/one.dump")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(keeptrace.MissingExtraError, match=r"keeptrace-concurrent\[fsspec\]"):
        keeptrace.load("s3://bucket/one.dump")


def test_paths_do_not_need_fsspec(monkeypatch, tmp_path):
    """A path of this machine works without it."""
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    dump_to(tmp_path / "one.dump")
    assert type(keeptrace.load(tmp_path / "one.dump")) is IndexError


def test_a_large_file_is_not_read_whole(tmp_path):
    """No more is read than was asked for."""
    _files.write("memory://large", b"x" * 1000)
    assert _files.read("memory://large", 10) == b"x" * 10


def test_the_command_line(tmp_path, call):
    """keeptrace show, ls, html and prune take URLs."""
    store = Store(f"file://{tmp_path}/dumps")
    try:
        failing()
    except IndexError as exc:
        path = store.write(exc)

    assert "rows" in call("show", path).out
    assert "IndexError" in call("ls", f"file://{tmp_path}/dumps").out
    assert (
        call("html", path, "-o", f"file://{tmp_path}/report.html").code == 0
        and "rows" in (tmp_path / "report.html").read_text()
    )
    missing = call("show", f"file://{tmp_path}/dumps/other.keeptrace")
    assert missing.code == 2 and missing.err.count("\n") == 1 and "other.keeptrace" in missing.err
    assert (
        "removed 1 dump" in call("prune", f"file://{tmp_path}/dumps", "--max-age", "0.0000001").out
    )
    assert store.entries() == []
