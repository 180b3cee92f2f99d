"""Objects that own something outside of the process (files, sockets, processes, databases), on
their way into a live pickle.

A copy of such an object would act on the same file a second time: loading a copy of a file opened
for writing would empty the file, and the death of a copy would delete a temporary file. So a
stand-in with the object's facts goes into the pickle instead. keeptrace reads the facts without
input or output, and runs only code of the standard library's C types.
"""

from __future__ import annotations

import _io
import types
from collections.abc import Callable, ItemsView
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from ..core.raw import flags_of, module_of, mro_of, names_of, namespace_of
from ..restore.live import outside
from ..restore.outside import owns_outside
from ..restore.standins import details_of

# The longest text among a stand-in's facts. (characters or bytes)
_MOST_SHOWN: Final = 500
_PLAIN: Final = (int, float, bool, type(None))
_PATHS: Final = ("PosixPath", "WindowsPath")
_METHODS: Final = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)
# A class with such a method rebuilds instances with its own code.
_REBUILDERS: Final = (
    "__reduce__",
    "__reduce_ex__",
    "__setstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
)
_IS_HEAP: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE: not a static type of C code

_Reader: TypeAlias = Callable[[Any], object]
_Facts: TypeAlias = dict[str, object]


class _ClassFacts(
    NamedTuple(
        "_ClassFacts",
        [
            ("cls", type),  # held, so no other class gets the id
            ("is_owner", bool),
            ("rebuilds", bool),
            ("base_of", _Reader | None),  # reads an array's `base`, the owner of the memory
        ],
    )
):
    """Facts of a class. These facts decide whether instances travel."""

    __slots__ = ()


_kinds: Final[dict[int, _ClassFacts]] = {}
# More classes than a large program has. A full table starts afresh. (classes)
_MOST_KINDS: Final = 4096


def _kind_of(cls: type) -> _ClassFacts:
    known = _kinds.get(id(cls))
    if known is None:
        rebuilds = False
        base_of = None
        for parent in mro_of(cls):
            namespace = namespace_of(parent)
            if flags_of(parent) & _IS_HEAP and any(name in namespace for name in _REBUILDERS):
                rebuilds = True
            if base_of is None and names_of(parent) == ("numpy", "ndarray"):
                base_of = namespace["base"].__get__
        if len(_kinds) >= _MOST_KINDS:
            _kinds.clear()
        known = _kinds[id(cls)] = _ClassFacts(cls, owns_outside(cls), rebuilds, base_of)
    return known


def is_outside(value: object) -> bool:
    """Whether the value must not get into a live pickle."""
    kind = _kind_of(type(value))
    if kind.is_owner or details_of(value) is not None:  # details: of a stand-in
        return True
    if type(value) in _METHODS:
        return _is_bound_outside(value)
    if kind.base_of is not None:
        return _is_mapped(value)
    if not kind.rebuilds:
        return False
    # Code that rebuilds an object may open the object's files again.
    parts = _stored_in(value).values()
    return any(map(_is_owner, parts))


def _is_owner(value: object) -> bool:
    return _kind_of(type(value)).is_owner


def _is_bound_outside(method: Any) -> bool:
    """Whether a method is bound to an object that must stay outside."""
    owner = method.__self__
    if owner is None or isinstance(owner, (type, types.ModuleType)):
        return False
    return is_outside(owner)


def _is_mapped(array: object) -> bool:
    """Whether an array's memory is a mapped file.

    Reading such memory is input, and kills the process if somebody has truncated the file.
    """
    base_of = _kind_of(type(array)).base_of
    while base_of is not None:
        array = base_of(array)
        kind = _kind_of(type(array))
        if kind.is_owner:
            return True
        base_of = kind.base_of
    return False


def _stored_in(value: object) -> _Facts:
    """The attributes in the instance's own __dict__ and slots, without a hook of the class."""
    found: _Facts = {}
    for cls in mro_of(type(value)):
        for name, item in namespace_of(cls).items():
            kind = type(item)
            if kind is types.MemberDescriptorType and not name.startswith("__"):
                _read(found, name, item.__get__, value)
            elif kind is types.GetSetDescriptorType and name == "__dict__" and cls is not type:
                found.update(_texts_of(item.__get__(value)))
    return found


def _texts_of(namespace: object) -> _Facts:
    """The entries of a __dict__ with exact texts as names."""
    if not issubclass(type(namespace), dict):
        return {}
    items: ItemsView[object, object] = dict.items(namespace)  # type: ignore[arg-type]
    return {key: part for key, part in items if type(key) is str}


def _read(found: _Facts, name: str, read: _Reader, value: object) -> None:
    try:
        found[name] = read(value)
    except (AttributeError, ValueError, OSError):  # absent, a closed file, or a pipe
        return


# -- facts


def _reader(cls: object, name: str) -> _Reader:
    reader: _Reader = cls.__dict__[name].__get__
    return reader


