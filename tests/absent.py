"""Modules that the programs and workers of a test do not find, though they are installed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock


@contextmanager
def absent(*modules: str) -> Iterator[None]:
    """Interpreters that are started meanwhile find no such modules, if they ask for them before
    multiprocessing or loky gives them the sys.path of this process.
    """
    with tempfile.TemporaryDirectory() as folder:
        for module in modules:
            Path(folder, f"{module}.py").write_text("raise ImportError('left out')\n")
        path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        with mock.patch.dict(os.environ, PYTHONPATH=path):
            yield
