"""Names that IPython and Jupyter put among the user's variables.

History, results and the shell would hide the user's own variables in the view of a cell's frame,
and the history has every line typed so far, secrets too. The report keeps a name used by the cell's
code.
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = frozenset(
    {"In", "Out", "_ih", "_oh", "_dh", "_", "__", "___", "_i", "_ii", "_iii"}
    | {"get_ipython", "exit", "quit", "open", "__builtin__"}
)
# Cell number 3: the typed text, and the result.
_NUMBERED: Final = re.compile(r"_i?\d+")
# Only IPython defines both names.
_SIGNS: Final = frozenset({"get_ipython", "_ih"})


def names_of_shell(names: set[str]) -> set[str]:
    """IPython's own names among a module's names."""
    if not names >= _SIGNS:
        return set()
    return {name for name in names if name in _NAMES or _NUMBERED.fullmatch(name)}
