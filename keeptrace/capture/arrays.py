"""Summaries of numpy's arrays and scalars: type, shape, dtype and a few values.

The library's own class reads the attributes of a subclass's instance. If an array's memory may be
gone (core/memory.py), the summary has shape and dtype alone.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ..core.memory import is_own_memory
from ..core.raw import loaded, qualname_of, stored
from .summary import (
    FEW,
    Summary,
    Table,
    described,
    dtype_text,
    is_atom,
    is_of,
    listed,
    plain,
)

if TYPE_CHECKING:
    import numpy

    from .text_writer import TextWriter

# Elements of an array of objects: each may be large. (elements)
_FEW_OBJECTS: Final = 5
_MOST_SCALAR: Final = 200


def shape_and_dtype(name: str, few: list[Any] | None, size: int, shape: object, dtype: str) -> str:
    """The text of an array with its first values. few=None: the values may not be read."""
    if few is None:
        return f"{name}(shape={shape}, dtype={dtype}; values not read)"
    return described(name, listed(few, size), shape=shape, dtype=dtype)


# -- numpy


def first_of_array(ndarray: type[numpy.ndarray], value: object, count: int) -> list[Any] | None:
    """The first values, read singly: slicing a subclass's instance would run its own code."""
    if not is_own_memory(value):
        return None
    elements = islice(ndarray.flat.__get__(value), count)
    return [plain(item) for item in elements]


def _ndarray(ndarray: type[numpy.ndarray], value: object) -> Summary:
    shape = tuple(ndarray.shape.__get__(value))
    dtype = ndarray.dtype.__get__(value)
    size = ndarray.size.__get__(value)
    nbytes = ndarray.nbytes.__get__(value)
    told = dtype_text(dtype)
    facts = {"shape": shape, "dtype": told, "size": size, "nbytes": nbytes}
    length = None
    if shape:
        length = shape[0]
    if dtype.hasobject or dtype.names is not None:
        few = _first_objects(ndarray, value)
        if few is not None:
            write = _written("array", few, size, f"shape={shape}, dtype={told}")
            return Summary(write, facts, length, {"first": few})
    else:
        few = first_of_array(ndarray, value, FEW)
    if few is not None:
        facts["first"] = few
    text = shape_and_dtype("array", few, size, shape, told)
    return Summary(text, facts, length)


def _first_objects(ndarray: type[numpy.ndarray], value: object) -> list[Any] | None:
    """The first elements of an array of objects or of records."""
    if not is_own_memory(value):
        return None
    elements = islice(ndarray.flat.__get__(value), _FEW_OBJECTS)
    return [_fields_of(item) for item in elements]


def _fields_of(item: Any) -> Any:
    """The fields of a record, by their names; any other element itself."""
    if not is_of(type(item), "numpy", "void") or item.dtype.names is None:
        return item
    return {name: _as_python(item[name]) for name in item.dtype.names}


def _as_python(item: Any) -> object:
    """A scalar of numpy as a plain value, the fields of a record, or any other element itself."""
    is_scalar = is_of(type(item), "numpy", "generic") and item.dtype.names is None
    if is_scalar:
        return plain(item)
    return _fields_of(item)


def _written(name: str, few: list[Any], size: int, rest: str) -> Callable[[TextWriter], None]:
    """Writes an array whose elements may be the program's objects."""
    closing = "], "
    if size > len(few):
        closing = ", ...], "

    def write(writer: TextWriter) -> None:
        writer.call(name, "[", lambda: writer.items(few), closing, rest)

    return write


def _numpy_scalar(generic: type[numpy.generic], value: object) -> Summary:
    dtype = generic.dtype.__get__(value)
    told = dtype_text(dtype)
    name = qualname_of(type(value))
    is_own = is_of(type(value), "numpy", "generic")
    if is_own and dtype.names is not None:
        fields = _fields_of(value)

        def write(writer: TextWriter) -> None:
            writer.call(f"np.{name}", lambda: writer.write(fields))

        return Summary(write, {"dtype": told}, held=fields)
    if dtype.hasobject:
        return Summary(f"<{name} of objects>", {"dtype": told})
    known = generic.item(value)
    if not is_atom(known):
        known = f"<{name}>"
        if is_own:
            known = str(value)[:_MOST_SCALAR]
    if is_own:
        text = repr(value)
    else:  # a subclass of the program's
        text = f"{name}({known!r})"
    return Summary(text[:_MOST_SCALAR], {"item": known, "dtype": told})


def _dtype(cls: object, value: object) -> Summary:
    told = dtype_text(value)
    return Summary(f"dtype({told!r})"[:_MOST_SCALAR], {"name": told})


def _masked(cls: object, value: object) -> Summary:
    """A masked array. The summary shows None for each masked value."""
    ndarray = loaded("numpy", "ndarray")
    whole = _ndarray(ndarray, value)
    few = whole.facts.get("first")
    size = whole.facts["size"]
    mask = stored(value, "_mask")
    if type(mask) is loaded("numpy", "bool_"):  # no value is masked
        return whole
    has_mask = type(mask) is ndarray and ndarray.size.__get__(mask) == size
    if few is None or not has_mask:
        return whole._replace(text=_unread(value), facts={}, held={})
    hidden = first_of_array(ndarray, mask, len(few))
    if not hidden:  # the mask cannot be read
        hidden = [True] * len(few)
    shown = list(few)
    for at, is_hidden in enumerate(hidden):
        if is_hidden:
            shown[at] = None
    facts = {**whole.facts, "first": shown, "mask": hidden}
    text = shape_and_dtype("masked_array", shown, size, facts["shape"], facts["dtype"])
    return Summary(text, facts, whole.length)


def _unread(value: object) -> str:
    return f"<{qualname_of(type(value))}: values not read>"


NUMPY: Final[Table] = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "generic"): _numpy_scalar,
    ("numpy", "dtype"): _dtype,
    ("numpy.ma", "MaskedArray"): _masked,
}
