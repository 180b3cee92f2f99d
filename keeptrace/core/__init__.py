"""The base of all other rooms: errors, options, bounds, the layout of a report, the guard.

In: nothing of keeptrace. Out: plain functions, types and tables. The room knows nothing of how an
exception is captured, written or restored, and imports the standard library alone.
"""

from __future__ import annotations

import sys

# The default directory for dumps, below the current one. Defined here because pytest's plugin
# imports no other module of keeptrace.
DEFAULT_DIRECTORY: str = "keeptrace-dumps"
# Whether this Python can run threads without a GIL, even if the GIL is on now.
FREE_THREADED: bool = "free-threading build" in sys.version
