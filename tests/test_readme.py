"""What README.md and the pages of docs/ say is what happens: their code runs, and prints what stands below it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from page_runner import Block, blocks

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [
        *ROOT.glob("*.md"),
        *sorted((ROOT / "docs").glob("*.md")),
        *(ROOT / "benchmarks").glob("*.md"),
    ]
}
README = PAGES["README.md"]
PROGRAMS = {
    f"{page}:{block.line}": block
    for page, text in PAGES.items()
    for block in blocks(text)
    if block.is_program
}
FRAGMENTS = [
    page for page, text in PAGES.items() if any(not block.is_program for block in blocks(text))
]
# What the modules of engines need.
LIBRARIES = {
    "celery": "celery",
    "dask": "distributed",
    "joblib": "joblib",
    "loky": "loky",
    "mpi": "mpi4py",
    "multiprocess": "multiprocess",
    "ray": "ray",
    "rq": "rq",
    "torch": "torch",
}
# Programs that need more than a process: these are only compiled, and what they import is imported.
SERVICES = {
    "# shop.py": "a Celery worker",
    "# ask.py": "a Celery worker",
    "# report.py": "an RQ worker",
    "import ray": "a Ray cluster",
    "MPI": "MPI",
    "from airflow": "Airflow",
}


def run(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_the_demo_shows_the_workers_frames(tmp_path: Path) -> None:
    """The main job fails in a worker, and shows the broken order in the worker's frame."""
    done = run("-m", "keeptrace.demo", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert (
        "In total:\n    order = {'order': '1007', 'customer': 'Alan', 'quantity': 'two', 'price': '34.00'}"
        in done.stdout
    )


def test_the_readme_begins_with_a_program_and_its_output() -> None:
    """The first block of README.md is a whole program, and the second is what it prints."""
    first = next(blocks(README))
    assert first.is_program and first.output


def skip_without(block: Block) -> None:
    """Skips the test if a library that the block imports is not installed."""
    for module in block.imports:
        library = module.partition(".")[0]
        if module.startswith("keeptrace.concurrent."):
            library = LIBRARIES.get(module.split(".")[2], library)
        if (
            library != "shop" and importlib.util.find_spec(library) is None
        ):  # a program of the page itself
            pytest.skip(f"{library} is not installed")


def name_of(block: Block) -> str:
    """The file name that a program gives itself, as its first line or in its output."""
    found = re.match(r"# (\w+\.py)", block.code) or re.search(
        r"(\w+\.py)\(\d+\)", block.output or ""
    )
    return found[1] if found else "program.py"


@pytest.mark.parametrize("block", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_prints_what_the_page_shows(block: Block, tmp_path: Path) -> None:
    """A whole program, run as a file, gives the output below it, byte for byte; what a debugger is told is typed."""
    skip_without(block)
    service = next((service for sign, service in SERVICES.items() if sign in block.code), None)
    if service is not None:
        compile(block.code, "page", "exec")
        pytest.skip(f"compiled, not run: it needs {service}")
    program = tmp_path / name_of(block)
    program.write_text(block.code)
    output = block.output or ""
    typed = re.findall(r"^\(Pdb\) (.*)$", output, re.M)
    done = run(program.name, cwd=tmp_path, stdin="".join(f"{line}\n" for line in typed))
    assert done.stderr == ""
    shown = done.stdout.replace(f"{tmp_path}/", "").rstrip("\n")
    pid = re.compile(r"\b[Ww]orker \d+|process \d+")  # differs from run to run
    expected = re.sub(r"^\(Pdb\) .*\n?", "(Pdb) ", output, flags=re.M).rstrip()
    if block.output is not None:
        assert pid.sub("worker", shown).rstrip() == pid.sub("worker", expected)


@pytest.mark.parametrize("page", FRAGMENTS)
def test_the_blocks_of_a_page_run(page: str, tmp_path: Path) -> None:
    """The blocks of a page run in order, each with its own imports; the reader's program stands in page_runner.py."""
    for block in blocks(PAGES[page]):
        if not block.is_program:
            skip_without(block)
    done = run(str(ROOT / "tests" / "page_runner.py"), page, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    """Relative links name files that are there, and their anchors are headings of these."""
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", PAGES[page]):
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page} links to {target}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path.read_text(encoding="utf-8")), (
                f"{page} links to {target}#{anchor}"
            )
