"""The kind of a class's `__repr__`, which says how keeptrace makes the repr of an instance.

Only Kind.USER needs code that is neither C code, nor generated, nor the standard library's.
"""

from __future__ import annotations

import enum
import types
from typing import Any, Final

from ..core.raw import attribute_of, loaded, module_dict, names_of, namespace_of
from .exact import is_stdlib_code


class Kind(enum.Enum):
    """Who makes the repr of an instance."""

    DEFAULT = "object.__repr__: the type's name and the address"
    ATOM = "C code that looks at nothing but the value"
    STDLIB = "Python code of the standard library that reads the object's own state alone"
    BUILTIN = "C code that calls the reprs of what the value holds: written by us instead"
    DATACLASS = "the __repr__ that dataclasses generated"
    NAMEDTUPLE = "the __repr__ that collections.namedtuple generated"
    ENUM = "the __repr__ of enum.Enum"
    ATTRS = "the __repr__ that attrs generated"
    PYDANTIC = "the __repr__ of pydantic.BaseModel"
    SUMMARY = "a summary of capture/summaries.py"
    USER = "code of the program's, or code that may call it"


def _atoms() -> dict[int, type]:
    """C types whose repr looks at nothing but the object itself."""
    import _thread

    async def coroutine() -> None: ...
    async def async_generator() -> Any:
        yield

    waiting = coroutine()
    waiting.close()
    found = (
        *(bool, int, float, complex, str, bytes, bytearray, range),
        *(type(None), type(Ellipsis), type(NotImplemented), memoryview),
        *(types.FunctionType, types.BuiltinFunctionType, types.ModuleType, types.CodeType),
        *(types.FrameType, types.TracebackType, types.CellType),
        *(types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, type(waiting)),
        *(types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType),
        *(types.MethodWrapperType, types.MethodDescriptorType),
        *(_thread.LockType, type(_thread.RLock())),
    )
    return {id(cls): cls for cls in found}


_ATOMS: Final = _atoms()
# Modules of C types whose reprs call no other code, after their parts have been checked.
_ATOM_MODULES: Final = frozenset(
    {
        *("datetime", "decimal", "re", "zoneinfo", "mmap"),
        *("_random", "_socket", "_hashlib", "zlib", "_struct"),
    }
)
# Modules of Python's library whose classes' reprs read their own state alone.
_STDLIB_HOMES: Final = frozenset({"pathlib", "pathlib._local", "uuid", "fractions", "ipaddress"})


def kind_of(mro: tuple[type, ...], written: dict[int, Any]) -> Kind:
    """The kind of repr of the instances of mro[0]. written: ids of the classes of Kind.BUILTIN."""
    owner, function = attribute_of(mro, "__repr__")
    if owner is object:
        return Kind.DEFAULT
    if id(owner) in written or owner is loaded("array", "array"):
        return Kind.BUILTIN
    if type(function) is types.FunctionType:
        return _kind_of_function(mro, owner, function)
    if type(function) is not types.WrapperDescriptorType:
        return Kind.USER
    if id(owner) in _ATOMS or names_of(owner)[0] in _ATOM_MODULES:
        return Kind.ATOM
    return Kind.USER


def _kind_of_function(mro: tuple[type, ...], owner: type, function: types.FunctionType) -> Kind:
    for is_of_kind, kind in _KINDS_OF_FUNCTIONS:
        if is_of_kind(mro, owner, function):
            return kind
    return Kind.USER


def _home_of(function: types.FunctionType) -> Any:
    return function.__globals__.get("__name__")


def _is_dataclass(mro: tuple[type, ...], owner: type, function: types.FunctionType) -> bool:
    if "__dataclass_params__" not in namespace_of(owner):
        return False
    is_generated = function.__code__.co_name == "wrapper"
    return is_generated and _home_of(function) in ("dataclasses", "reprlib")


def _is_namedtuple(mro: tuple[type, ...], owner: type, function: types.FunctionType) -> bool:
    has_fields = type(namespace_of(owner).get("_fields")) is tuple
    return has_fields and _home_of(function) == "collections"


def _is_enum(mro: tuple[type, ...], owner: type, function: types.FunctionType) -> bool:
    is_enums_own = function.__qualname__ in ("Enum.__repr__", "Flag.__repr__")
    return is_enums_own and _home_of(function) == "enum"


def _is_attrs(mro: tuple[type, ...], owner: type, function: types.FunctionType) -> bool:
    is_generated = function.__code__.co_filename.startswith("<attrs gen")
    return is_generated and "__attrs_attrs__" in namespace_of(owner)


def _is_stdlib(mro: tuple[type, ...], owner: type, function: types.FunctionType) -> bool:
    """Whether class and function are the library's: a subclass may override called methods."""
    home = _home_of(function)
    return home in _STDLIB_HOMES and names_of(mro[0])[0] == home and is_stdlib_code(function)


def _is_pydantic(mro: tuple[type, ...], owner: type, function: types.FunctionType) -> bool:
    """Whether the repr and all methods that it calls are pydantic's."""
    if _home_of(function) != "pydantic.main":
        return False
    if names_of(owner) != ("pydantic.main", "BaseModel"):
        return False
    parts = ("__repr_args__", "__repr_name__", "__repr_str__")
    return all(names_of(attribute_of(mro, part)[0])[0].startswith("pydantic.") for part in parts)


# The first that fits tells the kind; all other functions are of Kind.USER.
_KINDS_OF_FUNCTIONS: Final = (
    (_is_dataclass, Kind.DATACLASS),
    (_is_namedtuple, Kind.NAMEDTUPLE),
    (_is_enum, Kind.ENUM),
    (_is_attrs, Kind.ATTRS),
    (_is_pydantic, Kind.PYDANTIC),
    (_is_stdlib, Kind.STDLIB),
)


def plain_name(name: object) -> str:
    """A name that is an exact str; "?" for any other."""
    return name if type(name) is str else "?"


def module_name(module: types.ModuleType) -> str:
    """The name in a module's namespace."""
    return plain_name(module_dict(module).get("__name__"))
