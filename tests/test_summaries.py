"""Arrays, tables and tensors are kept by what their libraries say of them: nothing is copied, and
no repr runs.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

import keeptrace


def arrived(value: object, **options: Any) -> Any:
    """The value as a variable of a frame that went through a dump."""
    try:
        raise ValueError("it failed")
    except ValueError as exc:
        restored = keeptrace.loads(keeptrace.dumps(exc, **options))
    return restored.__traceback__.tb_frame.f_locals["value"]


class Order:
    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        raise AssertionError("a repr ran")


# -- numpy


def test_object_arrays_show_their_elements() -> None:
    """The elements of an array of objects are kept as any other objects are."""
    np = pytest.importorskip("numpy")
    found = arrived(np.array([Order(3), None, {"town": "Lisbon"}, "text"], dtype=object))
    assert "Order object: number=3" in repr(found) and "{'town': 'Lisbon'}" in repr(found)
    assert "shape=(4,), dtype=object" in repr(found)
    assert found.first[0].number == 3 and found.first[1:] == [None, {"town": "Lisbon"}, "text"]
    many = arrived(np.array([Order(n) for n in range(100)], dtype=object))
    assert len(many.first) == 5 and ", ...], shape=(100,)" in repr(many)


def test_object_arrays_obey_the_depth() -> None:
    """Elements lie one level deeper than their array, however arrays are nested."""
    np = pytest.importorskip("numpy")
    nested: Any = Order(1)
    for _ in range(30):
        array = np.empty(1, dtype=object)
        array[0] = nested
        nested = array
    found, levels = arrived(nested, depth=4), 0
    while isinstance(getattr(found, "first", None), list):
        found, levels = found.first[0], levels + 1
    assert 1 <= levels < 4
    assert not hasattr(arrived(np.array([Order(1)], dtype=object), depth=1), "first")


def test_records_show_their_fields() -> None:
    """The records of a structured array have their fields by name, also nested ones."""
    np = pytest.importorskip("numpy")
    array = np.zeros(3, dtype=[("town", "U8"), ("at", [("x", "i4"), ("y", "f8")])])
    array["town"], array["at"]["x"] = "Lisbon", 7
    found = arrived(array)
    assert found.first[0] == {"town": "Lisbon", "at": {"x": 7, "y": 0.0}}
    assert "{'town': 'Lisbon', 'at': {'x': 7, 'y': 0.0}}" in repr(found)
    record = arrived(array[0])
    assert record.town == "Lisbon" and record.at == {"x": 7, "y": 0.0}


def test_masked_values_are_not_shown() -> None:
    """A masked value is None, in the text and among the first values."""
    np = pytest.importorskip("numpy")
    found = arrived(np.ma.masked_array([1, 2, 3], [False, True, False]))
    assert found.first == [1, None, 3] and found.mask == [False, True, False]
    assert "masked_array([1, None, 3], shape=(3,)" in repr(found)


def test_arrays_within_a_text() -> None:
    """At the edge of what is kept, where a container is a text, arrays in it are summaries."""
    np = pytest.importorskip("numpy")
    assert "array([0, 1, 2], shape=(3,), dtype=int64)" in repr(
        arrived({"rows": np.arange(3, dtype="int64")}, depth=1)
    )


# -- tables


def test_frames_show_labels_and_rows() -> None:
    """A frame has its index and its first rows, each value beside the name of its column."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "town": list("wxyz")}, index=list("pqrs"))
    found = arrived(frame)
    assert found.index == ["p", "q", "r", "s"]
    assert repr(found).endswith(
        ": 'p': {'a': 1, 'town': 'w'}, 'q': {'a': 2, 'town': 'x'}, 'r': {'a': 3, 'town': 'y'}, ...>"
    )
    by_label = arrived(frame.set_index("town"))
    assert by_label.index[0] == {"town": "w"} and "{'town': 'w'}: {'a': 1}" in repr(by_label)
    by_labels = arrived(frame.set_index(["a", "town"])).index
    assert by_labels[1] == {"a": 2, "town": "x"}
    row = arrived(frame.iloc[0])
    assert row.first == {"a": 1, "town": "w"} and row.name == "p"
    assert arrived(pd.Index([1, 2], name="number")).first == [{"number": 1}, {"number": 2}]


def _secret_tables() -> list[tuple[str, Any]]:
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    frame = pd.DataFrame({"town": ["Lisbon"] * 3, "password": ["tiger"] * 3})
    structured = np.array([("Lisbon", "tiger")], dtype=[("town", "U9"), ("password", "U9")])
    objects = np.array([{"town": "Lisbon", "password": "tiger"}], dtype=object)
    return [
        ("column", frame),
        ("series", frame["password"]),
        ("row", frame.iloc[0]),
        ("index", frame.set_index("password")),
        ("levels", frame.set_index(["town", "password"])),
        ("labels", frame.set_index("password").index),
        ("structured", structured),
        ("record", structured[0]),
        ("objects", objects),
        ("in a text", [{"table": frame}]),
        ("two levels", pd.concat({"user": frame}, axis=1)),
    ]


