"""Writes the reprs of builtin types whose C code would call the reprs of their parts.

Each function takes the writer, the value, and the owner: the class in the mro with the repr. The
owner's methods read the value, because a subclass's methods may be the program's.
"""

from __future__ import annotations

import _weakref
import functools
import gc
import io
import operator
import sys
import types
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..core.raw import (
    ABSENT,
    instance_dict,
    name_of,
    names_of,
    ordered_items,
    stored,
)

if TYPE_CHECKING:
    from .text_writer import TextWriter

Write: TypeAlias = Callable[["TextWriter", Any, Any], None]

# A larger Counter keeps its order of insertion. (elements)
_MOST_SORTED: Final = 1_000

_maxlen_of: Final = deque.__dict__["maxlen"].__get__
_factory_of: Final = defaultdict.__dict__["default_factory"].__get__
_function_of: Final = functools.partial.__dict__["func"].__get__
_arguments_of: Final = functools.partial.__dict__["args"].__get__
_keywords_of: Final = functools.partial.__dict__["keywords"].__get__
_args_of: Final = BaseException.__dict__["args"].__get__


# -- containers


def mapping(writer: TextWriter, value: dict[Any, Any], owner: object) -> None:
    writer.pairs(dict.items(value))


def sequence(writer: TextWriter, value: Any, owner: Any) -> None:
    opening, closing = "(", ")"
    if owner is list:
        opening, closing = "[", "]"
    elif owner is tuple and tuple.__len__(value) == 1:
        closing = ",)"
    writer.put(opening)
    writer.items(owner.__iter__(value))
    writer.put(closing)


def unordered(writer: TextWriter, value: object, owner: Any) -> None:
    if type(value) is set and value:
        writer.put("{")
        writer.items(value)
        writer.put("}")
    elif owner.__len__(value):
        name = name_of(type(value))
        writer.call(name, "{", lambda: writer.items(owner.__iter__(value)), "}")
    else:
        writer.put(f"{name_of(type(value))}()")


def queue(writer: TextWriter, value: deque[Any], owner: object) -> None:
    most = _maxlen_of(value)
    closing = "]"
    if most is not None:
        closing = f"], maxlen={most}"
    writer.call(name_of(type(value)), "[", lambda: writer.items(deque.__iter__(value)), closing)


def ordered_dict(writer: TextWriter, value: OrderedDict[Any, Any], owner: object) -> None:
    name = name_of(type(value))
    if not dict.__len__(value):
        writer.put(f"{name}()")
    elif sys.version_info >= (3, 12):
        writer.call(name, lambda: writer.pairs(ordered_items(value)))
    else:
        writer.call(name, "[", lambda: writer.items(ordered_items(value)), "]")


def default_dict(writer: TextWriter, value: defaultdict[Any, Any], owner: object) -> None:
    def factory() -> None:
        writer.write(_factory_of(value))

    def pairs() -> None:
        writer.pairs(dict.items(value))

    writer.call(name_of(type(value)), factory, ", ", pairs)


def counter(writer: TextWriter, value: Counter[Any], owner: object) -> None:
    name = name_of(type(value))
    if not dict.__len__(value):
        return writer.put(f"{name}()")
    found: Any = dict.items(value)
    is_small = dict.__len__(value) <= _MOST_SORTED
    if is_small and all(type(count) is int for count in dict.values(value)):
        found = sorted(found, key=operator.itemgetter(1), reverse=True)
    return writer.call(name, lambda: writer.pairs(found))


def view(writer: TextWriter, value: object, owner: object) -> None:
    """Keys, values or items. An OrderedDict's own views hash each key again."""
    (held,) = gc.get_referents(value)
    found: Iterable[tuple[Any, Any]] = dict.items(held)
    if owner in _ORDERED_VIEWS:
        found = ordered_items(held)
    parts: Iterable[Any] = found
    if owner in _VIEWS_OF_KEYS:
        parts = (key for key, _ in found)
    elif owner in _VIEWS_OF_VALUES:
        parts = (item for _, item in found)
    writer.call(name_of(type(value)), "[", lambda: writer.items(parts), "]")


def proxy(writer: TextWriter, value: object, owner: object) -> None:
    (inner,) = gc.get_referents(value)  # every other way runs the program's code
    writer.call("mappingproxy", lambda: writer.write(inner))


def namespace(writer: TextWriter, value: object, owner: object) -> None:
    name = "namespace"
    if type(value) is not owner:
        name = name_of(type(value))
    found = dict.items(instance_dict(value))
    writer.fields(name, [(key, item) for key, item in found if type(key) is str])


def typed_array(writer: TextWriter, value: object, owner: Any) -> None:
    code = owner.typecode.__get__(value)
    name = name_of(type(value))
    if not owner.__len__(value):
        writer.put(f"{name}({code!r})")
        return
    few = owner.__getitem__(value, slice(0, writer.left))
    if code in ("u", "w"):
        shown = few.tounicode()
    else:
        shown = few.tolist()
    writer.call(name, f"{code!r}, ", lambda: writer.write(shown))


