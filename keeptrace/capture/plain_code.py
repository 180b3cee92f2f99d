"""The rules for following a plain `__repr__` or `__str__` step by step, instead of running it.

A running repr may do anything: a model's repr may query a database. Most reprs only read stored
attributes and format the values. keeptrace follows such a repr over the real object, bytecode
instruction by instruction. Each step is of a kind without effects outside:

    attributes      stored in the object's own __dict__ or slots, or constants of its class; never
                    through a property, another descriptor, __getattr__ or __getattribute__
    calls           of builtins with one value as argument (str, repr, len, type, ...), and of
                    methods of exact texts
    operators       between exact atoms; subscripts of exact texts, lists, tuples and dicts by atoms
    formatting      of exact atoms by Python; of all other values by the caller (`Texts`), with the
                    same rules
    jumps           forwards only, so the code ends

Any other step raises NotPlain. This module has the rules, capture/plain_machine.py the steps.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from ..core.raw import (
    ABSENT,
    attribute_of,
    class_attribute,
    entry,
    instance_dict,
    is_looked_up_plainly,
    module_of,
    mro_of,
    name_of,
    qualname_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sized

# Joining or formatting a longer text raises NotPlain. (characters)
_MOST_TEXT: Final = 100_000
# A width or precision with more digits would make megabytes of text. (digits)
_MOST_DIGITS: Final = 3
# str() of an integer takes time quadratic in its digits. (bits)
_MOST_BITS: Final = 10_000

_ATOMS: Final = frozenset(map(id, (str, int, float, bool, type(None), bytes, complex)))
_args_of: Final = BaseException.__dict__["args"].__get__
_SIZED: Final = frozenset(map(id, (str, bytes, bytearray, list, tuple, dict, set, frozenset)))
_INDEXED: Final = frozenset(map(id, (str, bytes, list, tuple)))


class NotPlain(Exception):
    """The code does more than read stored attributes and format the values."""


class Texts(Protocol):
    """Makes the texts of all values except atoms."""

    def repr_of(self, value: object) -> str: ...
    def str_of(self, value: object) -> str: ...


class _Shown:
    """Stands for a value in `%` and str.format, which see only the texts."""

    __slots__ = ("_texts", "_value")

    def __init__(self, value: object, texts: Texts) -> None:
        self._value = value
        self._texts = texts

    def __str__(self) -> str:
        return self._texts.str_of(self._value)

    def __repr__(self) -> str:
        return self._texts.repr_of(self._value)

    def __format__(self, spec: str) -> str:
        if spec:
            raise NotPlain
        return str(self)


# -- atoms, formats and attributes


def _is_atom(value: object) -> bool:
    return id(type(value)) in _ATOMS


def bounded(value: Any) -> Any:
    """The value. Raises NotPlain unless the value is an atom of bounded size."""
    cls = type(value)
    if cls is str or cls is bytes:
        if len(value) > _MOST_TEXT:
            raise NotPlain
    elif (cls is int and value.bit_length() > _MOST_BITS) or id(cls) not in _ATOMS:
        raise NotPlain
    return value


def _shown(value: object, texts: Texts) -> object:
    if _is_atom(value) and type(value) is not bytes:
        return bounded(value)
    return _Shown(value, texts)


def _checked_format(text: object) -> str:
    """The format itself. Raises NotPlain if a width in the format could take megabytes."""
    if type(text) is not str or len(text) > _MOST_TEXT or "*" in text:
        raise NotPlain
    for are_digits, run in itertools.groupby(text, str.isdigit):
        if are_digits and len(list(run)) > _MOST_DIGITS:
            raise NotPlain
    return text


def formatted(value: object, spec: object, texts: Texts) -> str:
    if spec == "":
        return text_of(value, texts)
    return format(_shown(value, texts), _checked_format(spec))


def text_of(value: object, texts: Texts) -> str:
    if type(value) is str:
        return str(bounded(value))
    return texts.str_of(value)


def truth(value: object) -> bool:
    cls = type(value)
    if id(cls) in _ATOMS or id(cls) in _SIZED:
        return bool(value)
    mro = mro_of(cls)
    for hook in ("__bool__", "__len__"):
        if class_attribute(mro, hook) is not None:
            raise NotPlain
    return True


def _length(value: Sized) -> int:
    if id(type(value)) not in _SIZED:
        raise NotPlain
    return len(value)


def attribute(value: Any, name: str) -> object:
    """The value of `value.name`: stored by the object, or a constant of the class."""
    cls = type(value)
    mro = mro_of(cls)
    if any(parent is type for parent in mro):
        return _attribute_of_class(value, name)
    if not is_looked_up_plainly(mro):
        raise NotPlain
    owner, found = attribute_of(mro, name)
    if name == "__class__":
        if owner is not object:
            raise NotPlain
        return cls
    if name == "args" and owner is BaseException:
        return _args_of(value)
    if type(found) is types.MemberDescriptorType:
        return _value_of_slot(found, value)
    own = instance_dict(value)
    if name == "__dict__":
        return _whole_dict(own, found)
    return _stored_or_constant(own, name, found)


def _value_of_slot(slot: types.MemberDescriptorType, value: object) -> object:
    try:
        return slot.__get__(value)
    except AttributeError:  # a slot without a value
        raise NotPlain from None


def _whole_dict(own: dict[Any, Any], found: object) -> dict[Any, Any]:
    """The object's __dict__. found: the class's own attribute `__dict__`."""
    if type(own) is not dict or type(found) is not types.GetSetDescriptorType:
        raise NotPlain
    return own


def _stored_or_constant(own: dict[Any, Any], name: str, found: object) -> object:
    """The entry of the object's __dict__; else `found`, the class's attribute of the same name."""
    kind = mro_of(type(found))
    for hook in ("__set__", "__delete__"):
        if class_attribute(kind, hook) is not None:  # such a descriptor overrides the __dict__
            raise NotPlain
    held = entry(own, name)
    if held is not ABSENT:
        return held
    if found is None or class_attribute(kind, "__get__") is not None:
        raise NotPlain
    return found


def _attribute_of_class(cls: type, name: str) -> object:
    reader = _OF_CLASSES.get(name)
    if reader is None:
        raise NotPlain
    metaclasses = mro_of(type(cls))
    for looked_up in (name, "__getattribute__"):
        owner, _ = attribute_of(metaclasses, looked_up)
        if owner is not type:
            raise NotPlain
    return reader(cls)


_OF_CLASSES: Final[dict[str, Callable[[type], str]]] = {
    "__name__": name_of,
    "__qualname__": qualname_of,
    "__module__": module_of,
}


# -- calls


def _one_number(call: Callable[[Any], Any]) -> Callable[..., Any]:
    def checked(texts: Texts, value: object) -> object:
        if type(value) not in (int, float, bool):
            raise NotPlain
        return call(bounded(value))

    return checked


def _format_call(texts: Texts, value: object, spec: object = "") -> str:
    return formatted(value, spec, texts)


def _getattr_call(texts: Texts, value: object, name: object, default: object = None) -> object:
    if type(name) is not str:
        raise NotPlain
    return attribute(value, name)  # no default: __getattr__ may give an absent attribute


_CALLS: Final[tuple[tuple[Any, Callable[..., Any]], ...]] = (
    (str, lambda texts, value="": text_of(value, texts)),
    (repr, lambda texts, value: texts.repr_of(value)),
    (format, _format_call),
    (len, lambda texts, value: _length(value)),
    (bool, lambda texts, value=False: truth(value)),
    (type, lambda texts, value: type(value)),
    (id, lambda texts, value: id(value)),
    (vars, lambda texts, value: attribute(value, "__dict__")),
    (getattr, _getattr_call),
    *((call, _one_number(call)) for call in (hex, oct, bin, abs, round, int, float)),
)
BUILTINS: Final[dict[int, tuple[Any, Callable[..., Any]]]] = {
    id(builtin): (builtin, call) for builtin, call in _CALLS
}

# Methods of an exact text with a result no longer than the text.
_TEXT_METHODS: Final = frozenset(
    {
        "capitalize",
        "casefold",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "startswith",
        "endswith",
        "strip",
        "swapcase",
        "title",
        "upper",
        "isdigit",
        "isidentifier",
    }
)


def _join(text: str, parts: Collection[Any]) -> str:
    if type(parts) not in (list, tuple):
        raise NotPlain
    size = len(text) * len(parts)
    for part in parts:
        if type(part) is not str:
            raise NotPlain
        size += len(part)
    if size > _MOST_TEXT:
        raise NotPlain
    return text.join(parts)


def _format_method(text: str, texts: Texts, args: list[Any], names: dict[str, Any]) -> str:
    import string

    for _, field, spec, _ in string.Formatter().parse(_checked_format(text)):
        if field and ("." in field or "[" in field):
            raise NotPlain
        if spec and "{" in spec:
            raise NotPlain
    shown = [_shown(value, texts) for value in args]
    named = {name: _shown(value, texts) for name, value in names.items()}
    return text.format(*shown, **named)


class Method:
    """A method of an exact text, loaded for a call."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: str = name

    def __call__(self, text: str, texts: Texts, args: list[Any], names: dict[str, Any]) -> object:
        if self.name == "format":
            return _format_method(text, texts, args, names)
        if names:
            raise NotPlain
        if self.name == "join" and len(args) == 1:
            return _join(text, args[0])
        if self.name not in _TEXT_METHODS:
            raise NotPlain
        return getattr(str, self.name)(bounded(text), *map(bounded, args))


