"""Large values of the libraries that people compute with: type, shape, dtype and a few values, never a copy or a full repr;
and open files: name, mode and position.

A library is only looked at through its objects; it is never imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ._outside import facts, text_of

# As many values as show what kind of data it is. (values)
_FEW: Final = 10
_FEW_ROWS: Final = 5
# Each column costs some 20 microseconds. (columns)
_FEW_COLUMNS: Final = 20

_module_of: Final = type.__dict__["__module__"].__get__
_name_of: Final = type.__dict__["__name__"].__get__

# text, attributes that are known, true length
Summary: TypeAlias = tuple[str, dict[str, Any], int | None]


def _shape_and_dtype(name: str, few: list[Any], size: int, shape: tuple[int, ...], dtype: Any) -> str:
    values = ", ".join(f"{value:.6g}" if type(value) is float else str(value)[:80] for value in few)
    more = ", ..." if size > len(few) else ""
    return f"{name}([{values}{more}], shape={shape}, dtype={dtype})"


def _ndarray(value: Any) -> Summary:
    shape, dtype = tuple(value.shape), value.dtype
    few = [] if dtype.hasobject else value.flat[:_FEW].tolist()
    known = {"shape": shape, "dtype": str(dtype), "size": value.size, "nbytes": value.nbytes, "first": few}
    return _shape_and_dtype("array", few, value.size, shape, dtype), known, shape[0] if shape else None


def _numpy_scalar(value: Any) -> Summary:
    item = value.item()
    plain = item if type(item) in (int, float, bool, str, bytes, complex) else str(value)[:200]
    return repr(value)[:200], {"item": plain, "dtype": str(value.dtype)}, None


def _dtype(value: Any) -> Summary:
    return repr(value)[:200], {"name": str(value.name)}, None


def _tensor(value: Any) -> Summary:
    shape = tuple(value.shape)
    size = value.numel()
    few: list[Any] = []
    if value.device.type == "cpu" and not value.is_sparse and size:
        part = value.detach()
        while part.dim() > 1:  # a view of the first row, then of its first row: flatten() would copy
            part = part[0]
        few = part[:_FEW].tolist() if part.dim() else [part.item()]
    dtype, device = str(value.dtype), str(value.device)
    known = {"shape": shape, "dtype": dtype, "device": device, "requires_grad": bool(value.requires_grad), "first": few}
    return _shape_and_dtype("tensor", few, size, shape, f"{dtype}, device={device}"), known, shape[0] if shape else None


# Where the types come from whose str() calls nobody.
_TELL_ALONE: Final = frozenset({"numpy", "pandas", "datetime", "decimal", "uuid"})


def _plain(value: Any) -> Any:
    if type(value) in (int, float, bool, str, type(None)):
        return value
    # an object of the user's in a column of objects: its str() would run unguarded
    return str(value)[:80] if type(value).__module__.partition(".")[0] in _TELL_ALONE else f"<{type(value).__qualname__}>"


def _dataframe(value: Any) -> Summary:
    rows, columns = len(value.index), len(value.columns)
    names = [_plain(name) for name in value.columns[:_FEW_COLUMNS].tolist()]
    dtypes = [str(dtype) for dtype in value.dtypes.tolist()[:_FEW_COLUMNS]]
    first = value.iloc[:_FEW_ROWS, :_FEW_COLUMNS].to_dict("split")["data"]
    head = {str(name): [_plain(row[at]) for row in first] for at, name in enumerate(names)}
    known = {"shape": (rows, columns), "columns": names, "dtypes": dtypes, "first": head}
    listed = ", ".join(f"{name}: {dtype}" for name, dtype in zip(names, dtypes))
    more = ", ..." if columns > len(names) else ""
    return f"<DataFrame of {rows} rows x {columns} columns ({listed}{more})>", known, rows


def _cells(series: Any) -> list[Any]:
    return [_plain(value) for value in series.tolist()]


def _series(value: Any) -> Summary:
    few = _cells(value.iloc[:_FEW])
    known = {"shape": (len(value),), "dtype": str(value.dtype), "name": _plain(value.name), "first": few}
    return _shape_and_dtype("Series", few, len(value), (len(value),), value.dtype), known, len(value)


def _index(value: Any) -> Summary:
    few = [_plain(item) for item in value[:_FEW].tolist()]
    text = _shape_and_dtype(type(value).__name__, few, len(value), (len(value),), value.dtype)
    return text, {"dtype": str(value.dtype), "first": few}, len(value)


def _file(value: Any) -> Summary:
    known = facts(value)
    return text_of(value, known), known, None


# (top-level package, class) -> its summary
_SUMMARIES: Final[dict[tuple[str, str], Callable[[Any], Summary]]] = {
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
# A class of these packages is summarised at once; a subclass that somebody else made may run anything.
SUMMARISED: Final = frozenset(package for package, _ in _SUMMARIES)


def summary_of(mro: tuple[type, ...]) -> Callable[[Any], Summary] | None:
    """What summarises the instances of mro[0], if anything does."""
    for cls in mro:
        try:
            module = _module_of(cls)
        except AttributeError:  # deleted from the class
            continue
        package = module.partition(".")[0] if type(module) is str else ""
        if package in SUMMARISED and (package, _name_of(cls)) in _SUMMARIES:
            return _SUMMARIES[package, _name_of(cls)]
    return None