@pytest.mark.parametrize("depth", [1, 6])
def test_secrets_in_tables(depth: int) -> None:
    """A password is hidden in every place that a table has for it; what stands beside is kept."""
    for name, value in _secret_tables():
        found = arrived(value, depth=depth)
        assert "tiger" not in f"{found!r} {vars(found) if hasattr(found, '__dict__') else ''}", name
        if name not in ("series", "labels", "levels"):
            assert "Lisbon" in repr(found), name


def test_pyarrow() -> None:
    """Tables, batches and arrays of pyarrow: columns with types, and texts that Arrow itself made."""
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, 2], "town": ["Lisbon", None]})
    found = arrived(table)
    assert (found.shape, found.columns, found.dtypes) == (
        (2, 2),
        ["a", "town"],
        ["int64", "string"],
    )
    assert repr(found).startswith("<Table of 2 rows x 2 columns (a: int64, town: string): ")
    assert found.first == {"town": ["Lisbon", None]} and len(found) == 2
    assert arrived(table["a"]).dtype == "int64" and arrived(pa.array(["x"])).first == ["x"]
    assert "RecordBatch of 2 rows" in repr(arrived(table.to_batches()[0]))


def test_mapped_memory_of_pyarrow_is_not_read(tmp_path: Any) -> None:
    """A table whose memory is a mapped file shows no values: the file may have been cut."""
    pa, feather = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.feather")
    path = str(tmp_path / "t.feather")
    feather.write_feather(pa.table({"town": ["Lisbon"]}), path, compression="uncompressed")
    found = arrived(feather.read_table(path, memory_map=True))
    assert "Lisbon" not in repr(found) and found.first == {} and found.dtypes == ["string"]


def test_polars() -> None:
    """Frames and series of polars: columns with types; no values, which may be a mapped file's."""
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": [1, 2, 3], "town": ["x", "y", "z"]})
    assert repr(arrived(frame)) == "<DataFrame of 3 rows x 2 columns (a: Int64, town: String)>"
    assert repr(arrived(frame["a"])) == "Series('a', shape=(3,), dtype=Int64)"


def test_xarray() -> None:
    """Arrays and datasets of xarray: dimensions, coordinates, and the arrays within."""
    np, xr = pytest.importorskip("numpy"), pytest.importorskip("xarray")
    array = xr.DataArray(np.zeros((2, 3)), dims=("x", "y"), coords={"x": [1, 2]}, name="rain")
    found = arrived(array)
    assert found.sizes == {"x": 2, "y": 3} and found.name == "rain" and found.coords == ["x"]
    assert found.data.shape == (2, 3)
    dataset = arrived(xr.Dataset({"rain": array}))
    assert "rain: {'x': 2, 'y': 3}" in repr(dataset)
    assert dataset.variables["rain"].data.dtype == "float64"


def test_secrets_in_xarray() -> None:
    """The values of an array with a secret's name are hidden."""
    np, xr = pytest.importorskip("numpy"), pytest.importorskip("xarray")
    array = xr.DataArray(np.array(["tiger", "Lisbon"]), name="password")
    for value in (array, xr.Dataset({"password": array})):
        found = arrived(value)
        assert "tiger" not in f"{found!r} {vars(found)}"


def test_dask() -> None:
    """An array of Dask has its shape and dtype; nothing is computed for it."""
    array = pytest.importorskip("dask.array")
    found = arrived(array.ones((1_000_000, 3), chunks=1000))
    assert repr(found) == "Array(shape=(1000000, 3), dtype=float64)"


def test_sparse_matrices() -> None:
    """Sparse matrices of scipy: shape, dtype, and how many elements are stored."""
    np, sparse = pytest.importorskip("numpy"), pytest.importorskip("scipy.sparse")
    found = arrived(sparse.csr_matrix(np.eye(3)))
    assert repr(found) == "csr_matrix(shape=(3, 3), dtype=float64, stored=3)"
    for make in (sparse.coo_array, sparse.dok_matrix, sparse.lil_matrix, sparse.dia_array):
        text = repr(arrived(make(np.eye(3))))
        assert text.startswith(f"{make.__name__}(shape=(3, 3), dtype=float64"), text