def user_data(writer: TextWriter, value: object, owner: object) -> None:
    writer.write(_part(value, "data"))


def chain_map(writer: TextWriter, value: object, owner: object) -> None:
    maps = _part(value, "maps")
    if type(maps) is not list:
        raise AttributeError("maps")
    writer.call(name_of(type(value)), lambda: writer.items(maps))


def _part(value: object, name: str) -> object:
    """An attribute of every whole object. Raises AttributeError for a half-built object."""
    found = stored(value, name)
    if found is ABSENT:
        raise AttributeError(name)
    return found


# -- callables, exceptions and other types with values inside


def method(writer: TextWriter, value: types.MethodType, owner: object) -> None:
    function = value.__func__
    name = "?"
    if type(function) is types.FunctionType:
        name = function.__qualname__
    writer.put(f"<bound method {str.__str__(name)} of ")
    writer.write(value.__self__)
    writer.put(">")


def partial(writer: TextWriter, value: object, owner: object) -> None:
    def keywords() -> None:
        for name, item in dict.items(_keywords_of(value)):
            writer.put(f", {str.__str__(name)}=")
            writer.write(item)

    def arguments() -> None:
        for item in _arguments_of(value):
            writer.put(", ")
            writer.write(item)

    cls = type(value)
    name = ".".join(names_of(cls))
    if cls is not owner and sys.version_info < (3, 13):
        name = name_of(cls)
    writer.call(name, lambda: writer.write(_function_of(value)), arguments, keywords)


def exception(writer: TextWriter, value: object, owner: object) -> None:
    writer.put(f"{name_of(type(value))}(")
    writer.items(_args_of(value))
    writer.put(")")


def bounds(writer: TextWriter, value: slice, owner: object) -> None:
    writer.put("slice(")
    writer.items((value.start, value.stop, value.step))
    writer.put(")")


def class_(writer: TextWriter, value: type, owner: object) -> None:
    writer.put(f"<class '{full_name(value)}'>")


def full_name(cls: type) -> str:
    """The qualified name of a class, with the module unless the class is a builtin."""
    module, qualname = names_of(cls)
    if module == "builtins":
        return qualname
    return f"{module}.{qualname}"


def weak_reference(writer: TextWriter, value: object, owner: Any) -> None:
    target = owner.__call__(value)
    if target is None:
        writer.put(f"<weakref at {id(value):#x}; dead>")
    else:
        name = ".".join(names_of(type(target)))
        writer.put(f"<weakref at {id(value):#x}; to {name!r} at {id(target):#x}>")


def file(writer: TextWriter, value: object, owner: type[object]) -> None:
    """An open file. The repr asks the file below for a name, and may run the program's code."""
    below = value
    while type(below) in _FILES:
        if type(below) is io.FileIO:
            if type(stored(below, "name")) not in (str, bytes, int):
                break
            return writer.put(owner.__repr__(value))
        part = "raw"
        if type(below) is io.TextIOWrapper:
            part = "buffer"
        below = type(below).__dict__[part].__get__(below)
    return writer.state(value)


_some = dict[Any, Any]()
_ordered = OrderedDict[Any, Any]()
_VIEWS_OF_KEYS: Final = (type(_some.keys()), type(_ordered.keys()))
_VIEWS_OF_VALUES: Final = (type(_some.values()), type(_ordered.values()))
_VIEWS_OF_ITEMS: Final = (type(_some.items()), type(_ordered.items()))
_ORDERED_VIEWS: Final = (type(_ordered.keys()), type(_ordered.values()), type(_ordered.items()))
_VIEWS: Final = (*_VIEWS_OF_KEYS, *_VIEWS_OF_VALUES, *_VIEWS_OF_ITEMS)
_FILES: Final = (
    io.TextIOWrapper,
    io.BufferedReader,
    io.BufferedWriter,
    io.BufferedRandom,
    io.FileIO,
)

# Classes with a repr of their own, and the functions that write the repr
_BUILTINS: Final[tuple[tuple[Any, Write], ...]] = (
    (dict, mapping),
    (list, sequence),
    (tuple, sequence),
    (set, unordered),
    (frozenset, unordered),
    (deque, queue),
    (OrderedDict, ordered_dict),
    (defaultdict, default_dict),
    (Counter, counter),
    (ChainMap, chain_map),
    (UserDict, user_data),
    (UserList, user_data),
    *((cls, view) for cls in _VIEWS),
    (types.MappingProxyType, proxy),
    (types.SimpleNamespace, namespace),
    (types.MethodType, method),
    (functools.partial, partial),
    (BaseException, exception),
    (slice, bounds),
    (type, class_),
    (_weakref.ref, weak_reference),
    *((cls, file) for cls in _FILES),
)
WRITTEN: Final[dict[int, tuple[Any, Write]]] = {id(cls): (cls, write) for cls, write in _BUILTINS}
