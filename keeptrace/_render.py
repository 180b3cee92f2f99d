"""The repr of a value, bounded, and without the user's code where it can be made without.

A class falls into one of a few kinds by what its `__repr__` is; only USER runs code that is not the standard library's.
The text is what `repr()` gives, up to the bound; then it ends in "...".
"""

from __future__ import annotations

import enum
import types
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final

_SMALL: Final = 1 << 63  # integers below need no second look
# Nested containers are followed so far. (levels)
_LEVELS: Final = 12

_mro_of: Final = type.__dict__["__mro__"].__get__
_namespace_of: Final = type.__dict__["__dict__"].__get__
_qualname_of: Final = type.__dict__["__qualname__"].__get__


class Kind(enum.Enum):
    """What making the repr of an instance takes."""

    DEFAULT = "object.__repr__: the type's name and the address"
    ATOM = "C code that looks at nothing but the value"
    CONTAINER = "a builtin container, written by us element by element"
    DATACLASS = "the __repr__ that dataclasses generated"
    NAMEDTUPLE = "the __repr__ that collections.namedtuple generated"
    ENUM = "the __repr__ of enum.Enum"
    USER = "code of the user's, or code that may call it"


class NeedsUserCode(Exception):
    """The repr cannot be made without running the user's code."""


class _Full(Exception):
    """The bound on the text is reached."""


def _std_types() -> dict[int, type]:
    """C types whose repr looks at nothing but the object itself."""
    import _thread

    async def coroutine() -> None: ...
    async def async_generator() -> Any:
        yield

    waiting = coroutine()
    waiting.close()
    found = (
        *(bool, int, float, complex, str, bytes, bytearray, range, type(None), type(Ellipsis), type(NotImplemented), memoryview),
        *(types.FunctionType, types.BuiltinFunctionType, types.ModuleType, types.CodeType, types.FrameType, types.TracebackType),
        *(types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, types.GetSetDescriptorType, types.MemberDescriptorType),
        *(type(waiting), types.WrapperDescriptorType, types.MethodWrapperType, types.MethodDescriptorType, types.CellType),
        *(_thread.LockType, type(_thread.RLock())),
    )
    return {id(cls): cls for cls in found}


_ATOMS: Final = _std_types()
_BRACKETS: Final = {
    id(list): ("[", "]"),
    id(tuple): ("(", ")"),
    id(set): ("{", "}"),
    id(frozenset): ("frozenset({", "})"),
    id(deque): ("deque([", "])"),
}
_AGAIN: Final = {id(list): "[...]", id(tuple): "(...)", id(dict): "{...}"}  # how repr() shows a cycle
# Modules of the standard library whose C types' reprs call nobody.
_ATOM_MODULES: Final = frozenset({"datetime", "decimal", "re", "_random", "_socket", "_hashlib", "zlib", "_struct"})


def attribute_of(mro: tuple[type, ...], name: str) -> tuple[type, Any]:
    """The class that defines an attribute, and the raw attribute; object and None if there is none."""
    for cls in mro:
        found = _namespace_of(cls).get(name)
        if found is not None:
            return cls, found
    return object, None


def kind_of(mro: tuple[type, ...]) -> Kind:
    """Which kind of repr the instances of mro[0] have."""
    owner, function = attribute_of(mro, "__repr__")
    if owner is object:
        return Kind.DEFAULT
    if type(function) is types.FunctionType:
        return _kind_of_function(owner, function)
    if type(function) is not types.WrapperDescriptorType:
        return Kind.USER
    if id(owner) in _ATOMS or owner.__module__ in _ATOM_MODULES:
        return Kind.ATOM
    if id(owner) in _BRACKETS or owner in (dict, OrderedDict, types.MethodType):
        return Kind.CONTAINER
    return Kind.USER


