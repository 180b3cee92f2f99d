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
from picklers import needs_functions_by_value

import keeptrace.concurrent
from keeptrace.concurrent import engines as _engines

# A name is renamed in the source of its module, which then runs in the module's own namespace: as in another version of it.
PROGRAM = """
import importlib, inspect, multiprocessing, os, re, sys, warnings

def fail(number):
    local = [number] * 2
    raise ValueError(number)

# A class of the one has names that the other's class gave it.
BASES = {"concurrent.futures.interpreter": ["concurrent.futures.thread"]}

def rename(home, name):
    name = name.rpartition(".")[2]
    for module in map(importlib.import_module, [*BASES.get(home, []), home]):
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
    if kind == "process":  # what the warning says is lost, is: the frames
        from keeptrace.concurrent import get_context
        process = get_context("fork").Process(target=fail, args=(7,))
        process.start()
        process.join(20)
        assert "exited with code 1" in str(process.exception()), process.exception()
        fail(7)
    if kind == "threads":
        from keeptrace.concurrent import KeepTraceThreadPoolExecutor
        with KeepTraceThreadPoolExecutor(1, initializer=fail, initargs=(7,)) as pool:
            broken = pool.submit(fail, 8).exception(20)
            assert type(broken).__name__ == "BrokenThreadPool", broken
            return pool._broken_by
    if kind == "interpreters":
        from keeptrace.concurrent import KeepTraceInterpreterPoolExecutor
        find = "import sys; sys.path.insert(0, %r)" % os.path.dirname(__file__)
        with KeepTraceInterpreterPoolExecutor(1, initializer=exec, initargs=(find,)) as pool:
            return pool.submit(importlib.import_module("program").fail, 7).exception(20)
    if kind == "multiprocess pool":
        from keeptrace.concurrent.multiprocess import get_context
        made = get_context("fork").Pool(1)
    else:
        from keeptrace.concurrent import KeepTracePool
        made = KeepTracePool(1, context=context)
    with made as pool:
        try:
            pool.map(fail, [7])
        except ValueError as exc:
            return exc

def check(kind, home, name):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        rename(home, name)
        try:
            exc = failure_of(kind)
        except ValueError as problem:
            exc = problem
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
    "multiprocess pool": "multiprocess.pool",
    "loky": "loky.process_executor",
    "threads": "concurrent.futures.thread",
    "process": "multiprocessing.process",
    "interpreters": "concurrent.futures.interpreter",
}


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=needs_functions_by_value) if kind == "multiprocess pool" else kind
        for kind in KINDS
    ],
)
def test_each_name_gone(kind: str, tmp_path: Path) -> None:
    """An engine without one of the names: the frames of a failing task arrive, and one warning names what is missing."""
    pytest.importorskip(KINDS[kind])
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    names = _engines._NAMES[KINDS[kind]]
    if kind == "multiprocess pool":  # the code of "pool", whose names are all tried
        names = names[:4]
    command = [sys.executable, str(program), kind, KINDS[kind], *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-3000:]


COMPLETE = """
import importlib
from keeptrace.concurrent import engines

for kind, homes in engines._MODULES.items():
    try:
        importlib.import_module(homes[0])
    except (ImportError, RuntimeError):  # not installed; mpi4py finds no MPI
        continue
    for name in engines.missing(kind):
        print(name)
"""


def test_all_names_are_there() -> None:
    """This Python, and the engines that are installed, have all of the names: the fallback is not what the other tests test."""
    done = subprocess.run(
        [sys.executable, "-c", COMPLETE], capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-3000:]


# A finder renames a name in all modules of a package as they are imported: as in another version of it.
OTHER_VERSION = """
import importlib.abc, importlib.machinery, re, sys, warnings

home, name = sys.argv[1:3]
old = name.rpartition(".")[2]

class Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, module):
        text = self.get_source(module)
        return compile(re.sub(rf"\\b{old}\\b", f"{old}_renamed", text), self.path, "exec")

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, module, path, target=None):
        spec = importlib.machinery.PathFinder.find_spec(module, path, target)
        is_source = spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader
        # loggers and the configuration have parts of the same name
        if is_source and module.startswith(home.partition(".")[0]) and not module.endswith((".config", ".utils")):
            spec.loader = Loader(module, spec.loader.path)
        return spec

def fail(number):
    local = [number] * 2
    raise ValueError(number)

def of_distributed():
    from keeptrace.concurrent.dask import KeepTraceClient
    options = dict(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None)
    with KeepTraceClient(**options) as client:
        return client.submit(fail, 7).exception()

def of_celery():
    from celery import Celery
    from celery.contrib.testing.worker import start_worker
    from keeptrace.concurrent.celery import install
    app = Celery("program", broker="memory://", backend="cache+memory://", set_as_current=False)
    task = install(app).task(name="fail")(fail)
    with start_worker(app, perform_ping_check=False):
        try:
            task.delay(7).get(timeout=30)
        except ValueError as exc:
            return exc

def of_ray():
    from keeptrace.concurrent import ray
    from keeptrace.core.options import make_options
    if "pool" in home:
        ray._prepare_pool(make_options(None), None, ())
    else:
        assert ray.runtime_env({"env_vars": {}}) == {"env_vars": {}}

def of_mpi4py():
    from keeptrace.concurrent import mpi
    from keeptrace.core.options import make_options
    mpi.start_worker(make_options(None), None, ())

if __name__ == "__main__":
    sys.meta_path.insert(0, Finder())
    try:
        importlib.import_module(home)
    except RuntimeError:
        raise SystemExit(77)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        exc = globals()["of_" + home.partition(".")[0]]()
    about = [str(each.message) for each in told if "keeptrace" in str(each.message)]
    assert any(f"{home}.{name}" in text for text in about), about
    assert type(exc) in (ValueError, type(None)), exc
"""
OTHERS = [
    (home, name)
    for home, names in _engines._NAMES.items()
    if home.partition(".")[0] in ("celery", "distributed", "mpi4py", "ray")
    for name in names
    if not name.endswith("__init__")
]


@pytest.mark.engines
@pytest.mark.parametrize(("home", "name"), OTHERS)
def test_other_engines_without_a_name(home: str, name: str, tmp_path: Path) -> None:
    """A cluster's engine without one of the names: a warning names what is missing, and tasks fail as the engine has it."""
    if importlib.util.find_spec(home.partition(".")[0]) is None:
        pytest.skip(f"needs {home}")
    program = tmp_path / "program.py"
    program.write_text(OTHER_VERSION)
    command = [sys.executable, str(program), home, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    if done.returncode == 77:
        pytest.skip("mpi4py finds no MPI")
    assert done.returncode == 0, done.stderr[-3000:]


def test_names_of_modules_are_in_the_table() -> None:
    """Every private name that our modules take from an engine's module (engine._name) is in the table."""
    listed = {name for names in _engines._NAMES.values() for name in names}
    package = Path(keeptrace.concurrent.__file__).parent
    for path in (
        package / f"{name}.py"
        for name in (
            "process_pool/executor",
            "process_pool/worker",
            "process_pool/crew",
            "process_pool/healing",
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
