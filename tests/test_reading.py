"""What reading a forged dump must never give, do or open: functions, crashes, imports, devices, protocols."""

from __future__ import annotations

import builtins
import copy
import linecache
import os
import subprocess
import sys
import traceback
import types
import zlib
from pathlib import Path
from typing import Any

import fuzz_reports
import hostile
import pytest
from depth import DEPTH

import keeptrace
from keeptrace.restore.files import may_be_opened, source_text
from keeptrace.restore.policy import BUILTINS, KNOWN, LOADED, Policy
from keeptrace.restore.restore import restore


def loaded(report: dict[str, Any], policy: Policy = BUILTINS) -> BaseException:
    """What reading gives of a forged report: with load()'s policy through a whole dump, else by restore()."""
    return (
        keeptrace.loads(hostile.packed(report)) if policy is BUILTINS else restore(report, policy)
    )


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
    *(
        "abs",
        "all",
        "any",
        "ascii",
        "bin",
        "callable",
        "chr",
        "divmod",
        "format",
        "hash",
        "hex",
        "id",
        "isinstance",
        "issubclass",
    ),
    *(
        "iter",
        "len",
        "max",
        "min",
        "next",
        "oct",
        "ord",
        "pow",
        "print",
        "repr",
        "round",
        "sorted",
        "sum",
    ),
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
        found = local(
            loaded(forged(evil=["function", "builtins", name, called, 0]), policy), "evil"
        )
        if name in HARMLESS:
            assert found is getattr(builtins, name)
        else:
            assert not isinstance(
                found, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
            ), name
            with pytest.raises(TypeError, match="cannot be called"):
                found()
    for module, name in ELSEWHERE:
        found = local(loaded(forged(evil=["function", module, name, "len", 0]), policy), "evil")
        assert not isinstance(
            found, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
        ), (module, name)


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
    report["types"] += [
        ["builtins", "Exception", []],
        [__name__, cls.__qualname__, [first]],
        ["elsewhere", "Below", [first + 1]],
    ]
    for number in (first + 1, first + 2):
        report["exceptions"][0].update(type=number, str="told")
        restored = loaded(report, LOADED)
        assert (
            isinstance(restored, Exception)
            and type(restored).__name__ == report["types"][number][1]
        )
        assert (type(restored) is cls) == (number == first + 1)
    assert cls.made == []


def test_programs_are_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain pickle.load may import the standard library, but none of the programs that are in it."""
    imported: list[str] = []
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: imported.append(name))
    for name in (
        "idlelib.idle",
        "this",
        "antigravity",
        "json.__main__",
        "unittest.__main__",
        "turtledemo.__main__",
    ):
        assert KNOWN.module(name) is None
    assert imported == []


# -- forged exceptions, files, protocols and imports, read in every way


def test_forged() -> None:
    """Tables of forged reports, each loaded, walked, printed, copied, shown and debugged in a child: it imports and opens nothing, and lives."""
    assert fuzz_reports.run_tables() == ""


def test_reports_that_did_harm() -> None:
    """Reports that once crashed an interpreter, hung it, or made it import or open something, do none of it."""
    assert fuzz_reports.run_files(*sorted(fuzz_reports.KEPT.glob("*.json"))) == ""


def test_fuzz() -> None:
    """A short run of tests/fuzz_reports.py: forged reports, field by field."""
    assert fuzz_reports.run(75 * DEPTH, seed=11) == []


def test_a_field_that_cannot_be_is_told() -> None:
    """A field that C code could not bear stands aside, and a note says so; the others are as they were."""
    report = fuzz_reports._of_builtin(
        "UnicodeDecodeError", fields={"encoding": "u", "start": -(10**12), "end": 1, "reason": "r"}
    )
    exc = loaded(report)
    assert isinstance(exc, UnicodeDecodeError)
    assert (exc.encoding, exc.reason, exc.end, exc.start) == ("u", "r", 1, 0)
    assert vars(exc)["[start]"] == -(10**12) and "start" in exc.__notes__[-1]


def test_a_field_is_no_attribute() -> None:
    """Attributes named as what C code holds, or as a method, do not replace it: a copy would set what the check refused."""
    names = [
        "start",
        "object",
        "args",
        "__traceback__",
        "with_traceback",
        "__reduce_ex__",
        "__class__",
        "__dict__",
    ]
    exc = loaded(fuzz_reports._of_builtin("UnicodeDecodeError", attributes=dict.fromkeys(names, 5)))
    assert {f"[{name}]" for name in names} == set(vars(exc))
    assert exc.with_traceback(None) is exc and str(exc) == ""
    copied = copy.copy(
        loaded(fuzz_reports._of_builtin("SyntaxError", attributes={"offset": 1 << 40}))
    )
    assert copied.offset is None and vars(copied) == {"[offset]": 1 << 40}  # type: ignore[attr-defined]


def test_a_stand_in_is_no_array(tmp_path: Path) -> None:
    """Attributes named as a protocol are there in vars(), in brackets, and answer no tool; atoms and other names are as they were."""
    node = [
        "object",
        0,
        "<odd>",
        {
            "__array_interface__": [0],
            "_repr_html_": [0],
            "__version__": "1.0",
            "_value_": [0],
            "name": [0],
        },
        {},
    ]
    odd = local(loaded(forged(odd=node)), "odd")
    assert set(vars(odd)) == {
        "[__array_interface__]",
        "[_repr_html_]",
        "__version__",
        "_value_",
        "name",
    }
    assert (
        odd.__version__ == "1.0"
        and not hasattr(odd, "__array_interface__")
        and not hasattr(odd, "_repr_html_")
    )
    again = local(keeptrace.loads(keeptrace.dumps(loaded(forged(odd=node)))), "odd")
    assert vars(again).keys() == vars(odd).keys()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="traceback suggests nothing before")
def test_suggestions_of_the_dump_stay() -> None:
    """What traceback suggests out of the dump's own variables and objects, and of modules that are loaded, is there as before."""
    name_error = fuzz_reports._of_builtin("NameError", fields={"name": "numbr"})
    assert "Did you mean: 'number'" in "".join(traceback.format_exception(loaded(name_error)))
    for name, is_there in (("json", True), ("wave", False)):
        exc = loaded(
            fuzz_reports._of_builtin(
                "ImportError", fields={"name": name, "name_from": "dumpz", "msg": "m"}
            )
        )
        text = "".join(traceback.format_exception(exc))
        assert ("Did you mean: 'dump'" in text) == is_there
        assert "wave" not in sys.modules and exc.name_from is not None  # type: ignore[attr-defined]


