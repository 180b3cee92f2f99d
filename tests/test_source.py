"""Sources travel with a dump: what is shown is what ran, and code that is live here still sees its
own.
"""

from __future__ import annotations

import importlib
import linecache
import pickle
import sys
import traceback
import zipfile
from pathlib import Path
from typing import Any

import pytest

import keeptrace

TEXT = "def fail(value):\n    doubled = value * 2\n    raise ValueError(doubled)\n"
LOADERS = {"load": keeptrace.loads, "pickle": pickle.loads}


def imported(folder: Path, name: str) -> Any:
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(name, None)


def raised(fail: Any) -> BaseException:
    try:
        fail(1)
    except ValueError as exc:
        exc.__traceback__ = exc.__traceback__.tb_next  # type: ignore[union-attr]
        return exc
    raise AssertionError


def text_of(exc: BaseException) -> str:
    return "".join(traceback.format_exception(exc))


@pytest.mark.parametrize("loads", LOADERS)
@pytest.mark.parametrize("encode", ["utf-8", "utf-8-sig", "latin-1", "crlf", "form feed"])
def test_a_file_that_is_gone(encode: str, loads: str, tmp_path: Path) -> None:
    """A file that is absent at the other end is shown as it was, whatever its encoding and line
    ends.
    """
    name = f"gone_{abs(hash((encode, loads)))}"
    text = {"latin-1": "# -*- coding: latin-1 -*-\n# caf\xe9\n", "form feed": "x = 1\n\x0c\n"}.get(
        encode, ""
    ) + TEXT
    encoded = text.replace("\n", "\r\n") if encode == "crlf" else text
    (tmp_path / f"{name}.py").write_bytes(encoded.encode(encode if "-" in encode else "utf-8"))
    exc = raised(imported(tmp_path, name).fail)
    shown, data = text_of(exc), keeptrace.dumps(exc)
    (tmp_path / f"{name}.py").unlink()
    linecache.checkcache()
    assert text_of(LOADERS[loads](data)) == shown
    assert "raise ValueError(doubled)" in shown


@pytest.mark.parametrize("loads", LOADERS)
def test_a_file_with_a_hidden_literal(loads: str, tmp_path: Path) -> None:
    """A file whose only difference is a secret that the dump hides is the file; another edit makes
    it another file.
    """
    name = f"secret_{loads}"
    path = tmp_path / f"{name}.py"
    secret = "kV9x" + "-2pQ7" * 3
    path.write_text(f'PASSWORD = "{secret}"\n{TEXT}')
    data = keeptrace.dumps(raised(imported(tmp_path, name).fail))
    assert secret.encode() not in data
    for text, is_the_file in ((TEXT, True), (TEXT.replace("* 2", "+ 2"), False)):
        path.write_text(f'PASSWORD = "{secret}"\n{text}')
        linecache.checkcache()
        shown = text_of(LOADERS[loads](data))
        assert (f'File "{path}", line 4' in shown) is is_the_file
        assert ("[snapshot " in shown) is not is_the_file


@pytest.mark.parametrize("loads", LOADERS)
def test_a_file_that_changed(loads: str, tmp_path: Path) -> None:
    """The restored traceback shows the snapshot; a live one of the same file shows the file."""
    name = f"changed_{loads}"
    path = tmp_path / f"{name}.py"
    path.write_text(TEXT)
    data = keeptrace.dumps(raised(imported(tmp_path, name).fail))
    path.write_text(
        "# one more line, so that this is another file\n\n" + TEXT.replace("doubled", "twice")
    )
    linecache.checkcache()
    live = imported(tmp_path, name).fail
    restored = LOADERS[loads](data)
    assert "raise ValueError(doubled)" in text_of(restored) and "[snapshot " in text_of(restored)
    assert "raise ValueError(twice)" in text_of(raised(live))
    assert "raise ValueError(doubled)" in text_of(restored)


def test_a_module_in_an_archive(tmp_path: Path) -> None:
    """A module that a loader keeps in a zip file is shown when the archive is gone."""
    archive = tmp_path / "lib.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped_module.py", TEXT)
    exc = raised(imported(archive, "zipped_module").fail)
    shown, data = text_of(exc), keeptrace.dumps(exc)
    archive.unlink()
    linecache.clearcache()
    assert text_of(keeptrace.loads(data)) == shown
    assert "raise ValueError(doubled)" in shown


def test_code_without_a_file() -> None:
    """Code that was registered with linecache, as a notebook's cell, travels too."""
    name = "<cell of a test>"
    linecache.cache[name] = (len(TEXT), None, TEXT.splitlines(True), name)
    namespace: dict[str, Any] = {}
    exec(compile(TEXT, name, "exec"), namespace)
    exc = raised(namespace["fail"])
    shown, data = text_of(exc), keeptrace.dumps(exc)
    del linecache.cache[name]
    assert text_of(keeptrace.loads(data)) == shown
    assert "raise ValueError(doubled)" in shown


def test_without_sources(tmp_path: Path) -> None:
    """include_source=False makes the dump smaller, and uses the file at hand."""
    (tmp_path / "at_hand.py").write_text(
        TEXT + "# filler\n" * 2000 + "".join(f"x{n} = {n * n}\n" for n in range(500))
    )
    exc = raised(imported(tmp_path, "at_hand").fail)
    small, whole = keeptrace.dumps(exc, include_source=False), keeptrace.dumps(exc)
    assert len(small) < len(whole)
    assert text_of(keeptrace.loads(small)) == text_of(exc)
