"""Summaries of tables: their columns with dtypes, the first labels, and the first rows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ..core.memory import is_own_memory
from ..core.raw import ABSENT, instance_dict, loaded, name_of, qualname_of, stored
from .arrays import first_of_array, shape_and_dtype
from .summary import (
    FEW,
    MOST_VALUE,
    Summary,
    Table,
    beginning,
    described,
    dtype_text,
    is_of,
    plain,
    short,
)

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    from pandas.core.internals import BlockManager

_FEW_ROWS: Final = 5
# Each column costs some 20 microseconds. (columns)
_FEW_COLUMNS: Final = 20
# Bounds of the text, a single line. (rows of a table, values of a series, columns)
_FEW_TOLD_ROWS: Final = 3
_FEW_TOLD: Final = 5
_FEW_TOLD_COLUMNS: Final = 8

# -- pandas


def _manager_of(value: object) -> BlockManager:
    manager = instance_dict(value).get("_mgr")
    if not is_of(type(manager), "pandas", None):
        raise AttributeError("_mgr")
    return manager


def _values_of(index: object) -> object:
    return instance_dict(index).get("_data")


def _first_of_values(values: Any, count: int) -> list[Any] | None:
    """The first values of a column or index; None if reading would run unknown code."""
    ndarray = loaded("numpy", "ndarray")
    if type(values) is ndarray:
        return first_of_array(ndarray, values, count)
    if not is_of(type(values), "pandas", None):
        return None
    if "Arrow" in name_of(type(values)):
        return _first_of_arrow(stored(values, "_pa_array"), count)
    held = stored(values, "_ndarray")
    if held is ABSENT:
        held = stored(values, "_data")
    if type(held) is ndarray and not is_own_memory(held):
        return None
    return [plain(item) for item in values[:count]]


def _first_of_index(index: pandas.Index, count: int) -> list[Any] | None:
    if not is_of(type(index), "pandas", "Index"):
        return None
    values = _values_of(index)
    if values is not None and _first_of_values(values, 0) is None:
        return None
    return [plain(item) for item in index[:count].tolist()]


def _column(manager: BlockManager, at: int) -> object:
    block = manager.blocks[manager.blknos[at]]
    values = block.values
    if type(values) is loaded("numpy", "ndarray"):
        return values[manager.blklocs[at]]
    return values


def _dtype_of(values: Any) -> str:
    """The dtype of an array of numpy or pandas; the class of any other array."""
    cls = type(values)
    if cls is loaded("numpy", "ndarray") or is_of(cls, "pandas", None):
        return dtype_text(values.dtype)
    return f"<{qualname_of(cls)}>"


def _names_of_levels(index: object) -> list[str]:
    """The names of an index's levels; an empty list unless every level has a name."""
    state = instance_dict(index)
    names: Any = state.get("_names", [state.get("_name")])
    if not issubclass(type(names), list):
        return []
    found = list(list.__iter__(names))
    if all(type(name) is str for name in found):
        return found
    return []


def _labels(index: object, count: int) -> list[Any]:
    """The first labels. A label of named levels is a dict: redaction needs the names."""
    few = _first_of_index(index, count) or []
    names = _names_of_levels(index)
    if not names:
        return few
    if len(names) == 1:
        return [{names[0]: label} for label in few]
    return [dict(zip(names, label)) for label in few if type(label) is tuple]


def _dataframe(cls: object, value: object) -> Summary:
    manager = _manager_of(value)
    heads, index = manager.axes
    length = len(index)
    width = len(heads)
    count = min(width, _FEW_COLUMNS)
    names = _first_of_index(heads, count)
    if not names:
        names = [str(at) for at in range(count)]
    columns = [_column(manager, at) for at in range(count)]
    dtypes = [_dtype_of(column) for column in columns]
    first: dict[str, list[Any]] = {}
    for name, column in zip(names, columns):
        few = _first_of_values(column, _FEW_ROWS)
        first[_column_name(name)] = few or []
    labels = _labels(index, _FEW_ROWS)
    facts = {
        "shape": (length, width),
        "columns": names,
        "dtypes": dtypes,
        "first": first,
        "index": labels,
    }
    rows = _labelled(labels, _rows(first), length)
    text = _table_text(name_of(type(value)), (length, width), names, dtypes, rows)
    return Summary(text, facts, length)


