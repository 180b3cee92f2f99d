"""No exception of a popular package arrives with less than through the stock executor. Run with `-m
zoo`.
"""

from __future__ import annotations

import importlib.metadata

import packages
import pytest
import zoo

pytestmark = [pytest.mark.zoo, pytest.mark.timeout(zoo.PACKAGE_SECONDS + 30)]


@pytest.mark.parametrize("name", packages.PACKAGES)
def test_never_worse_than_the_stock_executor(name: str) -> None:
    """Class, text, arguments, attributes, and the methods that are named, through each pool."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    found = zoo.look_at_one(name)
    assert found["tried"] > 0
    assert found["worse"] == []
