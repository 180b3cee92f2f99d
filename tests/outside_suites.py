"""Other people's test suites, run with our classes in the place of theirs.

    python tests/outside_suites.py futures    CPython's test.test_concurrent_futures, its process tests (some minutes)
    python tests/outside_suites.py pool       the Pool tests of CPython's test._test_multiprocessing, under fork, spawn and forkserver
    python tests/outside_suites.py traceback  CPython's test.test_traceback, with every exception that is printed dumped and loaded before
    python tests/outside_suites.py loky       loky's own tests, from its source distribution (extras loky and test; some minutes)
    python tests/outside_suites.py all        one after the other
    ... --short                               a selection of each that takes five to twenty seconds; .ci/run does this
    ... WORD ...                              only the tests with one of the words in their ids

CPython's come from the installed Python's own `test` package; where that lacks a suite (many
distributions leave parts of it out; test.test_concurrent_futures is a package since 3.13), this is
said and is no failure. loky's are downloaded by pip into a temporary directory, in the version that
is installed; where the registry cannot be reached, this is said, and is no failure with --short.

Every test passes but for those in EXPECTED, each with its reason; one of those that passes is a
failure, too, since then the reason is wrong. So is a suite in which our classes were not used at
all.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import types
import unittest
import xml.etree.ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# suite → part of a test's id → why it fails with ours
EXPECTED: dict[str, dict[str, str]] = {
    "futures": {
        "ProcessPoolExecutorTest.test_traceback": "asserts the text of _RemoteTraceback as the cause; ours has the worker's real frames instead",
        "DeadlockTest.test_error_at_task_unpickle": "asserts a broken pool; ours fails the one task, with the error itself",
        "DeadlockTest.test_exit_at_task_unpickle": "the same, for a SystemExit",
        "DeadlockTest.test_error_during_result_unpickle_in_result_handler": "the same, for a result that the parent cannot unpickle",
        "DeadlockTest.test_exit_during_result_unpickle_in_result_handler": "the same, for a SystemExit",
    },
    "traceback": {
        "test_exception_with_invalid_notes": "asserts '<__notes__ repr() failed>'; ours tells which object's repr raised what",
        "test_smoke_user_exception": "asserts the very class, which no dump has; ours is a class of the same name",
        "with_custom___dir__": "asserts what the class's own __dir__ gives; a capture runs no such code",
        "syntax_error_with_custom_values (exc=": "asserts a SyntaxError whose line or file is of a wrong type, which Python before 3.14 cannot print; ours has them in a note",
        "test_cross_language_works_for_subclasses": "asserts an instance of a subclass of list; ours is a stand-in",
        "test_getattr_nested_with_property": "asserts a property of the class of an attribute; a dump has the attributes that stand in the object",
    },
    "pool": {
        "ProcessesTestPool.test_traceback": "asserts the text of RemoteTraceback as the cause; ours has the worker's real frames instead"
    },
    "loky": {
        "Executor.test_traceback": "asserts the text of _RemoteTraceback as the cause; ours has the worker's real frames instead",
        "TestCloudpickleWrapper.test_serialization_function_from_main": "asserts a broken pool; ours fails the one task, with the error itself",
        "test_informative_error_when_fail_at_unpickle": "the same",
        "id-args2-BrokenProcessPool-SystemExit": "the same",
        "id-args4-BrokenProcessPool-UnpicklingError": "the same",
        "return_instance-args14-BrokenProcessPool-SystemExit": "the same, for a result that the parent cannot unpickle",
        "return_instance-args15-BrokenProcessPool-UnpicklingError": "the same",
    },
}
# part of a test's id → the Pythons on which it fails, as for the tests above, and why
EXPECTED_ON: dict[str, tuple[tuple[int, int], str]] = {
    "CPythonSuggestionFormattingTests.test_getattr_suggestions_invalid_args": (
        (3, 12),
        "its printer suggests for the very class AttributeError; ours, whose str() cannot be made again, is below that",
    )
}
# what of loky's tests says nothing about its executors, or something else on another machine
LEFT_OUT = (
    "test_cpu_count",  # starts docker
    # also fails of stock loky's, where the system's first process reaps late; test_ends.py has its
    # question
    "test_sigkill_shutdown_leaks_workers",
)
# suite → words in the ids of the tests of --short
SHORT: dict[str, tuple[str, ...]] = {
    "futures": (
        "ForkProcessPoolExecutorTest.test_submit", "ForkProcessPoolExecutorTest.test_traceback", "ForkProcessPoolExecutorTest.test_killed_child",
        "ForkWaitTest.test_first", "ForkFailing", "ForkExecutorDeadlockTest.test_crash", "ForkserverProcessPoolExecutorTest.test_map_exception",
        "SpawnProcessPoolExecutorTest.test_submit",
    ),
    "traceback": ("PyExcReportingTests", "TracebackFormatTests", "TestTracebackException"),
    "pool": ("pool_fork.WithProcessesTestPool.test_", "PoolWorkerErrors", "forkserver.WithProcessesTestPool.test_map", "PoolNotLeak"),
    "loky": ("test_map_exception", "test_submit_from_callback", "test_killed_child", "test_traceback", "test_pass_start_method_name_as_context"),
}  # fmt: skip


class Skipped(Exception):
    """The suite is not there to be run."""


class Failed(Exception):
    """The suite could not be run."""


# -- CPython's


_made: dict[str, int] = {}  # class → how many of it were made


def counted(cls: Any, **members: Any) -> Any:
    """A subclass that counts its instances."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        _made[cls.__name__] = _made.get(cls.__name__, 0) + 1
        cls.__init__(self, *args, **kwargs)

    return type(
        members.pop("name", cls.__name__),
        (cls,),
        {"__init__": __init__, "__module__": cls.__module__, **members},
    )


