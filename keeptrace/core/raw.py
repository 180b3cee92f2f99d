"""Reads classes and objects by raw descriptors, and so runs none of the program's code.

No property, `__getattr__`, metaclass, `__dir__` or `__class__` of the program runs. Names are
looked up only in dicts whose keys are exact texts, because another key's `__eq__` would run.
"""

from __future__ import annotations

import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeAlias

from . import FREE_THREADED

mro_of: Final = type.__dict__["__mro__"].__get__
namespace_of: Final = type.__dict__["__dict__"].__get__
_module_of: Final = type.__dict__["__module__"].__get__
_qualname_of: Final = type.__dict__["__qualname__"].__get__
_name_of: Final = type.__dict__["__name__"].__get__
flags_of: Final = type.__dict__["__flags__"].__get__
# typeshed confuses this class's __dict__ with an instance's
module_dict: Final[Any] = types.ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]

ABSENT: Final = object()
# CPython's Py_TPFLAGS_IMMUTABLETYPE: set for classes of C code alone, never for a class
# statement's.
_IMMUTABLE: Final = 1 << 8
# Most classes have the first kind; C types like SimpleNamespace have the second.
_READERS_OF_DICT: Final = (types.GetSetDescriptorType, types.MemberDescriptorType)
_Reader: TypeAlias = Callable[[Any], Any]
# A slot: the name, and the function that reads it from an instance.
Slots: TypeAlias = list[tuple[str, _Reader]]
# A class's additions to instances: the slots, and the reader of __dict__.
Layout: TypeAlias = tuple[Slots, _Reader | None]
# More classes than a large program's failures meet; then the table starts afresh. (classes)
_MOST_LAYOUTS: Final = 4096
# Layouts of lasting classes: a module has the class under its name. The entry holds the class, so
# no other class gets the id.
_layouts: Final[dict[int, tuple[type, Layout]]] = {}
# Layouts of classes with all bases. The entry holds the __mro__, which changes with the bases.
_instance_layouts: Final[dict[int, tuple[tuple[type, ...], Layout]]] = {}
# Types with hashing and comparison in C code alone.
_HASHED_BY_C: Final = {id(cls) for cls in (str, int, float, bool, bytes, complex, type(None))}


def names_of(cls: type) -> tuple[str, str]:
    """Module and qualified name of a class; the metaclass is not asked."""
    try:
        module = _module_of(cls)
    except AttributeError:  # deleted from the class
        module = "builtins"
    if type(module) is not str:
        module = "builtins"
    return module, str.__str__(_qualname_of(cls))


def module_of(cls: type) -> str:
    return names_of(cls)[0]


def package_of(cls: type) -> str:
    """The outermost package of a class's module."""
    return module_of(cls).partition(".")[0]


def qualname_of(cls: type) -> str:
    return str.__str__(_qualname_of(cls))


