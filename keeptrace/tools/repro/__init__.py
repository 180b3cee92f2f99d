"""A test from a dump: `keeptrace repro`.

In: a dump and the number of a frame. Out: the text of a pytest file that calls the function of that
frame with the arguments that the dump has kept, and expects the exception that left it.

    the frame ─▶ program.py: how its module is loaded and its function found
              ─▶ values.py: its arguments as Python code; what is missing is named
              ─▶ writing.py: the file                    verifying.py runs it in a child
"""

from __future__ import annotations

from .verifying import Verdict, verify
from .writing import repro_text

__all__ = ["Verdict", "repro_text", "verify"]
