"""A test from a dump: `keeptrace repro`.

In: a dump and the number of a frame. Out: the text of a pytest file. The test calls the function of
the frame with the arguments in the dump, and expects the exception that left the frame.

    the frame ─▶ program.py: loads the module, and finds the function
              ─▶ values.py: the arguments as Python code; names missing values
              ─▶ writing.py: the file            verifying.py runs the file in a child
"""

from __future__ import annotations

from .verifying import Verdict, verify
from .writing import repro_text

__all__ = ["Verdict", "repro_text", "verify"]
