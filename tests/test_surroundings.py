"""Programs that change what the package stands on: clocks, threads, modules of the standard library's names, subinterpreters."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from multiprocessing import resource_tracker
from pathlib import Path

import pytest
from test_structure import FILES, imports_of, loaded_by

import keeptrace


def program(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """What a program of this text does in a folder, which is the first place that it imports from."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(text))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, *options, str(path)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=50
    )


def fine(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["fine"]), done.stderr[-1500:]


# -- clocks and other functions that tests replace

FAILING_TASKS = """
    import json, os, pickle, sys, time
    from unittest import mock
    from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor
    REPLACED = {
        "none": lambda: None,
        "monotonic": lambda: [setattr(time, name, broken) for name in ("monotonic", "time", "sleep", "perf_counter", "monotonic_ns")],
        "stands still": lambda: [setattr(time, name, lambda *_: 0.0) for name in ("monotonic", "time", "sleep", "perf_counter")],
        "backwards": lambda: setattr(time, "monotonic", mock.Mock(side_effect=range(10**6, 0, -1000))),
        "json": lambda: [setattr(json, name, broken) for name in ("dumps", "loads")],
        "pickle": lambda: [setattr(pickle, name, broken) for name in ("dumps", "loads", "Pickler", "Unpickler")],
        "modules": lambda: [sys.modules.pop(name) for name in list(sys.modules) if name.startswith("keeptrace")],
        "pid": lambda: [setattr(os, name, lambda: 1) for name in ("getpid", "getppid", "geteuid", "urandom")],
    }
    def broken(*_, **__):
        raise RuntimeError("replaced by the program")
    def task(what, x):
        REPLACED[what]()
        if x < 0:
            raise KeyError(x)
        return x
    def check(ask):
        for what in REPLACED:
            assert ask(what, 1) == 1, what
            try:
                ask(what, -1)
            except KeyError as exc:
                frames, entry = [], exc.__traceback__
                while entry:
                    frames.append((entry.tb_frame.f_code.co_name, entry.tb_frame.f_locals.get("x")))
                    entry = entry.tb_next
                assert frames[-1] == ("task", -1), frames
    if __name__ == "__main__":
        with KeepTraceProcessPoolExecutor(1) as pool:
            check(lambda *call: pool.submit(task, *call).result(20))
        with KeepTracePool(1) as pool:
            check(lambda *call: pool.apply_async(task, call).get(20))
        print("fine")
"""


def test_tasks_that_replace_functions(tmp_path: Path) -> None:
    """A task may replace the clocks, json or os.getpid for its worker: the next tasks give their results and errors with frames."""
    fine(program(tmp_path, FAILING_TASKS))


REPLACED_CLOCKS = """
    import os, sys, time
    {before}
    CLOCKS = {{
        "stands still": lambda *_: 0.0,
        "raises": lambda *_: 1 / 0,
        "no number": lambda *_: None,
        "endless": lambda *_: float("inf"),
    }}
    def fail():
        customer = "Ada"
        raise KeyError(customer)
    def dump(directory):
        import keeptrace
        keeptrace.install(directory)
        try:
            fail()
        except KeyError as exc:
            found = keeptrace.loads(keeptrace.dumps(exc))
            assert keeptrace.Store(directory).write(exc) and keeptrace.Store(directory).entries()
        assert found.__traceback__.tb_next.tb_frame.f_locals["customer"] == "Ada"
    for what, clock in CLOCKS.items():  # each in a fork, which has imported as much as this process
        pid = os.fork()
        if not pid:
            for name in ("monotonic", "time", "sleep", "perf_counter"):
                setattr(time, name, clock)
            dump(what)
            sys.exit()
        assert os.waitpid(pid, 0)[1] == 0, what
    print("fine")
"""


