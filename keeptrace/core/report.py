"""A report: one exception with all its chain, frames and values, as plain data.

Plain means JSON's types (dict, list, str, int within 64 bits, float, bool, None), and `bytes` in
the two places named below. A report holds no live object, so programs can keep, send, search and
read reports without running anything. Capture and restore walk with queues, never by recursion. A
report is one dict of tables:

    format      the number of this layout (FORMAT)
    python      the Python that raised, as "3.13.0"
    exceptions  [exception]; the captured exception first, then those reached from it
    frames      [frame]; each frame once, even if several tracebacks share it
    codes       [code]; shared by the frames of one function
    globals     [{name: ref}]; one for each module namespace, with the names that the code uses
    types       [[module, qualname, [type index of each base]]]; bases only for exception types
    values      [node]; every value but atoms, so that aliases and cycles are refs to one entry
    sources     {filename: zlib-compressed UTF-8 bytes}; the files of the frames
    live        bytes or None: one pickle of a list of objects, for the nodes ["live", ...]
    cuts        {reason: how many values or frames were cut or hidden}
    process     {name: ref}: facts of the process that wrote the dump (format/facts.py), atoms or
                redacted; absent within a pool, and in dumps of older versions
    held        only within a pool: what holds the exception (see concurrent/crossing.py)

A *position* is [line, end line, column, end column]; columns count UTF-8 bytes as
code.co_positions() does; each may be None. A *ref* is an atom, standing for itself (None, bool, int
within 64 bits, float, str), or [index] into `values`.

exception = {
    type        index into types
    args        ref to the tuple exc.args
    str         str(exc), if args do not give it (a __str__ of the class, a stand-in in args)
    fields      {name: ref}: state of the C types outside of __dict__ (OSError.errno, ...)
    attributes  {name: ref}: __dict__ and slots, without __notes__
    notes       ref to __notes__, absent if there is none
    cause, context   index into exceptions or None        suppress  __suppress_context__
    children    [index into exceptions] of a group, absent otherwise
    traceback   [[frame index, position]], outermost first; [-1, count] stands for left-out frames
    outer       [frame index] of the callers of the traceback's first frame, outermost first;
                absent unless asked for
    own         index into the list of `live`: the exception's own pickle, as bytes, by its class's
                reduction; absent if arguments, fields and attributes are complete
    text        the traceback as text, only if the frames could not be captured
}
frame = {
    code, globals    indexes
    locals           {name: ref}; None if the locals are the globals (a module's frame)
    at               the frame's current position
}
code = {
    file, name, qualname, line (co_firstlineno), flags (co_flags)
    args        [positional-only, positional, keyword-only]
    names       [argument names as in co_varnames, *args and **kwargs last]
    sum         checksum of code that crossed by value and has no file (concurrent/origins.py);
                absent otherwise
}

`locals`, `globals` and `attributes` may have an entry under a name that no source can have. The
value is a stand-in that says why something is missing:
    "<locals>" "<globals>" "<attributes>"   reading raised, or the frame was cleared ("cleared")
    "<left out>"                            there was no room for more

Nodes, by their first element. `n` is the true length, before any cut:
    ["list"|"tuple"|"set"|"frozenset", n, [ref, ...]]
    ["dict", n, [key ref, value ref, key ref, value ref, ...]]
    ["str", n, text]                 a cut string
    ["bytes"|"bytearray", n, text]   as Latin-1 text
    ["int", hex]                     beyond 64 bits
    ["complex", real, imag]
    ["exact", kind, [ref, ...]]      a value of the standard library (kinds: restore/exact.py)
    ["type", type index]             a third element, if needed: the names that dir() gives
    ["module", name]                 likewise
    ["function", module, qualname, name, address]
    ["exception", index into exceptions]
    ["object", type index, repr, {name: ref} or None, extra]   a stand-in; extra: {} or any of
        len      true length
        items    [ref] of a sequence or set
        pairs    [ref] of a mapping, keys and values alternating
        address  id of the object
        dir      [names that dir() would give]
        why      the reason of a cut
        str      the text of an instance of a subclass of str
    ["redacted", name]               a secret was here
    ["live", index into the list of `live`, ref to the stand-in]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

FORMAT: Final = 1
# The types of the exceptions in a snapshot (snapshots/groups.py), as reports name them.
OF_SNAPSHOTS: Final = frozenset(
    ("keeptrace.Snapshot", "keeptrace.TaskStack", "keeptrace.ThreadStack")
)

Ref: TypeAlias = Any
Position: TypeAlias = list[Any]
Node: TypeAlias = list[Any]

if TYPE_CHECKING:
    # each worker would lose a millisecond by making these classes; at run time they are dicts
    from typing import NotRequired, TypedDict

    class ExceptionRecord(TypedDict):
        type: int
        args: Ref
        str: NotRequired[str]
        fields: dict[str, Ref]
        attributes: dict[str, Ref]
        notes: NotRequired[Ref]
        cause: int | None
        context: int | None
        suppress: bool
        children: NotRequired[list[int]]
        traceback: list[list[Any]]
        outer: NotRequired[list[int]]
        own: NotRequired[int]
        text: NotRequired[str]

    class FrameRecord(TypedDict):
        code: int
        globals: int
        locals: dict[str, Ref] | None
        at: Position

    class CodeRecord(TypedDict):
        file: str
        name: str
        qualname: str
        line: int
        args: list[int]
        flags: int
        names: list[str]
        sum: NotRequired[int]

    class Report(TypedDict):
        format: int
        python: str
        exceptions: list[ExceptionRecord]
        frames: list[FrameRecord]
        codes: list[CodeRecord]
        globals: list[dict[str, Ref]]
        types: list[list[Any]]
        values: list[Node]
        sources: dict[str, bytes]
        live: bytes | None
        cuts: dict[str, int]
        process: NotRequired[dict[str, Ref]]
        held: NotRequired[list[str]]

else:
    ExceptionRecord = FrameRecord = CodeRecord = Report = dict

# str() of an exception of which only the type was kept: a class's own __str__ would miss the
# attributes.
NO_MESSAGE: Final = "<its message was not kept>"


def empty_record() -> ExceptionRecord:
    """The record of an exception before anything of the exception is read."""
    return {
        "type": 0,
        "args": None,
        "fields": {},
        "attributes": {},
        "cause": None,
        "context": None,
        "suppress": False,
        "traceback": [],
    }


def bare_record(text: str, message: str = NO_MESSAGE) -> ExceptionRecord:
    """The record of an exception of the first type, with no arguments (the first value).

    text: the traceback, or why nothing else was kept.
    """
    record = empty_record()
    record["args"] = [0]
    record["str"] = message
    record["text"] = text
    return record
