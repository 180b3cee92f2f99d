"""Estimates the memory of variables, without running any of the program's code.

For a large container, we measure only a few elements; we count an object for every variable that
refers to the object.
"""

from __future__ import annotations

import heapq
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from ...core.raw import attribute_of, instance_dict, mro_of, name_of

# Elements to measure in a container; we assume a similar size for all elements. (elements)
_SAMPLE: Final = 20
# Containers within containers, such as a list of rows, with dicts of texts. (levels)
_LEVELS: Final = 4
# Innermost frames and variables to look at. (frames, variables a frame)
_MOST_FRAMES: Final = 50
_MOST_VARIABLES: Final = 100
# Variables in the result. (variables)
_MOST_TOLD: Final = 5
# Smaller variables explain nothing. (bytes)
_LEAST_TOLD: Final = 1 << 20

# Type in C → its iterator over the elements. We call no method of a subclass.
_ELEMENTS: Final[dict[type, Callable[[Any], Iterable[Any]]]] = {
    list: list.__iter__,
    tuple: tuple.__iter__,
    set: set.__iter__,
    frozenset: frozenset.__iter__,
    deque: deque.__iter__,
    dict: dict.values,
}
_SIZED: Final = (*_ELEMENTS, str, bytes, bytearray)
# Types of methods written in C.
_C_CODE: Final = (types.MethodDescriptorType, types.WrapperDescriptorType)


class LargeVariable(
    NamedTuple(
        "LargeVariable",
        [
            ("function", str),
            ("name", str),
            ("type", str),
            ("length", int | None),
            ("size", int),
        ],
    )
):
    """A variable of a frame. size: its approximate bytes."""

    __slots__ = ()

    def __str__(self) -> str:
        kind = self.type
        if self.length is not None:
            kind += f" of {self.length:,}"
        return f"{self.name} in {self.function}: {kind}, about {size_text(self.size)}"


def largest_of(frames: Iterable[types.FrameType]) -> list[LargeVariable]:
    """The largest variables of these frames, the largest first."""
    found: dict[int, tuple[Any, str, str]] = {}
    for value, function, name in _variables(frames):
        found.setdefault(id(value), (value, function, name))
    large = []
    for value, function, name in found.values():
        size = about_size(value)
        if size >= _LEAST_TOLD:
            kind = name_of(type(value))
            large.append(LargeVariable(function, name, kind, _length_of(value), size))
    return heapq.nlargest(_MOST_TOLD, large, key=lambda variable: variable.size)


def _variables(frames: Iterable[types.FrameType]) -> Iterator[tuple[Any, str, str]]:
    for frame in islice(frames, _MOST_FRAMES):
        for name, value in islice(list(frame.f_locals.items()), _MOST_VARIABLES):
            yield value, frame.f_code.co_name, name


def about_size(value: object, levels: int = _LEVELS) -> int:
    """The approximate bytes of an object with its contents."""
    size = _own_size(value)
    if levels == 0:
        return size
    base = _base_of(value, _ELEMENTS)
    if base is not None:
        size += _size_of_elements(_ELEMENTS[base], value, levels - 1)
    attributes = instance_dict(value)
    return size + _size_of_elements(dict.values, attributes, levels - 1)


def _own_size(value: object) -> int:
    _, method = attribute_of(mro_of(type(value)), "__sizeof__")
    if type(method) not in _C_CODE:  # a method of the program
        method = object.__sizeof__
    try:
        return int(method(value))
    except Exception:  # some types in C refuse
        return object.__sizeof__(value)


def _size_of_elements(elements: Callable[[Any], Iterable[Any]], value: object, levels: int) -> int:
    try:
        sample = list(islice(elements(value), _SAMPLE))
    except RuntimeError:  # another thread changes the container just now
        return 0
    if not sample:
        return 0
    sizes = [about_size(element, levels) for element in sample]
    mean = sum(sizes) / len(sizes)
    length = _length_of(value) or 0
    return int(mean * length)


def _length_of(value: object) -> int | None:
    base: Any = _base_of(value, _SIZED)
    if base is None:
        return None
    return int(base.__len__(value))


def _base_of(value: object, bases: Iterable[type]) -> type | None:
    mro = mro_of(type(value))
    for base in bases:
        if any(base is each for each in mro):
            return base
    return None


_UNITS: Final = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def size_text(size: int) -> str:
    """Bytes as a text to read: 3.9 GB."""
    for unit, bytes_of in _UNITS:
        if size >= bytes_of:
            return f"{size / bytes_of:.1f} {unit}"
    return f"{size} bytes"
