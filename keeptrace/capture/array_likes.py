"""Arrays of unknown classes: what has a shape and a dtype, or offers its memory by a protocol.

Such an object is never asked for its repr, not even with run_reprs=True: the repr may copy the
memory of a device. What the object or its class has stored is read, and no property runs.
"""

from __future__ import annotations

from typing import Any, Final

from ..core.raw import ABSENT, attribute_of, mro_of, name_of, stored
from .summary import MOST_VALUE, described, dtype_text

_INTERFACES: Final = ("__array_interface__", "__cuda_array_interface__")
_PROTOCOLS: Final = (*_INTERFACES, "__dlpack_device__")
# numpy allows 64. (dimensions)
_DIMENSIONS: Final = 64


def is_array_like(value: object) -> bool:
    """Whether the object or its class has a shape and a dtype, or one of the protocols."""
    mro = mro_of(type(value))
    if any(attribute_of(mro, name)[1] is not None for name in _PROTOCOLS):
        return True
    return all(_has(mro, value, name) for name in ("shape", "dtype"))


def _has(mro: tuple[type, ...], value: object, name: str) -> bool:
    return attribute_of(mro, name)[1] is not None or stored(value, name) is not ABSENT


def told(value: object) -> str | None:
    """The array by what is stored of it; None if that is too little, or no array."""
    return _described(value) if is_array_like(value) else None


def _stored(value: object, name: str) -> Any:
    found = stored(value, name)
    if found is not ABSENT:
        return found
    constant = attribute_of(mro_of(type(value)), name)[1]
    is_computed = constant is None or attribute_of(mro_of(type(constant)), "__get__")[1] is not None
    return ABSENT if is_computed else constant


def _described(value: object) -> str | None:
    shape, dtype = _stored(value, "shape"), _stored(value, "dtype")
    for interface in _INTERFACES:
        offered = _stored(value, interface) if shape is ABSENT else None
        if type(offered) is dict:
            shape, dtype = offered.get("shape"), offered.get("typestr", ABSENT)
    if type(shape) not in (tuple, list) or not _are_numbers(shape):
        return None
    facts: dict[str, object] = {"shape": tuple(shape)}
    if dtype is not ABSENT:
        facts["dtype"] = dtype_text(dtype)
    device = _stored(value, "device")
    if type(device) is str:
        facts["device"] = repr(device[:MOST_VALUE])
    return described(name_of(type(value)), **facts)


def _are_numbers(shape: Any) -> bool:
    return len(shape) <= _DIMENSIONS and all(type(size) in (int, type(None)) for size in shape)
