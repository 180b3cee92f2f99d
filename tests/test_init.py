"""init(): plain pickle keeps exceptions and tracebacks, and nothing of it remains when it is undone."""

from __future__ import annotations

import copy
import copyreg
import gzip
import io
import json
import multiprocessing
import os
import pickle
import pickletools
import subprocess
import sys
import traceback
import types
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Iterator

import cloudpickle
import dill
import hostile
import pytest

import keeptrace

MODULES = {"pickle": pickle, "cloudpickle": cloudpickle, "dill": dill}
PICKLERS = {
    "None": None,
    "pickle": "pickle",
    "cloudpickle": cloudpickle,
    "dill": dill,
    "callable": cloudpickle.dumps,
}


class Derived(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return None


class OwnError(LookupError):
    def __init__(self, number: int, *, reason: str) -> None:
        super().__init__(f"{number}: {reason}")
        self.number = number


def chained() -> None:
    try:
        hostile.fail(1)
    except ValueError as exc:
        raise OwnError(5, reason="chained") from exc


def grouped() -> None:
    raise ExceptionGroup("several", [ValueError(1), OwnError(2, reason="in a group")])


CASES = {
    "plain": lambda: hostile.fail(3),
    "chained": chained,
    "grouped": grouped,
    "syntax": lambda: compile("x = = 1", "x", "exec"),
}


def raised(name: str) -> BaseException:
    try:
        CASES[name]()
    except Exception as exc:
        return exc
    raise AssertionError


def state() -> Any:
    functions = [
        getattr(module, name)
        for module in MODULES.values()
        for name in ("dump", "dumps", "Pickler")
    ]
    tables = [id(copyreg.dispatch_table), id(pickle.dispatch_table)]  # type: ignore[attr-defined]  # typeshed does not know it
    classes = [
        dict(vars(cls)) for cls in (ForkingPickler, cloudpickle.Pickler, dill.Pickler, Derived)
    ]
    return dict(copyreg.dispatch_table), functions, list(sys.meta_path), tables, classes


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    """Every test leaves the picklers as they were."""
    before = state()
    yield
    assert state() == before


def text_of(exc: BaseException) -> str:
    return "".join(traceback.format_exception(exc))


BARE = """
import json, pickle, sys, traceback
sys.setrecursionlimit(5000)
for line in sys.stdin:
    exc = pickle.loads(bytes.fromhex(line))
    if isinstance(exc, tuple):
        assert exc[0] is type(exc[1]) and exc[1].__traceback__ is exc[2]
        exc = exc[1]
    print(json.dumps("".join(traceback.format_exception(exc))), flush=True)
"""


@pytest.fixture(scope="module")
def bare() -> Iterator[Any]:
    """A Python that has neither keeptrace nor these modules, to unpickle in."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", BARE],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None

        def load(data: bytes) -> str:
            process.stdin.write(data.hex() + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield load
        process.stdin.close()


@pytest.mark.parametrize(
    ("depth", "include_source"),
    [*((depth, False) for depth in (0, 1, 2, 3, -1)), (0, True), (2, True)],
)
@pytest.mark.parametrize("pickler", PICKLERS)
def test_every_combination(pickler: str, depth: int, include_source: bool, bare: Any) -> None:
    """Every pickler and depth, by every module: the text arrives on a bare Python. Sources are
    kept with and without variables. Each protocol is tried at one depth, the oldest with sources,
    the newest without.
    """
    protocols: tuple[int, ...] = (5,)
    if include_source:
        protocols = (2,)
        if depth == 2:
            protocols = (2, 3, 4, 5)
    options: Any = {"depth": depth, "include_source": include_source}
    options["max_seconds"] = 60.0  # a busy machine has time for each str() as well
    for name in CASES:
        exc = raised(name)
        with keeptrace.init(PICKLERS[pickler], **options):
            for module in MODULES.values():
                for protocol in protocols:
                    data = module.dumps((type(exc), exc, exc.__traceback__), protocol)
                    assert str(keeptrace.loads(data)) == str(exc)
                    if module is not dill:
                        shown = bare(data)
                        assert (
                            text_of(exc) == shown
                            if depth
                            else text_of(exc).splitlines()[-1].strip(" |") in shown
                        )


@pytest.mark.parametrize("module", MODULES)
def test_each_kind(module: str) -> None:
    """An exc_info tuple, an exception and a bare traceback come back as what they were."""
    dumps = MODULES[module].dumps
    exc = raised("chained")
    with keeptrace.init():
        kind, value, tb = pickle.loads(MODULES[module].dumps((type(exc), exc, exc.__traceback__)))
        assert kind is type(value) is OwnError and value.__traceback__ is tb and value.number == 5
        assert text_of(pickle.loads(MODULES[module].dumps(exc))) == text_of(exc)
        entries = traceback.extract_tb(pickle.loads(MODULES[module].dumps(exc.__traceback__)))
    assert entries == traceback.extract_tb(exc.__traceback__)
    assert dumps is MODULES[module].dumps


def test_classes_defined_later() -> None:
    """An exception class that is made after init() is kept as well."""
    with keeptrace.init():

        class Later(Exception):
            pass

        try:
            raise Later("late")
        except Later as exc:
            read = pickle.loads(pickle.dumps(exc))
    assert read.__traceback__ is not None and type(read).__name__ == "Later"


def test_the_given_traceback() -> None:
    """The traceback in the tuple is the one that is kept, and the exception is left as it is."""
    exc = raised("plain")
    own = exc.__traceback__
    assert own is not None and own.tb_next is not None
    with keeptrace.init():
        _, _, tb = pickle.loads(pickle.dumps((type(exc), exc, own.tb_next)))
    assert traceback.extract_tb(tb) == traceback.extract_tb(own.tb_next)
    assert exc.__traceback__ is own


def test_nested_and_out_of_order() -> None:
    """Within another init(), the inner one holds; when it is undone, the outer one does again; in any order nothing remains."""
    before = state()
    exc = raised("plain")
    outer = keeptrace.init(include_source=False)
    between = state()
    with keeptrace.init(include_source=True):
        large = len(pickle.dumps(exc))
    assert len(pickle.dumps(exc)) < large
    assert state()[0].keys() == between[0].keys()
    inner = keeptrace.init()
    outer.undo()
    assert pickle.loads(pickle.dumps(exc)).__traceback__ is not None
    inner.undo()
    inner.undo()
    assert state() == before
    assert pickle.loads(pickle.dumps(exc)).__traceback__ is None


def test_the_table_of_reductions_is_a_table() -> None:
    """While init() lasts, copyreg's table is read, changed and copied as before; what was added stays."""
    import copyreg

    class Held:
        pass

    def reduce(held: Held) -> Any:
        return Held, ()

    table = copyreg.dispatch_table
    with keeptrace.init():
        found: Any = copyreg.dispatch_table
        assert len(found) >= len(table) and complex in set(found)
        found[Held] = reduce
        added = found | {int: reduce}
        for copied in (found.copy(), found.copy().copy(), added):
            assert copied[Held] is reduce and copied.get(Held) is reduce
            assert copied.get(bytes, "no entry") == "no entry"
        assert added[int] is reduce and int not in found
        del found[Held]
        assert Held not in found
        found[Held] = reduce
        own: Any = pickle.Pickler(io.BytesIO())
        assert Held in own.dispatch_table and pickle.Pickler.dispatch_table is not found  # type: ignore[misc]
        own.dispatch_table = {int: reduce}
        assert own.dispatch_table == {int: reduce}
        del own.dispatch_table
        assert Held in own.dispatch_table
    assert copyreg.dispatch_table is table and table.pop(Held) is reduce


def test_copies_are_unaffected() -> None:
    """copy and deepcopy of exceptions are as without init()."""
    exc = ValueError([1])
    with keeptrace.init():
        assert copy.copy(exc).args[0] is exc.args[0]
        assert type(copy.deepcopy(exc)) is ValueError and copy.deepcopy(exc).args == ([1],)


def test_other_pickles_are_unaffected() -> None:
    """What is no exception is pickled as ever, also by keyword."""
    with keeptrace.init():
        assert pickle.dumps(obj={"a": (1, 2, 3)}, protocol=2) == pickle._dumps({"a": (1, 2, 3)}, 2)  # type: ignore[attr-defined]


def test_a_wrapper_that_stays_is_idle() -> None:
    """A function taken while init() was in force does nothing of ours afterwards."""
    with keeptrace.init():
        taken = pickle.dumps
    table = dict(copyreg.dispatch_table)
    assert pickle.loads(taken(raised("plain"))).__traceback__ is None
    assert dict(copyreg.dispatch_table) == table


def test_a_pickler_imported_later() -> None:
    """A pickle module that is imported after init() keeps exc_info tuples, too."""
    code = """
import keeptrace, sys
with keeptrace.init():
    import cloudpickle, pickle
    try: 1 / 0
    except ZeroDivisionError: data = cloudpickle.dumps(sys.exc_info())
assert isinstance(pickle.loads(data), tuple) and keeptrace.loads(data)
assert cloudpickle.dumps.__module__.startswith("cloudpickle") and not hasattr(cloudpickle.dumps, "__wrapped__")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr


def test_the_gzip_recipe(tmp_path: Path) -> None:
    """gzip and pickletools.optimize around it, read by plain pickle and by keeptrace."""
    with keeptrace.init(), gzip.open(tmp_path / "x", "wb") as file:
        file.write(pickletools.optimize(pickle.dumps(raised("chained"))))
    with gzip.open(tmp_path / "x") as file:
        assert type(pickle.load(file)).__name__ == "OwnError"
    assert type(keeptrace.load(tmp_path / "x")).__name__ == "OwnError"


LATER = """
import keeptrace
class Later(LookupError):
    pass
class Meta(type):
    def __hash__(cls): return 0
    def __eq__(cls, other): return cls is other
class WithMeta(Later, metaclass=Meta):
    pass
def failed(kind):
    try: raise kind("late")
    except kind as exc: return exc
"""
PICKLERS_THAT_ARE_MADE = {
    "pickle.Pickler": "pickle.Pickler(file).dump(exc)",
    "pickle._Pickler": "pickle._Pickler(file).dump(exc)",
    "cloudpickle.Pickler": "cloudpickle.Pickler(file).dump(exc)",
    "dill.Pickler": "dill.Pickler(file).dump(exc)",
    "ForkingPickler": "file.write(ForkingPickler.dumps(exc))",
    "pickle.dumps": "file.write(pickle.dumps(exc))",
    "pickle._dumps": "file.write(pickle._dumps(exc))",
    "cloudpickle.dumps": "file.write(cloudpickle.dumps(exc))",
    "dill.dumps": "file.write(dill.dumps(exc))",
    "a class derived before": "Derived(file).dump(exc)",
    "a class derived since": "type('Since', (pickle.Pickler,), {})(file).dump(exc)",
    "with a table of its own": "pickler = pickle.Pickler(file); pickler.dispatch_table = copyreg.dispatch_table.copy(); pickler.dump(exc)",
}


@pytest.mark.parametrize("dump", [code for code in PICKLERS_THAT_ARE_MADE.values()])
def test_classes_defined_later_by_every_pickler(dump: str) -> None:
    """A class that did not exist at init() is known to each pickler that a program makes, also with an odd metaclass."""
    with keeptrace.init():
        namespace: dict[str, Any] = {"__name__": "later_module"}
        exec(LATER, namespace)
        for kind in (namespace["Later"], namespace["WithMeta"]):
            for held in (False, True):
                exc = namespace["failed"](kind)
                file = io.BytesIO()
                given = {
                    **MODULES,
                    "exc": [exc] if held else exc,
                    "file": file,
                    "ForkingPickler": ForkingPickler,
                    "Derived": Derived,
                }
                exec(dump, {**given, "copyreg": copyreg})
                read = pickle.loads(file.getvalue())
                read = read[0] if held else read
                assert text_of(read) == text_of(exc) and isinstance(read, LookupError)


def put_in_a_queue(queue: Any) -> None:
    namespace: dict[str, Any] = {"__name__": "later_module"}
    exec(LATER, namespace)
    queue.put(namespace["failed"](namespace["Later"]))


@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue", "Pipe"])
def test_queues_of_multiprocessing(kind: str) -> None:
    """An exception that another process puts into a queue or pipe arrives with its frames."""
    context = multiprocessing.get_context("fork")
    with keeptrace.init():
        reader, writer = context.Pipe(duplex=False)
        queue = (
            getattr(context, kind)()
            if kind != "Pipe"
            else types.SimpleNamespace(put=writer.send, get=reader.recv)
        )
        process = context.Process(target=put_in_a_queue, args=(queue,))
        process.start()
        exc = queue.get()
        process.join(50)
    assert (
        type(exc).__name__ == "Later"
        and traceback.extract_tb(exc.__traceback__)[-1].name == "failed"
    )


@pytest.mark.parametrize("way", ["copyreg.pickle", "copyreg.dispatch_table"])
def test_another_library_registers_afterwards(way: str) -> None:
    """Exceptions are kept by init() though another library registers its own reductions (as tblib does); undo() leaves those."""

    def theirs(exc: BaseException) -> Any:
        return ValueError, ("theirs",)

    exc = raised("plain")
    try:
        with keeptrace.init():
            for kind in (ValueError, OwnError):
                if way == "copyreg.pickle":
                    copyreg.pickle(kind, theirs)
                else:
                    copyreg.dispatch_table[kind] = theirs
            copyreg.pickle(complex, lambda number: (str, ("complex",)))
            assert text_of(pickle.loads(pickle.dumps(exc))) == text_of(exc)
            assert text_of(pickle.loads(dill.dumps(exc))) == text_of(exc)
            assert pickle.loads(pickle.dumps(1j)) == "complex"
        assert pickle.loads(pickle.dumps(exc)).args == ("theirs",)
        with keeptrace.init():
            assert text_of(pickle.loads(pickle.dumps(exc))) == text_of(exc)
            del copyreg.dispatch_table[ValueError]
        assert (
            ValueError not in copyreg.dispatch_table and copyreg.dispatch_table[OwnError] is theirs
        )
    finally:
        for kind in (ValueError, OwnError):
            copyreg.dispatch_table.pop(kind, None)
        copyreg.pickle(complex, copyreg.pickle_complex)  # type: ignore[attr-defined]  # typeshed does not know it


class _Odd(type):
    """Classes that are no keys of a dict."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(cls, other: object) -> bool:
        raise RuntimeError("compared")


class _NoKey(ValueError, metaclass=_Odd):
    """While such a class exists, init() meets it."""


def test_a_class_that_is_no_key() -> None:
    """An exception class that cannot be hashed or compared keeps init() from nothing."""
    try:
        raise KeyError("k")
    except KeyError as exc:
        with keeptrace.init():
            data = pickle.dumps(exc)
    assert pickle.loads(data).__traceback__ is not None
