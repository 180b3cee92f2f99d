"""Summaries of arrays, tables and tensors: type, shape, dtype and a few values.

A summary needs no copy and no full repr, and never imports a library. None of the program's code
runs: the library's own class reads the attributes of a subclass's instance, and arrays or elements
of a class that the library does not know are shown by their type. Memory that may be gone
(core/memory.py) is not read: such an array is shown by shape and dtype alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import islice
from typing import Any, Final, TypeAlias

from ..core.memory import is_own_memory
from ..core.raw import ABSENT, instance_dict, loaded, mro_of, name_of, names_of, stored
from ..live.outside import facts, text_of
from .exact import is_exact_value

# Enough values to show the kind of data. (values)
_FEW: Final = 10
_FEW_ROWS: Final = 5
# Each column costs some 20 microseconds. (columns)
_FEW_COLUMNS: Final = 20
# One value in the text. (characters)
_MOST_VALUE: Final = 80
_MOST_SCALAR: Final = 200

# text, attributes that are known, true length
Summary: TypeAlias = tuple[str, dict[str, Any], int | None]
Summarise: TypeAlias = Callable[[Any], Summary]

_ATOMS: Final = (int, float, bool, str, bytes, complex, type(None))


def _plain(value: Any) -> Any:
    """A value of an array or column: an atom, or a text made without the program's code."""
    cls = type(value)
    if cls is str or cls is bytes:
        return value[:_MOST_VALUE]
    if cls in _ATOMS:
        return value
    if _is_of(cls, "numpy", "generic"):
        if value.dtype.hasobject:
            return f"<{name_of(cls)}>"
        item = value.item()
        return item if type(item) in _ATOMS else str(value)[:_MOST_VALUE]
    if is_exact_value(value):
        return str(value)[:_MOST_VALUE]
    if _is_of(cls, "pandas", None) and _is_plain_moment(value):
        return str(value)[:_MOST_VALUE]
    return f"<{names_of(cls)[1]}>"


def _is_plain_moment(value: object) -> bool:
    """Whether a pandas scalar has no zone, or one whose offset runs none of the program's code."""
    zone = getattr(value, "tzinfo", None)
    known = (loaded("datetime", "timezone"), loaded("zoneinfo", "ZoneInfo"))
    return zone is None or type(zone) in known


def _is_of(cls: type, package: str, base: str | None) -> bool:
    """Whether a class is a library's own: a module of the library has it under its name."""
    module, qualname = names_of(cls)
    if module.partition(".")[0] != package or loaded(module, qualname) is not cls:
        return False
    if base is None:
        return True
    found = loaded(package, base)
    return any(parent is found for parent in mro_of(cls))


def _shape_and_dtype(name: str, few: list[Any] | None, size: int, shape: object, dtype: str) -> str:
    if few is None:
        return f"{name}(shape={shape}, dtype={dtype}; values not read)"
    values = ", ".join(map(_short, few))
    more = ", ..." if size > len(few) else ""
    return f"{name}([{values}{more}], shape={shape}, dtype={dtype})"


def _short(value: object) -> str:
    return f"{value:.6g}" if type(value) is float else str(value)[:_MOST_VALUE]


def _dtype_text(dtype: Any) -> str:
    """A dtype as text, without titles and metadata: they hold objects, whose reprs would run."""
    cls = type(dtype)
    is_numpys = any(parent is loaded("numpy", "dtype") for parent in mro_of(cls))
    if not is_numpys and not _is_of(cls, "pandas", None):
        return f"<{names_of(cls)[1]}>"
    if is_numpys and _holds_objects(dtype):
        return str(dtype.name)
    return str(dtype)


def _holds_objects(dtype: Any) -> bool:
    """Whether a dtype of numpy has metadata, or titles of fields."""
    if dtype.metadata is not None:
        return True
    return dtype.names is not None and any(len(field) > 2 for field in dtype.fields.values())


# -- numpy


def _first_of_array(ndarray: Any, value: Any, count: int) -> list[Any] | None:
    """The first values, one by one: slicing a subclass's instance would run the subclass's code."""
    if not is_own_memory(value):
        return None
    return [_plain(item) for item in islice(ndarray.flat.__get__(value), count)]


