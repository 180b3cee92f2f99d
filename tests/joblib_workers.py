"""joblib's workers, without NumPy: they import it if they can, which is a third of their start."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock


@contextmanager
def without_numpy() -> Iterator[None]:
    """Programs and workers that are started meanwhile find no NumPy. joblib's workers end with it.

    Workers take over the parent's sys.path, and then import what joblib sends along to pickle arrays:
    so joblib finds no NumPy in the parent either.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "numpy.py").write_text("raise ImportError('left out')\n")
        path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        no_reducers = mock.patch("joblib._memmapping_reducer.np", None)
        with mock.patch.dict(os.environ, PYTHONPATH=path), no_reducers:
            try:
                yield
            finally:
                end_workers()


def end_workers() -> None:
    """Ends the workers that joblib keeps for the next call, if there are any."""
    module = sys.modules.get("joblib.externals.loky.reusable_executor")
    if module is not None and module._executor is not None:
        module._executor.shutdown(wait=True, kill_workers=True)