_BUFFERED: Final = (_io.BufferedReader, _io.BufferedWriter, _io.BufferedRandom)
_raw_of: Final = {cls: _reader(cls, "raw") for cls in _BUFFERED}
_buffer_of: Final = _reader(_io.TextIOWrapper, "buffer")
_encoding_of: Final = _reader(_io.TextIOWrapper, "encoding")


def _file_io(file: object) -> _Facts:
    found: _Facts = {"name": _stored_in(file).get("name")}
    _read(found, "mode", _reader(_io.FileIO, "mode"), file)
    _read(found, "position", _io.FileIO.tell, file)
    _read(found, "closed", _reader(_io.FileIO, "closed"), file)
    return found


def _buffered(cls: Any, file: object) -> _Facts:
    found: _Facts = {}
    _read(found, "raw", _raw_of[cls], file)
    raw = found.pop("raw", None)
    if type(raw) is not _io.FileIO:  # another class would run its own code
        return found
    found = _file_io(raw)
    # A thread waiting for data in a pipe holds the lock for tell(). A pipe has no position.
    if "position" in found:
        _read(found, "position", cls.tell, file)
    return found


_BELOW_TEXT: Final = {"position": "buffer_position"}


def _text(file: object) -> _Facts:
    below: _Facts = {}
    _read(below, "buffer", _buffer_of, file)
    under = facts(below.get("buffer"))
    mode = under.pop("mode", None)
    mode = _stored_in(file).get("mode", mode)
    found: _Facts = {"name": None, "mode": mode}
    for name, part in under.items():
        # tell() of the text would write out the buffer. So the position is of the bytes below.
        known = _BELOW_TEXT.get(name, name)
        found[known] = part
    _read(found, "encoding", _encoding_of, file)
    return found


# By id, because a metaclass may define the hash of its classes.
_FACTS: Final[dict[int, Callable[[Any], _Facts]]] = {
    id(_io.FileIO): _file_io,
    **{id(cls): partial(_buffered, cls) for cls in _raw_of},
    id(_io.TextIOWrapper): _text,
}


# The attributes of the standard library's wrappers that may hold the wrapped file.
_WRAPPED: Final = ("_fp", "fp", "fileobj", "file", "_file", "stream", "raw", "buffer")
# Nested wrappers around a file. (wrappers)
_MOST_WRAPPERS: Final = 8


def facts(value: object, wrappers: int = 0) -> _Facts:
    """Name, mode, position and the like of an open file, or of a wrapper around a file.

    Other objects have no facts.
    """
    for cls in mro_of(type(value)):
        read = _FACTS.get(id(cls))
        if read is not None and cls is type(value):
            return _shown(read(value))
        if read is not None:  # a subclass
            return _shown({**_stored_in(value), **read(value)})
    if not _is_owner(value):
        return {}
    return _facts_of_wrapper(_stored_in(value), wrappers)


def _facts_of_wrapper(stored: _Facts, wrappers: int) -> _Facts:
    """The facts of the wrapped file among these attributes, and the attributes."""
    held = [stored.get(name) for name in _WRAPPED]
    wrapped = next((part for part in held if part is not None), None)
    if wrapped is None or wrappers > _MOST_WRAPPERS or not _is_owner(wrapped):
        return _shown(stored)
    return {**facts(wrapped, wrappers + 1), **_shown(stored)}


def _shown(attributes: _Facts) -> _Facts:
    """The attributes of plain types, long texts cut."""
    found: _Facts = {}
    for name, value in attributes.items():
        kind = type(value)
        if kind in _PLAIN:
            found[name] = value
        elif isinstance(value, (str, bytes)) and kind in (str, bytes):
            found[name] = value[:_MOST_SHOWN]
        elif module_of(kind).startswith("pathlib") and kind.__name__ in _PATHS:
            found[name] = str(value)[:_MOST_SHOWN]
    return found


def text_of(value: object, shown: _Facts) -> str:
    """A repr made of the facts."""
    text = ".".join(names_of(type(value)))
    for name, part in shown.items():
        if not name.startswith("__"):
            text += f" {name}={part!r}"
    return f"<{text}>"


def reduced(value: Any) -> tuple[Any, ...]:
    """The reduction for a pickler: a stand-in with the object's facts, and with the object's own
    files and the like.
    """
    details = details_of(value)
    names = names_of(type(value))
    if details is not None:
        return outside, (*names, details.text), _stored_in(value) or None
    if type(value) in _METHODS:
        owner = value.__self__
        text = f"<method {value.__name__} of {text_of(owner, facts(owner))}>"
        return outside, ("builtins", "method", text)
    shown = facts(value)
    text = text_of(value, shown)
    state = dict(shown)
    for name, part in _stored_in(value).items():
        if _is_owner(part):
            state[name] = part
    return outside, (*names, text), state or None