# -- operators


def _percent(left: object, right: object, texts: Texts) -> object:
    if type(left) is not str:
        return bounded(left) % bounded(right)
    if type(right) is not tuple:
        if type(right) is dict or "%(" in left:
            raise NotPlain
        right = (right,)
    shown = [_shown(value, texts) for value in right]
    return _checked_format(left) % tuple(shown)


def _add(left: object, right: object, texts: Texts) -> object:
    return bounded(left) + bounded(right)


def _subtract(left: object, right: object, texts: Texts) -> object:
    return bounded(left) - bounded(right)


def _multiply(left: Any, right: Any, texts: Texts) -> object:
    for text, count in ((left, right), (right, left)):
        if type(text) not in (str, bytes):
            continue
        if type(count) is not int or count > _MOST_TEXT:
            raise NotPlain
        if len(text) * count > _MOST_TEXT:
            raise NotPlain
    return bounded(left) * bounded(right)


def _divide(left: object, right: object, texts: Texts) -> object:
    return bounded(left) / bounded(right)


def subscript(left: Any, right: object, texts: Texts) -> object:
    if type(left) is dict:
        if type(right) is not str:
            raise NotPlain
        found = entry(left, right)
        if found is ABSENT:
            raise NotPlain
        return found
    if id(type(left)) not in _INDEXED:
        raise NotPlain
    if type(right) is slice:
        ends = (right.start, right.stop, right.step)
        return left[slice(*map(bounded, ends))]
    return left[bounded(right)]


Operator: TypeAlias = Callable[[Any, Any, Texts], Any]
OPERATORS: Final[dict[str, Operator]] = {
    "%": _percent,
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "[]": subscript,
}
COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}