def test_jax() -> None:
    """Arrays of JAX, and the tracers in a traced function, which have no values at all."""
    jax = pytest.importorskip("jax")
    np = pytest.importorskip("jax.numpy")
    found = arrived(np.zeros((2, 3)))
    assert repr(found) == "Array(shape=(2, 3), dtype=float32, device='cpu:0')"
    seen: list[str] = []

    def traced(x: Any) -> Any:
        seen.append(repr(arrived(x)))
        return x

    jax.jit(traced)(np.zeros(3))
    jax.vmap(traced)(np.zeros((2, 4)))
    assert [text.partition("(")[2] for text in seen] == [
        "shape=(3,), dtype=float32)",
        "shape=(4,), dtype=float32)",
    ]


def test_numba() -> None:
    """A device array of Numba is told by shape and dtype. Its memory, which is not there, is not
    asked for.
    """
    np = pytest.importorskip("numpy")
    devices = pytest.importorskip("numba.cuda.cudadrv.devicearray")

    class Memory:
        _cuda_memsize_ = 24
        device_ctypes_pointer = None

    if not hasattr(devices, "DeviceNDArrayBase"):
        pytest.skip("Numba's simulator has arrays of numpy")
    array = devices.DeviceNDArray((2, 3), (12, 4), np.dtype("float32"), gpu_data=Memory())
    assert repr(arrived(array)) == "DeviceNDArray(shape=(2, 3), dtype=float32)"


def test_torch() -> None:
    """Tensors of every kind have shape, dtype and device; only dense ones on the CPU have values."""
    torch = pytest.importorskip("torch")
    found = arrived(torch.arange(12.0).reshape(3, 4))
    assert repr(found).endswith("shape=(3, 4), dtype=float32, device='cpu')")
    assert found.first == [0.0, 1.0, 2.0, 3.0] and len(found) == 3
    seen: list[str] = []

    def maps(x: Any) -> Any:
        seen.append(repr(arrived(x)))
        return x

    torch.vmap(maps)(torch.ones(3, 2))
    seen += [
        repr(arrived(torch.empty(2, device="meta"))),
        repr(arrived(torch.eye(2).to_sparse()[0])),
        repr(arrived(torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8))),
    ]
    assert [text.partition(", dtype=")[0] for text in seen] == ["tensor(shape=(2,)"] * 4
    nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    assert repr(arrived(nested)) == "tensor(dtype=float32, device='cpu')"
    network = torch.nn.Sequential(torch.nn.Linear(3, 4))
    assert repr(arrived(network)) == (
        "<Sequential with 0.weight: (4, 3) float32 cpu, 0.bias: (4,) float32 cpu>"
    )
    assert "'params': ['(4, 3) float32 cpu', '(4,) float32 cpu']" in repr(
        arrived(torch.optim.SGD(network.parameters(), lr=0.1))
    )
    named = [torch.float32, torch.device("cpu"), torch.strided, torch.contiguous_format]
    assert repr(arrived(named)) == repr(named)
    assert repr(arrived(torch.finfo(torch.float16))) == repr(torch.finfo(torch.float16))


def test_modes_of_torch_are_not_called() -> None:
    """A mode of the program gets no operation for the sake of what is kept."""
    torch = pytest.importorskip("torch")
    overrides = pytest.importorskip("torch.overrides")
    dispatch = pytest.importorskip("torch.utils._python_dispatch")
    calls: list[object] = []

    class Functions(overrides.TorchFunctionMode):  # type: ignore[name-defined, misc]
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            calls.append(function)
            return function(*args, **(kwargs or {}))

    class Operations(dispatch.TorchDispatchMode):  # type: ignore[name-defined, misc]
        def __torch_dispatch__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            calls.append(function)
            return function(*args, **(kwargs or {}))

    tensor = torch.ones(3)
    with Functions():
        calls.clear()
        assert arrived(tensor).first == [1.0, 1.0, 1.0] and calls == []
    with Operations():
        assert arrived(tensor).shape == (3,) and calls == []


# -- libraries that need a device: classes of the same names stand in for them


class Device:
    """A device of torch or CuPy."""

    def __init__(self, name: str) -> None:
        self.type, _, number = name.partition(":")
        self.id = int(number or 0)
        self.name = name

    def __str__(self) -> str:
        return self.name


class Named:
    """A dtype or layout, whose text is its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name


def _placed(monkeypatch: pytest.MonkeyPatch, cls: type, *homes: str) -> None:
    """Makes modules of these names, which have the class; the first is the class's own."""
    cls.__module__ = homes[0]
    for home in homes:
        module = sys.modules.get(home)
        if module is None:
            module = types.ModuleType(home)
            monkeypatch.setitem(sys.modules, home, module)
        monkeypatch.setattr(module, cls.__name__, cls, raising=False)


