"""What owns something outside of the process, as the writer of live objects meets it: files,
sockets, processes, databases.

A copy of such an object would act on the same thing once more: an open file that was written would
be emptied by loading it, a temporary one deleted when the copy dies. So it never gets into a live
pickle. A stand-in with its facts does, which are read here without input or output, and without
anybody's code but that of C types of the standard library."""

from __future__ import annotations

import _io
import types
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from ..restore.live import outside
from ..restore.outside import owns_outside
from ..restore.standins import details_of

# What a stand-in within a live object tells of an attribute. (characters or bytes)
_MOST_TOLD: Final = 500
_PLAIN: Final = (int, float, bool, type(None))
_PATHS: Final = ("PosixPath", "WindowsPath")
_METHODS: Final = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)
# A class that has one of these rebuilds its instances by code of its own.
_REBUILDERS: Final = (
    "__reduce__",
    "__reduce_ex__",
    "__setstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
)
_IS_HEAP: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class that no C code made static

_mro_of: Final = type.__dict__["__mro__"].__get__
_namespace_of: Final = type.__dict__["__dict__"].__get__
_flags_of: Final = type.__dict__["__flags__"].__get__
_qualname_of: Final = type.__dict__["__qualname__"].__get__
_module_of: Final = type.__dict__["__module__"].__get__
_Reader: TypeAlias = Callable[[Any], Any]


class _Kind(NamedTuple):
    """What there is to know of a class."""

    cls: type  # held, so that its id is not given to another
    is_owner: bool
    rebuilds: bool
    base_of: _Reader | None  # what an array's memory belongs to


_kinds: Final[dict[int, _Kind]] = {}
_MOST_KINDS: Final = 4096  # more than a large program has; then it starts afresh


def _kind_of(cls: type) -> _Kind:
    known = _kinds.get(id(cls))
    if known is None:
        mro = _mro_of(cls)
        made = [parent for parent in mro if _flags_of(parent) & _IS_HEAP]
        rebuilds = any(name in _namespace_of(parent) for parent in made for name in _REBUILDERS)
        arrays = [parent for parent in mro if _names_of(parent) == ("numpy", "ndarray")]
        base_of = _namespace_of(arrays[0])["base"].__get__ if arrays else None
        if len(_kinds) >= _MOST_KINDS:
            _kinds.clear()
        known = _kinds[id(cls)] = _Kind(cls, owns_outside(cls), rebuilds, base_of)
    return known


def _names_of(cls: type) -> tuple[str, str]:
    try:
        module = _module_of(cls)
    except AttributeError:  # deleted from the class
        module = "builtins"
    return module if type(module) is str else "builtins", _qualname_of(cls)


def is_outside(value: Any) -> bool:
    """Whether the value must not get into a live pickle."""
    kind = _kind_of(type(value))
    if kind.is_owner or details_of(value) is not None:  # or it is a stand-in already
        return True
    if type(value) in _METHODS:
        owner = value.__self__
        return (
            owner is not None
            and not isinstance(owner, (type, types.ModuleType))
            and is_outside(owner)
        )
    if kind.base_of is not None:
        return _is_mapped(value)
    # what is rebuilt by code of its own may open again what it holds
    return kind.rebuilds and any(
        _kind_of(type(held)).is_owner for held in _stored_in(value).values()
    )


def _is_mapped(array: Any) -> bool:
    """Whether an array's memory is a file's: reading it is input, and kills the process if the file
    was truncated.
    """
    base_of = _kind_of(type(array)).base_of
    while base_of is not None:
        array = base_of(array)
        kind = _kind_of(type(array))
        if kind.is_owner:
            return True
        base_of = kind.base_of
    return False


def _stored_in(value: Any) -> dict[str, Any]:
    """The attributes that stand in the instance's own __dict__ and slots; no hook of its class is
    asked.
    """
    found: dict[str, Any] = {}
    for cls in _mro_of(type(value)):
        for name, item in _namespace_of(cls).items():
            kind = type(item)
            if kind is types.MemberDescriptorType and not name.startswith("__"):
                _read(found, name, item.__get__, value)
            elif kind is types.GetSetDescriptorType and name == "__dict__" and cls is not type:
                namespace = item.__get__(value)
                if issubclass(type(namespace), dict):
                    found.update(
                        (key, part) for key, part in dict.items(namespace) if type(key) is str
                    )
    return found


