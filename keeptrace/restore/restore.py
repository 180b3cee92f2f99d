"""Report → exception with real tracebacks over real frames. The room's source travels in dumps.

So the room imports only the standard library, and works on every Python from 3.11 on, with reports
of any Python (core/report.py has the layout).

The making of a frame. Only running code makes a frame object, so each frame belongs to a small
function, which runs:

    def <original name>(<original arguments, all with defaults>):
        (a, b, c) = K()    # all locals at once; K is a C iterator in the function's private globals
        K()()              # calls the function of the next frame; in the innermost frame, a C call
                           # that notes the frame

A template is compiled for each number of locals. `code.replace` then puts in names, flags, file
and first line. code.py writes the line table: every instruction has the source position of the
original's failing instruction, so `~~^~~` markers are identical. Nothing is raised, and calls
between Python functions use no C stack, so deep recursions are restored, too.

The outermost `f_back` must be None: a caller's frame would stay alive, with its locals, as long as
the restored frames. CPython links a frame to its caller when the frame ends. So the outermost
function is an asynchronous generator: the generator runs up to its only `yield`, is suspended, and
is then dropped under a finalizer without effect (sys.set_asyncgen_hooks). The inner frames refer to
the generator's frame, which survives without a caller. (The bottom frame of a raw thread has no
caller either, but a thread costs some 100 microseconds for each exception.)

Rules:
 1. Nothing from the data is called or imported, except types and modules allowed by `Policy`.
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
    """The exception of a report: type, args, attributes, notes, chain, and real tracebacks.

    Raises ValueError, TypeError, KeyError or IndexError for a report with a wrong layout.
    """
    type_of = exception_types(report, policy)
    values = ValueTable(report, type_of, policy)
    values.make_shells()
    exceptions = ExceptionTable(report, type_of, policy, values.live)
    values.finish(exceptions.made)
    files: dict[str, str] = {}
    if report["sources"]:
        files = install_sources(report["sources"])
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


def boot(payload: dict[str, Any]) -> object:
    """The result of plain pickle.load of a dump: the exception, the exc_info tuple, or the bare
    traceback.
    """
    exc = restore(read_payload(payload), KNOWN)
    traceback = BaseException.__dict__["__traceback__"].__get__(exc)  # a class may define its own
    given = {
        "exception": exc,
        "exc_info": (type(exc), exc, traceback),
        "traceback": traceback,
    }
    return given[payload["kind"]]
