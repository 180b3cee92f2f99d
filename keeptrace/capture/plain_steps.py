"""Translates the bytecode of a plain `__repr__` or `__str__` into steps of the machine.

The instructions differ between Pythons: the table has instructions of 3.11 to 3.15, but none of
loops. Code with any other instruction is not plain.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .plain_code import COMPARISONS, OPERATORS, NotPlain, Operator, Texts, subscript
from .plain_machine import MOST_PROGRAMS, Machine

if TYPE_CHECKING:
    import dis

# Longer code is not followed: each step takes some microseconds. (instructions)
_MOST_STEPS: Final = 500
# Flags of *args, **kwargs, and of generators and coroutines of all kinds.
_UNUSUAL: Final = 0x4 | 0x8 | 0x20 | 0x80 | 0x100 | 0x200

Step: TypeAlias = tuple[Callable[[Machine, Any], None], Any]


# By the code's id. The entry holds the code, so no other code gets the id.
_programs: Final[dict[int, tuple[types.CodeType, list[Step] | None]]] = {}


def program_of(code: types.CodeType) -> list[Step] | None:
    """The steps of a code object; None if an instruction is unknown."""
    found = _programs.get(id(code))
    if found is None:
        if len(_programs) >= MOST_PROGRAMS:
            _programs.clear()
        found = (code, _read(code))
        _programs[id(code)] = found
    return found[1]


def _read(code: types.CodeType) -> list[Step] | None:
    """Translates the bytecode of a function with one argument; None for unknown instructions."""
    import dis

    if code.co_argcount != 1 or code.co_kwonlyargcount or code.co_flags & _UNUSUAL:
        return None
    steps: list[Step] = []
    targets: dict[int, int] = {}  # offset of an instruction → place in steps
    jumps: list[tuple[int, int]] = []  # place of a jump, offset of the target
    for instruction in dis.get_instructions(code):
        targets[instruction.offset] = len(steps)
        if instruction.opname in _WITHOUT_EFFECT:
            continue
        step = _step_of(instruction, code)
        if step is None or len(steps) >= _MOST_STEPS:
            return None
        if _is_jump(instruction):
            jumps.append((len(steps), instruction.argval))
        steps.append(step)
    for place, target in jumps:
        take, _ = steps[place]
        steps[place] = (take, targets[target])
    return steps


def _step_of(instruction: dis.Instruction, code: types.CodeType) -> Step | None:
    """The step of an instruction; None for an unknown instruction or a jump backwards."""
    known = _STEPS.get(instruction.opname)
    if known is None:
        return None
    if _is_jump(instruction) and instruction.argval <= instruction.offset:
        return None
    take, argument_of = known
    argument = argument_of(instruction)
    if instruction.opname == "KW_NAMES":
        argument = code.co_consts[argument]
    if argument is None and argument_of in (_operator, _comparison):
        return None
    return take, argument


def _is_jump(instruction: dis.Instruction) -> bool:
    return _STEPS[instruction.opname][1] is _target


# -- the arguments of instructions


def _nothing(instruction: object) -> None:
    return None


def _argument(instruction: dis.Instruction) -> int | None:
    return instruction.arg


def _value(instruction: dis.Instruction) -> object:
    return instruction.argval


def _target(instruction: dis.Instruction) -> object:
    return instruction.argval


def _global(instruction: dis.Instruction) -> tuple[str, bool]:
    return instruction.argval, bool((instruction.arg or 0) & 1)


def _operator(instruction: dis.Instruction) -> Operator | None:
    return OPERATORS.get(instruction.argrepr.removesuffix("="))


def _comparison(instruction: dis.Instruction) -> Callable[[Any, Any], bool] | None:
    return COMPARISONS.get(instruction.argval.removeprefix("bool(").removesuffix(")"))


def _conversion(instruction: dis.Instruction) -> str:
    return instruction.argrepr


def _load_attribute(machine: Machine, argument: tuple[str, bool]) -> None:
    name, is_method = argument
    if is_method:
        machine.load_method(name)
    else:
        machine.load_attribute(name)


def _attribute_name(instruction: dis.Instruction) -> tuple[str, bool]:
    """The name, and whether a call follows, which only the bytecode of 3.12 and newer shows."""
    return instruction.argval, "NULL|self" in instruction.argrepr


_WITHOUT_EFFECT: Final = frozenset(
    {"RESUME", "NOP", "CACHE", "PRECALL", "NOT_TAKEN", "EXTENDED_ARG"}
)

_STEPS: Final[dict[str, tuple[Callable[[Machine, Any], None], Callable[[Any], Any]]]] = {
    **dict.fromkeys(
        ("LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK"), (Machine.load_fast, _value)
    ),
    **dict.fromkeys(
        ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"),
        (Machine.load_fast_twice, _value),
    ),
    **dict.fromkeys(
        ("POP_JUMP_FORWARD_IF_TRUE", "POP_JUMP_IF_TRUE"), (Machine.jump_if_true, _target)
    ),
    **dict.fromkeys(
        ("POP_JUMP_FORWARD_IF_FALSE", "POP_JUMP_IF_FALSE"), (Machine.jump_if_false, _target)
    ),
    **dict.fromkeys(
        ("POP_JUMP_FORWARD_IF_NONE", "POP_JUMP_IF_NONE"), (Machine.jump_if_none, _target)
    ),
    **dict.fromkeys(
        ("POP_JUMP_FORWARD_IF_NOT_NONE", "POP_JUMP_IF_NOT_NONE"),
        (Machine.jump_if_not_none, _target),
    ),
    "STORE_FAST": (Machine.store_fast, _value),
    "STORE_FAST_LOAD_FAST": (Machine.store_and_load, _value),
    "STORE_FAST_STORE_FAST": (Machine.store_twice, _value),
    "LOAD_CONST": (Machine.load_const, _value),
    "LOAD_SMALL_INT": (Machine.load_const, _value),
    "LOAD_COMMON_CONSTANT": (Machine.load_const, _value),  # 3.14 and newer
    "LOAD_GLOBAL": (Machine.load_global, _global),
    "LOAD_ATTR": (_load_attribute, _attribute_name),
    "LOAD_METHOD": (Machine.load_method, _value),
    "PUSH_NULL": (Machine.push_null, _nothing),
    "KW_NAMES": (Machine.keyword_names, _argument),
    "CALL": (Machine.call, _argument),
    "CALL_KW": (Machine.call_with_keywords, _argument),
    "FORMAT_VALUE": (Machine.format_value, _argument),
    "CONVERT_VALUE": (Machine.convert, _conversion),
    "FORMAT_SIMPLE": (Machine.format_simple, _nothing),
    "FORMAT_WITH_SPEC": (Machine.format_with_spec, _nothing),
    "BUILD_STRING": (Machine.build_string, _argument),
    "BUILD_TUPLE": (Machine.build_tuple, _argument),
    "BUILD_LIST": (Machine.build_list, _argument),
    "BUILD_SLICE": (Machine.build_slice, _argument),
    "BINARY_SLICE": (Machine.binary_slice, _nothing),
    "BINARY_OP": (Machine.operate, _operator),
    "BINARY_SUBSCR": (Machine.operate, lambda instruction: subscript),
    "COMPARE_OP": (Machine.compare, _comparison),
    "IS_OP": (Machine.is_same, _argument),
    "UNARY_NOT": (Machine.invert, _nothing),
    "TO_BOOL": (Machine.to_bool, _nothing),
    "COPY": (Machine.copy, _argument),
    "SWAP": (Machine.swap, _argument),
    "POP_TOP": (Machine.drop, _nothing),
    "JUMP_FORWARD": (Machine.jump, _target),
    "JUMP_IF_TRUE_OR_POP": (Machine.jump_if_true_or_drop, _target),
    "JUMP_IF_FALSE_OR_POP": (Machine.jump_if_false_or_drop, _target),
    "RETURN_VALUE": (Machine.give, _nothing),
    "RETURN_CONST": (Machine.give_const, _value),
}


def follow(function: object, value: object, texts: Texts) -> str:
    """The result of `function(value)`, a plain __repr__ or __str__. Raises NotPlain."""
    if type(function) is not types.FunctionType:
        raise NotPlain
    program = program_of(function.__code__)
    if program is None:
        raise NotPlain
    try:
        text = Machine(function, value, texts).run(program)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise NotPlain from None  # the real function would have raised, too
    if type(text) is not str:
        raise NotPlain
    return text
