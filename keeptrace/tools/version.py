"""The package's version, for the command line and the server for assistants."""

from __future__ import annotations

import sys


def package_version() -> str:
    """`keeptrace.__version__`. No module imports the root, but the root is loaded before this."""
    root = sys.modules[__name__.partition(".")[0]]
    return str(root.__version__)