def text_keys(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """The entries whose keys are of type str: the code of other keys may be the program's."""
    return {key: item for key, item in pairs if type(key) is str}


def name_of(cls: type) -> str:
    """The name of a class; the names of classes may be of a subclass of str."""
    return str.__str__(_name_of(cls))


def is_of_c(cls: type) -> bool:
    """Whether a class is C code's: the attributes of such a class never change."""
    return bool(flags_of(cls) & _IMMUTABLE)


def attribute_of(mro: tuple[type, ...], name: str) -> tuple[type, Any]:
    """The class that defines an attribute, and the raw attribute; else object and None."""
    for cls in mro:
        found = namespace_of(cls).get(name)
        if found is not None:
            return cls, found
    return object, None


def class_attribute(mro: tuple[type, ...], name: str) -> Any:
    """The raw attribute of the first class that defines it; None without such a class."""
    for cls in mro:
        found = namespace_of(cls).get(name)
        if found is not None:
            return found
    return None


def is_looked_up_plainly(mro: tuple[type, ...]) -> bool:
    """Whether object.__getattribute__ finds the attributes of the instances."""
    owner, _ = attribute_of(mro, "__getattribute__")
    # BaseException has the same function as object
    return owner is object or owner is BaseException


def loaded(module: str, name: str) -> Any:
    """The attribute of a loaded module; None if absent.

    Lazy modules stay as they are.
    """
    home = sys.modules.get(module)
    if type(home) is types.ModuleType:
        return module_dict(home).get(name)
    return None


def is_found(cls: type, module: str, qualname: str) -> bool:
    """Whether the class is in the module's namespace under this name."""
    return loaded(module, qualname) is cls


def layout_of(cls: type) -> Layout:
    """The slots of a class, and the reader of instances' __dict__ if this class adds it."""
    found = _layouts.get(id(cls))
    if found is not None:
        return found[1]
    layout = _read_layout(cls)
    if is_found(cls, *names_of(cls)):
        if len(_layouts) >= _MOST_LAYOUTS:
            _layouts.clear()
        _layouts[id(cls)] = cls, layout
    return layout


def _read_layout(cls: type) -> Layout:
    slots: Slots = []
    dict_of = None
    namespace = namespace_of(cls)
    for name, item in namespace.items():
        kind = type(item)
        if type(name) is not str:
            continue
        if kind is types.MemberDescriptorType and not name.startswith("__"):
            slots.append((name, item.__get__))
        elif kind in _READERS_OF_DICT and name == "__dict__" and cls is not type:
            dict_of = item.__get__
    # A proxy of C code's, as wrapt's: its __dict__ is another object's, which may be made only now.
    if type(namespace.get("__class__")) is types.GetSetDescriptorType:
        dict_of = None
    return slots, dict_of


def instance_layout_of(cls: type) -> Layout:
    """All slots of the instances of a class, and the reader of their __dict__, if any."""
    mro = mro_of(cls)
    found = _instance_layouts.get(id(cls))
    if found is not None and found[0] is mro:
        return found[1]
    slots: Slots = []
    dict_of = None
    for parent in mro:
        own_slots, own_dict_of = layout_of(parent)
        slots += own_slots
        dict_of = dict_of or own_dict_of
    if all(id(parent) in _layouts for parent in mro):
        if len(_instance_layouts) >= _MOST_LAYOUTS:
            _instance_layouts.clear()
        _instance_layouts[id(cls)] = mro, (slots, dict_of)
    return slots, dict_of


def instance_dict(value: object) -> dict[Any, Any]:
    """The __dict__ of an object; an empty dict if the object has none."""
    _, dict_of = instance_layout_of(type(value))
    if dict_of is None:
        return {}
    try:
        found = dict_of(value)
    except AttributeError:
        return {}
    if not issubclass(type(found), dict):
        return {}
    namespace: dict[Any, Any] = found
    return namespace


def state_of(value: object, most: int) -> dict[str, Any]:
    """The values in an object's slots, and at most `most` entries of the __dict__."""
    namespace = instance_dict(value)
    found = text_keys(first_of(dict.items, namespace, most))
    slots, _ = instance_layout_of(type(value))
    for name, read in slots:
        try:
            found.setdefault(name, read(value))
        except AttributeError:  # a slot without a value
            continue
    return found


def stored(value: object, name: str) -> Any:
    """An attribute from an object's own slots or __dict__; ABSENT if there is none."""
    for cls in mro_of(type(value)):
        found = namespace_of(cls).get(name)
        if type(found) is types.MemberDescriptorType:
            try:
                return found.__get__(value)
            except AttributeError:
                return ABSENT
    return entry(instance_dict(value), name)


def entry(namespace: dict[Any, Any], name: str) -> object:
    """The entry of a dict under a text; ABSENT if there is none. No key's __eq__ runs."""
    if has_names_alone(namespace):
        return dict.get(namespace, name, ABSENT)
    named = text_keys(dict.items(namespace))
    return named.get(name, ABSENT)


def has_names_alone(namespace: dict[Any, Any]) -> bool:
    """Whether all keys are exact texts, so that no look-up runs code of the program."""
    for key in list(namespace):  # noqa: SIM110  # all() takes twice as long
        if type(key) is not str:
            return False
    return True


def first_of(read: Callable[[Any], Iterable[Any]], value: Any, count: int) -> list[Any]:
    """The first elements of a container, which another thread may be changing.

    Raises RuntimeError if the container changes in every attempt.
    """
    if FREE_THREADED:
        found = copy_of(read, value)
        if found is not None:
            return found[:count]
    for _ in range(_ATTEMPTS):
        try:
            return list(islice(read(value), count))
        except RuntimeError:  # changed size during iteration
            continue
    return list(islice(read(value), count))


def copy_of(read: Callable[[Any], Iterable[Any]], value: Any) -> list[Any] | None:
    """All elements of a container at one moment; None if iterating is as good, or the container is
    large.
    """
    length_and_copy = _COPIES.get(read)
    if length_and_copy is None:
        return None
    length, copy = length_and_copy
    if length(value) > _MOST_COPIED:
        return None
    return copy(value)


# While other threads change a container. (attempts to read)
_ATTEMPTS: Final = 10
# A copy of a larger container costs too much time. (elements)
_MOST_COPIED: Final = 10_000
_Copy: TypeAlias = tuple[Callable[[Any], int], Callable[[Any], list[Any]]]
# For each reading: the length, and a copy in one step. Without a GIL, an iteration beside a thread
# that changes the container may miss elements, and notices only a different size.
_COPIES: Final[dict[object, _Copy]] = {
    dict.items: (dict.__len__, lambda value: list(dict.items(value))),
    list.__iter__: (list.__len__, list.copy),
    set.__iter__: (set.__len__, lambda value: list(frozenset(value))),
}


def _is_hashed_by_c(cls: type) -> bool:
    return cls is str or cls is int or id(cls) in _HASHED_BY_C


def ordered_items(value: OrderedDict[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """The items of an OrderedDict in their order, without hashing a key with the program's code.

    OrderedDict's own iteration hashes each key again. The garbage collector's walk does not, and
    meets the keys in order.
    """
    if all(_is_hashed_by_c(type(key)) for key in dict.keys(value)):
        return iter(OrderedDict.items(value))
    import gc

    left: dict[int, tuple[Any, Any]] = {}
    for pair in dict.items(value):
        left[id(pair[0])] = pair
    pairs = []
    for key in gc.get_referents(value):
        if id(key) in left:
            pairs.append(left.pop(id(key)))
    return iter([*pairs, *left.values()])
