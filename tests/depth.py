"""How much the tests of random cases try: a few where somebody waits, many where nobody does."""

from __future__ import annotations

import os

# Factor. The weekly run of the public workflow sets it to ten.
DEPTH = int(os.environ.get("KEEPTRACE_TEST_DEPTH", "1"))
