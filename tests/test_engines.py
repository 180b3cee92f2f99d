"""The border to the engines: with any of their private names gone, the pools work, and a failing task's frames arrive."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keeptrace.concurrent
from keeptrace.concurrent import engines as _engines

# A name is renamed in the source of its module, which then runs in the module's own namespace: as in another version of it.
PROGRAM = """
import importlib, inspect, multiprocessing, os, re, sys, warnings

def fail(number):
    local = [number] * 2
    raise ValueError(number)

def rename(home, name):
    module = importlib.import_module(home)
    name = name.rpartition(".")[2]
    source = re.sub(rf"\\b{name}\\b", f"{name}_renamed", inspect.getsource(module))
    vars(module).pop(name, None)
    exec(compile(source, module.__file__, "exec"), vars(module))

def failure_of(kind):
    context = multiprocessing.get_context("fork")
    if kind == "executor":
        from keeptrace.concurrent import KeepTraceProcessPoolExecutor
        with KeepTraceProcessPoolExecutor(1, context) as pool:
            return pool.submit(fail, 7).exception(20)
    if kind == "loky":
        import loky
        loky.ProcessPoolExecutor = sys.modules["loky.process_executor"].ProcessPoolExecutor
        from keeptrace.concurrent.loky import KeepTraceLokyExecutor
        with KeepTraceLokyExecutor(1, context=context) as pool:  # forked, a worker has the renamed engine
            return pool.submit(fail, 7).exception(20)
    from keeptrace.concurrent import KeepTracePool
    with KeepTracePool(1, context=context) as pool:
        try:
            pool.map(fail, [7])
        except ValueError as exc:
            return exc

def check(kind, home, name):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        rename(home, name)
        exc = failure_of(kind)
    entry = exc.__traceback__
    while entry.tb_next is not None:
        entry = entry.tb_next
    about = [str(each.message) for each in told if "keeptrace" in str(each.message)]
    assert type(exc) is ValueError and entry.tb_frame.f_locals == {"number": 7, "local": [7, 7]}, (exc, entry)
    assert len(about) == 1 and f"{home}.{name}" in about[0], about

if __name__ == "__main__":
    kind, home = sys.argv[1:3]
    importlib.import_module(home)
    import keeptrace, keeptrace.concurrent.decorator  # once for all
    keeptrace.dumps(ValueError())
    for name in sys.argv[3:]:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                check(kind, home, name)
                code = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        if os.waitpid(pid, 0)[1] != 0:
            print(name)
"""

KINDS = {
    "executor": "concurrent.futures.process",
    "pool": "multiprocessing.pool",
    "loky": "loky.process_executor",
}


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("kind", KINDS)
def test_each_name_gone(kind: str, tmp_path: Path) -> None:
    """An engine without one of the names: the frames of a failing task arrive, and one warning names what is missing."""
    if kind == "loky":
        pytest.importorskip("loky")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    names = _engines._NAMES[KINDS[kind]]
    command = [sys.executable, str(program), kind, KINDS[kind], *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-3000:]


def test_all_names_are_there() -> None:
    """This Python, and the loky that is installed, have all of the names: the fallback is not what the other tests test."""
    kinds = [
        kind
        for kind in _engines._MODULES
        if importlib.util.find_spec(_engines._MODULES[kind][0].partition(".")[0])
    ]
    assert {kind: _engines.missing(kind) for kind in kinds} == dict.fromkeys(kinds, ())


def test_names_of_modules_are_in_the_table() -> None:
    """Every private name that our modules take from an engine's module (engine._name) is in the table."""
    listed = {name for names in _engines._NAMES.values() for name in names}
    package = Path(keeptrace.concurrent.__file__).parent
    for path in (
        package / f"{name}.py"
        for name in (
            "process_pool/executor",
            "process_pool/manager",
            "task_pool/pool",
            "task_pool/traffic",
            "task_pool/worker",
            "task_pool/workers",
            "process_pool/of_loky",
            "process_pool/queues",
        )
    ):
        used = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "engine"
        }
        private = {name for name in used if re.fullmatch(r"_[A-Za-z]\w*", name)}
        assert private <= listed, f"{path.name} uses {private - listed}"