def _untouched(*args: object) -> Any:
    raise AssertionError("the memory of a device was read")


class _OnDevice:
    """What every array on a device has here: any use of its values fails."""

    __repr__ = __str__ = __array__ = __iter__ = __len__ = __getitem__ = _untouched
    tolist = item = numpy = cpu = get = block_until_ready = _untouched


def _torch(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, Any, Any]:
    """Stand-ins of torch's classes."""

    class Tensor(_OnDevice):
        shape, dtype, layout = (40_000, 100_000), Named("torch.float32"), Named("torch.strided")
        device, requires_grad, is_sparse = Device("cuda:0"), False, False

        def numel(self) -> int:
            return 4_000_000_000

    class Parameter(Tensor):
        requires_grad = True

    class Module:
        def __init__(self) -> None:
            self._parameters: dict[str, Any] = {}
            self._modules: dict[str, Any] = {}

        __repr__ = _untouched

    class Optimizer:
        __repr__ = _untouched

    for cls, homes in (
        (Tensor, ("torch",)),
        (Parameter, ("torch.nn.parameter",)),
        (Module, ("torch.nn.modules.module", "torch.nn")),
        (Optimizer, ("torch.optim.optimizer", "torch.optim")),
    ):
        cls.__qualname__ = cls.__name__
        _placed(monkeypatch, cls, *homes)
    return Tensor, Parameter, Module, Optimizer


@pytest.fixture(autouse=True)
def _fresh_facts() -> Any:
    """Facts of classes that a test put in a library's place end with the test."""
    from keeptrace.capture import types as known

    yield
    known._known.clear()


def test_tensors_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA tensor is told by shape, dtype and device, without brackets; a parameter as well."""
    if "torch" in sys.modules:
        pytest.skip("the real library is loaded")
    tensor, parameter, module, optimizer = _torch(monkeypatch)
    told = "shape=(40000, 100000), dtype=float32, device='cuda:0'"
    assert repr(arrived(tensor())) == f"tensor({told})"
    assert repr(arrived(parameter())) == f"Parameter({told})"
    assert arrived(parameter()).requires_grad is True
    assert f"tensor({told})" in repr(arrived([tensor()], depth=1))

    class Linear(module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._parameters["weight"] = parameter()

    class Net(module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._modules["fc"] = Linear()
            self.size = 3

    found = arrived(Net())
    assert repr(found) == "<" + (
        f"{Net.__qualname__} with fc.weight: (40000, 100000) float32 cuda:0>"
    )
    assert found.size == 3
    adam = optimizer()
    adam.param_groups = [{"params": [parameter()], "lr": 0.1}]
    told = "(40000, 100000) float32 cuda:0"
    assert f"[{{'params': ['{told}'], 'lr': 0.1}}]" in repr(arrived(adam))


def test_other_arrays_on_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of CuPy and TensorFlow are told by shape, dtype and device."""
    for name in ("cupy", "tensorflow"):
        if name in sys.modules:
            pytest.skip("the real library is loaded")

    class ndarray(_OnDevice):
        shape, dtype, device = (3, 4), "float32", Device("cuda:1")

    class TensorShape:
        rank = 2

        def as_list(self) -> list[int | None]:
            return [2, None]

    class DType:
        name = "float16"

    class Tensor(_OnDevice):
        shape, dtype = TensorShape(), DType()
        device = "/job:localhost/replica:0/task:0/device:GPU:0"

    for cls, home in ((TensorShape, "ts"), (DType, "dt")):
        cls.__qualname__ = cls.__name__
        _placed(monkeypatch, cls, f"tensorflow.{home}")
    ndarray.__qualname__, Tensor.__qualname__ = "ndarray", "Tensor"
    _placed(monkeypatch, ndarray, "cupy")
    _placed(monkeypatch, Tensor, "tensorflow")
    assert repr(arrived(ndarray())) == "ndarray(shape=(3, 4), dtype=float32, device='cuda:1')"
    assert repr(arrived(Tensor())) == "Tensor(shape=(2, None), dtype=float16, device='gpu:0')"


@pytest.mark.parametrize("size", [-5, 10**40])
def test_a_shape_beyond_all_lengths_leaves_the_dump_readable(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JAX checks no sizes of a ShapeDtypeStruct."""
    if "jax" in sys.modules:
        pytest.skip("the real library is loaded")

    class ShapeDtypeStruct:
        shape, dtype = (size, 2), "float32"

    ShapeDtypeStruct.__qualname__ = ShapeDtypeStruct.__name__
    _placed(monkeypatch, ShapeDtypeStruct, "jax")
    told = f"ShapeDtypeStruct(shape=({size}, 2), dtype=float32)"
    assert repr(arrived(ShapeDtypeStruct())) == told