def futures_suite() -> unittest.TestSuite:
    """The process tests of test_concurrent_futures, with our executor."""
    import concurrent.futures

    from keeptrace.concurrent import KeepTraceProcessPoolExecutor

    try:
        util = importlib.import_module("test.test_concurrent_futures.util")
    except ImportError:
        raise Skipped(
            f"Python {sys.version.split()[0]} at {sys.prefix} has no package test.test_concurrent_futures"
        ) from None
    ours = counted(
        KeepTraceProcessPoolExecutor, name="ProcessPoolExecutor"
    )  # scripts within the suite import it by this name
    for mixin in (
        util.ProcessPoolForkMixin,
        util.ProcessPoolSpawnMixin,
        util.ProcessPoolForkserverMixin,
    ):
        mixin.executor_type = ours
    concurrent.futures.ProcessPoolExecutor = ours  # type: ignore[misc]  # that is the point
    modules = ("as_completed", "deadlock", "init", "process_pool", "shutdown", "wait")
    loader = unittest.defaultTestLoader
    suites = [
        loader.loadTestsFromName(f"test.test_concurrent_futures.test_{name}") for name in modules
    ]
    return unittest.TestSuite(test for test in tests_of(suites) if "ProcessPool" in test.id())


def pool_suite() -> unittest.TestSuite:
    """The tests of _test_multiprocessing that use a Pool, with our Pool, under each start method."""
    import multiprocessing.context
    import multiprocessing.managers
    import multiprocessing.pool

    from keeptrace.concurrent import KeepTracePool

    ours = counted(KeepTracePool)

    def pool(self, processes=None, initializer=None, initargs=(), maxtasksperchild=None):  # type: ignore[no-untyped-def]
        return ours(processes, initializer, initargs, maxtasksperchild, context=self.get_context())

    multiprocessing.pool.Pool = ours  # type: ignore[misc]  # that is the point
    multiprocessing.context.BaseContext.Pool = pool  # type: ignore[method-assign, assignment]
    multiprocessing.Pool = multiprocessing.context._default_context.Pool  # type: ignore[attr-defined]  # a bound method of its own
    multiprocessing.managers.SyncManager.register(
        "Pool", KeepTracePool, multiprocessing.managers.PoolProxy
    )  # type: ignore[attr-defined]
    try:
        importlib.import_module("test._test_multiprocessing")
    except ImportError:
        raise Skipped(
            f"Python {sys.version.split()[0]} at {sys.prefix} has no test._test_multiprocessing"
        ) from None
    folder = tempfile.mkdtemp()  # the workers import the modules from here
    _left.append(folder)
    sys.path.insert(0, folder)
    suite = unittest.TestSuite()
    for method in multiprocessing.get_all_start_methods():
        Path(folder, f"pool_{method}.py").write_text(
            f"from test import _test_multiprocessing\n_test_multiprocessing.install_tests_in_module_dict(globals(), {method!r})\n"
        )
        found = unittest.defaultTestLoader.loadTestsFromName(f"pool_{method}")
        suite.addTests(test for test in tests_of([found]) if is_about_pools(test.id()))
    return suite


