"""What the picklers that are installed can do."""

from __future__ import annotations

import dill
import pytest


def _dill_keeps_functions() -> bool:
    try:
        dill.dumps(lambda: 1)
    except AttributeError:  # code objects have no co_lnotab from Python 3.15 on
        return False
    return True


needs_functions_by_value = pytest.mark.skipif(
    not _dill_keeps_functions(), reason="this dill cannot pickle functions of this Python"
)
