"""Adds the pickle of live objects to a report, for a pool or for Options.pickler."""

from __future__ import annotations

from ..core.report import Report
from ..live import keeping
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
    pickled = own.pickled(chain, values, dumps, most)
    keeping.keep(report, values.objects, roots, dumps, most, deadline, pickled, leaves_out)
