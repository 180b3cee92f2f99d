"""The classes of exceptions: looked up, or made with the same name and the nearest base."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from typing import Any

from .descriptors import raw_base_of, raw_mro_of, raw_namespace_of
from .fields import BUILTIN_TYPES
from .once import made_once
from .order import in_order
from .policy import Policy


def builtin_base(mro: tuple[type, ...]) -> type[BaseException]:
    """The builtin class whose C struct the instances have: its __new__ runs no user code."""
    cls: Any = mro[0]
    while id(cls) not in BUILTIN_TYPES:
        cls = raw_base_of(cls)
    found: type[BaseException] = BaseException
    if issubclass(cls, BaseException):
        found = cls
    return found


def builtin_bases(mro: tuple[type, ...]) -> tuple[type[BaseException], ...]:
    """The builtin exceptions among the bases, without those that are bases of another one."""
    found: list[type[BaseException]] = []
    for cls in mro:
        is_builtin = id(cls) in BUILTIN_TYPES and issubclass(cls, BaseException)
        if is_builtin and not any(issubclass(other, cls) for other in found):
            found.append(cls)
    return tuple(found)


def exception_types(report: dict[str, Any], policy: Policy) -> list[Any]:
    """The classes for the entries of `types`: looked up, or made with the same name.

    None for an entry without bases, unless the entry is a builtin exception.
    """
    types_ = report["types"]
    made: list[Any] = [None] * len(types_)
    indexes: Iterable[int] = range(len(types_))
    if any([bases for _, _, bases in types_]):
        indexes = in_order(indexes, lambda index: types_[index][2])
    for index in indexes:
        module, qualname, bases = types_[index]
        if not bases and module != "builtins":  # the type of a value needs no look-up
            continue
        above = [made[base] for base in bases]
        found = policy.find(module, qualname)
        if _may_be_used(found, above):
            made[index] = found
        elif bases:
            made[index] = _class_below(above, qualname, module, policy)
    return made


def _class_below(bases: list[Any], qualname: str, module: str, policy: Policy) -> object:
    """A new class with these bases. None stands for a base that was not found."""
    above = [base for base in bases if base is not None] or [Exception]
    if not policy.trusts:
        above = [_without_hooks(base) for base in above]
    return exception_class(qualname, module, tuple(dict.fromkeys(above)))


def is_hooked(mro: tuple[type, ...]) -> bool:
    """Whether making a subclass runs the program's code."""
    if has_hook(mro, "__init_subclass__"):
        return True
    return any(type(cls) not in (type, abc.ABCMeta) for cls in mro)


def _without_hooks(cls: type[BaseException]) -> type[BaseException]:
    """The nearest class of the MRO that allows subclasses without running the program's code."""
    found: type[BaseException] = next(
        above for above in raw_mro_of(cls) if not is_hooked(raw_mro_of(above))
    )
    return found


def _may_be_used(cls: object, bases: list[Any]) -> bool:
    """Whether this is an exception class with the original's builtin bases, so that an `except` for
    them works. A different class may have the same name.
    """
    if not isinstance(cls, type) or not issubclass(cls, BaseException):
        return False
    builtin = {id(base) for base in bases if base is not None} & BUILTIN_TYPES
    return builtin <= set(map(id, raw_mro_of(cls)))  # by id: `in` would run a metaclass's __eq__


def _make_class(
    like: type, name: str, bases: tuple[type, ...], namespace: dict[str, Any]
) -> type[BaseException]:
    """A class with the metaclass of another."""
    metaclass: Any = type(like)
    made: type[BaseException] = metaclass(name, bases, namespace)
    return made


@made_once(256)
def exception_class(
    qualname: str, module: str, bases: tuple[type[BaseException], ...]
) -> type[BaseException]:
    namespace = {"__module__": module, "__qualname__": qualname, "__doc__": None}
    name = qualname.rpartition(".")[2] or "Exception"
    for candidate in (bases, bases[:1], (builtin_base(raw_mro_of(bases[0])),)):
        try:
            return _make_class(bases[0], name, candidate, dict(namespace))
        except Exception:  # a layout or MRO conflict, or a hook of the user's base: try fewer bases
            continue
    return type(name, (Exception,), namespace)


def _told(self: BaseException) -> str:
    text: str = self.__keeptrace_str__  # type: ignore[attr-defined]
    return text


def _true(self: BaseException) -> bool:
    return True


@made_once(256)
def leaf_class(cls: type[BaseException], told: bool, truthy: bool) -> type[BaseException]:
    """A subclass of the same name. told: with the recorded message. truthy: bool() gives True."""
    namespace: dict[str, Any] = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__slots__": (),
        "__doc__": cls.__doc__,
    }
    if told:
        namespace.update(__slots__=("__keeptrace_str__",), __str__=_told)
    if truthy:
        namespace["__bool__"] = _true
    return _make_class(cls, cls.__name__, (cls,), namespace)


def has_hook(mro: tuple[type, ...], *names: str) -> bool:
    """Whether a class defines a special method of these names. Builtin classes do not count."""
    return any(
        name in raw_namespace_of(cls)
        for cls in mro
        if id(cls) not in BUILTIN_TYPES
        for name in names
    )
