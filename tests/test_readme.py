"""What README.md says is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=50)


def test_the_program_prints_what_the_readme_shows(tmp_path: Path) -> None:
    """The first program of README.md, run as it stands there, gives the output below it, byte for byte."""
    program, shown = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", README, re.S).groups()
    (tmp_path / "program.py").write_text(program)
    done = run("program.py", cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout == shown


def test_the_demo_shows_the_workers_frames(tmp_path: Path) -> None:
    """The main job fails in a worker, and shows the broken order in the worker's frame."""
    done = run("-m", "keeptrace.demo", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "In total:\n    order = {'order': '1007', 'customer': 'Alan', 'quantity': 'two', 'price': '34.00'}" in done.stdout


def test_every_link_leads_somewhere() -> None:
    """Relative links of README.md and docs/ name files that are there."""
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}"
