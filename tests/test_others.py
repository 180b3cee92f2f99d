"""Libraries that start workers of their own: what docs/engines.md says arrives, does."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conformance.others import OTHERS, Other, section

TESTS = Path(__file__).parent


@pytest.mark.engines
@pytest.mark.timeout(480)  # Spark starts a virtual machine, Airflow a server and a database
@pytest.mark.parametrize("other", OTHERS, ids=[each.program for each in OTHERS])
def test_what_arrives(other: Other, tmp_path: Path) -> None:
    """Frames and chain, and the variables where the library leaves them."""
    if importlib.util.find_spec(other.needs) is None:
        pytest.skip(f"needs {other.needs}")
    if other.program == "spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    code = f"import others_program; others_program.main({other.program!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=470,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["type"] == "OrderError" and found["frames"] and found["chain"], found
    assert found["locals"] == other.locals
    assert other.locals or "cleared" in found["told"]


def test_the_page_has_the_rows() -> None:
    """docs/engines.md ends in the table of these libraries."""
    page = TESTS.parent / "docs" / "engines.md"
    assert page.read_text(encoding="utf-8").endswith(section())
