"""What all tests share: the settings of property tests, and that no test leaves the interpreter changed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "keeptrace", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("keeptrace")

# A shell that runs the tests in the background has them ignore Ctrl-C, and so the programs that they start, which are to be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Thousands of processes that the tests start import the same files: each is compiled once, not in every process.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True)
def unchanged_interpreter() -> Iterator[None]:
    """The recursion limit is raised for moments only, and nothing replaces the hooks for good."""
    before = sys.getrecursionlimit(), sys.excepthook
    yield
    assert (sys.getrecursionlimit(), sys.excepthook) == before


# Files of tests of heavy engines alone. Collecting them imports those, and Dask's import changes how the process pickles exceptions.
_ENGINES = ("test_celery.py", "test_dask.py", "test_mpi.py", "test_ray.py", "test_rq.py")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Heavy engines are imported where their tests are wanted."""
    return (
        True
        if collection_path.name in _ENGINES and config.option.markexpr == "not engines"
        else None
    )


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Values beyond what int → str converts have no repr to be named by."""
    return (
        f"{argname}-{val.bit_length()}-bits"
        if type(val) is int and val.bit_length() > 1000
        else None
    )
