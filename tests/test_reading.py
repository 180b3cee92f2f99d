"""What reading a forged dump must never give, do or open: functions, crashes, imports, devices, protocols."""

from __future__ import annotations

import builtins
import types
from typing import Any

import hostile
import pytest

import keeptrace
from keeptrace._restore import BUILTINS, KNOWN, LOADED, Policy, restore


def loaded(report: dict[str, Any], policy: Policy = BUILTINS) -> BaseException:
    """What reading gives of a forged report: with load()'s policy through a whole dump, else by restore()."""
    return keeptrace.loads(hostile.packed(report)) if policy is BUILTINS else restore(report, policy)


def forged(**values: list[Any]) -> dict[str, Any]:
    """A report with these nodes as variables, and as attributes of its exception."""
    report = hostile.fresh()
    report["sources"] = {}
    for name, node in values.items():
        report["values"].append(node)
        ref = [len(report["values"]) - 1]
        report["frames"][0]["locals"][name] = ref
        report["exceptions"][0]["attributes"][name] = ref
    return report


def local(exc: BaseException, name: str) -> Any:
    assert exc.__traceback__ is not None
    return exc.__traceback__.tb_frame.f_locals[name]


# -- functions, classes and modules

# Builtin functions that a dump may bring along: they run nothing, open nothing and change nothing.
HARMLESS = {
    *("abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "hash", "hex", "id", "isinstance", "issubclass"),
    *("iter", "len", "max", "min", "next", "oct", "ord", "pow", "print", "repr", "round", "sorted", "sum"),
}
ALIASES = [
    "dict.fromkeys", "object.__new__", "type.__new__", "type.__subclasses__", "type.mro", "str.maketrans", "BaseException.with_traceback",
    "BaseException.__setstate__", "__loader__.load_module", "__loader__.find_spec", "__loader__", "__spec__.loader", "__spec__", "__dict__.exec",
    "object.__subclasses__", "object.__init_subclass__", "int.from_bytes", "quit", "exit", "help", "license", "", ".", "exec.", "exec.__call__",
]  # fmt: skip
ELSEWHERE = [
    ("io", "open"), ("os", "system"), ("os", "popen"), ("_io", "open"), ("posix", "system"), ("nt", "system"), ("importlib", "import_module"),
    ("_imp", "create_dynamic"), ("sys", "settrace"), ("code", "interact"), ("pdb", "set_trace"), ("subprocess", "run"), ("marshal", "loads"),
    ("pickle", "loads"), ("__main__", "exec"), ("keeptrace", "loads"), ("_thread", "start_new_thread"), ("ctypes", "string_at"),
]  # fmt: skip


@pytest.mark.parametrize("policy", [BUILTINS, LOADED, KNOWN], ids=["load", "logs", "pickle.load"])
@pytest.mark.parametrize("claimed", ["len", "qualname"])
def test_no_dangerous_function_is_given(policy: Policy, claimed: str) -> None:
    """Whatever a function of a dump is called, no function arrives that could run, open or change something."""
    for name in [*vars(builtins), *ALIASES]:
        called = "len" if claimed == "len" else name
        found = local(loaded(forged(evil=["function", "builtins", name, called, 0]), policy), "evil")
        if name in HARMLESS:
            assert found is getattr(builtins, name)
        else:
            assert not isinstance(found, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)), name
            with pytest.raises(TypeError, match="cannot be called"):
                found()
    for module, name in ELSEWHERE:
        found = local(loaded(forged(evil=["function", module, name, "len", 0]), policy), "evil")
        assert not isinstance(found, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)), (module, name)


def test_no_class_of_another_kind_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a class, load() gives builtin classes alone: not the importer that stands in builtins, nor what a program put there."""
    monkeypatch.setattr(builtins, "Planted", type("Planted", (Exception,), {}), raising=False)
    monkeypatch.setattr(builtins, "planted", lambda: None, raising=False)
    for name in (*vars(builtins), "__loader__", "Planted", "object.__class__"):
        report = forged(evil=["type", 1], other=["function", "builtins", name, "len", 0])
        report["types"][1:] = [["builtins", name, []]]
        restored = loaded(report)
        expected = getattr(builtins, name, None)
        is_builtin = isinstance(expected, type) and expected.__module__ == "builtins"
        assert (local(restored, "evil") is expected) == is_builtin, name
        assert local(restored, "other") is not getattr(builtins, "planted")


class Registered(Exception):
    """A class of the program that notices when it is subclassed."""

    made: list[str] = []

    def __init_subclass__(cls) -> None:
        Registered.made.append(cls.__name__)


class Meta(type):
    made: list[str] = []

    def __new__(mcs, name: str, *rest: Any) -> Any:
        Meta.made.append(name)
        return super().__new__(mcs, name, *rest)


class Watched(Exception, metaclass=Meta):
    """A class whose metaclass notices."""

    def __bool__(self) -> bool:
        return False


@pytest.mark.parametrize("cls", [Registered, Watched])
def test_no_hook_of_a_class_is_run_by_a_log(cls: Any) -> None:
    """Text that names a class of the program makes no subclass of it, whose hooks would run; the class itself is found."""
    cls.made = []
    report = hostile.fresh()
    first = len(report["types"])
    report["types"] += [["builtins", "Exception", []], [__name__, cls.__qualname__, [first]], ["elsewhere", "Below", [first + 1]]]
    for number in (first + 1, first + 2):
        report["exceptions"][0].update(type=number, str="told")
        restored = loaded(report, LOADED)
        assert isinstance(restored, Exception) and type(restored).__name__ == report["types"][number][1]
        assert (type(restored) is cls) == (number == first + 1)
    assert cls.made == []


def test_programs_are_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain pickle.load may import the standard library, but none of the programs that are in it."""
    imported: list[str] = []
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: imported.append(name))
    for name in ("idlelib.idle", "this", "antigravity", "json.__main__", "unittest.__main__", "turtledemo.__main__"):
        assert KNOWN.module(name) is None
    assert imported == []