def _ndarray(ndarray: Any, value: Any) -> Summary:
    shape, dtype = tuple(ndarray.shape.__get__(value)), ndarray.dtype.__get__(value)
    size = ndarray.size.__get__(value)
    few = [] if dtype.hasobject else _first_of_array(ndarray, value, _FEW)
    told = _dtype_text(dtype)
    known = {"shape": shape, "dtype": told, "size": size, "nbytes": ndarray.nbytes.__get__(value)}
    if few is not None:
        known["first"] = few
    return _shape_and_dtype("array", few, size, shape, told), known, shape[0] if shape else None


def _numpy_scalar(generic: Any, value: Any) -> Summary:
    dtype = generic.dtype.__get__(value)
    told = _dtype_text(dtype)
    name = names_of(type(value))[1]
    if dtype.hasobject:
        return f"<{name} of objects>", {"dtype": told}, None
    item = generic.item(value)
    if not _is_of(type(value), "numpy", "generic"):  # a subclass of the program's
        plain = item if type(item) in _ATOMS else f"<{name}>"
        return f"{name}({plain!r})"[:_MOST_SCALAR], {"item": plain, "dtype": told}, None
    plain = item if type(item) in _ATOMS else str(value)[:_MOST_SCALAR]
    return repr(value)[:_MOST_SCALAR], {"item": plain, "dtype": told}, None


def _dtype(cls: object, value: object) -> Summary:
    told = _dtype_text(value)
    return f"dtype({told!r})"[:_MOST_SCALAR], {"name": told}, None


# -- pandas


def _manager_of(value: object) -> Any:
    manager = instance_dict(value).get("_mgr")
    if not _is_of(type(manager), "pandas", None):
        raise AttributeError("_mgr")
    return manager


def _values_of(index: object) -> Any:
    return instance_dict(index).get("_data")


def _first_of_values(values: Any, count: int) -> list[Any] | None:
    """The first values of a column or index; None if reading them would run unknown code."""
    ndarray = loaded("numpy", "ndarray")
    if type(values) is ndarray:
        return _first_of_array(ndarray, values, count)
    if not _is_of(type(values), "pandas", None) or "Arrow" in name_of(type(values)):
        return None
    held = stored(values, "_ndarray")
    if held is ABSENT:
        held = stored(values, "_data")
    if type(held) is ndarray and not is_own_memory(held):
        return None
    return [_plain(item) for item in values[:count]]


def _first_of_index(index: Any, count: int) -> list[Any] | None:
    if not _is_of(type(index), "pandas", "Index"):
        return None
    values = _values_of(index)
    if values is not None and _first_of_values(values, 0) is None:
        return None
    return [_plain(item) for item in index[:count].tolist()]


def _column(manager: Any, at: int) -> Any:
    values = manager.blocks[manager.blknos[at]].values
    is_array = type(values) is loaded("numpy", "ndarray")
    return values[manager.blklocs[at]] if is_array else values


def _dtype_of(values: Any) -> str:
    """The dtype of an array of numpy or pandas; for other arrays the class."""
    cls = type(values)
    is_known = cls is loaded("numpy", "ndarray") or _is_of(cls, "pandas", None)
    return _dtype_text(values.dtype) if is_known else f"<{names_of(cls)[1]}>"


def _dataframe(cls: object, value: object) -> Summary:
    manager = _manager_of(value)
    shape = (len(manager.axes[1]), len(manager.axes[0]))
    count = min(shape[1], _FEW_COLUMNS)
    names = _first_of_index(manager.axes[0], count) or [str(at) for at in range(count)]
    columns = [_column(manager, at) for at in range(count)]
    dtypes = [_dtype_of(column) for column in columns]
    first = {
        str(name): _first_of_values(column, _FEW_ROWS) or [] for name, column in zip(names, columns)
    }
    known = {"shape": shape, "columns": names, "dtypes": dtypes, "first": first}
    listed = ", ".join(f"{name}: {dtype}" for name, dtype in zip(names, dtypes))
    more = ", ..." if shape[1] > count else ""
    text = f"<{name_of(type(value))} of {shape[0]} rows x {shape[1]} columns ({listed}{more})>"
    return text, known, shape[0]