def _table_text(
    name: str, shape: tuple[int, int], columns: list[Any], dtypes: list[str], rows: str = ""
) -> str:
    """The text of a table: size, first columns, first rows."""
    length, width = shape
    told = columns_text(zip(columns, dtypes), width)
    return f"<{name} of {length} rows x {width} columns ({told}){rows}>"


def _column_name(name: object) -> str:
    """A name as a text. A name of levels has a dot between levels: redaction knows each level."""
    if type(name) is tuple:
        return ".".join(map(str, name))
    return str(name)


def columns_text(columns: Iterable[tuple[object, str]], count: int) -> str:
    """The names and dtypes of the first columns."""
    told = [f"{name}: {dtype}" for name, dtype in columns]
    if len(told) < count:
        told.append("...")
    return ", ".join(told)


def _rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The first rows, each value beside its column's name: redaction hides secrets by name.

    columns: the first values of each column. A column whose values were not read has none.
    """
    read = [(name, column) for name, column in columns.items() if column]
    told = read[:_FEW_TOLD_COLUMNS]
    longest = max([len(column) for _, column in told], default=0)
    count = min(longest, _FEW_TOLD_ROWS)
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, column in told:
        for row, item in zip(rows, column):
            row[name] = item
    return rows


def _labelled(labels: list[Any], rows: list[Any], length: int) -> str:
    """The first rows, each after its label."""
    told = [f"{short(label)}: {short(row)}" for label, row in zip(labels, rows)]
    return _told_rows(told, length)


def _told_rows(told: list[str], length: int) -> str:
    """The texts of the first of `length` rows, behind a colon."""
    if not told:
        return ""
    if len(told) < length:
        told.append("...")
    return f": {', '.join(told)}"


def _series(cls: object, value: object) -> Summary:
    manager = _manager_of(value)
    values = manager.blocks[0].values
    index = manager.axes[0]
    length = len(index)
    dtype = _dtype_of(values)
    few = _first_of_values(values, FEW)
    name = plain(instance_dict(value).get("_name"))
    labels = _labels(index, FEW)
    facts: dict[str, Any] = {
        "shape": (length,),
        "dtype": dtype,
        "name": name,
        "index": labels,
        "first": _by_label(labels, few or []),
    }
    own = name_of(type(value))
    if few is None:
        text = shape_and_dtype(own, None, length, (length,), dtype)
        return Summary(text, facts, length)
    rows: list[Any] = few
    head = dtype
    if type(name) is str:  # redaction hides secrets by the names beside the values
        rows = [{name: item} for item in few]
        head = f"{name}: {dtype}"
        facts["column"] = {name: facts["first"]}
    told = _labelled(labels, rows[:_FEW_TOLD], length)
    return Summary(f"<{own} of {length} rows ({head}){told}>", facts, length)


def _by_label(labels: list[Any], few: list[Any]) -> object:
    """The values of a series; by label, if all labels are names, as in a row of a table."""
    if not labels or len(labels) != len(few):
        return few
    if any(type(label) is not str for label in labels):
        return few
    by_label = dict(zip(labels, few))
    if len(by_label) < len(few):  # two labels are the same
        return few
    return by_label


def _index(cls: object, value: pandas.Index) -> Summary:
    own = type(value)
    if not is_of(own, "pandas", "Index"):
        raise TypeError("a subclass of pandas.Index")
    labels = None
    if _first_of_index(value, FEW) is not None:
        labels = _labels(value, FEW)
    length = len(value)
    dtype = dtype_text(value.dtype)
    facts = {"dtype": dtype, "first": labels or []}
    text = shape_and_dtype(name_of(own), labels, length, (length,), dtype)
    return Summary(text, facts, length)


def _type_text(dtype: object) -> str:
    """A data type of pyarrow or polars, whose parts may have long names."""
    return str(dtype)[:MOST_VALUE]


# -- pyarrow


def _first_of_arrow(array: pyarrow.Array | pyarrow.ChunkedArray, count: int) -> list[Any] | None:
    """The first texts of an array of pyarrow; None for other values.

    Buffers of a mapped file are read-only. Arrow allocates the buffers of texts itself, but buffers
    of numbers may be a mapped array of numpy.
    """
    if type(array) is loaded("pyarrow", "ChunkedArray"):
        if not array.num_chunks:
            return None
        array = array.chunk(0)
    names = ("StringArray", "LargeStringArray")
    if not any(type(array) is loaded("pyarrow", name) for name in names):
        return None
    if not all(buffer is None or buffer.is_mutable for buffer in array.buffers()):
        return None
    return [plain(item.as_py()) for item in array[:count]]


def _arrow_table(cls: object, value: pyarrow.Table | pyarrow.RecordBatch) -> Summary:
    """A table or a batch. Dictionary types and nested types name their parts."""
    own = type(value)
    if not is_of(own, "pyarrow", None):
        return Summary(f"<{name_of(own)}>")
    shape = (value.num_rows, value.num_columns)
    length, width = shape
    count = min(width, _FEW_COLUMNS)
    fields = [value.schema.field(at) for at in range(count)]
    dtypes = [_type_text(field.type) for field in fields]
    names = [beginning(str(field.name)) for field in fields]
    first: dict[str, list[Any]] = {}
    for at, name in enumerate(names):
        few = _first_of_arrow(value.column(at), _FEW_ROWS)
        if few:
            first[name] = few
    facts = {
        "shape": shape,
        "columns": names,
        "dtypes": dtypes,
        "first": first,
    }
    told = [short(row) for row in _rows(first)]
    rows = _told_rows(told, length)
    text = _table_text(name_of(own), shape, names, dtypes, rows)
    return Summary(text, facts, length)


def _arrow_array(cls: object, value: pyarrow.Array | pyarrow.ChunkedArray) -> Summary:
    """An array, whole or in chunks."""
    own = type(value)
    if not is_of(own, "pyarrow", None):
        return Summary(f"<{name_of(own)}>")
    few = _first_of_arrow(value, FEW)
    length = len(value)
    dtype = _type_text(value.type)
    facts: dict[str, Any] = {"shape": (length,), "dtype": dtype}
    if few:
        facts["first"] = few
    text = shape_and_dtype(name_of(own), few, length, (length,), dtype)
    return Summary(text, facts, length)


# -- polars


def _polars_frame(cls: object, value: polars.DataFrame) -> Summary:
    """A frame by its columns. The values are not read: their memory may be a mapped file."""
    own = type(value)
    if not is_of(own, "polars", None):
        return Summary(f"<{name_of(own)}>")
    shape = value.shape
    names = []
    dtypes = []
    for name, dtype in islice(value.schema.items(), _FEW_COLUMNS):
        names.append(beginning(name))
        dtypes.append(_type_text(dtype))
    facts = {"shape": shape, "columns": names, "dtypes": dtypes}
    text = _table_text(name_of(own), shape, names, dtypes)
    length, _ = shape
    return Summary(text, facts, length)


def _polars_series(cls: object, value: polars.Series) -> Summary:
    own = type(value)
    if not is_of(own, "polars", None):
        return Summary(f"<{name_of(own)}>")
    name = value.name
    dtype = _type_text(value.dtype)
    length = value.len()
    facts = {"shape": (length,), "dtype": dtype, "name": name}
    text = described("Series", short(name), shape=(length,), dtype=dtype)
    return Summary(text, facts, length)


TABLES: Final[Table] = {
    ("pandas", "DataFrame"): _dataframe,
    ("pandas", "Series"): _series,
    ("pandas", "Index"): _index,
    ("polars", "DataFrame"): _polars_frame,
    ("polars", "Series"): _polars_series,
    ("pyarrow", "Table"): _arrow_table,
    ("pyarrow", "RecordBatch"): _arrow_table,
    ("pyarrow", "ChunkedArray"): _arrow_array,
    ("pyarrow", "Array"): _arrow_array,
}
