"""Whether somebody cleared a frame (frame.clear(), traceback.clear_frames) before it was captured.

A cleared frame has no variables. A function without variables looks the same, so the code is asked:
were there variables that must have had a value where the frame stands? Its arguments have one from
the start, and so has what the first instructions store, before any jump and outside of any `try`;
unless the code deletes them. Variables that an inner function shares do not count: it may delete
them, too.
"""

from __future__ import annotations

import sys
import types


def was_cleared(code: types.CodeType, lasti: int) -> bool:
    """Whether a frame of this code, which has no variables at this instruction, was cleared."""
    import opcode  # small, and only asked for frames without variables

    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & 0x4) + bool(code.co_flags & 0x8)  # *args and **kwargs
    bound = set(range(count))
    deleted: set[int] = set()
    jumps = {*opcode.hasjrel, *opcode.hasjabs}
    end = min(lasti, _first_try(code))
    extended = 0
    instructions = code.co_code
    for at in range(0, len(instructions), 2):
        name = opcode.opname[instructions[at]]
        argument = extended | instructions[at + 1]
        extended = argument << 8 if name == "EXTENDED_ARG" else 0
        if instructions[at] in jumps:
            end = min(end, at)
        if name == "DELETE_FAST":
            deleted.add(argument)
        elif at < end and name == "STORE_FAST":
            bound.add(argument)
        elif at < end and name == "STORE_FAST_LOAD_FAST":
            bound.add(argument >> 4)
        elif at < end and name == "STORE_FAST_STORE_FAST":
            bound.update((argument >> 4, argument & 15))
    names = {code.co_varnames[at] for at in bound - deleted}
    return not names <= set(code.co_cellvars)


def _first_try(code: types.CodeType) -> int:
    """The offset of the first instruction that an exception handler covers."""
    table = code.co_exceptiontable
    if not table:
        return sys.maxsize
    units = table[0] & 63  # a number in groups of 6 bits; bit 6 says that another one follows
    at = 0
    while table[at] & 64:
        at += 1
        units = units << 6 | table[at] & 63
    return 2 * units