def is_about_pools(name: str) -> bool:
    """Those of threads use no processes; test_large_pool runs a script, which is out of our reach."""
    return (
        "pool" in name.partition(".")[2].lower()
        and "WithThreads" not in name
        and "test_large_pool" not in name
    )


_left: list[str] = []  # directories to be removed


def tests_of(suites: list[unittest.TestSuite]) -> Iterator[unittest.TestCase]:
    waiting = list(suites)
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, unittest.TestSuite):
            waiting = [*found, *waiting]
        else:
            yield found


def run_unittests(suite: unittest.TestSuite, words: tuple[str, ...]) -> dict[str, str]:
    """Gives for each test the text of its failure, empty if it passed or was skipped."""
    chosen = [
        test for test in tests_of([suite]) if not words or any(word in test.id() for word in words)
    ]
    names = [test.id() for test in chosen]
    runner = unittest.TextTestRunner(
        stream=io.TextIOWrapper(sys.stderr.buffer, line_buffering=True), verbosity=2
    )
    result = runner.run(unittest.TestSuite(chosen))
    skipped = {test.id() for test, _ in result.skipped}
    failed = {test.id(): text for test, text in [*result.failures, *result.errors]}
    if chosen and not _made:
        failed["(all)"] = "none of our classes was used"
    return {name: "" for name in names if name not in skipped} | failed


# -- loky's

# In the temporary directory, for the tests' own process (as a pytest plugin) and for the scripts
# that they start (as sitecustomize).
IN_PLACE = """
import sys

if not any("import main" in word or "import spawn_main" in word or word == "-m" and "pytest" not in sys.orig_argv for word in sys.orig_argv):
    import loky
    import loky.process_executor
    import keeptrace.concurrent.loky as ours

    cls = type("ProcessPoolExecutor", (ours.KeepTraceLokyExecutor,), {"__module__": "loky.process_executor"})
    loky.process_executor.ProcessPoolExecutor = loky.ProcessPoolExecutor = cls
    loky.get_reusable_executor = ours.get_reusable_executor
"""


