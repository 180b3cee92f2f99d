"""The names that IPython and Jupyter put among the user's variables.

History, results and the shell would hide the user's own variables in the view of a cell's frame,
and the history has whatever was ever typed. A name that the cell's code uses is kept by that use.
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = frozenset(
    {"In", "Out", "_ih", "_oh", "_dh", "_", "__", "___", "_i", "_ii", "_iii"}
    | {"get_ipython", "exit", "quit", "open", "__builtin__"}
)
# What was typed as number 3, and its result.
_NUMBERED: Final = re.compile(r"_i?\d+")
# Only IPython puts both there.
_SIGNS: Final = frozenset({"get_ipython", "_ih"})


def names_of_shell(names: set[str]) -> set[str]:
    """Those of a module's names that IPython has put there."""
    if not names >= _SIGNS:
        return set()
    return {name for name in names if name in _NAMES or _NUMBERED.fullmatch(name)}
