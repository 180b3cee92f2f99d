"""Arrays of unknown classes: objects with a shape and a dtype, or with a protocol for their memory.

keeptrace never runs the repr of such an object, not even with run_reprs=True: the repr may copy the
memory of a device. keeptrace reads stored attributes of the object and its class, never a property.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..core.raw import ABSENT, attribute_of, class_attribute, mro_of, name_of, stored
from .summary import MOST_VALUE, described, dtype_text

if TYPE_CHECKING:
    from collections.abc import Collection

_INTERFACES: Final = ("__array_interface__", "__cuda_array_interface__")
_PROTOCOLS: Final = (*_INTERFACES, "__dlpack_device__")
# numpy allows 64. (dimensions)
_DIMENSIONS: Final = 64


def is_array_like(value: object) -> bool:
    """Whether the object or its class has a shape and a dtype, or an array protocol."""
    mro = mro_of(type(value))
    if any(class_attribute(mro, name) is not None for name in _PROTOCOLS):
        return True
    return all(_has(mro, value, name) for name in ("shape", "dtype"))


def _has(mro: tuple[type, ...], value: object, name: str) -> bool:
    if class_attribute(mro, name) is not None:
        return True
    return stored(value, name) is not ABSENT


def told(value: object) -> str | None:
    """The array by its stored attributes; None for other objects, or without a stored shape."""
    if is_array_like(value):
        return _described(value)
    return None


def _stored(value: object, name: str) -> Any:
    found = stored(value, name)
    if found is not ABSENT:
        return found
    _owner, constant = attribute_of(mro_of(type(value)), name)
    if constant is None:
        return ABSENT
    _owner, getter = attribute_of(mro_of(type(constant)), "__get__")
    if getter is not None:  # a property, or another descriptor
        return ABSENT
    return constant


def _shape_and_dtype(value: object) -> tuple[Any, Any]:
    """The stored shape and dtype, or those of an interface to the array's memory."""
    shape = _stored(value, "shape")
    dtype = _stored(value, "dtype")
    for interface in _INTERFACES:
        if shape is not ABSENT:
            break
        offered = _stored(value, interface)
        if type(offered) is dict:
            shape = offered.get("shape")
            dtype = offered.get("typestr", ABSENT)
    return shape, dtype


def _described(value: object) -> str | None:
    shape, dtype = _shape_and_dtype(value)
    if type(shape) not in (tuple, list) or not _are_numbers(shape):
        return None
    facts: dict[str, object] = {"shape": tuple(shape)}
    if dtype is not ABSENT:
        facts["dtype"] = dtype_text(dtype)
    device = _stored(value, "device")
    if type(device) is str:
        facts["device"] = repr(device[:MOST_VALUE])
    return described(name_of(type(value)), **facts)


def _are_numbers(shape: Collection[object]) -> bool:
    if len(shape) > _DIMENSIONS:
        return False
    return all(size is None or type(size) is int for size in shape)
