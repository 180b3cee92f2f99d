"""Summaries of tensors and of arrays on devices, made from attributes that libraries compute.

The capture neither copies a device's memory nor waits for a device: the process itself knows shape,
dtype and device. Only instances of the libraries' own classes are read. For an instance of a
subclass, the summary names the type alone.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ..core.raw import (
    ABSENT,
    first_of,
    loaded,
    name_of,
    package_of,
    qualname_of,
    stored,
    text_keys,
)
from .summary import FEW, Summary, Table, described, dtype_text, is_of, listed, plain

if TYPE_CHECKING:
    import cupy
    import jax
    import tensorflow
    from torch import Tensor

# In the text of a module of a network. (parameters)
_FEW_PARAMETERS: Final = 8
# The search for parameters stops after so many modules of a network. (modules)
_MOST_MODULES: Final = 200
# Devices of one array. (devices)
_FEW_DEVICES: Final = 8

# Classes of C in torch whose instances are constants. (names)
_NAMED_BY_TORCH: Final = (
    "device",
    "dtype",
    "finfo",
    "iinfo",
    "layout",
    "memory_format",
    "qscheme",
)

# -- PyTorch


def _tensor(cls: object, value: object) -> Summary:
    """A tensor. For a subclass the type alone: a subclass may compute its attributes."""
    is_parameter = type(value) is loaded("torch.nn.parameter", "Parameter")
    if type(value) is not cls and not is_parameter:
        return Summary(f"<{qualname_of(type(value))}>")
    name = "tensor"
    if is_parameter:
        name = "Parameter"
    with _without_modes():
        return _own_tensor(value, name)


def _without_modes() -> AbstractContextManager[object]:
    """A block in which torch calls no mode of the program for an attribute of a tensor."""
    disabled: Callable[[], AbstractContextManager[object]] | None
    disabled = loaded("torch._C", "DisableTorchFunction")
    if disabled is None:
        return contextlib.nullcontext()
    return disabled()


def _own_tensor(value: Tensor, name: str) -> Summary:
    shape = _shape_of(value)
    dtype = _dtype_of_torch(value)
    device = str(value.device)
    facts: dict[str, Any] = {
        "shape": shape,
        "dtype": dtype,
        "device": device,
        "requires_grad": bool(value.requires_grad),
    }
    few: list[Any] = []
    if name == "tensor" and shape is not None:
        few = _first_of_tensor(value)
    parts = []
    if few:
        facts["first"] = few
        parts = [listed(few, value.numel())]
    text = described(name, *parts, shape=shape, dtype=dtype, device=repr(device))
    return Summary(text, facts, _length_of(shape))


def _length_of(shape: object) -> int | None:
    """The length along the first dimension; None if no number is known."""
    if type(shape) is not tuple or not shape:
        return None
    length = shape[0]
    if type(length) is int:
        return length
    return None


def _shape_of(value: Tensor) -> tuple[int, ...] | None:
    try:
        return tuple(value.shape)
    except RuntimeError:  # a nested tensor has none
        return None


def _dtype_of_torch(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _first_of_tensor(value: Tensor) -> list[Any]:
    """The first values of a dense tensor in the process's own memory."""
    count = loaded("torch._C", "_len_torch_dispatch_stack")
    if count is not None and count():  # a mode of the program would get every operation
        return []
    is_dense = str(value.layout) == "torch.strided"
    if value.device.type != "cpu" or not is_dense or not value.numel():
        return []
    try:
        return _first_in_memory(value)
    except RuntimeError:  # a quantized tensor, or a tensor within vmap, gives no storage
        return []


def _first_in_memory(value: Tensor) -> list[Any]:
    storage = value.untyped_storage()
    if storage.is_shared() or getattr(storage, "filename", None):  # may be a mapped file
        return []
    part = value.detach()
    while part.dim() > 1:  # takes views of first rows: flatten() would copy
        part = part[0]
    if part.dim():
        return list(part[:FEW].tolist())
    return [part.item()]


def _named_by_torch(cls: Any, value: object) -> Summary:
    """A dtype, a device or another constant. C code makes the repr."""
    return Summary(cls.__repr__(value))


def _module(cls: object, value: object) -> Summary:
    """A module of a network: the parameters by shape and device, beside the attributes."""
    few = islice(_parameters_of(value), _FEW_PARAMETERS)
    shown = [f"{name}: {_shape_and_device(part)}" for name, part in few]
    told = ", ".join(shown) or "no parameters"
    if len(shown) == _FEW_PARAMETERS:
        told += ", ..."
    own = qualname_of(type(value))
    return Summary(f"<{own} with {told}>", has_state=True)


def _parameters_of(module: object) -> Iterator[tuple[str, Any]]:
    """The parameters of a module and of the modules within, read from their own dicts."""
    waiting = deque([("", module)])
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_MODULES:
        prefix, found = waiting.popleft()
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield from _named(prefix, stored(found, "_parameters"))
        for name, part in _named(prefix, stored(found, "_modules")):
            waiting.append((f"{name}.", part))


def _named(prefix: str, found: object) -> Iterator[tuple[str, Any]]:
    if issubclass(type(found), dict):
        parts = text_keys(first_of(dict.items, found, _MOST_MODULES))
        for name, part in parts.items():
            yield f"{prefix}{name}", part


