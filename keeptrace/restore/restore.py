"""Report → real exception, with real tracebacks over real frames. This file travels, as source,
inside every dump.

So it imports the standard library alone, nothing of keeptrace, and works on every Python from 3.11
on, whatever Python wrote the report (laid out in core/report.py).

How a frame is restored. A frame object can only be had by running code, so for each frame a small
function is run:

    def <original name>(<original arguments, all with defaults>):
        (a, b, c) = K()         # all its locals at once, out of a C iterator that stands in its
        (private) globals K()()                   # the function of the next frame; in the innermost
        one, a C call that notes the frame

One template is compiled for each number of locals; names, flags, file and first line are then put
in with `code.replace`, and its line table is written by hand, so that every instruction has the
source position of the original's failing one: `~~^~~` markers come out identical. Nothing is
raised, and calls between Python functions use no C stack, so deep recursions restore as well.

The outermost `f_back` has to be None: it would lead into the stack of whoever restores, and keep
the locals there alive for as long as the frames live. CPython links a frame to its caller when the
frame ends. So the outermost function is made an asynchronous generator: it is run up to its one
`yield`, and then dropped there, suspended, with a finalizer set (sys.set_asyncgen_hooks) that does
nothing. Its frame, which the others refer to, is then taken over with no caller. (A raw thread, at
whose bottom there is no caller either, costs some 100 microseconds for each exception.)

Rules:
 1. Nothing of the data is ever called or imported, but for what `Policy` allows: which types and
    modules may be looked up.
 2. A value is exact, or visibly a stand-in.
 3. No recursion over data: reports can be deep, cyclic and hostile.
"""

from __future__ import annotations

from typing import Any

from .classes import exception_types
from .exceptions import ExceptionTable
from .files import unpack_bounded
from .frames import FrameStacks
from .policy import BUILTINS, KNOWN, Policy
from .sources import install_sources, rename_unopened
from .values import ValueTable


def restore(report: Any, policy: Policy = BUILTINS) -> BaseException:
    """The exception that a report tells of: type, args, attributes, notes, chain, and real
    tracebacks.

    Raises ValueError, TypeError, KeyError or IndexError for a report that is not laid out as
    core/report.py says."""
    type_of = exception_types(report, policy)
    values = ValueTable(report, type_of, policy)
    values.make_shells()
    exceptions = ExceptionTable(report, type_of, policy, values.live)
    values.finish(exceptions.made)
    files = install_sources(report["sources"]) if report["sources"] else {}
    if not policy.imports:
        rename_unopened(report, files)
    stacks = FrameStacks(report, values, files)
    if not policy.imports:
        stacks.hide_unopened()
    tracebacks = [
        stacks.add(record["traceback"], record.get("outer", [])) for record in report["exceptions"]
    ]
    stacks.run()
    exceptions.fill(values, [traceback() for traceback in tracebacks])
    return exceptions.made[0]


def read_payload(payload: dict[str, Any], most: int = 64 << 20) -> dict[str, Any]:
    """The report in the payload of a dump (laid out in format/writing.py).

    Raises ValueError for damaged data.
    """
    import json

    report: dict[str, Any] = json.loads(unpack_bounded(payload["body"], most))
    report["sources"] = dict(payload["sources"])
    report["live"] = payload["live"]
    return report


def boot(payload: dict[str, Any]) -> Any:
    """What plain pickle.load of a dump gives: the exception, its exc_info tuple, or the bare
    traceback.
    """
    exc = restore(read_payload(payload), KNOWN)
    given = {
        "exception": exc,
        "exc_info": (type(exc), exc, exc.__traceback__),
        "traceback": exc.__traceback__,
    }
    return given[payload["kind"]]
