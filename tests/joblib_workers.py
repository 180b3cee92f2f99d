"""joblib's workers, without what they import only because it is installed: half of their start."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from absent import absent


@contextmanager
def without_numpy() -> Iterator[None]:
    """Programs and workers that are started meanwhile find no NumPy. joblib's workers end with it.

    Workers take over the parent's sys.path, and then import what joblib sends along to pickle arrays:
    so joblib finds no NumPy in the parent either.
    """
    with absent("numpy"), mock.patch("joblib._memmapping_reducer.np", None):
        try:
            yield
        finally:
            end_workers()


@contextmanager
def lean_workers() -> Iterator[None]:
    """The same without psutil, for workers of this process.

    A program of its own needs psutil: it is how joblib ends its workers.
    """
    with absent("psutil"), without_numpy():
        yield


def end_workers() -> None:
    """Ends the workers that joblib keeps for the next call, if there are any."""
    module = sys.modules.get("joblib.externals.loky.reusable_executor")
    if module is not None and module._executor is not None:
        module._executor.shutdown(wait=True, kill_workers=True)
