"""Runs the steps of a plain `__repr__` or `__str__`, by the rules of capture/plain_code.py."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final

from ..core.raw import ABSENT, entry, has_names_alone
from .plain_code import (
    BUILTINS,
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

# If a program makes classes all the time, a table reaches the bound and starts afresh.
# (code objects)
MOST_PROGRAMS: Final = 4_096
# CPython pushes a NULL where a call has no receiver.
_NULL: Final = object()
# By the number in the flags of FORMAT_VALUE.
_CONVERSIONS: Final = (None, "str", "repr", "ascii")


class Machine:
    """A run over a code object."""

    __slots__ = ("at", "function", "keywords", "local", "stack", "texts")

    def __init__(self, function: types.FunctionType, value: object, texts: Texts) -> None:
        self.function: types.FunctionType = function
        self.local: dict[str, Any] = {function.__code__.co_varnames[0]: value}
        self.stack: list[Any] = []
        self.texts: Texts = texts
        self.keywords: tuple[str, ...] = ()
        self.at: int = 0

    def run(self, program: list[tuple[Callable[[Any, Any], None], Any]]) -> object:
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

    def load_const(self, value: object) -> None:
        self.stack.append(value)

    def push_null(self, argument: object) -> None:
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
        """A call. Below the arguments are a method and its receiver, or a function and a NULL."""
        values = self.pop(count)
        first, second = self.pop(2)
        keywords, self.keywords = self.keywords, ()
        positional = count - len(keywords)
        args = values[:positional]
        named = dict(zip(keywords, values[positional:]))
        if type(first) is Method:
            self.stack.append(first(second, self.texts, args, named))
        elif first is _NULL:
            self._call_builtin(second, args, named)
        elif second is _NULL:
            self._call_builtin(first, args, named)
        else:
            raise NotPlain

    def _call_builtin(self, called: object, args: list[Any], named: dict[str, Any]) -> None:
        known = BUILTINS.get(id(called))
        if known is None or named:
            raise NotPlain
        _, function = known
        self.stack.append(function(self.texts, *args))

    def format_value(self, flags: int) -> None:  # 3.11 and 3.12
        spec = ""
        if flags & 4:
            spec = self.stack.pop()
        self.convert(_CONVERSIONS[flags & 3])
        self.stack.append(formatted(self.stack.pop(), spec, self.texts))

    def convert(self, name: str | None) -> None:
        if name == "str":
            self.stack.append(text_of(self.stack.pop(), self.texts))
        elif name == "repr":
            self.stack.append(self.texts.repr_of(self.stack.pop()))
        elif name is not None:
            raise NotPlain

    def format_simple(self, argument: object) -> None:
        self.stack.append(formatted(self.stack.pop(), "", self.texts))

    def format_with_spec(self, argument: object) -> None:
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

    def binary_slice(self, argument: object) -> None:
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

    def invert(self, argument: object) -> None:
        self.stack.append(not truth(self.stack.pop()))

    def to_bool(self, argument: object) -> None:
        self.stack.append(truth(self.stack.pop()))

    def copy(self, depth: int) -> None:
        self.stack.append(self.stack[-depth])

    def swap(self, depth: int) -> None:
        stack = self.stack
        stack[-1], stack[-depth] = stack[-depth], stack[-1]

    def drop(self, argument: object) -> None:
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

    def give(self, argument: object) -> None:
        self.at = -1

    def give_const(self, value: object) -> None:
        self.stack.append(value)
        self.at = -1


# Namespaces of modules whose keys are all exact texts, and their lengths at the time of the check.
# A namespace may have 1,000 names, so the check is not repeated while the length is the same.
_namespaces: Final[dict[int, tuple[dict[str, Any], int]]] = {}


def _global_entry(namespace: dict[str, Any], name: str) -> object:
    known = _namespaces.get(id(namespace))
    if known is None or known[1] != dict.__len__(namespace):
        if not has_names_alone(namespace):
            return entry(namespace, name)
        if len(_namespaces) >= MOST_PROGRAMS:
            _namespaces.clear()
        _namespaces[id(namespace)] = namespace, dict.__len__(namespace)
    return dict.get(namespace, name, ABSENT)


# typeshed lacks this attribute of functions
_builtins_descriptor: Final[Any] = types.FunctionType.__dict__["__builtins__"].__get__


def _builtins_of(function: types.FunctionType) -> dict[str, Any]:
    found = _builtins_descriptor(function)
    if type(found) is dict:
        return found
    return {}