def _kind_of_function(owner: type, function: types.FunctionType) -> Kind:
    home = function.__globals__.get("__name__")
    namespace = _namespace_of(owner)
    if home in ("dataclasses", "reprlib") and "__dataclass_params__" in namespace and function.__code__.co_name == "wrapper":
        return Kind.DATACLASS
    if home == "collections" and type(namespace.get("_fields")) is tuple:
        return Kind.NAMEDTUPLE
    if home == "enum" and function.__qualname__ in ("Enum.__repr__", "Flag.__repr__"):
        return Kind.ENUM
    if home in ("pathlib", "pathlib._local", "uuid", "fractions", "ipaddress", "zoneinfo"):
        return Kind.ATOM
    return Kind.USER


class Renderer:
    """Makes reprs of at most `most` characters."""

    def __init__(self, most: int, run_reprs: bool) -> None:
        self._most = most
        self._run_reprs = run_reprs
        self._kinds: dict[int, tuple[type, Kind]] = {}  # with the class, so that its id is not given to another

    def kind(self, cls: type) -> Kind:
        """kind_of(), remembered."""
        found = self._kinds.get(id(cls))
        if found is None:
            found = self._kinds[id(cls)] = cls, kind_of(_mro_of(cls))
        return found[1]

    def __call__(self, value: Any) -> str:
        """The repr. Raises NeedsUserCode if it takes any, unless run_reprs is off: then such parts read as by default."""
        return self._write(value, _refuse if self._run_reprs else _by_address)

    def with_user_code(self, value: Any) -> str:
        """The repr, running whatever it takes: call it under guard. Raises what that raises."""
        return self._write(value, repr)

    def _write(self, value: Any, user: Callable[[Any], str]) -> str:
        writer = _Writer(self._most, user, self.kind)
        try:
            writer.write(value)
        except _Full:
            return "".join(writer.parts)[: self._most] + "..."
        return "".join(writer.parts)


def _refuse(value: Any) -> str:
    raise NeedsUserCode


def _by_address(value: Any) -> str:
    cls = type(value)
    module = type.__dict__["__module__"].__get__(cls)
    qualname = str(_qualname_of(cls))
    return f"<{qualname if module == 'builtins' else f'{module}.{qualname}'} object at {id(value):#x}>"


