"""What type checkers see of keeptrace: programs of users, and how much of the package has types."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keeptrace

ROOT = Path(__file__).parent.parent
PROGRAMS = [Path(__file__).with_name(name) for name in ("typed_decorator.py", "typed_program.py")]
CHECKERS = {"mypy": ["mypy", "--strict", "--no-incremental"], "pyright": ["pyright"]}


@functools.cache
def check(checker: str, *arguments: str) -> str:
    pytest.importorskip(checker)
    command = [sys.executable, "-m", *CHECKERS[checker], *arguments]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
    }  # pyright does not follow an editable install
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300
    ).stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_users_program(checker: str, program: Path) -> None:
    """Both checkers accept a user's program, but for the lines that are wrong."""
    source = program.read_text(encoding="utf-8")
    expected = {number for number, line in enumerate(source.splitlines(), 1) if "# error" in line}
    if sys.version_info < (3, 14):  # checkers leave out what is for newer Pythons
        beyond = next((node for node in ast.parse(source).body if isinstance(node, ast.If)), None)
        if beyond is not None:
            expected -= set(range(beyond.lineno, (beyond.end_lineno or 0) + 1))
    told = check(
        checker, *map(str, PROGRAMS)
    )  # both at once: most of the time goes to the libraries
    found = {int(line) for line in re.findall(rf"{program.name}:(\d+)\S* (?:- )?error", told)}
    assert found == expected, told


@pytest.mark.timeout(300)
def test_the_public_interface_has_types() -> None:
    """pyright knows the types of at least 99 % of what the package exports."""
    told = check("pyright", "--verifytypes", "keeptrace", "--ignoreexternal", "--outputjson")
    report = json.loads(told)["typeCompleteness"]
    unknown = [
        symbol["name"]
        for symbol in report["symbols"]
        if symbol["isExported"] and not symbol["isTypeKnown"]
    ]
    assert report["completenessScore"] >= 0.99, unknown


def test_the_options_by_name_are_the_options() -> None:
    """The types of the options by name list each option once, and no other."""
    tree = ast.parse(
        Path(sys.modules[keeptrace.Options.__module__].__file__ or "").read_text(encoding="utf-8")
    )
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}

    def names(of: str) -> list[str]:
        own = [
            part.target.id
            for part in classes[of].body
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
        ]
        return own + [
            name
            for base in classes[of].bases
            if isinstance(base, ast.Name) and base.id in classes
            for name in names(base.id)
        ]

    assert sorted(names("SingleOptions")) == sorted(keeptrace.Options.__slots__)
    assert sorted(names("InitOptions")) == sorted(
        {*keeptrace.Options.__slots__} - {"pickler", "depth", "include_source"}
    )
    assert sorted(names("StoreOptions")) == sorted({*keeptrace.Options.__slots__} - {"max_bytes"})
