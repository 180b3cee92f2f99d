"""What making the repr of a class's instances takes: its kind, by what its `__repr__` is.

Only USER needs code that is neither C code, nor generated, nor the standard library's.
"""

from __future__ import annotations

import enum
import types
from typing import Any, Final

from ..core.raw import attribute_of, loaded, module_dict, names_of, namespace_of
from .exact import is_stdlib_code


class Kind(enum.Enum):
    """What making the repr of an instance takes."""

    DEFAULT = "object.__repr__: the type's name and the address"
    ATOM = "C code that looks at nothing but the value"
    STDLIB = "Python code of the standard library that reads the object's own state alone"
    BUILTIN = "C code that calls the reprs of what the value holds: written by us instead"
    DATACLASS = "the __repr__ that dataclasses generated"
    NAMEDTUPLE = "the __repr__ that collections.namedtuple generated"
    ENUM = "the __repr__ of enum.Enum"
    ATTRS = "the __repr__ that attrs generated"
    PYDANTIC = "the __repr__ of pydantic.BaseModel"
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
# Modules of C types whose reprs call nobody, once what they hold has been looked at.
_ATOM_MODULES: Final = frozenset(
    {
        *("datetime", "decimal", "re", "zoneinfo", "mmap"),
        *("_random", "_socket", "_hashlib", "zlib", "_struct"),
    }
)
# Modules of Python's library whose classes' reprs read their own state alone.
_STDLIB_HOMES: Final = frozenset({"pathlib", "pathlib._local", "uuid", "fractions", "ipaddress"})


def kind_of(mro: tuple[type, ...], written: dict[int, Any]) -> Kind:
    """Which kind of repr the instances of mro[0] have. `written`: ids of classes of BUILTIN."""
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
    home = function.__globals__.get("__name__")
    namespace = namespace_of(owner)
    name = function.__code__.co_name
    if home in ("dataclasses", "reprlib") and "__dataclass_params__" in namespace:
        return Kind.DATACLASS if name == "wrapper" else Kind.USER
    if home == "collections" and type(namespace.get("_fields")) is tuple:
        return Kind.NAMEDTUPLE
    if home == "enum" and function.__qualname__ in ("Enum.__repr__", "Flag.__repr__"):
        return Kind.ENUM
    if "__attrs_attrs__" in namespace and function.__code__.co_filename.startswith("<attrs gen"):
        return Kind.ATTRS
    if home == "pydantic.main" and _is_pydantic(mro, owner):
        return Kind.PYDANTIC
    if home in _STDLIB_HOMES and names_of(mro[0])[0] == home and is_stdlib_code(function):
        return Kind.STDLIB  # of a subclass of the program's it would call the program's methods
    return Kind.USER


def _is_pydantic(mro: tuple[type, ...], owner: type) -> bool:
    """Whether the repr is pydantic's own, and none of the methods that it calls is another's."""
    if names_of(owner) != ("pydantic.main", "BaseModel"):
        return False
    parts = ("__repr_args__", "__repr_name__", "__repr_str__")
    return all(names_of(attribute_of(mro, part)[0])[0].startswith("pydantic.") for part in parts)


def plain_name(name: Any) -> str:
    """A name that is an exact text."""
    return name if type(name) is str else "?"


def module_name(module: types.ModuleType) -> str:
    """The name in a module's namespace."""
    return plain_name(module_dict(module).get("__name__"))
