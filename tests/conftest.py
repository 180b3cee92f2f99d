"""What all tests share: the settings of property tests, and that no test leaves the interpreter changed."""

from __future__ import annotations

import sys
from typing import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("keeptrace", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("keeptrace")


@pytest.fixture(autouse=True)
def unchanged_interpreter() -> Iterator[None]:
    """The recursion limit is raised for moments only, and nothing replaces the hooks for good."""
    before = sys.getrecursionlimit(), sys.excepthook
    yield
    assert (sys.getrecursionlimit(), sys.excepthook) == before


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Values beyond what int → str converts have no repr to be named by."""
    return f"{argname}-{val.bit_length()}-bits" if type(val) is int and val.bit_length() > 1000 else None
