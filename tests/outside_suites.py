"""Other people's test suites, run with our classes in the place of theirs.

    python tests/outside_suites.py futures        CPython's test.test_concurrent_futures, its process tests (some minutes)
    python tests/outside_suites.py pool           the Pool tests of CPython's test._test_multiprocessing
    python tests/outside_suites.py futures --short    a selection that takes some twenty seconds

They come from the installed Python's own `test` package, where it has one. Every test passes but for those in EXPECTED, each
with its reason; a test of EXPECTED that passes is a failure, too, since then the reason is wrong.
"""

from __future__ import annotations

import importlib
import io
import sys
import unittest
from collections.abc import Iterator

# part of the test's id -> why it fails with ours
EXPECTED = {
    "ProcessPoolExecutorTest.test_traceback": "asserts the text of _RemoteTraceback as the cause; ours has the worker's real frames instead",
    "DeadlockTest.test_error_at_task_unpickle": "asserts a broken pool; ours fails the one task, with the error itself",
    "DeadlockTest.test_exit_at_task_unpickle": "the same, for a SystemExit",
    "DeadlockTest.test_error_during_result_unpickle_in_result_handler": "the same, for a result that the parent cannot unpickle",
    "DeadlockTest.test_exit_during_result_unpickle_in_result_handler": "the same, for a SystemExit",
}
# for --short: tests with these words in their ids
SHORT = ("test_wait.ProcessPoolFork", "test_as_completed.ProcessPoolSpawn", "test_init.ProcessPoolForkserver", "test_submit", "test_map")


def futures_suite() -> unittest.TestSuite:
    """The process tests of test_concurrent_futures, with our executor."""
    import concurrent.futures

    from keeptrace.concurrent import KeepTraceProcessPoolExecutor

    # scripts within the suite import it by this name
    ours = type("ProcessPoolExecutor", (KeepTraceProcessPoolExecutor,), {"__module__": KeepTraceProcessPoolExecutor.__module__})
    util = importlib.import_module("test.test_concurrent_futures.util")
    for mixin in (util.ProcessPoolForkMixin, util.ProcessPoolSpawnMixin, util.ProcessPoolForkserverMixin):
        mixin.executor_type = ours
    concurrent.futures.ProcessPoolExecutor = ours  # type: ignore[misc]  # that is the point
    modules = ("as_completed", "deadlock", "init", "process_pool", "shutdown", "wait")
    loader = unittest.defaultTestLoader
    suites = [loader.loadTestsFromName(f"test.test_concurrent_futures.test_{name}") for name in modules]
    return unittest.TestSuite(test for test in tests_of(suites) if "ProcessPool" in test.id())


def pool_suite() -> unittest.TestSuite:
    """The Pool tests of _test_multiprocessing, with our Pool, under each start method."""
    import multiprocessing.context

    from keeptrace.concurrent import KeepTracePool

    def pool(self, processes=None, initializer=None, initargs=(), maxtasksperchild=None):  # type: ignore[no-untyped-def]
        return KeepTracePool(processes, initializer, initargs, maxtasksperchild, context=self.get_context())

    multiprocessing.context.BaseContext.Pool = pool  # type: ignore[method-assign, assignment]  # that is the point
    suite = unittest.TestSuite()
    for name in ("test.test_multiprocessing_fork.test_misc", "test.test_multiprocessing_fork.test_processes"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        found = unittest.defaultTestLoader.loadTestsFromModule(module)
        suite.addTests(test for test in tests_of([found]) if "Pool" in test.id() and "Manager" not in test.id())
    return suite


def tests_of(suites: list[unittest.TestSuite]) -> Iterator[unittest.TestCase]:
    waiting = list(suites)
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, unittest.TestSuite):
            waiting = [*found, *waiting]
        else:
            yield found


def main() -> int:
    which, *rest = sys.argv[1:] or ["futures"]
    suite = {"futures": futures_suite, "pool": pool_suite}[which]()
    if "--short" in rest:
        suite = unittest.TestSuite(test for test in tests_of([suite]) if any(word in test.id() for word in SHORT))
    words = [word for word in rest if not word.startswith("-")]
    if words:
        suite = unittest.TestSuite(test for test in tests_of([suite]) if any(word in test.id() for word in words))
    count = suite.countTestCases()
    result = unittest.TextTestRunner(stream=io.TextIOWrapper(sys.stderr.buffer, line_buffering=True), verbosity=2).run(suite)
    failed = {test.id(): text for test, text in [*result.failures, *result.errors]}
    unexpected = [test for test in failed if not any(part in test for part in EXPECTED)]
    expected = len(failed) - len(unexpected)
    print(f"{which}: {count} tests, {count - len(failed)} passed or skipped, {expected} failed as expected, {len(unexpected)} failed otherwise")
    for test in unexpected:
        print(f"--- {test}\n{failed[test]}")
    return 1 if unexpected or not count else 0


if __name__ == "__main__":
    sys.exit(main())