def _read(found: dict[str, Any], name: str, read: _Reader, value: Any) -> None:
    try:
        found[name] = read(value)
    except (AttributeError, ValueError, OSError):  # it has none, or is closed, or cannot seek
        return


# -- facts


def _reader(cls: Any, name: str) -> _Reader:
    return cls.__dict__[name].__get__  # type: ignore[no-any-return]


_raw_of: Final = {
    cls: _reader(cls, "raw") for cls in (_io.BufferedReader, _io.BufferedWriter, _io.BufferedRandom)
}
_buffer_of: Final = _reader(_io.TextIOWrapper, "buffer")


def _file_io(file: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": _stored_in(file).get("name")}
    _read(found, "mode", _reader(_io.FileIO, "mode"), file)
    _read(found, "position", _io.FileIO.tell, file)
    _read(found, "closed", _reader(_io.FileIO, "closed"), file)
    return found


def _buffered(cls: Any, file: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    _read(found, "raw", _raw_of[cls], file)
    raw = found.pop("raw", None)
    if type(raw) is not _io.FileIO:  # another class's code would be asked
        return found
    found = _file_io(raw)
    if (
        "position" in found
    ):  # it can seek; what cannot may be waiting for data, with a lock that this would wait for
        _read(found, "position", cls.tell, file)
    return found


def _text(file: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    _read(found, "buffer", _buffer_of, file)
    under = facts(found.pop("buffer", None))
    mode = _stored_in(file).get("mode", under.pop("mode", None))
    # asking for the position of the text would write what waits there, so it is that of the bytes
    # below
    renamed = {
        "buffer_position" if name == "position" else name: part for name, part in under.items()
    }
    _read(found, "encoding", _reader(_io.TextIOWrapper, "encoding"), file)
    return {"name": None, "mode": mode, **renamed, **found}


# By id, because the hash of a class may be its metaclass's.
_FACTS: Final[dict[int, Callable[[Any], dict[str, Any]]]] = {
    id(_io.FileIO): _file_io,
    **{id(cls): partial(_buffered, cls) for cls in _raw_of},
    id(_io.TextIOWrapper): _text,
}


# Where wrappers of the standard library keep the file that they wrap.
_WRAPPED: Final = ("_fp", "fp", "fileobj", "file", "_file", "stream", "raw", "buffer")


_MOST_WRAPPERS: Final = 8  # around one file


def facts(value: Any, wrappers: int = 0) -> dict[str, Any]:
    """Name, mode, position and the like of an open file or of what wraps one; nothing for what is
    neither.
    """
    for cls in _mro_of(type(value)):
        read = _FACTS.get(id(cls))
        if read is not None:
            own = (
                {} if cls is type(value) else _stored_in(value)
            )  # of a class that somebody derived
            return _told({**own, **read(value)})
    stored = _stored_in(value) if _kind_of(type(value)).is_owner else {}
    wrapped = next((stored[name] for name in _WRAPPED if stored.get(name) is not None), None)
    if wrapped is None or wrappers > _MOST_WRAPPERS or not _kind_of(type(wrapped)).is_owner:
        return _told(stored)
    return {**facts(wrapped, wrappers + 1), **_told(stored)}


def _told(attributes: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if type(value) in _PLAIN:
            found[name] = value
        elif type(value) in (str, bytes):
            found[name] = value[:_MOST_TOLD]
        elif _names_of(type(value))[0].startswith("pathlib") and type(value).__name__ in _PATHS:
            found[name] = str(value)[:_MOST_TOLD]
    return found


def text_of(value: Any, told: dict[str, Any]) -> str:
    """A repr out of the facts."""
    module, qualname = _names_of(type(value))
    shown = "".join(f" {name}={part!r}" for name, part in told.items() if not name.startswith("__"))
    return f"<{module}.{qualname}{shown}>"


def reduced(value: Any) -> tuple[Any, ...]:
    """How a pickler is to keep it: as a stand-in with its facts and with what else it holds of the
    kind.
    """
    details = details_of(value)
    if details is not None:
        return outside, (*_names_of(type(value)), details.text), _stored_in(value) or None
    if type(value) in _METHODS:
        owner = value.__self__
        return outside, (
            "builtins",
            "method",
            f"<method {value.__name__} of {text_of(owner, facts(owner))}>",
        )
    told = facts(value)
    held = {name: part for name, part in _stored_in(value).items() if _kind_of(type(part)).is_owner}
    return outside, (*_names_of(type(value)), text_of(value, told)), {**told, **held} or None