def _series(cls: object, value: object) -> Summary:
    manager = _manager_of(value)
    values = manager.blocks[0].values
    length, dtype = len(manager.axes[0]), _dtype_of(values)
    few = _first_of_values(values, _FEW)
    name = _plain(instance_dict(value).get("_name"))
    known = {"shape": (length,), "dtype": dtype, "name": name, "first": few or []}
    text = _shape_and_dtype(name_of(type(value)), few, length, (length,), dtype)
    return text, known, length


def _index(cls: Any, value: Any) -> Summary:
    own = type(value)
    if not _is_of(own, "pandas", "Index"):
        raise TypeError("a subclass of pandas.Index")
    few = _first_of_index(value, _FEW)
    length, dtype = len(value), _dtype_text(value.dtype)
    text = _shape_and_dtype(name_of(own), few, length, (length,), dtype)
    return text, {"dtype": dtype, "first": few or []}, length


# -- PyTorch


def _tensor(cls: Any, value: Any) -> Summary:
    """A tensor. Of a subclass only the type is shown: __torch_function__ reads its attributes."""
    if type(value) is not cls and not _is_of(type(value), "torch", "Parameter"):
        return f"<{names_of(type(value))[1]}>", {}, None
    shape = tuple(value.shape)
    size = value.numel()
    few = _first_of_tensor(value, size)
    dtype, device = str(value.dtype), str(value.device)
    needs_grad = bool(value.requires_grad)
    known = {"shape": shape, "dtype": dtype, "device": device, "requires_grad": needs_grad}
    known["first"] = few or []
    text = _shape_and_dtype("tensor", few, size, shape, f"{dtype}, device={device}")
    return text, known, shape[0] if shape else None


def _first_of_tensor(value: Any, size: int) -> list[Any] | None:
    if value.device.type != "cpu" or value.is_sparse or not size:
        return []
    storage = value.untyped_storage()
    if storage.is_shared() or getattr(storage, "filename", None):  # may be a mapped file
        return None
    part = value.detach()
    while part.dim() > 1:  # takes views of first rows: flatten() would copy
        part = part[0]
    return list(part[:_FEW].tolist()) if part.dim() else [part.item()]


# -- views of memory


def _memoryview(cls: Any, value: Any) -> Summary:
    """A view without its contents, which its owner has. A released view raises."""
    known = {name: getattr(value, name) for name in ("nbytes", "format", "shape", "readonly")}
    return memoryview.__repr__(value), known, value.shape[0] if value.ndim else None


# -- open files


def _file(cls: object, value: object) -> Summary:
    """Name, mode and position."""
    known = facts(value)
    return text_of(value, known), known, None


# (top-level package, class) → the function that summarises its instances
_SUMMARIES: Final[dict[tuple[str, str], Callable[[Any, Any], Summary]]] = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "generic"): _numpy_scalar,
    ("numpy", "dtype"): _dtype,
    ("pandas", "DataFrame"): _dataframe,
    ("pandas", "Series"): _series,
    ("pandas", "Index"): _index,
    ("torch", "Tensor"): _tensor,
    ("_io", "FileIO"): _file,
    ("_io", "BufferedReader"): _file,
    ("_io", "BufferedWriter"): _file,
    ("_io", "BufferedRandom"): _file,
    ("_io", "TextIOWrapper"): _file,
}
_SUMMARISED: Final = frozenset(package for package, _ in _SUMMARIES)


def is_of_summarised_library(mro: tuple[type, ...]) -> bool:
    """Whether a class, or a base of it, is defined by a library whose values have summaries."""
    return any(names_of(cls)[0].partition(".")[0] in _SUMMARISED for cls in mro)


def summary_of(mro: tuple[type, ...]) -> Summarise | None:
    """The function that summarises the instances of mro[0]; None for most classes."""
    if mro[0] is memoryview:
        return functools.partial(_memoryview, memoryview)
    for cls in mro:
        module = names_of(cls)[0]
        package = module.partition(".")[0]
        if package not in _SUMMARISED:
            continue
        summarise = _SUMMARIES.get((package, name_of(cls)))
        if summarise is not None and loaded(package, name_of(cls)) is cls:
            return functools.partial(summarise, cls)
    return None
