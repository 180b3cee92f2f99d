"""The repr of a value, bounded, and without the user's code where it can be made without.

A class falls into one of a few kinds by what its `__repr__` is; only USER runs code that is not the standard library's.
The text is what `repr()` gives, up to the bound; then it ends in "...".
"""

from __future__ import annotations

import enum
import functools
import gc
import sys
import types
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Callable, Iterable
from importlib.machinery import ModuleSpec
from typing import Any, Final

_SMALL: Final = 1 << 63  # integers below need no second look
# Nested containers are followed so far. (levels)
_LEVELS: Final = 12

_mro_of: Final = type.__dict__["__mro__"].__get__
_namespace_of: Final = type.__dict__["__dict__"].__get__
_qualname_of: Final = type.__dict__["__qualname__"].__get__
_name_of: Final = type.__dict__["__name__"].__get__
_raw_module_of: Final = type.__dict__["__module__"].__get__


def _module_of(cls: type) -> Any:
    try:
        return _raw_module_of(cls)
    except AttributeError:  # deleted from the class
        return None


def _plain(name: Any) -> str:
    return name if type(name) is str else "?"


def _tzinfo_of(value: Any) -> Any:
    for cls in _mro_of(type(value)):
        if _name_of(cls) in ("datetime", "time") and _module_of(cls) == "datetime":
            return _namespace_of(cls)["tzinfo"].__get__(value)
    return None


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
_AGAIN: Final = {id(list): "[...]", id(tuple): "(...)", id(dict): "{...}"}  # how repr() shows a cycle
# Modules of the standard library whose C types' reprs call nobody.
_ATOM_HOMES: Final = frozenset({"pathlib", "pathlib._local", "uuid", "fractions", "ipaddress", "zoneinfo"})
# More are shown in the order in which they were met. (elements of a Counter)
_MOST_SORTED: Final = 1_000
# typeshed takes the __dict__ of this class for one of its instances'
_module_dict: Final[Any] = types.ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]
_namespace_dict: Final = types.SimpleNamespace.__dict__["__dict__"].__get__
_maxlen_of: Final = deque.__dict__["maxlen"].__get__
_factory_of: Final = defaultdict.__dict__["default_factory"].__get__
_function_of, _arguments_of, _keywords_of = (functools.partial.__dict__[name].__get__ for name in ("func", "args", "keywords"))
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
    if id(owner) in _CONTAINERS or _is_array(owner):
        return Kind.CONTAINER
    if type(function) is types.FunctionType:
        return _kind_of_function(mro[0], owner, function)
    if type(function) is not types.WrapperDescriptorType:
        return Kind.USER
    if id(owner) in _ATOMS or _module_of(owner) in _ATOM_MODULES:
        return Kind.ATOM
    return Kind.USER


def _is_array(cls: type) -> bool:
    return getattr(sys.modules.get("array"), "array", None) is cls


