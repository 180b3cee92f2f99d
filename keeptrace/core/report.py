"""A report: one exception with all that belongs to it, as plain data.

Plain means what JSON can say (dict, list, str, int within 64 bits, float, bool, None) plus `bytes`
in the two places named below. Nothing in it is a live object, so it can be kept, sent, searched and
read without running anything. Capture makes it with queues, never by recursion; restore reads it
the same way. One dict, tables first to last:

    format      the number of this layout (FORMAT)
    python      the Python that raised, as "3.13.0"
    exceptions  [exception]; the first is the one that was captured, the others are reached from it
    frames      [frame]; each frame once, however many tracebacks pass through it
    codes       [code]; what frames of the same function share
    globals     [{name: ref}]; one a module namespace, only the names that the frames' code uses
    types       [[module, qualname, [type index of each base]]]; bases are given for exception types only
    values      [node]; everything that is not an atom, so that aliases and cycles are references to one entry
    sources     {filename: zlib-compressed UTF-8 bytes}; the files of the frames
    live        bytes or None: one pickle of a list of objects, for the nodes ["live", ...]
    cuts        {reason: how many values or frames were cut or hidden for it}

A *position* is [line, end line, column, end column]; columns count UTF-8 bytes as
code.co_positions() does; each may be None. A *ref* is an atom, standing for itself (None, bool, int
within 64 bits, float, str), or [index] into `values`.

exception = {
    type        index into types
    args        ref to the tuple exc.args
    str         str(exc), where it cannot be had from args (a __str__ of its own, an argument that is a stand-in)
    fields      {name: ref}: state that the C types hold outside of __dict__ (OSError.errno, SyntaxError.text, ...)
    attributes  {name: ref}: its __dict__ and slots, without __notes__
    notes       ref to __notes__, absent if there is none
    cause, context   index into exceptions or None        suppress  __suppress_context__
    children    [index into exceptions] of a group, absent otherwise
    traceback   [[frame index, position]], outermost first; [-1, count] stands for that many left-out frames
    outer       [frame index] of the callers of the traceback's first frame, outermost first; absent if not asked for
    own         index into the list that `live` unpickles to: there is the exception's own pickle, as bytes, which rebuilds it
                by its class's own reduction; absent where arguments, fields and attributes are all
                there is
    text        the traceback as text: only where the frames could not be captured
}
frame = {code: index, globals: index, locals: {name: ref}, or None where the locals are the globals
(a module's frame),
         at: position where it stands now}
code = {file, name, qualname, line (co_firstlineno), args: [positional-only, positional,
keyword-only],
        flags (co_flags), names: [argument names as co_varnames has them, *args and **kwargs last],
        sum: checksum of code that crossed by value and has no file (see concurrent/origins.py),
        absent otherwise}

Among the names of `locals`, `globals` and `attributes` may be one that no source can have, for what
is missing there. Its value is a stand-in that says why:
    "<locals>"  "<globals>"  "<attributes>"   reading them raised; or somebody had cleared the frame
    ("why": "cleared") "<left out>"                              there was no room for more

Nodes, by their first element. `n` is the true length, whatever was cut:
    ["list"|"tuple"|"set"|"frozenset", n, [ref, ...]]
    ["dict", n, [key ref, value ref, key ref, value ref, ...]]
    ["str", n, text]  a cut string           ["bytes"|"bytearray", n, text]  as Latin-1 text
    ["int", hex]      beyond 64 bits         ["complex", real, imag]
    ["exact", kind, [ref, ...]]              a value of the standard library that `kind` rebuilds
    (see _restore.EXACT)
    ["type", type index]   ["module", name]   (both with a third element, the names that dir() gives, where those are needed)
    ["function", module, qualname, name, address]
    ["exception", index into exceptions]
    ["object", type index, repr, {name: ref} or None, extra]   a stand-in; extra: {} or any of
        len: true length · items: [ref] (of a sequence or set) · pairs: [ref] (flat, of a mapping) ·
        address: id of the object · dir: [names that dir() would give] · why: what was cut · str:
        the text of a str's subclass
    ["redacted", what]   a secret was here
    ["live", index into the list that `live` unpickles to, ref to the stand-in that is used when it
    cannot be loaded]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

FORMAT: Final = 1

Ref: TypeAlias = Any
Position: TypeAlias = list[Any]
Node: TypeAlias = list[Any]

if (
    TYPE_CHECKING
):  # making these classes takes a millisecond, in every worker; at run time they are dicts
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

else:
    ExceptionRecord = FrameRecord = CodeRecord = Report = dict
