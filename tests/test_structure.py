"""How the package is put together: layers without cycles, nothing imported that is not needed, and
every test says what it shows.
"""

from __future__ import annotations

import ast
import binascii
import concurrent.futures
import functools
import inspect
import json
import multiprocessing.pool
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import keeptrace
import keeptrace.concurrent
from keeptrace.core import nodes
from keeptrace.restore import values

PACKAGE = Path(keeptrace.__file__).parent
FILES = {
    ".".join(("keeptrace", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
# The rooms, the lowest first: each imports only those before it.
ROOMS = (
    *(
        "restore",
        "core",
        "live",
        "capture",
        "redact",
        "snapshots",
        "format",
        "textlog",
        "render",
        "store",
        "hold",
    ),
    *("hooks", "concurrent", "tools"),
)
# Rooms and modules that need the standard library alone.
CORE_ROOMS = ("restore", "core", "live", "capture", "redact", "snapshots", "format")
CORE = [
    *(
        name
        for name in FILES
        if name.split(".")[1:2]
        and name.split(".")[1] in CORE_ROOMS
        # these are about one library, which they import when it is asked for
        and name not in ("keeptrace.format.files", "keeptrace.live.dill")
    ),
    *("keeptrace.debug", "keeptrace.concurrent.crossing", "keeptrace.concurrent.origins"),
    *("keeptrace.concurrent.executors", "keeptrace", "keeptrace.concurrent"),
]


# What the engines' own documentation tells.
ENGINES = {
    name
    for cls in (
        concurrent.futures.ProcessPoolExecutor,
        multiprocessing.pool.Pool,
        multiprocessing.Process,
    )
    for name in dir(cls)
}
# Modules that are about one library, and so import it.
HOSTS: dict[str, set[str]] = {
    "keeptrace.pytest_plugin": {"pytest", "_pytest"},
    "keeptrace.tools.cli": {"typer", "rich"},
    **{
        f"keeptrace.tools.cli.{module}": {"typer", "rich"}
        for module in (
            *("common", "directories", "dumps", "editors"),
            *("comparing", "holding", "logs", "programs", "repro", "snapshots"),
        )
    },
    "keeptrace.ipython": {"IPython"},
    "keeptrace.live.dill": {"dill"},
    "keeptrace.render.source_lines": {"rich"},
    "keeptrace.render.terminal": {"rich"},
    "keeptrace.concurrent.celery": {"celery"},
    "keeptrace.concurrent.dask": {"distributed", "cloudpickle", "dask"},
    "keeptrace.concurrent.joblib": {"joblib"},
    "keeptrace.concurrent.torch": {"torch"},
    **{
        f"keeptrace.concurrent.torch.{module}": {"torch"}
        for module in ("installing", "loader", "ranks", "recording", "worker", "wrappers")
    },
    "keeptrace.concurrent.loky": {"loky"},
    "keeptrace.concurrent.mpi": {"mpi4py"},
    "keeptrace.concurrent.multiprocess": {"multiprocess"},
    "keeptrace.concurrent.ray": {"ray"},
    "keeptrace.concurrent.rq": {"rq"},
}


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


@functools.cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


@functools.cache
def imports_of(
    module: str, inside_functions: bool = True, for_types: bool = False
) -> frozenset[str]:
    """The full names of what a module imports; for_types: also what it imports for type checkers
    only.
    """
    return frozenset(_imports_of(module, inside_functions, for_types))


# Where a statement has further statements.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def _imports_of(module: str, inside_functions: bool, for_types: bool) -> Iterator[str]:
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    waiting: list[ast.AST] = [tree_of(module)]
    while waiting:
        node = waiting.pop()
        if not for_types and _is_for_types(node):
            continue
        if not inside_functions and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
                if node.level
                else ""
            )
            home = ".".join(part for part in (base, node.module) if part)
            submodules = [
                f"{home}.{alias.name}" for alias in node.names if f"{home}.{alias.name}" in FILES
            ]
            yield from submodules
            if len(submodules) < len(node.names):
                yield home
        for name in _BLOCKS:
            waiting += getattr(node, name, ())


def test_nothing_imports_the_root() -> None:
    """No module of the package imports the package's root, but the command line's way in: every
    import cycle begins there.
    """
    importers = [module for module in FILES if "keeptrace" in imports_of(module)]
    assert [module for module in importers if not module.endswith("__main__")] == []


def test_no_cycles() -> None:
    """The modules can be put in an order in which each imports only what comes before it, types
    included.
    """
    left = {
        module: (imports_of(module, for_types=True) & FILES.keys()) - {module} for module in FILES
    }
    while True:
        ready = [module for module, needs in left.items() if not needs & left.keys()]
        if not ready:
            break
        for module in ready:
            del left[module]
    assert left == {}, "these modules import each other in a circle"


def test_the_core_needs_the_standard_library_alone() -> None:
    """Neither at import nor later does the core name another library, but for the picklers and
    debuggers that it is asked for.
    """
    # The standard library's own, which older and newer Pythons list under another name.
    standard = {"_sha256", "_sha2", "_interpreters", "_xxsubinterpreters"}
    for module in CORE:
        optional = {"ipdb", "IPython", "pudb"} if module == "keeptrace.debug" else set()
        assert other_libraries(imports_of(module)) <= optional | standard, module


def test_no_library_at_import() -> None:
    """What is optional is imported inside the function that uses it, but for modules that are all
    about one library.
    """
    for module in FILES:
        named = other_libraries(imports_of(module, inside_functions=False))
        assert named <= HOSTS.get(module, set()), module


def other_libraries(names: frozenset[str]) -> frozenset[str]:
    """The top packages of these modules that are neither the standard library's nor ours."""
    tops = frozenset(name.partition(".")[0] for name in names)
    return tops - sys.stdlib_module_names - {"keeptrace"}


@pytest.mark.parametrize("module", HOSTS)
def test_modules_of_one_library_are_imported_when_used(module: str) -> None:
    """A module that cannot do without its library is imported by no other at import."""
    importers = [
        other
        for other in FILES
        if other not in HOSTS and module in imports_of(other, inside_functions=False)
    ]
    assert importers == []


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh Python has loaded after this code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"],
        capture_output=True, text=True, check=True, timeout=50,
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_of_the_package_is_small() -> None:
    """`import keeptrace` loads nothing of the package but its root, and what looks for modules that
    shadow the library's, and the reserve of memory for the first dump.
    """
    loaded = {name for name in loaded_by("import keeptrace") if name.startswith("keeptrace")}
    assert loaded == {
        "keeptrace",
        "keeptrace.core",
        "keeptrace.core.exports",
        "keeptrace.core.reserve",
        "keeptrace.core.shadows",
    }


# What an executor and its workers have loaded before the first task.
EXECUTOR = (
    "from keeptrace.concurrent import KeepTraceProcessPoolExecutor\n"
    "KeepTraceProcessPoolExecutor(1).shutdown()"
)


def test_import_of_the_executor_leaves_its_parts_for_the_first_executor() -> None:
    """A program that imports the class and makes no executor loads nothing that captures or
    restores.
    """
    loaded = loaded_by("from keeptrace.concurrent import KeepTraceProcessPoolExecutor")
    assert {room_of(name) for name in loaded & FILES.keys()} == {"", "core", "concurrent"}
    assert "keeptrace.capture.capture" in loaded_by(EXECUTOR)


DUMP = """
import keeptrace
try:
    rows = [1, 2]
    rows[2]
except IndexError as exc:
    keeptrace.dumps(exc)
"""


def test_the_first_dump_imports_what_a_small_failure_needs() -> None:
    """Plain values, few and without live objects: nothing that restores, summarises, checks or
    shrinks is loaded.
    """
    loaded = loaded_by(DUMP)
    assert "keeptrace.format.writing" in loaded
    assert not {
        name for name in loaded if name.startswith(("keeptrace.live", "keeptrace.snapshots"))
    }
    assert not loaded & {
        "shlex",
        "keeptrace.capture.summary_table",
        "keeptrace.capture.live_objects",
        "keeptrace.format.checking",
        "keeptrace.format.reading",
        "keeptrace.format.shrinking",
        "keeptrace.redact.live",
        "keeptrace.restore.exceptions",
        "keeptrace.restore.restore",
        "keeptrace.restore.values",
    }


def test_import_of_the_pools_is_small() -> None:
    """What a worker imports for the executor leaves out what only a dump or a debugger needs."""
    loaded = loaded_by(EXECUTOR)
    extra = loaded - loaded_by("import concurrent.futures.process, multiprocessing.connection")
    assert not extra & {
        "ast",
        "numpy",
        "pandas",
        "inspect",
        "pdb",
        "asyncio",
        "hashlib",
        "unittest",
        "pydoc",
        "ctypes",
        "email",
        "urllib",
        "cloudpickle",
        "dill",
    }
    assert not {name for name in extra if name.startswith("keeptrace")} & {
        "keeptrace.format.writing",
        "keeptrace.format.api",
        "keeptrace.redact.redactor",
        "keeptrace.debug",
    }
    assert {name.partition(".")[0] for name in extra} - sys.stdlib_module_names <= {"keeptrace"}


def test_workers_modules_annotate_no_fields_of_named_tuples() -> None:
    """Python 3.15 imports ast for a NamedTuple whose fields are annotated in the class; a list of
    fields costs nothing.
    """
    loaded = loaded_by(EXECUTOR)
    assert [
        f"{name}.{node.name}"
        for name in sorted(loaded & FILES.keys())
        for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and "NamedTuple" in map(ast.unparse, node.bases)
    ] == []


def room_of(module: str) -> str:
    """The folder that a module is in; empty for the modules that stand beside the rooms."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else ""


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_those_below(room: str) -> None:
    """Each room imports itself and the rooms before it in ROOMS, for types as well."""
    allowed = {"", *ROOMS[: ROOMS.index(room) + 1]}
    for module in FILES:
        if room_of(module) != room:
            continue
        for name in imports_of(module, for_types=True):
            if name in FILES:
                assert room_of(name) in allowed, f"{module} imports {name}"


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_says_what_it_is_for(room: str) -> None:
    """The __init__ of each room tells what comes in, what goes out, and what it may import."""
    text = (
        ast.get_docstring(ast.parse(FILES[f"keeptrace.{room}"].read_text(encoding="utf-8"))) or ""
    )
    assert len(text.splitlines()) >= 3


def test_the_restorer_stands_alone() -> None:
    """The modules of restore/ travel in dumps: they import each other and the standard library
    only.
    """
    for module in FILES:
        if room_of(module) == "restore":
            named = {name for name in imports_of(module) if room_of(name) != "restore"}
            assert {name.partition(".")[0] for name in named} <= sys.stdlib_module_names


def test_the_ready_made_restorer_is_fresh() -> None:
    """format/ready.py has what build_traveller.py makes of the modules of restore/ now."""
    from keeptrace.format import build_traveller, ready

    for live, packed in ((False, ready.PLAIN), (True, ready.LIVE)):
        text = zlib.decompress(binascii.a2b_base64(packed)).decode()
        command = "python -m keeptrace.format.build_traveller"
        assert text == build_traveller.built(live), f"run: {command}"


def test_every_test_says_what_it_shows() -> None:
    """Every test function, and every test file, has a docstring."""
    for path in sorted(Path(__file__).parent.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tests = [
            node
            for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and node.name.startswith("test_")
        ]
        assert ast.get_docstring(tree), path
        assert [test.name for test in tests if not ast.get_docstring(test)] == [], path


def test_every_module_opens_with_its_theory() -> None:
    """Every module has a docstring."""
    assert [module for module in FILES if not ast.get_docstring(tree_of(module))] == []


@pytest.mark.parametrize(
    "package", [keeptrace, keeptrace.concurrent], ids=lambda package: package.__name__
)
def test_every_public_name_is_documented(package: Any) -> None:
    """Every public class and function has a docstring, and so has every public method that is its
    own.
    """
    for name in set(package.__all__) - {"__version__"}:
        found = getattr(package, name)
        assert found.__doc__, name
        methods = (
            [
                member
                for key, member in vars(found).items()
                if not key.startswith("_") and inspect.isfunction(member)
            ]
            if isinstance(found, type)
            else []
        )
        assert [
            method.__qualname__
            for method in methods
            if not inspect.getdoc(method) and method.__name__ not in ENGINES
        ] == []


def test_the_modules_of_a_workers_own_frames_exist() -> None:
    """The modules whose frames are left out of a worker's stack are there, under these names."""
    from keeptrace.concurrent.deaths import fault_text

    ours = [name for name in fault_text._BETWEEN if name.startswith("keeptrace.")]
    assert ours and set(ours) <= FILES.keys()


REFERENCE = Path(__file__).parent.parent / "docs" / "reference.md"
FUNCTIONS = [
    (package, name)
    for package in (keeptrace, keeptrace.concurrent)
    for name in package.__all__
    if inspect.isfunction(getattr(package, name))
]


@pytest.mark.parametrize(
    ("package", "name"), FUNCTIONS, ids=lambda value: getattr(value, "__name__", value)
)
def test_the_docstring_of_a_public_function_explains_each_parameter(
    package: Any, name: str
) -> None:
    """ "parameter: what it is" stands in the docstring, from which the reference is made."""
    function = getattr(package, name)
    text = inspect.getdoc(function) or ""
    parameters = inspect.signature(function).parameters
    assert [
        each for each in parameters if f"{each}: " not in text and f"`{each}`" not in text
    ] == []


@pytest.mark.parametrize(
    "package", [keeptrace, keeptrace.concurrent], ids=lambda each: each.__name__
)
def test_the_reference_has_every_public_name(package: Any) -> None:
    """docs/reference.md has a place for each name of `__all__`."""
    text = REFERENCE.read_text(encoding="utf-8")
    assert [name for name in package.__all__ if f"{name}" not in text] == []


@pytest.mark.parametrize(
    "package", [keeptrace, keeptrace.concurrent], ids=lambda each: each.__name__
)
def test_dir_shows_public_names_alone(package: Any) -> None:
    """dir() of a package lists `__all__` and the public modules below it, and nothing that it
    imports itself.
    """
    modules = {"concurrent", "middleware"} if package is keeptrace else {"spark", "texts"}
    assert set(dir(package)) == {*package.__all__, *modules}


def test_the_pools_need_no_import_of_their_own() -> None:
    """`import keeptrace` loads no pool; keeptrace.concurrent and its engines are imported where
    they are named.
    """
    code = (
        "import keeptrace; keeptrace.concurrent.KeepTracePool; keeptrace.middleware.WSGIMiddleware"
    )
    assert "keeptrace.concurrent" not in loaded_by("import keeptrace")
    loaded = loaded_by(code)
    assert "keeptrace.concurrent.pool" in loaded and "keeptrace.concurrent.loky" not in loaded


def test_an_engine_that_is_not_installed_is_no_attribute() -> None:
    """To whoever asks whether an engine's module is there, it is not; the error says what to
    install.
    """
    code = (
        "import sys, keeptrace.concurrent\n"
        "sys.modules['ray'] = None\n"
        "try: keeptrace.concurrent.ray\n"
        "except AttributeError as problem: assert 'keeptrace-concurrent[ray]' in str(problem)\n"
        "else: raise SystemExit('ray was found')"
    )
    loaded_by(code)


# They count a node's elements: the schema, the checker of foreign dumps, and the travelling
# restorer.
SCHEMA = ("keeptrace.core.nodes", "keeptrace.format.checking", "keeptrace.format.ready")
TABLES = {"nodes", "_nodes", "values", "_values"}


def _name_of(expression: ast.expr) -> str:
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def _is_node(expression: ast.expr) -> bool:
    """Whether an expression is `node`, or an entry of a table of nodes."""
    if isinstance(expression, ast.Subscript):
        return _name_of(expression.value) in TABLES
    return _name_of(expression) == "node"


def test_the_restorer_makes_every_kind_of_node() -> None:
    """The schema that travels with the restorer has the kinds of the report's schema, and no
    others.
    """
    made_in_place = {"exact", "live", "exception"}
    assert {*values._LEAVES, *values._CONTAINERS, *made_in_place} == nodes.KINDS.keys()


def test_parts_of_nodes_are_read_by_name() -> None:
    """No module but those of the schema reads a part of a node by its number."""
    others = [name for name in FILES if name not in SCHEMA and room_of(name) != "restore"]
    assert [
        f"{module}, line {found.lineno}: {ast.unparse(found)}"
        for module in others
        for found in ast.walk(tree_of(module))
        if isinstance(found, ast.Subscript)
        and isinstance(found.slice, (ast.Constant, ast.Slice))
        and _is_node(found.value)
    ] == []
