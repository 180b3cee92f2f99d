"""pytest --keeptrace[=DIR]: a dump for each failing test, fixture and collection, and the command
to open the dump.

    worker or single process                           pytest-xdist's controller, or same process
    makereport ─▶ dump ─▶ its path on the report ─ ─ ─▶ printed under the failure
                                                       └ --keeptrace-pdb: the debugger opens

pytest loads this module at every start, so its import costs nothing but pytest's own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from .core import DEFAULT_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Generator

    from .hooks.deaths import DeathBox
    from .store import Store

# Test runs share the directory with earlier runs. Enough for the failures of a large broken suite.
# (dumps)
_MAX_FILES = 5_000
# The ways of --keeptrace-pdb: it opens the dump, or the failed process.
_FROM_DUMP, _LIVE = "dump", "live"
# Options with a value by "=" alone → the value of the bare option.
_ALONE = {"--keeptrace": DEFAULT_DIRECTORY, "--keeptrace-pdb": _FROM_DUMP}
# Failed processes of a worker that wait for the debugger. For more failures, it opens the dumps.
_MOST_HELD = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("keeptrace", "dumps of failures")
    group.addoption(
        "--keeptrace",
        nargs="?",
        const=DEFAULT_DIRECTORY,
        metavar="DIR",
        help="write a dump for each failing test and fixture to DIR "
        f"(as --keeptrace=DIR; default: {DEFAULT_DIRECTORY})",
    )
    group.addoption(
        "--keeptrace-pdb",
        nargs="?",
        const=_FROM_DUMP,
        metavar="live",
        help="open the debugger on each failure, also on those of pytest-xdist's workers; "
        "as --keeptrace-pdb=live in the failed process itself; implies --keeptrace",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    """Reads `--keeptrace tests` as the default directory and tests: only `--keeptrace=DIR` names a
    directory, and only `--keeptrace-pdb=live` a way to debug.
    """
    bare = [option for option in _ALONE if option in args]
    if not bare:
        return
    for option in bare:
        args[args.index(option)] = f"{option}={_ALONE[option]}"
    known = parser.parse_known_args(args)
    for name in ("file_or_dir", "keeptrace", "keeptrace_pdb"):
        setattr(early_config.known_args_namespace, name, getattr(known, name))


def pytest_configure(config: pytest.Config) -> None:
    with_debugger = config.getoption("keeptrace_pdb")
    if with_debugger not in (None, _FROM_DUMP, _LIVE):
        raise pytest.UsageError(f"--keeptrace-pdb={with_debugger}: what is known is {_LIVE}")
    directory = config.getoption("keeptrace")
    if with_debugger and not directory:
        directory = DEFAULT_DIRECTORY
    if not directory:
        return
    if "://" not in directory:
        # Absolute: xdist's workers get the options, and write to the same directory.
        directory = os.path.join(str(config.invocation_params.dir), directory)
    config.option.keeptrace = directory
    config.pluginmanager.register(_Dumps(config), "keeptrace-dumps")
    if with_debugger and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Debugger(config), "keeptrace-debugger")


class _Dumps:
    """Writes the dumps in the process of the tests; prints their commands where reports arrive."""

    def __init__(self, config: pytest.Config) -> None:
        from .store import Store

        self._config = config
        self._box: DeathBox | None = None
        self._store: Store = Store(config.option.keeptrace, max_files=_MAX_FILES, deduplicate=False)

    # Runs after pytest's faulthandler plugin, which sends stacks to stderr. The stack of a dying
    # worker must go to our file, because the report shows the stack.
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        if os.name != "posix" or "://" in self._store.directory:
            return
        from .core.watching import start_watcher
        from .hooks.deaths import DeathBox

        is_worker = hasattr(self._config, "workerinput")
        try:
            self._box = DeathBox(self._store, takes_over=is_worker, of_children=False)
            if not is_worker and self._config.getoption("dist", "no") != "no":
                start_watcher(self._store.directory)  # xdist's workers have boxes there
        except OSError:  # the first failing test will report the unwritable directory
            return

    def pytest_unconfigure(self) -> None:
        if self._box is not None:
            self._box.stop()

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, report: pytest.TestReport) -> None:
        """Adds cause and place of the death to the report of a crashed worker of pytest-xdist."""
        from .store.crashes import death_of_worker, exit_code_of
        from .store.telling import command_to_open

        gateway = getattr(report.node, "gateway", None)
        death = death_of_worker(self._store, gateway)
        if death is None:
            code = exit_code_of(gateway)
            if code is not None:
                report.longrepr = f"{report.longrepr}\nits process ended with exit code {code}"
            return
        setattr(report, "keeptrace", death.path)
        report.longrepr = f"{report.longrepr}\n{death.exc}\n{death.stack}".rstrip("\n")
        report.sections.append(("keeptrace", command_to_open(death.path)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, Any, Any]:
        report: Any = yield
        self._dump(report, call)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        report: Any = yield
        self._dump(report, getattr(report, "call", None))
        return report

    def _dump(
        self, report: pytest.TestReport | pytest.CollectReport, call: pytest.CallInfo[Any] | None
    ) -> None:
        if not report.failed or call is None or call.excinfo is None:
            return
        from .hooks.examples import failed_example

        with failed_example(call.excinfo.value) as exc:
            path = self._keep(report, exc)
        if path is None:
            return
        self._keep_out_of_version_control()
        from .store.telling import command_to_open

        setattr(report, "keeptrace", path)
        sections = getattr(report.longrepr, "addsection", None) or (
            lambda *section: report.sections.append(section)
        )
        sections("keeptrace", command_to_open(path))

    def _keep(
        self, report: pytest.TestReport | pytest.CollectReport, exc: BaseException
    ) -> str | None:
        from .debug import from_users
        from .restore.fields import put_traceback  # the class may forbid setting attributes

        whole = exc.__traceback__
        put_traceback(exc, from_users(whole))
        try:
            path = self._store.write_as(exc, _name_of(report.nodeid))
            if self._config.getoption("keeptrace_pdb") == _LIVE:
                setattr(report, "keeptrace_held", _held(exc))
        finally:
            put_traceback(exc, whole)
        return path

    def _keep_out_of_version_control(self) -> None:
        """Adds a .gitignore: dumps hold variables, and nobody means to commit variables."""
        try:
            with open(os.path.join(self._store.directory, ".gitignore"), "x") as file:
                file.write("# written by keeptrace\n*\n")
        except OSError:  # the file exists, or the directory is a URL: a help, no guarantee
            return

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from .core.texts import counted, one_line
        from .store.telling import command_to_open

        reports = [*terminalreporter.getreports("error"), *terminalreporter.getreports("failed")]
        found = [getattr(report, "keeptrace", None) for report in reports]
        paths = list(dict.fromkeys(path for path in found if path))
        if not paths:
            return
        terminalreporter.section("keeptrace")
        if self._config.getoption("tbstyle") == "no":  # pytest printed nothing under the failures
            for path in paths:
                terminalreporter.line(command_to_open(path))
        dumps = counted(len(paths), "dump")
        terminalreporter.line(one_line(f"{dumps} in {self._store.directory}"))


def _held(exc: BaseException) -> int | None:
    """The number of the process that holds the failure; None if no process does."""
    from .core.errors import KeepTraceError
    from .core.hold import Hold, Holding
    from .hold.keeping import keep
    from .store.telling import failed

    try:
        kept = keep(exc, Holding(Hold(count=_MOST_HELD, with_parent=True), ""))
    except (OSError, KeepTraceError) as problem:  # the dump is debugged instead
        failed(exc, problem)
        return None
    if not kept.is_held:
        return None
    return int(kept.name.partition("-")[0])


def _name_of(nodeid: str) -> str:
    """The test's file, without the directory, and its name. Parameters may hold any text."""
    path, separator, name = nodeid.partition("::")
    return f"{os.path.basename(path)}{separator}{name}"


