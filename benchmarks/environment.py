"""The environments that the benchmarks run in: made by the command itself, below benchmarks/.venv, one a Python.

Where an environment cannot be made (no network, no such Python) the benchmarks run with what is there, and say what is not.
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
# The newest first: the targets are for 3.13. The pool is measured on the oldest that keeptrace supports, too.
MAIN = "3.13"
ALSO = "3.11"
# The newest on which the oldest peer works.
OLDEST_PYTHON = "3.9"
# Libraries that the questions need, and the peers in the versions that the targets name.
REQUIREMENTS = ["matplotlib", "numpy", "pandas", "cloudpickle", "dill", "loky", "tblib==3.2.2", "coredumpy==0.5.0", "pydumpling==0.2.0",
                "debuglater==1.4.4", "distributed", "ray"]  # fmt: skip
_POOL_REQUIREMENTS = ["loky"]
_OLDEST_REQUIREMENTS = ["keepTrace==1.2.0", "numpy"]


def find_python(version: str) -> str | None:
    """A Python of that version ("3.11"), from PATH or from pyenv; None if there is none."""
    if "{}.{}".format(*sys.version_info) == version:
        return sys.executable
    home = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for found in [
        shutil.which(f"python{version}"),
        *sorted(glob(f"{home}/versions/{version}.*/bin/python")),
    ]:
        if found is not None and _runs(
            found,
            f"import sys, venv; assert sys.version_info[:2] == {tuple(map(int, version.split('.')))}",
        ):
            return found
    return None


@cache
def variables() -> dict[str, str]:
    """The environment variables for processes whose start is measured: compiled modules are kept, as on any machine."""
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
    """The Python of the environment, made if it is not there yet; None if it cannot be."""
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
        # one that cannot be had must not cost the others
        failed = [
            name for name in requirements if subprocess.run([*pip, name], check=False).returncode
        ]
        print(f"not installed, and left out: {', '.join(failed)}")
        return str(python)
    complete.write_text(repr(requirements))
    return str(python)


def main_python() -> str:
    """The Python to measure with: an environment for 3.13, or for the one that runs."""
    return (
        _made(MAIN, REQUIREMENTS)
        or _made("{}.{}".format(*sys.version_info), REQUIREMENTS)
        or sys.executable
    )


def also_python() -> str | None:
    """The oldest Python that keeptrace supports, for the pool."""
    return _made(ALSO, _POOL_REQUIREMENTS)


def oldest_python() -> str | None:
    """An environment with the oldest peer, if there is one. make_oldest() makes it."""
    python = _python_of(OLDEST_PYTHON)
    return str(python) if python.exists() and _runs(str(python), "import keepTrace") else None


def make_oldest() -> None:
    _made(OLDEST_PYTHON, _OLDEST_REQUIREMENTS)
