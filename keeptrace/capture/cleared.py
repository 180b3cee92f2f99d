"""Whether somebody cleared a frame (frame.clear(), traceback.clear_frames) before the capture.

A cleared frame has no variables. Neither has a frame whose variables have no values yet. So this
module looks for variables with a certain value at the frame's instruction: arguments, and variables
stored by the first instructions, before any jump and outside of any `try`. Variables with a `del`
in the code do not count, nor do variables shared with an inner function, which may delete them.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Final

from .facts import argument_count


def was_cleared(code: types.CodeType, lasti: int) -> bool:
    """Whether somebody cleared a frame that has no variables at this instruction of its code."""
    bound = set(range(argument_count(code)))
    deleted: set[int] = set()
    end = min(lasti, _first_try(code), _first_jump(code))
    for at, name, argument in _instructions(code):
        if name == "DELETE_FAST":
            deleted.add(argument)
        elif at < end and name in _STORED:
            bound.update(_STORED[name](argument))
    names = {code.co_varnames[at] for at in bound - deleted}
    return not names <= set(code.co_cellvars)


# For each instruction that stores variables: their numbers, by the instruction's argument.
_STORED: Final[dict[str, Callable[[int], tuple[int, ...]]]] = {
    "STORE_FAST": lambda argument: (argument,),
    "STORE_FAST_LOAD_FAST": lambda argument: (argument >> 4,),
    "STORE_FAST_STORE_FAST": lambda argument: (argument >> 4, argument & 15),
}


def _instructions(code: types.CodeType) -> Iterator[tuple[int, str, int]]:
    """The offset, name and argument of each instruction."""
    import opcode  # only needed for frames without variables

    extended = 0
    instructions = code.co_code
    for at in range(0, len(instructions), 2):
        name = opcode.opname[instructions[at]]
        argument = extended | instructions[at + 1]
        extended = 0
        if name == "EXTENDED_ARG":
            extended = argument << 8
        yield at, name, argument


def _first_jump(code: types.CodeType) -> int:
    """The offset of the first jump."""
    import opcode

    jumps = {*opcode.hasjrel, *opcode.hasjabs}
    for number, instruction in enumerate(code.co_code[::2]):
        if instruction in jumps:
            return 2 * number
    return sys.maxsize


def _first_try(code: types.CodeType) -> int:
    """The offset of the first instruction that an exception handler covers."""
    table = code.co_exceptiontable
    if not table:
        return sys.maxsize
    units = table[0] & 63  # a number in groups of 6 bits; bit 6 announces another group
    at = 0
    while table[at] & 64:
        at += 1
        units = units << 6 | table[at] & 63
    return 2 * units
