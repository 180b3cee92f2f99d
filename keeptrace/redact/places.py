"""Values whose names are in a text beside them: `args` of logging's `msg`, `params` of a statement.

walk.py asks for the names of the places in a text, and judges the values under them.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import Final

from . import sql

# Variables and attributes that hold such a text, and those that hold its values.
TEXTS: Final = frozenset(("msg", "format", "sql", "query", "statement", "stmt", "operation"))
VALUES: Final = frozenset(("args", "params", "parameters", "vars", "values", "bindings"))
# More places are data. (places)
_MOST_PLACES: Final = 200


@cache
def _place() -> re.Pattern[str]:
    """A place, and the name before it: password=%s, u.password = ?, token: %r."""
    return re.compile(
        r"(?:([A-Za-z_][\w-]{0,60}+)[\"`\]]?\s{0,4}+[=:]\s{0,4}+[\"']?)?"
        r"(?:%(?!%)[-+ #0]{0,4}\d{0,4}(?:\.\d{1,3})?[a-zA-Z]|\?|\$\d{1,4}|(?<=[\s=(,]):\d{1,4})"
    )


def names(text: str) -> list[str]:
    """The name of each place in a text, in their order; empty for a place without a name."""
    columns = sql.columns_of_insert(text)
    if columns:
        return columns
    return [match[1] or "" for match in islice(_place().finditer(text), _MOST_PLACES)]