def _kind_of_function(cls: type, owner: type, function: types.FunctionType) -> Kind:
    home = function.__globals__.get("__name__")
    namespace = _namespace_of(owner)
    if home in ("dataclasses", "reprlib") and "__dataclass_params__" in namespace and function.__code__.co_name == "wrapper":
        return Kind.DATACLASS
    if home == "collections" and type(namespace.get("_fields")) is tuple:
        return Kind.NAMEDTUPLE
    if home == "enum" and function.__qualname__ in ("Enum.__repr__", "Flag.__repr__"):
        return Kind.ENUM
    if home in _ATOM_HOMES and _module_of(cls) in _ATOM_HOMES:  # in a subclass of the user's it would call the user's methods
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
        except RuntimeError:  # a container that another thread is changing
            if user is repr:  # under guard, where the user's own RuntimeErrors are to be told
                raise
            return "".join(writer.parts)[: self._most] + "... (changed while it was read)"
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
        owner, function = attribute_of(_mro_of(cls), "__repr__")
        if owner is bytes or owner is str:  # of a subclass; what is long is not copied
            self.put(repr(owner.__getitem__(value, slice(0, self.left + 1))))
        elif owner is bytearray:
            self.put(f"{_name_of(cls)}({bytes(bytearray.__getitem__(value, slice(0, self.left)))!r})")
        elif owner is int and int.bit_length(value) > 10_000:
            self.put(f"<int of {int.bit_length(value)} bits>")
        elif owner is types.ModuleType and not (cls is owner and type(_module_dict(value).get("__spec__")) is ModuleSpec):
            self.put(f"<module {_plain(_module_dict(value).get('__name__'))!r}>")  # its own hooks would be asked
        elif _module_of(owner) == "datetime" and _module_of(type(_tzinfo_of(value))) not in ("builtins", "datetime", "zoneinfo"):
            self.by_user(value, cls)
        else:
            self.put(function(value))

    def by_user(self, value: Any, cls: type) -> None:
        self.put(self.user(value))

    def container(self, value: Any, cls: type) -> None:
        """By the class that defines the repr, and with that class's own methods: a subclass's may be the user's."""
        owner = cls if id(cls) in _CONTAINERS else attribute_of(_mro_of(cls), "__repr__")[0]
        _CONTAINERS.get(id(owner), _Writer.typed_array)(self, value, owner)

    def items(self, found: Iterable[Any]) -> None:
        for at, item in enumerate(found):
            if at:
                self.put(", ")
            self.write(item)

    def pairs(self, found: Iterable[tuple[Any, Any]]) -> None:
        self.put("{")
        for at, (key, item) in enumerate(found):
            if at:
                self.put(", ")
            self.write(key)
            self.put(": ")
            self.write(item)
        self.put("}")

    def call(self, name: str, *parts: Any) -> None:
        """name(parts); a part that is no str is a value to be written."""
        self.put(f"{name}(")
        for part in parts:
            if type(part) is str:
                self.put(part)
            else:
                part()
        self.put(")")

    def mapping(self, value: Any, owner: Any) -> None:
        self.pairs(dict.items(value))

    def sequence(self, value: Any, owner: Any) -> None:
        self.put("[" if owner is list else "(")
        self.items(owner.__iter__(value))
        self.put("]" if owner is list else ",)" if tuple.__len__(value) == 1 else ")")

    def unordered(self, value: Any, owner: Any) -> None:
        if type(value) is set and value:
            self.put("{")
            self.items(value)
            self.put("}")
        elif owner.__len__(value):
            self.call(_name_of(type(value)), "{", lambda: self.items(owner.__iter__(value)), "}")
        else:
            self.put(f"{_name_of(type(value))}()")

    def queue(self, value: Any, owner: Any) -> None:
        most = _maxlen_of(value)
        self.call(_name_of(type(value)), "[", lambda: self.items(deque.__iter__(value)), "]" if most is None else f"], maxlen={most}")

    def ordered_dict(self, value: Any, owner: Any) -> None:
        found = OrderedDict.items(value)
        if not dict.__len__(value):
            self.put(f"{_name_of(type(value))}()")
        elif sys.version_info >= (3, 12):
            self.call(_name_of(type(value)), lambda: self.pairs(found))
        else:
            self.call(_name_of(type(value)), "[", lambda: self.items(found), "]")

    def default_dict(self, value: Any, owner: Any) -> None:
        self.call(_name_of(type(value)), lambda: self.write(_factory_of(value)), ", ", lambda: self.pairs(dict.items(value)))

    def counter(self, value: Any, owner: Any) -> None:
        if not dict.__len__(value):
            return self.put(f"{_name_of(type(value))}()")
        found: Any = dict.items(value)
        if dict.__len__(value) <= _MOST_SORTED and all(type(count) is int for count in dict.values(value)):
            found = sorted(found, key=lambda pair: -pair[1])
        return self.call(_name_of(type(value)), lambda: self.pairs(found))

    def view(self, value: Any, owner: Any) -> None:
        self.call(_name_of(type(value)), "[", lambda: self.items(owner.__iter__(value)), "]")

    def proxy(self, value: Any, owner: Any) -> None:
        (inner,) = gc.get_referents(value)  # the only way to it that asks nobody
        self.call("mappingproxy", lambda: self.write(inner))

    def namespace(self, value: Any, owner: Any) -> None:
        name = "namespace" if type(value) is owner else _name_of(type(value))
        self.fields(value, name, [(key, item) for key, item in _namespace_dict(value).items() if type(key) is str])

    def typed_array(self, value: Any, owner: Any) -> None:
        code = owner.typecode.__get__(value)
        if not owner.__len__(value):
            self.put(f"{_name_of(type(value))}({code!r})")
        else:
            few = owner.__getitem__(value, slice(0, self.left))
            self.call(_name_of(type(value)), f"{code!r}, ", lambda: self.write(few.tounicode() if code in ("u", "w") else few.tolist()))

    def method(self, value: Any, owner: Any) -> None:
        self.put(f"<bound method {value.__func__.__qualname__ if type(value.__func__) is types.FunctionType else '?'} of ")
        self.write(value.__self__)
        self.put(">")

    def partial(self, value: Any, owner: Any) -> None:
        def keywords() -> None:
            for name, item in _keywords_of(value).items():
                self.put(f", {name}=")
                self.write(item)

        def arguments() -> None:
            for item in _arguments_of(value):
                self.put(", ")
                self.write(item)

        cls = type(value)
        whole = cls is owner or sys.version_info >= (3, 13)  # a subclass is shown by its bare name before that
        name = f"{_module_of(cls)}.{_qualname_of(cls)}" if whole else _name_of(cls)
        self.call(name, lambda: self.write(_function_of(value)), arguments, keywords)

    def user_data(self, value: Any, owner: Any) -> None:
        self.write(_stored(value, "data"))

    def chain_map(self, value: Any, owner: Any) -> None:
        self.call(_name_of(type(value)), lambda: self.items(_stored(value, "maps")))

    def fields(self, value: Any, name: str, pairs: list[tuple[str, Any]]) -> None:
        self.put(f"{name}(")
        for at, (name, item) in enumerate(pairs):
            self.put(f"{', ' if at else ''}{name}=")
            self.write(item)
        self.put(")")

    def dataclass(self, value: Any, cls: type) -> None:
        if any("__getattribute__" in _namespace_of(parent) for parent in _mro_of(cls)[:-1]):
            return self.by_user(value, cls)
        fields: Any = attribute_of(_mro_of(cls), "__dataclass_fields__")[1]
        names = [name for name, field in fields.items() if field._field_type.name == "_FIELD" and field.repr]
        stored = [_stored(value, name) for name in names]
        if any(item is _ABSENT for item in stored):
            return self.by_user(value, cls)
        return self.fields(value, _qualname_of(cls), list(zip(names, stored)))

    def namedtuple(self, value: Any, cls: Any) -> None:
        self.fields(value, _name_of(cls), list(zip(attribute_of(_mro_of(cls), "_fields")[1], tuple.__iter__(value))))

    def enum(self, value: Any, cls: Any) -> None:
        name, inner = _stored(value, "_name_"), _stored(value, "_value_")
        own_repr = _namespace_of(cls).get("_value_repr_")  # of the data type that is mixed in
        if type(name) is not str or inner is _ABSENT or own_repr is not None:
            return self.by_user(value, cls)
        self.put(f"<{_name_of(cls)}.{name}: ")
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
        if type(holder) is types.GetSetDescriptorType and cls is not type:
            return dict.get(holder.__get__(value), name, _ABSENT)
    return _ABSENT


