"""Takes the steps of a plain `__repr__` or `__str__`, by the rules of capture/plain_code.py.

The instructions differ between Pythons; those of 3.11 to 3.15 are known. Code with any other
instruction is not plain: no instruction of a loop is among them.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..core.raw import ABSENT, entry, has_names_alone
from .plain_code import (
    BUILTINS,
    COMPARISONS,
    OPERATORS,
    Method,
    NotPlain,
    Operator,
    Texts,
    attribute,
    bounded,
    formatted,
    subscript,
    text_of,
    truth,
)

# Programs that make classes all the time start the table afresh. (code objects)
_MOST_PROGRAMS: Final = 4_096
# Longer code is not followed: its steps take some microseconds each. (instructions)
_MOST_STEPS: Final = 500
# Flags of *args, **kwargs, and of generators and coroutines of all kinds.
_UNUSUAL: Final = 0x4 | 0x8 | 0x20 | 0x80 | 0x100 | 0x200
# What CPython leaves on the stack where a call has no receiver.
_NULL: Final = object()

Step: TypeAlias = tuple[Callable[["_Machine", Any], None], Any]


def follow(function: Any, value: Any, texts: Texts) -> str:
    """What `function(value)`, a __repr__ or __str__, returns.

    Raises NotPlain if it is not plain.
    """
    if type(function) is not types.FunctionType:
        raise NotPlain
    program = _program_of(function.__code__)
    if program is None:
        raise NotPlain
    try:
        text = _Machine(function, value, texts).run(program)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise NotPlain from None  # run for real, it would have raised too
    if type(text) is not str:
        raise NotPlain
    return text


# By the code's id, with the code, so that its id is not given to another.
_programs: Final[dict[int, tuple[types.CodeType, list[Step] | None]]] = {}


def _program_of(code: types.CodeType) -> list[Step] | None:
    """The steps of a code object; None if one is not known."""
    found = _programs.get(id(code))
    if found is None:
        if len(_programs) >= _MOST_PROGRAMS:
            _programs.clear()
        found = _programs[id(code)] = code, _read(code)
    return found[1]


def _read(code: types.CodeType) -> list[Step] | None:
    """Translates bytecode. Takes a function of one argument, without loops, cells or generators."""
    import dis

    if code.co_argcount != 1 or code.co_kwonlyargcount or code.co_flags & _UNUSUAL:
        return None
    steps: list[Step] = []
    targets: dict[int, int] = {}  # offset of an instruction -> its place in steps
    jumps: list[tuple[int, int, int]] = []  # place of a jump, its offset, its target's offset
    for instruction in dis.get_instructions(code):
        targets[instruction.offset] = len(steps)
        name = instruction.opname
        if name in _WITHOUT_EFFECT:
            continue
        known = _STEPS.get(name)
        if known is None or len(steps) >= _MOST_STEPS:
            return None
        take, argument_of = known
        argument = argument_of(instruction)
        if name == "KW_NAMES":
            argument = code.co_consts[argument]
        if argument_of is _target:
            jumps.append((len(steps), instruction.offset, argument))
        elif argument is None and argument_of in (_operator, _comparison):
            return None
        steps.append((take, argument))
    for place, offset, target in jumps:
        if target <= offset:
            return None
        steps[place] = steps[place][0], targets[target]
    return steps


# -- the machine


class _Machine:
    """One run over one code object."""

    __slots__ = ("at", "function", "keywords", "local", "stack", "texts")

    def __init__(self, function: types.FunctionType, value: Any, texts: Texts) -> None:
        self.function = function
        self.local: dict[str, Any] = {function.__code__.co_varnames[0]: value}
        self.stack: list[Any] = []
        self.texts = texts
        self.keywords: tuple[str, ...] = ()
        self.at = 0

    def run(self, program: list[tuple[Callable[[Any, Any], None], Any]]) -> Any:
        while self.at >= 0:
            step, argument = program[self.at]
            self.at += 1
            step(self, argument)
        return self.stack[-1]

    def pop(self, count: int) -> list[Any]:
        if not count:
            return []
        found = self.stack[-count:]
        del self.stack[-count:]
        return found

    def load_fast(self, name: str) -> None:
        if name not in self.local:
            raise NotPlain
        self.stack.append(self.local[name])

    def load_fast_twice(self, names: tuple[str, str]) -> None:
        self.load_fast(names[0])
        self.load_fast(names[1])

    def store_fast(self, name: str) -> None:
        self.local[name] = self.stack.pop()

    def store_and_load(self, names: tuple[str, str]) -> None:
        self.store_fast(names[0])
        self.load_fast(names[1])

    def store_twice(self, names: tuple[str, str]) -> None:
        self.store_fast(names[0])
        self.store_fast(names[1])

    def load_const(self, value: Any) -> None:
        self.stack.append(value)

    def push_null(self, argument: Any) -> None:
        self.stack.append(_NULL)

    def load_global(self, argument: tuple[str, bool]) -> None:
        name, with_null = argument
        found = _global_entry(self.function.__globals__, name)
        if found is ABSENT:
            found = _global_entry(_builtins_of(self.function), name)
        if found is ABSENT:
            raise NotPlain
        self.stack.append(found)
        if with_null:
            self.stack.append(_NULL)

    def load_attribute(self, name: str) -> None:
        self.stack[-1] = attribute(self.stack[-1], name)

    def load_method(self, name: str) -> None:
        receiver = self.stack.pop()
        if type(receiver) is str:
            self.stack += [Method(name), receiver]
        else:
            self.stack += [attribute(receiver, name), _NULL]

    def keyword_names(self, names: tuple[str, ...]) -> None:
        self.keywords = names

    def call_with_keywords(self, count: int) -> None:
        self.keywords = self.stack.pop()
        self.call(count)

    def call(self, count: int) -> None:
        values = self.pop(count)
        first, second = self.pop(2)
        keywords, self.keywords = self.keywords, ()
        names = dict(zip(keywords, values[count - len(keywords) :]))
        args = values[: count - len(keywords)]
        if type(first) is Method:
            self.stack.append(first(second, self.texts, args, names))
            return
        known = BUILTINS.get(id(second if first is _NULL else first))
        if known is None or names or (first is not _NULL and second is not _NULL):
            raise NotPlain
        self.stack.append(known[1](self.texts, *args))

    def format_value(self, flags: int) -> None:  # 3.11 and 3.12
        spec = self.stack.pop() if flags & 4 else ""
        self.convert((None, "str", "repr", "ascii")[flags & 3])
        self.stack.append(formatted(self.stack.pop(), spec, self.texts))

    def convert(self, name: str | None) -> None:
        if name == "str":
            self.stack.append(text_of(self.stack.pop(), self.texts))
        elif name == "repr":
            self.stack.append(self.texts.repr_of(self.stack.pop()))
        elif name is not None:
            raise NotPlain

    def format_simple(self, argument: Any) -> None:
        self.stack.append(formatted(self.stack.pop(), "", self.texts))

    def format_with_spec(self, argument: Any) -> None:
        value, spec = self.pop(2)
        self.stack.append(formatted(value, spec, self.texts))

    def build_string(self, count: int) -> None:
        self.stack.append("".join(self.pop(count)))

    def build_tuple(self, count: int) -> None:
        self.stack.append(tuple(self.pop(count)))

    def build_list(self, count: int) -> None:
        self.stack.append(self.pop(count))

    def build_slice(self, count: int) -> None:
        self.stack.append(slice(*self.pop(count)))

    def binary_slice(self, argument: Any) -> None:
        value, start, stop = self.pop(3)
        self.stack.append(subscript(value, slice(start, stop), self.texts))

    def operate(self, operator: Operator) -> None:
        left, right = self.pop(2)
        self.stack.append(operator(left, right, self.texts))

    def compare(self, comparison: Callable[[Any, Any], bool]) -> None:
        left, right = self.pop(2)
        self.stack.append(comparison(bounded(left), bounded(right)))

    def is_same(self, inverted: int) -> None:
        left, right = self.pop(2)
        self.stack.append((left is right) ^ bool(inverted))

    def invert(self, argument: Any) -> None:
        self.stack.append(not truth(self.stack.pop()))

    def to_bool(self, argument: Any) -> None:
        self.stack.append(truth(self.stack.pop()))

    def copy(self, depth: int) -> None:
        self.stack.append(self.stack[-depth])

    def swap(self, depth: int) -> None:
        stack = self.stack
        stack[-1], stack[-depth] = stack[-depth], stack[-1]

    def drop(self, argument: Any) -> None:
        self.stack.pop()

    def jump(self, target: int) -> None:
        self.at = target

    def jump_if_true(self, target: int) -> None:
        if truth(self.stack.pop()):
            self.at = target

    def jump_if_false(self, target: int) -> None:
        if not truth(self.stack.pop()):
            self.at = target

    def jump_if_none(self, target: int) -> None:
        if self.stack.pop() is None:
            self.at = target

    def jump_if_not_none(self, target: int) -> None:
        if self.stack.pop() is not None:
            self.at = target

    def jump_if_true_or_drop(self, target: int) -> None:  # 3.11
        if truth(self.stack[-1]):
            self.at = target
        else:
            self.stack.pop()

    def jump_if_false_or_drop(self, target: int) -> None:  # 3.11
        if not truth(self.stack[-1]):
            self.at = target
        else:
            self.stack.pop()

    def give(self, argument: Any) -> None:
        self.at = -1

    def give_const(self, value: Any) -> None:
        self.stack.append(value)
        self.at = -1


# Namespaces of modules whose keys are texts, with their lengths then: they may have 1,000 names.
_namespaces: Final[dict[int, tuple[dict[str, Any], int]]] = {}


def _global_entry(namespace: dict[str, Any], name: str) -> Any:
    known = _namespaces.get(id(namespace))
    if known is None or known[1] != dict.__len__(namespace):
        if not has_names_alone(namespace):
            return entry(namespace, name)
        if len(_namespaces) >= _MOST_PROGRAMS:
            _namespaces.clear()
        _namespaces[id(namespace)] = namespace, dict.__len__(namespace)
    return dict.get(namespace, name, ABSENT)


# typeshed does not know this attribute of functions
_builtins_descriptor: Final[Any] = types.FunctionType.__dict__["__builtins__"].__get__


def _builtins_of(function: types.FunctionType) -> dict[str, Any]:
    found = _builtins_descriptor(function)
    return found if type(found) is dict else {}


# -- what the instructions say


def _nothing(instruction: Any) -> Any:
    return None


def _argument(instruction: Any) -> Any:
    return instruction.arg


def _value(instruction: Any) -> Any:
    return instruction.argval


def _target(instruction: Any) -> Any:
    return instruction.argval


def _global(instruction: Any) -> Any:
    return instruction.argval, bool(instruction.arg & 1)


def _operator(instruction: Any) -> Any:
    return OPERATORS.get(instruction.argrepr.removesuffix("="))


def _comparison(instruction: Any) -> Any:
    return COMPARISONS.get(instruction.argval.removeprefix("bool(").removesuffix(")"))


def _conversion(instruction: Any) -> Any:
    return instruction.argrepr


def _load_attribute(machine: _Machine, argument: tuple[str, bool]) -> None:
    name, is_method = argument
    if is_method:
        machine.load_method(name)
    else:
        machine.load_attribute(name)


def _attribute_name(instruction: Any) -> Any:
    """Name, and whether it is loaded to be called: told by the argument from 3.12 on."""
    return instruction.argval, "NULL|self" in instruction.argrepr


_WITHOUT_EFFECT: Final = frozenset(
    {"RESUME", "NOP", "CACHE", "PRECALL", "NOT_TAKEN", "EXTENDED_ARG"}
)

_STEPS: Final[dict[str, tuple[Callable[[_Machine, Any], None], Callable[[Any], Any]]]] = {
    **dict.fromkeys(
        ("LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK"), (_Machine.load_fast, _value)
    ),
    **dict.fromkeys(
        ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"),
        (_Machine.load_fast_twice, _value),
    ),
    **dict.fromkeys(
        ("POP_JUMP_FORWARD_IF_TRUE", "POP_JUMP_IF_TRUE"), (_Machine.jump_if_true, _target)
    ),
    **dict.fromkeys(
        ("POP_JUMP_FORWARD_IF_FALSE", "POP_JUMP_IF_FALSE"), (_Machine.jump_if_false, _target)
    ),
    **dict.fromkeys(
        ("POP_JUMP_FORWARD_IF_NONE", "POP_JUMP_IF_NONE"), (_Machine.jump_if_none, _target)
    ),
    **dict.fromkeys(
        ("POP_JUMP_FORWARD_IF_NOT_NONE", "POP_JUMP_IF_NOT_NONE"),
        (_Machine.jump_if_not_none, _target),
    ),
    "STORE_FAST": (_Machine.store_fast, _value),
    "STORE_FAST_LOAD_FAST": (_Machine.store_and_load, _value),
    "STORE_FAST_STORE_FAST": (_Machine.store_twice, _value),
    "LOAD_CONST": (_Machine.load_const, _value),
    "LOAD_SMALL_INT": (_Machine.load_const, _value),
    "LOAD_GLOBAL": (_Machine.load_global, _global),
    "LOAD_ATTR": (_load_attribute, _attribute_name),
    "LOAD_METHOD": (_Machine.load_method, _value),
    "PUSH_NULL": (_Machine.push_null, _nothing),
    "KW_NAMES": (_Machine.keyword_names, _argument),
    "CALL": (_Machine.call, _argument),
    "CALL_KW": (_Machine.call_with_keywords, _argument),
    "FORMAT_VALUE": (_Machine.format_value, _argument),
    "CONVERT_VALUE": (_Machine.convert, _conversion),
    "FORMAT_SIMPLE": (_Machine.format_simple, _nothing),
    "FORMAT_WITH_SPEC": (_Machine.format_with_spec, _nothing),
    "BUILD_STRING": (_Machine.build_string, _argument),
    "BUILD_TUPLE": (_Machine.build_tuple, _argument),
    "BUILD_LIST": (_Machine.build_list, _argument),
    "BUILD_SLICE": (_Machine.build_slice, _argument),
    "BINARY_SLICE": (_Machine.binary_slice, _nothing),
    "BINARY_OP": (_Machine.operate, _operator),
    "BINARY_SUBSCR": (_Machine.operate, lambda instruction: subscript),
    "COMPARE_OP": (_Machine.compare, _comparison),
    "IS_OP": (_Machine.is_same, _argument),
    "UNARY_NOT": (_Machine.invert, _nothing),
    "TO_BOOL": (_Machine.to_bool, _nothing),
    "COPY": (_Machine.copy, _argument),
    "SWAP": (_Machine.swap, _argument),
    "POP_TOP": (_Machine.drop, _nothing),
    "JUMP_FORWARD": (_Machine.jump, _target),
    "JUMP_IF_TRUE_OR_POP": (_Machine.jump_if_true_or_drop, _target),
    "JUMP_IF_FALSE_OR_POP": (_Machine.jump_if_false_or_drop, _target),
    "RETURN_VALUE": (_Machine.give, _nothing),
    "RETURN_CONST": (_Machine.give_const, _value),
}
