"""What belongs to the project rather than to its code: metadata, version, the page on the index."""

from __future__ import annotations

import importlib.metadata
import os
import re
import runpy
import tomllib
from pathlib import Path

import pytest

import keeptrace

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_version_is_the_one_of_the_metadata() -> None:
    """`keeptrace.__version__` is the version of the installed distribution, and that of
    CITATION.cff.
    """
    try:
        installed = importlib.metadata.version("keeptrace-concurrent")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("keeptrace runs from its sources, without being installed")
    assert installed == keeptrace.__version__
    assert f"\nversion: {keeptrace.__version__}\n" in CITATION


def test_the_changelog_has_a_part_for_what_comes_next() -> None:
    """CHANGELOG.md begins with what is not released yet; other parts have a version and a date."""
    first, *others = re.findall(r"^## (.*)$", CHANGELOG, re.M)
    assert first == "Unreleased"
    assert [
        title
        for title in others
        if not re.fullmatch(r"\[?\d+\.\d+\.\d+\]? - \d{4}-\d\d-\d\d", title)
    ] == []


@pytest.mark.parametrize("repository", [None, "https://example.org/keeptrace"])
def test_the_page_on_the_index_has_no_relative_link(
    repository: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link of README.md leads into the repository at this version's tag, or is its text where
    none is known.
    """
    monkeypatch.setenv("KEEPTRACE_REPOSITORY", repository or "")
    page = runpy.run_path(str(ROOT / "setup.py"))["readme"]()
    links = re.findall(r"\]\(([^)]*)\)", page)
    assert [link for link in links if "://" not in link] == []
    inside = [link for link in links if repository and link.startswith(repository)]
    assert all(f"/blob/v{keeptrace.__version__}/" in link for link in inside)
    assert bool(inside) == bool(repository)


def test_every_python_that_is_promised_has_its_classifier() -> None:
    """The classifiers name each Python from `requires-python` on, without a gap."""
    minors = [
        int(found)
        for text in PROJECT["classifiers"]
        for found in re.findall(r"Python :: 3\.(\d+)$", text)
    ]
    assert minors == list(range(11, max(minors) + 1))
    assert PROJECT["requires-python"] == ">=3.11"


def test_nobody_is_told_to_install_another_distribution() -> None:
    """No page says `pip install keeptrace`: that name belongs to another project."""
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    ]
    found = [
        path.name
        for path in pages
        if re.search(
            r"pip install ['\"]?keeptrace(?!-concurrent)\b", path.read_text(encoding="utf-8")
        )
    ]
    assert found == []


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_the_scripts_that_run_here(workflow: Path) -> None:
    """A workflow has no steps of its own: it calls scripts of .ci/, and each of these can be run."""
    text = workflow.read_text(encoding="utf-8")
    steps = re.findall(r"\.ci/(\w+)", text) + re.findall(r"step: \[(.*)\]", text)
    named = {name for step in steps for name in step.split(", ")}
    assert named
    assert [name for name in named if not os.access(ROOT / ".ci" / name, os.X_OK)] == []


def test_the_public_tests_cover_every_python_and_system() -> None:
    """The matrix of the public tests has each Python of the classifiers, a free-threaded one, and
    three systems.
    """
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    tested = re.findall(
        r'"(3\.\d+t?)"', next(line for line in text.splitlines() if "python: [" in line)
    )
    minors = [
        found
        for line in PROJECT["classifiers"]
        for found in re.findall(r"Python :: (3\.\d+)$", line)
    ]
    assert set(tested) == {*minors, "3.14t"}
    assert any("Free Threading" in line for line in PROJECT["classifiers"])
    assert re.findall(
        r"(\w+)-latest", next(line for line in text.splitlines() if "os: [" in line)
    ) == ["ubuntu", "macos", "windows"]


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_the_files_that_newcomers_are_sent_to_exist(page: str) -> None:
    """Each file of the package that a page names in a table or a sentence is there."""
    named = re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", (ROOT / page).read_text(encoding="utf-8"))
    package = Path(keeptrace.__file__).parent
    homes = (package, ROOT)
    assert named
    assert [name for name in named if not any((home / name).exists() for home in homes)] == []
