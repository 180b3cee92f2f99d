"""Summaries of xarray's arrays and datasets: dimensions, coordinates, and the arrays inside."""

from __future__ import annotations

from typing import Any, Final

from ..core.raw import ABSENT, first_of, loaded, name_of, stored
from .summary import Summary, Table, described, plain, short

# As many as columns of a table. (variables)
_FEW_VARIABLES: Final = 20


def _labelled_array(cls: object, value: object) -> Summary:
    """A DataArray or a Variable: dimensions and coordinates; the array itself is kept as data."""
    variable = stored(value, "_variable")
    if variable is ABSENT:  # a Variable holds the data itself
        variable = value
    data = stored(variable, "_data")
    facts: dict[str, Any] = {"sizes": _sizes_of(variable)}
    held: dict[str, Any] = {}
    name = stored(value, "_name")
    if name is not ABSENT:
        name = plain(name)
        facts["name"] = name
    if type(name) is str:  # redaction hides secrets by the names beside the values
        held["variables"] = {name: data}
    held["data"] = data
    coords = stored(value, "_coords")
    if type(coords) is dict:
        facts["coords"] = [each for each in coords if type(each) is str]
    told = {fact: short(item) for fact, item in facts.items()}
    text = described(name_of(type(value)), **told)
    return Summary(text, facts, held=held)


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
    sizes: dict[str, Any] = {}
    listed = []
    for name, variable in found:
        shown_name = str(plain(name))
        sizes[shown_name] = _sizes_of(variable)
    for shown_name, size in sizes.items():
        listed.append(f"{shown_name}: {short(size)}")
    own = name_of(type(value))
    listing = ", ".join(listed)
    text = f"<{own} of {listing}>"
    return Summary(text, {"sizes": sizes}, held={"variables": dict(found)})


XARRAY: Final[Table] = {
    ("xarray", "DataArray"): _labelled_array,
    ("xarray", "Variable"): _labelled_array,
    ("xarray", "Dataset"): _dataset,
}