class _Debugger:
    """Opens the debugger in the process that has the terminal.

    `quit` ends the test run, `continue` goes on. In a live process both go on with the run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path = getattr(report, "keeptrace", None)
        if report.failed and path is not None:
            capture = self._config.pluginmanager.getplugin("capturemanager")
            if capture is not None:
                capture.suspend(in_=True)
            try:
                self._debug(report, path)
            finally:
                if capture is not None:
                    capture.resume()

    def _debug(self, report: pytest.TestReport, path: str) -> None:
        number = getattr(report, "keeptrace_held", None)
        if number is None or not self._attach(report, number):
            self._debug_dump(report, path)

    def _attach(self, report: pytest.TestReport, number: int) -> bool:
        """Debugs the failed process itself. Returns whether the process could be debugged."""
        from .core.errors import KeepTraceError
        from .hold.attaching import attach
        from .hold.listing import release

        self._show(report)
        try:
            attach(number)
            release(number)
        except KeepTraceError as problem:
            self._config.get_terminal_writer().line(f"keeptrace: {problem}")
            return False
        return True

    def _show(self, report: pytest.TestReport) -> None:
        """Prints the failure and its place."""
        terminal = self._config.get_terminal_writer()
        terminal.line()
        worker = getattr(getattr(report, "node", None), "gateway", None)
        report.toterminal(terminal)
        place = report.nodeid
        if worker:
            place += f" in worker {worker.id}"
        terminal.sep(">", f"keeptrace: {place}")

    def _debug_dump(self, report: pytest.TestReport, path: str) -> None:
        from .core.errors import DumpError
        from .core.texts import one_line
        from .debug import open_pdb
        from .format.api import load

        terminal = self._config.get_terminal_writer()
        terminal.line()
        try:
            exc = load(path)
        except (DumpError, OSError) as problem:
            terminal.line(one_line(f"keeptrace: no debugger for {report.nodeid}: {problem}"))
            return
        if exc.__traceback__ is None:
            terminal.line(f"keeptrace: no debugger for {report.nodeid}: its frames were not kept")
            return
        self._show(report)
        debugger = open_pdb(exc, exc.__traceback__)
        if debugger.quitting:
            pytest.exit("quit from the debugger")
