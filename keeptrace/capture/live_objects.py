"""Adds the pickle of live objects to a report, for a pool or for Options.pickler."""

from __future__ import annotations

import functools
from typing import Any

from ..core.report import Report
from ..live import keeping
from ..live.constants import Constants, constants_among
from ..live.outside import is_outside
from . import own
from .chain import Chain
from .values import Values


def keep(
    report: Report,
    chain: Chain,
    values: Values,
    roots: list[int],
    pool_dumps: keeping.Dumps | None,
    deadline: float,
) -> None:
    """Makes the objects behind `roots` (indexes of values) live, and the exceptions' own pickles.

    pool_dumps: how a pool pickles; None stands for the options' own pickler.
    deadline: of time.monotonic().
    """
    options = values.options
    leaves_out = None
    if pool_dumps is not None:
        dumps, most = pool_dumps, options.max_live_bytes
    elif options.pickler is not None:
        dumps, most = keeping.dumps_of(options.pickler), options.max_bytes
        leaves_out = is_outside
    else:
        return
    objects = values.objects

    @functools.cache  # found once, and only if anything must be pickled
    def constants() -> Constants:
        return _constants(objects, chain, roots)

    def report_dumps(obj: object, most: int) -> bytes:
        return dumps(obj, most, constants())

    pickled = own.pickled(chain, values, report_dumps, most)
    keeping.keep(report, objects, roots, report_dumps, most, deadline, pickled, leaves_out)


def _constants(objects: dict[int, Any], chain: Chain, roots: list[int]) -> Constants:
    """The constants among the objects, of the modules of the exceptions' and the roots' classes."""
    found = {id(cls): cls for cls in map(type, chain.order)}
    for root in roots:
        if root in objects:
            cls = type(objects[root])
            found[id(cls)] = cls
    return constants_among(objects.values(), found.values())