class _Writer:
    __slots__ = ("active", "kind", "left", "parts", "user")

    def __init__(self, most: int, user: Callable[[Any], str], kind: Callable[[type], Kind]) -> None:
        self.kind = kind
        self.left = most
        self.user = user
        self.parts: list[str] = []
        self.active: list[int] = []

    def put(self, text: str) -> None:
        self.parts.append(text)
        self.left -= len(text)
        if self.left < 0:
            raise _Full

    def write(self, value: Any) -> None:
        cls = type(value)
        if value is None or cls is bool or cls is float or (cls is int and -_SMALL < value < _SMALL):
            self.put(repr(value))
        elif cls is str or cls is bytes:
            self.put(repr(value) if len(value) <= self.left else repr(value[: self.left + 1]))
        elif cls is int and value.bit_length() > 10_000:  # int → str refuses more digits than sys.get_int_max_str_digits()
            self.put(hex(value) if value.bit_length() < 4 * self.left else f"<int of {value.bit_length()} bits>")
        elif cls is bytearray or (cls is memoryview and value.nbytes > self.left):
            self.put(f"{cls.__name__}({bytes(value[: self.left])!r})")
        elif id(value) in self.active:
            self.put(_AGAIN.get(id(cls), "..."))
        elif len(self.active) >= _LEVELS:
            self.put("...")
        else:
            self.active.append(id(value))
            _WRITERS[self.kind(cls)](self, value, cls)
            self.active.pop()

    def default(self, value: Any, cls: type) -> None:
        self.put(_by_address(value))

    def atom(self, value: Any, cls: Any) -> None:
        self.put(cls.__repr__(value))

    def by_user(self, value: Any, cls: type) -> None:
        self.put(self.user(value))

    def container(self, value: Any, cls: type) -> None:
        if cls is dict:
            self.put("{")
            self.pairs(value)
            self.put("}")
        elif id(cls) in _BRACKETS and not (cls in (set, frozenset) and not value):
            opening, closing = _BRACKETS[id(cls)]
            self.put(opening)
            for at, item in enumerate(value):
                if at:
                    self.put(", ")
                self.write(item)
            self.put(",)" if cls is tuple and len(value) == 1 else self.end_of_deque(value) if cls is deque else closing)
        elif cls is set or cls is frozenset:
            self.put(f"{cls.__name__}()")
        elif cls is types.MethodType:
            self.put(f"<bound method {value.__func__.__qualname__ if type(value.__func__) is types.FunctionType else '?'} of ")
            self.write(value.__self__)
            self.put(">")
        else:  # a subclass, whose iteration may be the user's
            self.by_user(value, cls)

    @staticmethod
    def end_of_deque(value: Any) -> str:
        return "])" if value.maxlen is None else f"], maxlen={value.maxlen})"

    def pairs(self, value: dict[Any, Any]) -> None:
        for at, (key, item) in enumerate(value.items()):
            if at:
                self.put(", ")
            self.write(key)
            self.put(": ")
            self.write(item)

    def fields(self, value: Any, cls: type, pairs: list[tuple[str, Any]]) -> None:
        self.put(f"{_qualname_of(cls)}(")
        for at, (name, item) in enumerate(pairs):
            self.put(f"{', ' if at else ''}{name}=")
            self.write(item)
        self.put(")")

    def dataclass(self, value: Any, cls: type) -> None:
        if any("__getattribute__" in _namespace_of(parent) for parent in _mro_of(cls)[:-1]):
            return self.by_user(value, cls)
        fields: dict[str, Any] = cls.__dataclass_fields__  # type: ignore[attr-defined]  # a dataclass has it
        names = [name for name, field in fields.items() if field._field_type.name == "_FIELD" and field.repr]
        stored = [_stored(value, name) for name in names]
        if any(item is _ABSENT for item in stored):
            return self.by_user(value, cls)
        return self.fields(value, cls, list(zip(names, stored)))

    def namedtuple(self, value: Any, cls: Any) -> None:
        self.put(f"{cls.__name__}(")
        for at, (name, item) in enumerate(zip(attribute_of(_mro_of(cls), "_fields")[1], tuple.__iter__(value))):
            self.put(f"{', ' if at else ''}{name}=")
            self.write(item)
        self.put(")")

    def enum(self, value: Any, cls: Any) -> None:
        name, inner = _stored(value, "_name_"), _stored(value, "_value_")
        own_repr = _namespace_of(cls).get("_value_repr_")  # of the data type that is mixed in
        if type(name) is not str or inner is _ABSENT or own_repr is not None:
            return self.by_user(value, cls)
        self.put(f"<{cls.__name__}.{name}: ")
        self.write(inner)
        self.put(">")


_ABSENT: Final = object()


def _stored(value: Any, name: str) -> Any:
    """An attribute from the instance's own __dict__ or slot; no property and no hook runs."""
    for cls in _mro_of(type(value)):
        found = _namespace_of(cls).get(name)
        if type(found) is types.MemberDescriptorType:
            try:
                return found.__get__(value)
            except AttributeError:
                return _ABSENT
    for cls in _mro_of(type(value)):
        holder = _namespace_of(cls).get("__dict__")
        if type(holder) is types.GetSetDescriptorType:
            return dict.get(holder.__get__(value), name, _ABSENT)
    return _ABSENT


_WRITERS: Final[dict[Kind, Callable[[_Writer, Any, Any], None]]] = {
    Kind.DEFAULT: _Writer.default,
    Kind.ATOM: _Writer.atom,
    Kind.CONTAINER: _Writer.container,
    Kind.DATACLASS: _Writer.dataclass,
    Kind.NAMEDTUPLE: _Writer.namedtuple,
    Kind.ENUM: _Writer.enum,
    Kind.USER: _Writer.by_user,
}