QUIET = """
import os, sys, traceback
import keeptrace

with open(sys.argv[1], "rb") as file:
    data = file.read()
def fail():
    raise ModuleNotFoundError("m", name="n")
try:
    fail()
except ModuleNotFoundError as exc:
    exc.name_from = None if "name_from" not in vars(ImportError) else object()
    traceback.format_exception(exc)  # what showing any error imports
restored = keeptrace.loads(data)
traceback.format_exception(restored)  # the sources of its frames
seen = []
sys.addaudithook(lambda event, args: seen.append((event, args)) if event in {
    "import", "open", "os.listdir", "os.scandir", "glob.glob", "exec"} else None)
sys.path_hooks.insert(0, lambda path: seen.append(path))
sys.path.append("/not/there")
traceback.format_exception(restored)
sys.excepthook(type(restored), restored, restored.__traceback__)
print(type(restored).__name__, restored.name, seen)
"""


@pytest.mark.parametrize("name", ["requsts", "keeptrace.nothing", "nothing.nothing", "nöthing"])
def test_a_restored_import_error_looks_nothing_up(name: str, tmp_path: Path) -> None:
    """Showing a missing module's error imports nothing and lists no directory: from Python 3.15 on
    traceback looks through sys.path for a name like it."""
    path = tmp_path / "dump"
    error = ModuleNotFoundError(f"No module named {name!r}", name=name)
    keeptrace.dump(error, path)
    done = subprocess.run(
        [sys.executable, "-c", QUIET, str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == f"ModuleNotFoundError {name} []\n", done.stderr
    assert f"No module named {name!r}" in done.stderr


# -- source files


@pytest.fixture
def odd_files(tmp_path: Path) -> dict[str, str]:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "device.py").symlink_to("/dev/zero")
    (tmp_path / "large.py").write_bytes(b"x = 1\n" * 2_000_000)
    (tmp_path / "empty.py").touch()
    names = {name: str(tmp_path / f"{name}.py") for name in ("pipe", "device", "large", "empty")}
    return {
        **names,
        "proc": "/proc/self/pagemap",
        "zero": "/dev/zero",
        "network": "//host/share/x.py",
        "relative": os.path.relpath("/dev/zero"),
        "slash": "/dev/zero/",
        "detour": "/dev/absent/../zero",
        "relative detour": "absent/../" + os.path.relpath("/dev/zero"),
    }


ODD_FILES = [
    *("pipe", "device", "large", "empty", "proc", "zero", "network"),
    *("relative", "slash", "detour", "relative detour"),
]


@pytest.mark.parametrize("name", ODD_FILES)
def test_odd_files_are_not_opened(name: str, odd_files: dict[str, str]) -> None:
    """Code in a file that is no ordinary one gets a name that nothing opens, with the text that the dump has of it."""
    file = odd_files[name]
    assert not may_be_opened(file) and source_text(file) is None
    for sources in ({}, {file: zlib.compress(b"x = 1\n" * 90)}):
        report = hostile.fresh()
        report["sources"] = sources
        report["codes"][0]["file"] = file
        exc = loaded(report)
        assert exc.__traceback__ is not None
        assert exc.__traceback__.tb_frame.f_code.co_filename == f"{file} [not opened]"
        assert ("x = 1" in "".join(traceback.format_exception(exc))) == bool(sources)


def test_ordinary_files_keep_their_names(tmp_path: Path) -> None:
    """Files that are there, absent, behind a link, or none at all are named as they were."""
    (tmp_path / "link.py").symlink_to(__file__)
    for file in (
        __file__,
        str(tmp_path / "link.py"),
        str(tmp_path / "absent.py"),
        "absent.py",
        "<string>",
        "",
        str(tmp_path),
    ):
        report = hostile.fresh()
        report["codes"][0]["file"] = file
        exc = loaded(report)
        assert (
            exc.__traceback__ is not None and exc.__traceback__.tb_frame.f_code.co_filename == file
        )
    assert source_text(str(tmp_path / "link.py")) == Path(__file__).read_text()


@pytest.mark.parametrize("name", ODD_FILES)
def test_odd_files_in_logs(name: str, odd_files: dict[str, str]) -> None:
    """A log that names such a file is read, and printed as it was, without opening the file."""
    log = f'Traceback (most recent call last):\n  File "{odd_files[name]}", line 3, in f\n    x = 1\nValueError: x\n'
    (found,) = keeptrace.parse_tracebacks(log)
    assert "".join(traceback.format_exception(found[1])) == log
    plain = os.path.abspath(odd_files[name])  # what pdb and inspect ask for
    assert linecache.cache[plain][2][2] == "x = 1\n"


@pytest.mark.parametrize("file", ["/dev/zero", "/dev/zero/", 0, None, __file__])
def test_the_file_of_frozen_code(file: Any) -> None:
    """linecache and pdb open the `__file__` of a module whose code is frozen: it is put aside unless it may be."""
    report = hostile.fresh()
    report["codes"][0]["file"] = "<frozen x>"
    report["globals"][report["frames"][0]["globals"]]["__file__"] = file
    exc = loaded(report)
    assert exc.__traceback__ is not None
    found = exc.__traceback__.tb_frame.f_globals
    name = "__file__" if file in (None, __file__) else "[__file__]"
    assert {key: found[key] for key in found if "__file__" in key} == {name: file}


def test_no_error_claims_a_line() -> None:
    """Before Python 3.13 the interpreter prints what has this name as a SyntaxError, and fails if its line is odd."""
    attributes = {"print_file_and_line": None, "msg": "m", "text": 5}
    exc = loaded(fuzz_reports._of_builtin("ValueError", attributes=attributes))
    assert vars(exc) == {"[print_file_and_line]": None, "msg": "m", "text": 5}


def test_a_pipe_that_is_captured(odd_files: dict[str, str]) -> None:
    """A program that came by a pipe is captured without reading that again."""
    namespace: dict[str, Any] = {}
    exec(compile("def f():\n    1 / 0\n", odd_files["pipe"], "exec"), namespace)
    with pytest.raises(ZeroDivisionError) as caught:
        namespace["f"]()
    assert "ZeroDivisionError" in repr(keeptrace.loads(keeptrace.dumps(caught.value)))


# -- frames


RESTORE_IN_A_SMALL_STACK = """
import sys, threading
import hostile, keeptrace
report = hostile.fresh()
report["codes"][0].update(args=[0, 0, 0], names=[], flags=0)
report["frames"] = [{**report["frames"][0], "locals": None if at % 2 else {"at": at}} for at in range(300)]
report["exceptions"][0]["traceback"] = [[at, [1, 1, 1, 2]] for at in range(300)]
data = hostile.packed(report)
keeptrace.loads(hostile.packed(hostile.fresh()))
found = []
def load():
    exc = keeptrace.loads(data)
    entry, depth = exc.__traceback__, 0
    outermost = entry.tb_frame
    while entry is not None:
        assert entry.tb_frame.f_locals.get("at") in (None, depth)
        entry, depth = entry.tb_next, depth + 1
    found.append((depth, outermost.f_back))
threading.stack_size(int(sys.argv[1]))
thread = threading.Thread(target=load)
thread.start()
thread.join()
assert found == [(300, None)] and threading.stack_size() == int(sys.argv[1])
"""


def test_many_module_frames_in_a_small_stack() -> None:
    """Three hundred frames of modules and class bodies are restored also in a thread whose stack has little room."""
    size = 160 << 10
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", RESTORE_IN_A_SMALL_STACK, str(size)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
