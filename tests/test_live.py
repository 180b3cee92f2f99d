"""Live objects: real where they can be, a stand-in that says why where not, one object at a time."""

from __future__ import annotations

import functools
import multiprocessing
import os
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest

import keeptrace


class Point:
    def __init__(self, x: int) -> None:
        self.x = x

    def double(self) -> int:
        return 2 * self.x


class BadState(Point):
    def __setstate__(self, state: Any) -> None:
        raise RuntimeError("no state here")


class ExitingLoad(Point):
    def __reduce__(self) -> Any:
        return sys.exit, (3,)


class ExitingDump(Point):
    def __reduce__(self) -> Any:
        sys.exit(3)


def failing(**variables: Any) -> BaseException:
    def inner(shared: Any) -> None:
        raise ValueError("live")

    try:
        inner(variables.get("first"))
    except ValueError as exc:
        return exc
    raise AssertionError


def read(
    live: bool, pickler: Any = "cloudpickle", **variables: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    exc = keeptrace.loads(
        keeptrace.dumps(failing(**variables), pickler=pickler, include_source=False), live=live
    )
    assert exc.__traceback__ is not None and exc.__traceback__.tb_next is not None
    return exc.__traceback__.tb_frame.f_locals[
        "variables"
    ], exc.__traceback__.tb_next.tb_frame.f_locals


@pytest.mark.parametrize("pickler", ["pickle", "cloudpickle", "dill"])
def test_alive(pickler: str) -> None:
    """Objects come alive, and are the same object in every variable and frame; cycles hold."""
    first = Point(3)
    first.itself = first  # type: ignore[attr-defined]
    outer, inner = read(True, pickler, first=first, again=first)
    assert type(outer["first"]) is Point and outer["first"].double() == 6
    assert outer["first"] is outer["again"] is inner["shared"] is outer["first"].itself


def test_not_asked_for() -> None:
    """Without live=True nothing comes alive: stand-ins, with their attributes."""
    outer, _ = read(False, first=Point(3))
    assert type(outer["first"]) is not Point and outer["first"].x == 3


@pytest.mark.parametrize(
    "bad",
    [threading.Lock(), BadState(1), ExitingLoad(1), ExitingDump(1)],
    ids=lambda bad: type(bad).__name__,
)
def test_one_bad_object(bad: Any) -> None:
    """An object that cannot be pickled, or not be loaded, costs only itself."""
    outer, _ = read(True, first=Point(1), bad=bad, holder=[Point(2), bad])
    assert type(outer["first"]) is Point
    assert type(outer["holder"][0]) is Point
    assert type(outer["bad"]) is not type(bad)


@pytest.mark.parametrize("pickler", ["pickle", "cloudpickle", "dill"])
@pytest.mark.parametrize("of", [lambda process: process, lambda process: process._config])
def test_a_process_costs_itself_alone(of: Any, pickler: str) -> None:
    """A process has a key, which must not leave the program; the variables beside it live."""
    variables, _ = read(True, pickler, first=Point(3), process=of(multiprocessing.Process()))
    assert variables["first"].double() == 6
    key = multiprocessing.current_process().authkey
    exc = failing(first=of(multiprocessing.Process()))
    assert bytes(key) not in keeptrace.dumps(exc, pickler=pickler)


def test_it_says_why() -> None:
    """What could not be loaded tells the reason when it is used."""
    outer, _ = read(True, bad=BadState(1))
    with pytest.raises(TypeError, match="no state here"):
        outer["bad"]()


def test_a_class_that_is_absent() -> None:
    """An object whose module is gone is a stand-in; the others live."""
    module = types.ModuleType("gone_module")
    exec("class Gone:\n    def __init__(self): self.a = 1\n", module.__dict__)
    sys.modules["gone_module"] = module
    try:
        data = keeptrace.dumps(
            failing(first=Point(1), gone=module.Gone()), pickler="pickle", include_source=False
        )
    finally:
        del sys.modules["gone_module"]
    exc = keeptrace.loads(data, live=True)
    assert exc.__traceback__ is not None
    variables = exc.__traceback__.tb_frame.f_locals["variables"]
    assert type(variables["first"]) is Point
    assert variables["gone"].a == 1
    with pytest.raises(TypeError, match="gone_module"):
        variables["gone"]()


PROGRAM = """
import enum, functools, pickle, sys, dataclasses
import keeptrace

FACTOR = 2
calls = []

def helper(x):
    calls.append(x)
    return x * FACTOR

class Point:
    made = 0
    def __init__(self, x): self.x = x
    def double(self): return helper(self.x)
    def another(self): return Point(self.x + 1)
    @property
    def twice(self): return helper(self.x)
    @classmethod
    def make(cls): return cls(5)
    @staticmethod
    def still(x): return helper(x)

class Below(Point):
    def double(self): return super().double() + 1

@dataclasses.dataclass
class Data:
    a: int
    def double(self): return helper(self.a)

class Slots:
    __slots__ = ("a",)
    def __init__(self, a): self.a = a
    def double(self): return helper(self.a)

def logged(function):
    @functools.wraps(function)
    def wrapper(*args): return function(*args)
    return wrapper

@logged
def decorated(x): return helper(x)

def outer(n):
    def closure(x): return helper(x) + n
    def recursive(x): return x and 1 + recursive(x - 1)
    return closure, recursive

def default(x, by=FACTOR, *, plus=1): return helper(x) * by + plus

def generator(x): yield helper(x)

values = {"point": Point(3), "below": Below(3), "data": Data(3), "slots": Slots(3), "lambda": lambda x: helper(x), "helper": helper,
          "decorated": decorated, "closure": outer(10)[0], "recursive": outer(10)[1], "default": default, "class": Point,
          "method": Point(3).double, "generator": generator, "partial": functools.partial(helper, 3), "calls": calls}

def write(path):
    pickler = __import__("dill").dumps if sys.argv[3:] == ["callable"] else sys.argv[3]
    with open(path, "wb") as file, keeptrace.init(pickler=pickler, depth=-1):
        try: 1 / len([values] * 0)
        except ZeroDivisionError: pickle.dump(sys.exc_info(), file)
"""
READ = """
import keeptrace
plain = pickle.load(open(sys.argv[2], "rb"))[1]
for exc in (plain, keeptrace.load(sys.argv[2], live=True)):
    v = exc.__traceback__.tb_frame.f_globals["values"]
    for check in CHECKS:
        assert eval(check), check
"""
CHECKS = [
    "v['point'].double() == 6", "v['point'].another().another().double() == 10", "v['point'].twice == 6", "v['point'].make().x == 5",
    "v['point'].still(4) == 8", "v['below'].double() == 7", "v['data'].double() == 6", "v['slots'].double() == 6", "v['lambda'](3) == 6",
    "v['helper'](3) == 6", "v['decorated'](3) == 6", "v['closure'](3) == 16", "v['recursive'](4) == 4", "v['default'](3) == 13",
    "v['class'](3).double() == 6", "v['method']() == 6", "list(v['generator'](3)) == [6]", "v['partial']() == 6",
    "type(v['point']) is v['class'] and isinstance(v['below'], v['class'])",
]  # fmt: skip


def run(code: str, *arguments: str, cwd: Path) -> None:
    path = cwd / "program.py"
    path.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, path, *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert not done.returncode, done.stderr


@pytest.mark.parametrize("pickler", ["dill", "cloudpickle"])
def test_the_program_itself(pickler: str, tmp_path: Path) -> None:
    """What a program defines can be called after a load by another program, whose names mean
    something else, by both readers.
    """
    dump = str(tmp_path / "dump")
    run(PROGRAM + "write(sys.argv[2])", "write", dump, pickler, cwd=tmp_path)
    other = "import pickle, sys\ndef helper(x): return 'of the reader'\nFACTOR = 1000\nkept = dict(globals())\n"
    unchanged = "v['helper'](5); assert v['calls'][-1] == 5 and helper(1) == 'of the reader' and FACTOR == 1000"
    run(f"{other}CHECKS = {CHECKS}\n{READ}{unchanged}", "read", dump, cwd=tmp_path)


@pytest.mark.skipif(
    sys.version_info >= (3, 15), reason="dill 0.4.1 itself can pickle no code there"
)
def test_a_dump_with_a_reference_to_the_program(tmp_path: Path) -> None:
    """dill itself refers to the program's namespace by name: such a dump's functions work where the
    same program reads it.
    """
    dump = str(tmp_path / "dump")
    run(PROGRAM + "write(sys.argv[2])", "write", dump, "callable", cwd=tmp_path)
    checks = [
        check for check in CHECKS if "slots" not in check
    ]  # dill loses the slots of such a class
    run(f"{PROGRAM}CHECKS = {checks}\n{READ}", "read", dump, cwd=tmp_path)


def test_modules_stay_as_they_are(tmp_path: Path) -> None:
    """Loading puts nothing into a module of the reader, also where dill sent the module's state
    along.
    """
    (tmp_path / "settings.py").write_text("level = 1\n")
    dump = str(tmp_path / "dump")
    for pickler in ("'dill'", "__import__('dill').dumps"):
        write = f"""
import sys, keeptrace, settings, types
settings.level = 2
holder = types.SimpleNamespace(module=settings, call=lambda: settings.level)
try: raise ValueError(holder)
except ValueError as exc: keeptrace.dump(exc, sys.argv[1], pickler={pickler}, depth=-1)
"""
        run(write, dump, cwd=tmp_path)
        run(
            "import sys, keeptrace, settings\nkeeptrace.load(sys.argv[1], live=True)\nassert settings.level == 1",
            dump,
            cwd=tmp_path,
        )


def test_one_reason(tmp_path: Path) -> None:
    """What fails because a part of it is missing tells why that part is, and nothing else."""
    module = types.ModuleType("gone_module")
    exec("class Gone: pass\ndef gone(x): return x\n", module.__dict__)
    sys.modules["gone_module"] = module
    try:
        holder = [
            functools.partial(module.gone, 1),
            Point(2),
            {"deep": (module.Gone(), module.Gone)},
        ]
        data = keeptrace.dumps(
            failing(first=Point(1), gone=holder, bad=BadState(1)),
            pickler="pickle",
            include_source=False,
        )
    finally:
        del sys.modules["gone_module"]
    exc = keeptrace.loads(data, live=True)
    assert exc.__traceback__ is not None
    variables = exc.__traceback__.tb_frame.f_locals["variables"]
    assert variables["gone"][1].double() == 4
    instance, cls = variables["gone"][2]["deep"]
    for missing in (variables["gone"][0], instance, cls):
        with pytest.raises(
            TypeError, match=r"\(there is no module 'gone_module' here, which it needs\)$"
        ) as told:
            missing()
        assert str(told.value).count("gone_module") <= 2
    with pytest.raises(TypeError, match=r"\(loading it here raised RuntimeError: no state here\)$"):
        variables["bad"]()
