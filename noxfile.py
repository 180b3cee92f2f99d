"""For one's own machine: `nox` runs the tests on every Python that is found, lint, types and the
documentation.

`nox -s tests-3.13 -- tests/test_pool.py` runs one file; `nox -l` lists the sessions. The steps that
build an environment of their own are the scripts of .ci/, which `.ci/run` and the public workflows
call as well.
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests", "lint", "docs"]


@nox.session(python=["3.11", "3.12", "3.13", "3.14", "3.14t", "3.15"])
def tests(session: nox.Session) -> None:
    """The tests; what follows `--` goes to pytest."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Lint and types."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, strictly, into docs/_build/html."""
    session.install("-e", ".[docs]")
    session.run(
        "python", "-m", "sphinx", "--fail-on-warning", "--keep-going", "docs", "docs/_build/html"
    )


@nox.session(venv_backend="none")
@nox.parametrize("step", ["engines", "torch", "packaging", "coverage"])
def ci(session: nox.Session, step: str) -> None:
    """A step of .ci/, in an environment of its own."""
    session.run(f".ci/{step}", external=True)
