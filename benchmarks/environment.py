"""The environments of the benchmarks: the command makes an environment for each Python, below
benchmarks/.venv.

Without a network, or without the Python, the benchmarks run with the installed libraries, and name
the missing ones.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from glob import glob
from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE / ".venv"
# The newest first: the targets are for 3.13. The pool is measured on the oldest that keeptrace
# supports, too.
MAIN = "3.13"
ALSO = "3.11"
# The newest Python on which the oldest peer works.
OLDEST_PYTHON = "3.9"
# The libraries of the questions, and the peers in the versions of the targets.
REQUIREMENTS = [
    *("matplotlib", "numpy", "pandas", "cloudpickle", "dill", "loky", "distributed", "ray"),
    *("tblib==3.2.2", "coredumpy==0.5.0", "pydumpling==0.2.0", "debuglater==1.4.4"),
]
_POOL_REQUIREMENTS = ["loky"]
_OLDEST_REQUIREMENTS = ["keepTrace==1.2.0", "numpy"]


def find_python(version: str) -> str | None:
    """A Python of a version ("3.11"), from PATH or from pyenv; None if not found."""
    if "{}.{}".format(*sys.version_info) == version:
        return sys.executable
    home = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    numbers = tuple(map(int, version.split(".")))
    check = f"import sys, venv; assert sys.version_info[:2] == {numbers}"
    for found in [
        shutil.which(f"python{version}"),
        *sorted(glob(f"{home}/versions/{version}.*/bin/python")),
    ]:
        if found is not None and _runs(found, check):
            return found
    return None


@cache
def variables() -> dict[str, str]:
    """The environment variables for processes whose start is measured: compiled modules are kept,
    as on any machine.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if len(kept) < len(os.environ):  # then not beside the sources
        directory = tempfile.mkdtemp(prefix="benchmarks-pyc-")
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        kept["PYTHONPYCACHEPREFIX"] = directory
    return kept


def _runs(python: str, code: str) -> bool:
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0


def _python_of(version: str) -> Path:
    return _ROOT / version / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _made(version: str, requirements: list[str]) -> str | None:
    """The Python of the environment, which is made if missing; None if that fails."""
    python = _python_of(version)
    complete = _ROOT / version / "complete"
    if complete.is_file() and complete.read_text() == repr(requirements):
        return str(python)
    base = find_python(version)
    if base is None:
        print(f"no Python {version} is found: what needs it is left out")
        return None
    print(f"making an environment for Python {version} ...", flush=True)
    if subprocess.run([base, "-m", "venv", str(_ROOT / version)], check=False).returncode:
        return None
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, *requirements], check=False).returncode:
        # Install the libraries one by one: a missing library must not cost the others.
        failed = [
            name for name in requirements if subprocess.run([*pip, name], check=False).returncode
        ]
        print(f"not installed, and left out: {', '.join(failed)}")
        return str(python)
    complete.write_text(repr(requirements))
    return str(python)


def main_python() -> str:
    """The Python to measure with: in an environment for 3.13, or for the running Python."""
    return (
        _made(MAIN, REQUIREMENTS)
        or _made("{}.{}".format(*sys.version_info), REQUIREMENTS)
        or sys.executable
    )


def also_python() -> str | None:
    """The oldest Python that keeptrace supports, for the pool."""
    return _made(ALSO, _POOL_REQUIREMENTS)


def oldest_python() -> str | None:
    """The Python with the oldest peer, if make_oldest() could make the environment."""
    python = _python_of(OLDEST_PYTHON)
    return str(python) if python.exists() and _runs(str(python), "import keepTrace") else None


def make_oldest() -> None:
    _made(OLDEST_PYTHON, _OLDEST_REQUIREMENTS)
