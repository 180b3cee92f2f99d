"""The recipe of docs/workers.md for Django; tests/test_readme.py runs the programs of that page."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from page_runner import blocks

import keeptrace

PAGE = Path(__file__).parent.parent / "docs" / "workers.md"
TESTS = """
from django.test import SimpleTestCase

class OwnError(Exception):
    pass

class First(SimpleTestCase):
    def test_one(self):
        parts = 0
        raise OwnError(parts)

class Second(SimpleTestCase):
    def test_two(self):
        wanted = 3
        self.assertEqual(4, wanted)

    def test_three(self):
        pass
"""


@pytest.mark.engines
@pytest.mark.parametrize("tblib", ["with tblib", "without tblib"])
def test_djangos_parallel_runner(tblib: str, tmp_path: Path) -> None:
    """The failures of the runner's workers arrive in the parent with their variables."""
    pytest.importorskip("django")
    if tblib == "with tblib":
        pytest.importorskip("tblib")
    else:
        (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['tblib'] = None\n")
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        name = block.code.partition("\n")[0].removeprefix("# ")
        if name in ("settings.py", "runner.py"):
            (tmp_path / name).write_text(block.code)
    (tmp_path / "tests.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "django", "test", "--parallel", "2", "tests"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
        },
    )
    assert "Ran 3 tests" in done.stderr, done.stderr
    names = {"tests.First.test_one": ("parts", 0), "tests.Second.test_two": ("wanted", 3)}
    for test, (name, value) in names.items():
        exc = keeptrace.load(tmp_path / f"{test}.dump")
        frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
        assert value in [frame.f_locals.get(name) for frame in frames], done.stderr