# The class that defines the repr -> what writes it.
_CONTAINERS: Final[dict[int, Callable[[_Writer, Any, Any], None]]] = {
    id(dict): _Writer.mapping,
    id(list): _Writer.sequence,
    id(tuple): _Writer.sequence,
    id(set): _Writer.unordered,
    id(frozenset): _Writer.unordered,
    id(deque): _Writer.queue,
    id(OrderedDict): _Writer.ordered_dict,
    id(defaultdict): _Writer.default_dict,
    id(Counter): _Writer.counter,
    id(ChainMap): _Writer.chain_map,
    **{id(cls): _Writer.user_data for cls in (UserDict, UserList)},
    **{id(type(view(cls()))): _Writer.view for cls in (dict, OrderedDict) for view in (cls.keys, cls.values, cls.items)},
    id(types.MappingProxyType): _Writer.proxy,
    id(types.SimpleNamespace): _Writer.namespace,
    id(types.MethodType): _Writer.method,
    id(functools.partial): _Writer.partial,
}
_WRITERS: Final[dict[Kind, Callable[[_Writer, Any, Any], None]]] = {
    Kind.DEFAULT: _Writer.default,
    Kind.ATOM: _Writer.atom,
    Kind.CONTAINER: _Writer.container,
    Kind.DATACLASS: _Writer.dataclass,
    Kind.NAMEDTUPLE: _Writer.namedtuple,
    Kind.ENUM: _Writer.enum,
    Kind.USER: _Writer.by_user,
}
