"""Summaries of xarray's arrays and datasets: dimensions, coordinates, and the arrays inside."""

from __future__ import annotations

from typing import Any, Final

from ..core.raw import ABSENT, first_of, loaded, name_of, stored
from .summary import Summary, Table, described, plain, short

# As many as columns of a table. (variables)
_FEW_VARIABLES: Final = 20


def _labelled_array(cls: object, value: object) -> Summary:
    """A DataArray or a Variable: dimensions and coordinates; the array itself is kept as data."""
    own = type(value)
    held = stored(value, "_variable")
    if held is ABSENT:  # a Variable holds the data itself
        held = value
    data = stored(held, "_data")
    facts: dict[str, Any] = {"sizes": _sizes_of(held)}
    name = stored(value, "_name")
    coords = stored(value, "_coords")
    if name is not ABSENT:
        facts["name"] = plain(name)
    if type(coords) is dict:
        facts["coords"] = [name for name in coords if type(name) is str]
    told = {fact: short(item) for fact, item in facts.items()}
    text = described(name_of(own), **told)
    held_data: dict[str, Any] = {"data": data}
    own_name = facts.get("name")
    if type(own_name) is str:  # redaction hides secrets by the names beside the values
        held_data = {"variables": {own_name: data}, "data": data}
    return Summary(text, facts, held=held_data)


def _sizes_of(variable: object) -> dict[str, Any]:
    """The dimensions of a variable with their lengths, if the data is numpy's."""
    dims = stored(variable, "_dims")
    data = stored(variable, "_data")
    names = []
    if type(dims) is tuple:
        names = [plain(name) for name in dims]
    shape: Any = [None] * len(names)
    ndarray = loaded("numpy", "ndarray")
    if type(data) is ndarray:
        shape = ndarray.shape.__get__(data)
    return {str(name): size for name, size in zip(names, shape)}


def _dataset(cls: object, value: object) -> Summary:
    """A dataset: the variables with their dimensions."""
    variables = stored(value, "_variables")
    if type(variables) is not dict:
        variables = {}
    found = first_of(dict.items, variables, _FEW_VARIABLES)
    told = {str(plain(name)): _sizes_of(variable) for name, variable in found}
    listing = ", ".join([f"{name}: {short(sizes)}" for name, sizes in told.items()])
    text = f"<{name_of(type(value))} of {listing}>"
    return Summary(text, {"sizes": told}, held={"variables": dict(found)})


XARRAY: Final[Table] = {
    ("xarray", "DataArray"): _labelled_array,
    ("xarray", "Variable"): _labelled_array,
    ("xarray", "Dataset"): _dataset,
}