def _shape_and_device(part: Any) -> str:
    if not is_of(type(part), "torch", "Tensor"):
        return f"<{qualname_of(type(part))}>"
    with _without_modes():
        return f"{_shape_of(part)} {_dtype_of_torch(part)} {part.device}"


def _optimizer(cls: object, value: object) -> Summary:
    """An optimizer: each group's parameters by shape and device, and the group's settings."""
    groups: object = stored(value, "param_groups")
    if type(groups) is not list:
        groups = []
    shown = []
    for group in groups[:FEW]:
        if type(group) is dict:
            settings = {name: _setting(item) for name, item in group.items()}
            shown.append(settings)
    name = qualname_of(type(value))
    facts = {"param_groups": shown}
    return Summary(lambda writer: writer.fields(name, facts.items()), facts)


def _setting(item: object) -> object:
    if type(item) is not list:
        return plain(item)
    few = [_shape_and_device(part) for part in item[:_FEW_PARAMETERS]]
    if len(few) == len(item):
        return few
    return [*few, "..."]


# -- arrays of other libraries


def _is_known(base: type, cls: type) -> bool:
    """Whether class and base belong to the same library, so attributes run no other code."""
    packages = {package_of(base)}
    if "jax" in packages:
        packages.add("jaxlib")
    return any(is_of(cls, package, None) for package in packages)


def _of_library(cls: type, value: Any) -> Summary:
    """An array by shape, dtype and device. Of a subclass only the type."""
    own = type(value)
    name = name_of(own)
    name = _NAMES.get(name, name)
    if not _is_known(cls, own):
        return Summary(f"<{name}>")
    shape = _dimensions(value.shape)
    facts: dict[str, Any] = {"shape": shape, "dtype": _dtype_name(value.dtype)}
    told = dict(facts)
    device = _device_of(value)
    if device is not None:
        facts["device"] = device
        told["device"] = repr(device)
    text = described(name, **told)
    return Summary(text, facts, _length_of(shape))


def _dimensions(shape: Any) -> tuple[Any, ...] | None:
    """A shape as a tuple of numbers. An unknown dimension, or shape, is None."""
    if is_of(type(shape), "tensorflow", None):
        if shape.rank is None:
            return None
        shape = shape.as_list()
    if type(shape) is not tuple and type(shape) is not list:
        return None
    return tuple(size if type(size) is int else None for size in shape)


def _dtype_name(dtype: Any) -> str:
    if is_of(type(dtype), "tensorflow", None):
        return str(dtype.name)
    return dtype_text(dtype)


def _device_of(value: object) -> str | None:
    """The library's own name of an array's device or devices."""
    package = package_of(type(value))
    read = _DEVICES.get(package)
    if read is None:
        return None
    return read(value)


def _device_of_cupy(value: cupy.ndarray) -> str:
    return f"cuda:{value.device.id}"


def _devices_of_jax(value: jax.Array) -> str:
    few = islice(value.devices(), _FEW_DEVICES)
    names = [f"{device.platform}:{device.id}" for device in few]
    return ", ".join(sorted(names))


def _device_of_tensorflow(value: tensorflow.Tensor) -> str | None:
    if not hasattr(value, "numpy"):  # a symbolic tensor has no device
        return None
    device = value.device
    if type(device) is str:
        return device.rpartition("/device:")[2].lower()
    return None


# First part of a class's module → function for the name of the device
_DEVICES: Final = {
    "cupy": _device_of_cupy,
    "jaxlib": _devices_of_jax,
    "tensorflow": _device_of_tensorflow,
}
# Names of classes in the libraries' documentation
_NAMES: Final = {
    "ArrayImpl": "Array",
    "EagerTensor": "tf.Tensor",
    "ResourceVariable": "tf.Variable",
}


# -- sparse matrices


def _sparse(cls: object, value: object) -> Summary:
    """A sparse matrix: the shape, and the number of stored elements."""
    own = type(value)
    if not is_of(own, "scipy", None):
        return Summary(f"<{name_of(own)}>")
    shape = stored(value, "_shape")
    if type(shape) is not tuple:
        shape = None
    data = stored(value, "data")
    dtype = stored(value, "dtype")
    ndarray = loaded("numpy", "ndarray")
    facts: dict[str, Any] = {"shape": shape}
    if dtype is ABSENT and type(data) is ndarray:
        dtype = ndarray.dtype.__get__(data)
    if dtype is not ABSENT:
        facts["dtype"] = dtype_text(dtype)
    if type(data) is ndarray and data.dtype != object:  # a list of lists has rows of objects
        facts["stored"] = int(data.size)
    return Summary(described(name_of(own), **facts), facts)


DEVICES: Final[Table] = {
    ("torch", "Tensor"): _tensor,
    **{("torch", name): _named_by_torch for name in _NAMED_BY_TORCH},
    ("torch.nn", "Module"): _module,
    ("torch.optim", "Optimizer"): _optimizer,
    **dict.fromkeys(
        (
            ("cupy", "ndarray"),
            ("numba.cuda.cudadrv.devicearray", "DeviceNDArrayBase"),
            ("jax", "Array"),
            ("jax._src.core", "Tracer"),
            ("jax", "ShapeDtypeStruct"),
            ("tensorflow", "Tensor"),
            ("tensorflow", "Variable"),
            ("dask.array", "Array"),
        ),
        _of_library,
    ),
    ("scipy.sparse", "sparray"): _sparse,
    ("scipy.sparse", "spmatrix"): _sparse,
}