def run_loky(words: tuple[str, ...]) -> dict[str, str]:
    try:
        version = importlib.metadata.version("loky")
        importlib.metadata.version("pytest")
    except importlib.metadata.PackageNotFoundError as problem:
        raise Skipped(
            f"{problem.name} is not installed: pip install 'keeptrace-concurrent[test]'"
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        download(f"loky=={version}", folder)
        (archive,) = Path(folder).glob("loky-*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        (source,) = Path(folder).glob("loky-*/")
        place = Path(folder, "in_place")
        place.mkdir()
        (place / "sitecustomize.py").write_text(IN_PLACE)
        report = Path(folder, "report.xml")
        tests = Path(folder, "run")  # not beside the source of loky: the installed one is used
        tests.mkdir()
        (source / "tests").rename(tests / "tests")
        Path(tests, "pytest.ini").write_text("[pytest]\nfaulthandler_timeout=120\n")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "tests",
            "-q",
            "--skip-high-memory",
            "--loky-verbosity=50",
            f"--junitxml={report}",
        ]
        command += ["-p", "no:cacheprovider", "-p", "no:xdist", "-o", "timeout=180"]
        command += ["-k", f"({' or '.join(words) or 'test'}) and not ({' or '.join(LEFT_OUT)})"]
        paths = [str(place), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        subprocess.run(command, cwd=tests, env=env, check=False)
        if not report.exists():
            raise Failed("pytest did not come to an end")
        return dict(results_in(report))


def download(package: str, folder: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-binary",
        ":all:",
        "--no-deps",
        "--dest",
        folder,
        package,
    ]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        told = textwrap.indent(done.stdout.strip()[-1000:], "  ")
        raise Skipped(
            f"the source of {package} could not be downloaded; is the package registry reachable?\n{told}"
        )


def results_in(report: Path) -> Iterator[tuple[str, str]]:
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        problems = [*case.findall("failure"), *case.findall("error")]
        if problems:
            yield name, problems[0].text or "failed"
        elif case.find("skipped") is None:
            yield name, ""


# --


# -- the printing of tracebacks


def traceback_suite() -> unittest.TestSuite:
    """test_traceback; what `traceback` and the interpreter print is what loads(dumps(exc)) gives."""
    import traceback

    try:
        tests = importlib.import_module("test.test_traceback")
    except ImportError:
        raise Skipped(
            f"Python {sys.version.split()[0]} at {sys.prefix} has no test.test_traceback"
        ) from None
    make = traceback.TracebackException.__init__

    def __init__(self: Any, exc_type: Any, exc_value: Any, exc_traceback: Any, **more: Any) -> None:
        is_real = exc_traceback is None or type(exc_traceback) is types.TracebackType
        if exc_value is not None and is_real and "_seen" not in more:
            exc_value, exc_traceback = loaded_again(exc_value, exc_traceback)
            exc_type = type(exc_value)
        make(self, exc_type, exc_value, exc_traceback, **more)

    traceback.TracebackException.__init__ = __init__  # type: ignore[method-assign]  # that is the point
    testcapi: Any = importlib.import_module("_testcapi")
    print_by_c = testcapi.exception_print

    def exception_print(exc: Any, *more: Any) -> Any:
        if isinstance(exc, BaseException):
            exc = loaded_again(exc, exc.__traceback__)[0]
        return print_by_c(exc, *more)

    testcapi.exception_print = exception_print
    return unittest.defaultTestLoader.loadTestsFromModule(tests)


def loaded_again(exc: BaseException, traceback: Any) -> tuple[BaseException, Any]:
    """The exception, and the traceback that is asked for, after a dump."""
    import keeptrace

    _made["dumps"] = _made.get("dumps", 0) + 1
    own = exc.__traceback__
    exc.__traceback__ = traceback
    try:
        data = keeptrace.dumps(
            exc, redact=False, run_reprs=True, depth=-1, limit=-1, max_exceptions=10_000
        )
    finally:
        exc.__traceback__ = own
    found = keeptrace.loads(data)
    return found, found.__traceback__


# --


SUITES: dict[str, Callable[[tuple[str, ...]], dict[str, str]]] = {
    "traceback": lambda words: run_unittests(traceback_suite(), words),
    "futures": lambda words: run_unittests(futures_suite(), words),
    "pool": lambda words: run_unittests(pool_suite(), words),
    "loky": run_loky,
}


def run(suite: str, words: tuple[str, ...]) -> bool:
    results = SUITES[suite](words)
    failed = {name: text for name, text in results.items() if text}
    reasons = set(EXPECTED[suite])
    reasons |= {part for part, (on, _) in EXPECTED_ON.items() if on == sys.version_info[:2]}
    unexpected = {
        name: text for name, text in failed.items() if not any(part in name for part in reasons)
    }
    wrong = [
        name for name, text in results.items() if not text and any(part in name for part in reasons)
    ]
    for name, text in unexpected.items():
        print(f"--- {name}\n{text}")
    for name in wrong:
        print(f"--- {name}\npassed, though EXPECTED has a reason for it to fail")
    passed = len(results) - len(failed)
    print(
        f"{suite}, Python {sys.version.split()[0]}: {len(results)} tests run, {passed} passed, {len(failed) - len(unexpected)} failed as "
        f"expected, {len(unexpected)} failed otherwise, {len(wrong)} passed unexpectedly",
        flush=True,
    )
    return bool(results) and not unexpected and not wrong


def main() -> int:
    which, *rest = sys.argv[1:] or ["all"]
    short = "--short" in rest
    words = tuple(word for word in rest if not word.startswith("-"))
    if which == "all":  # each in a process of its own, as each changes what it tests
        codes = [
            subprocess.run([sys.executable, __file__, suite, *rest], check=False).returncode
            for suite in SUITES
        ]
        return max(codes)
    try:
        return 0 if run(which, words or (SHORT[which] if short else ())) else 1
    except Skipped as reason:
        print(f"{which}: NOT RUN: {reason}", flush=True)
        return 1 if which == "loky" and not short else 0
    except Failed as reason:
        print(f"{which}: {reason}", flush=True)
        return 1
    finally:
        for folder in _left:
            for file in Path(folder).glob("*.py"):
                file.unlink()


if __name__ == "__main__":
    sys.exit(main())