@pytest.mark.parametrize(
    "before",
    ["", "import keeptrace, keeptrace.store, keeptrace.format.api"],
    ids=["import after", "import before"],
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the program forks")
def test_clocks_that_are_replaced(before: str, tmp_path: Path) -> None:
    """Dumps are written whatever the program has made of its clocks, before or after the import."""
    fine(program(tmp_path, REPLACED_CLOCKS.format(before=before)))


FROZEN = """
    import {library}
    import keeptrace, keeptrace.capture.walk, keeptrace.core.guard
    class Slow:
        def __repr__(self):
            while True:
                pass
    def fail():
        slow, customer = Slow(), "Ada"
        raise KeyError(customer)
    with {freeze}:
        try:
            fail()
        except KeyError as exc:
            found = keeptrace.loads(keeptrace.dumps(exc, run_reprs=True))
    assert found.__traceback__.tb_next.tb_frame.f_locals["customer"] == "Ada"
    print("fine")
"""
FREEZERS = {
    "freezegun": "freezegun.freeze_time('2020-01-01')",
    "time_machine": "time_machine.travel(0, tick=False)",
}


@pytest.mark.parametrize("library", FREEZERS)
def test_a_frozen_clock(library: str, tmp_path: Path) -> None:
    """Under freezegun and time-machine the bounds in time still hold."""
    pytest.importorskip(library)
    fine(program(tmp_path, FROZEN.format(library=library, freeze=FREEZERS[library])))


# -- greenlets in place of threads

GREEN = """
    import sys
    {patch}
    import time
    import keeptrace
    class Endless:
        def __repr__(self):
            while True:
                pass
    def fail():
        values, customer = [Endless() for _ in range(3)], "Ada"
        raise KeyError(customer)
    try:
        fail()
    except KeyError as exc:
        began = time.monotonic()
        data = keeptrace.dumps(exc, run_reprs=True, max_seconds=0.5)
        took = time.monotonic() - began
        path = keeptrace.Store("dumps").write(exc, run_reprs=True, max_seconds=0.5)
    assert took < 10, took
    assert keeptrace.load(path).__traceback__.tb_next.tb_frame.f_locals["customer"] == "Ada"
    print("fine")
"""
PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "gevent after": "import keeptrace, keeptrace.core.guard; from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}


@pytest.mark.parametrize("patch", PATCHES)
def test_greenlets(patch: str, tmp_path: Path) -> None:
    """A repr that computes without end is bounded also where greenlets have taken the place of threads."""
    pytest.importorskip(patch.partition(" ")[0])
    fine(program(tmp_path, GREEN.format(patch=PATCHES[patch])))


# -- subinterpreters

SUBINTERPRETER = """
    import sys
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    run = getattr(interpreters, "run_string", None) or interpreters.exec
    for _ in range(2):
        one = interpreters.create()
        run(one, '''if True:
            import threading
            def fail():
                customer = "Ada"
                raise KeyError(customer)
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
        ''')
        interpreters.destroy(one)
    print("fine")
    raise ValueError("of the main one")
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="threads in a subinterpreter")
def test_run_with_subinterpreters(tmp_path: Path) -> None:
    """`keeptrace run` of a program whose subinterpreters fail: a dump of each, and the exit code of the program."""
    pytest.importorskip("typer")
    done = program(
        tmp_path, SUBINTERPRETER, "-m", "keeptrace", "run", "--dir", str(tmp_path / "dumps")
    )
    assert (done.returncode, done.stdout) == (1, "fine\n"), done.stderr[-1500:]
    assert sorted(entry.type for entry in keeptrace.Store(tmp_path / "dumps").entries()) == [
        "KeyError",
        "ValueError",
    ]


# -- the program's own modules of the library's names

OWN = """
    import os
    with open(os.environ["SHADOWS_RAN"], "a") as file:
        file.write(__name__ + "\\n")
    MARK = "the program's own"
"""
# What our modules import, but for what every program of the standard library's pools needs itself.
ENGINES = "import concurrent.futures.process, multiprocessing.pool, multiprocessing.popen_fork, multiprocessing.popen_spawn_posix, multiprocessing.resource_tracker, multiprocessing.synchronize, traceback"


def engines_need() -> set[str]:
    """Names that no program can have of its own and use the library's pools; which they are differs between Pythons."""
    return loaded_by(ENGINES) | {"__future__", "multiprocessing", "concurrent", "sitecustomize"}


def shadowable() -> list[str]:
    """Names of the library's modules that a program can have of its own, as far as the library's pools go."""
    ours = {
        name.partition(".")[0] for module in FILES for name in imports_of(module)
    } & sys.stdlib_module_names
    taken = {
        "importlib",
        "runpy",
        "typing",
        "_interpreters",
    }  # part of the interpreter, or what its own C code needs by its name
    return sorted(ours - engines_need() - taken - set(sys.builtin_module_names))


def shadow(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / f"{name}.py").write_text(textwrap.dedent(OWN))


SHADOWED = """
    import importlib, os, sys
    NAMES = {names!r}
    def task(x):
        customer = {{"name": "Ada", "id": x}}
        raise KeyError(customer["absent"])
    def checked(exc):
        entry = exc.__traceback__
        while entry.tb_next:
            entry = entry.tb_next
        assert entry.tb_frame.f_code.co_name == "task" and entry.tb_frame.f_locals["customer"]["name"] == "Ada", exc
    def own():
        return [name for name in NAMES if getattr(importlib.import_module(name), "MARK", None) != "the program's own"]
    def main():
        {before}
        import keeptrace
        from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor
        try:
            task(1)
        except KeyError as exc:
            checked(keeptrace.loads(keeptrace.dumps(exc)))
            path = keeptrace.Store("dumps").write(exc)
            checked(keeptrace.load(path))
            assert len(keeptrace.Store("dumps").entries()) == 1
        import multiprocessing
        for method in {methods!r}:
            context = multiprocessing.get_context(method)
            with KeepTraceProcessPoolExecutor(1, context) as pool:
                checked(pool.submit(task, 1).exception(30))
                assert pool.stacks()[0].pid
            with KeepTracePool(1, context=context) as pool:
                try:
                    pool.apply(task, (1,))
                except KeyError as exc:
                    checked(exc)
        ran = os.path.exists(os.environ["SHADOWS_RAN"]) and open(os.environ["SHADOWS_RAN"]).read()
        assert not ran or {before!r}, ran
        assert own() == [], own()
        print("fine")
    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize(
    "before", ["", "assert own() == []"], ids=["not imported", "imported before"]
)
def test_modules_of_the_librarys_names(
    before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program has modules of all the names that we import: none of them is run by us, and the program gets its own."""
    names = shadowable()
    assert {"mmap", "pickletools"} <= set(names)
    shadow(tmp_path, names)
    monkeypatch.setenv("SHADOWS_RAN", str(tmp_path / "ran"))
    fine(program(tmp_path, SHADOWED.format(names=names, before=before, methods=["fork", "spawn"])))


@pytest.mark.parametrize(
    "name", ["fcntl", "mmap", "json", "zlib", "ast", "tokenize", "hashlib", "inspect", "dis"]
)
def test_one_module_of_a_librarys_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each alone, which is what programs have; `dis` and so on are what a module that we import imports."""
    needed = name in engines_need() or name in sys.builtin_module_names
    if name == "json":  # loaded_by() itself needs json; so do the trackers of newer Pythons
        needed = hasattr(resource_tracker, "json")
    if needed:
        pytest.skip("the library's own pools need it, or the interpreter has it built in")
    shadow(tmp_path, [name])
    monkeypatch.setenv("SHADOWS_RAN", str(tmp_path / "ran"))
    fine(program(tmp_path, SHADOWED.format(names=[name], before="", methods=["fork"])))


def test_run_with_modules_of_the_librarys_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`keeptrace run` starts before the program's directory is known to Python: its modules are not run there, either."""
    pytest.importorskip("typer")
    names = shadowable()
    shadow(tmp_path, names)
    monkeypatch.setenv("SHADOWS_RAN", str(tmp_path / "ran"))
    text = f"""
        import importlib
        print([name for name in {names!r} if importlib.import_module(name).MARK != "the program's own"])
        customer = "Ada"
        raise KeyError(customer)
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(text))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "keeptrace", "run", "--dir", "dumps", str(path)]
    done = subprocess.run(
        command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=50
    )
    assert (done.returncode, done.stdout) == (1, "[]\n"), done.stderr[-1500:]
    (entry,) = keeptrace.Store(elsewhere / "dumps").entries()
    assert keeptrace.load(entry.path).__traceback__.tb_frame.f_globals["customer"] == "Ada"  # type: ignore[union-attr]


def test_the_command_beside_modules_of_the_librarys_names(tmp_path: Path) -> None:
    """`python -m keeptrace` runs in a directory that has modules of the library's names, and runs none of them."""
    pytest.importorskip("typer")
    for name in ("argparse", "json", "secrets"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(f'{__name__} ran')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "keeptrace", "--version"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=50
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("keeptrace ")


def test_data_of_the_librarys_names_are_no_modules(tmp_path: Path) -> None:
    """A folder or a text file called json shadows nothing."""
    (tmp_path / "json").mkdir()
    (tmp_path / "ast.txt").touch()
    fine(
        program(
            tmp_path,
            "import keeptrace.core.shadows as shadows\nassert not shadows._shadows, shadows._shadows\nprint('fine')",
        )
    )
