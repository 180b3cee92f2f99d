"""pytest --keeptrace[=DIR]: a dump for each failing test, fixture and collection, and the command
that opens it.

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

# Test runs share the directory with those before; what a rerun of a large broken suite leaves is
# what is looked at. (dumps)
_MAX_FILES = 5_000
# What --keeptrace-pdb opens: the dump, or the process that failed.
_FROM_DUMP, _LIVE = "dump", "live"
# Options that take a value by "=" alone, and what they mean without one.
_ALONE = {"--keeptrace": DEFAULT_DIRECTORY, "--keeptrace-pdb": _FROM_DUMP}
# Failed processes of a worker that wait for the debugger; of more failures the dumps are debugged.
_MOST_HELD = 20


def pytest_addoption(parser: Any) -> None:
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
def pytest_load_initial_conftests(early_config: Any, parser: Any, args: list[str]) -> None:
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


def pytest_configure(config: Any) -> None:
    with_debugger = config.getoption("keeptrace_pdb")
    if with_debugger not in (None, _FROM_DUMP, _LIVE):
        raise pytest.UsageError(f"--keeptrace-pdb={with_debugger}: what is known is {_LIVE}")
    directory = config.getoption("keeptrace") or (DEFAULT_DIRECTORY if with_debugger else None)
    if directory is None:
        return
    if "://" not in directory:
        # Absolute: xdist's workers get the options, and write to the same directory.
        directory = os.path.join(str(config.invocation_params.dir), directory)
    config.option.keeptrace = directory
    config.pluginmanager.register(_Dumps(config), "keeptrace-dumps")
    if with_debugger and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Debugger(config), "keeptrace-debugger")


class _Dumps:
    """Writes the dumps, where the tests run; tells of them, where the reports arrive."""

    def __init__(self, config: Any) -> None:
        from .store import Store

        self._config = config
        self._box: DeathBox | None = None
        self._store: Store = Store(config.option.keeptrace, max_files=_MAX_FILES, deduplicate=False)

    # Later than pytest's own faulthandler plugin, which has the stack written to stderr. A worker's
    # stack goes to our file, because the report shows the stack.
    def pytest_sessionstart(self, session: Any) -> None:
        if os.name != "posix" or "://" in self._store.directory:
            return
        from .core.watching import start_watcher
        from .hooks.deaths import DeathBox

        is_worker = hasattr(self._config, "workerinput")
        try:
            self._box = DeathBox(self._store, takes_over=is_worker, of_children=False)
            if not is_worker and self._config.getoption("dist", "no") != "no":
                start_watcher(self._store.directory)  # xdist's workers have boxes there
        except OSError:  # a directory that cannot be written to is told of when a test fails
            return

    def pytest_unconfigure(self) -> None:
        if self._box is not None:
            self._box.stop()

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, report: Any) -> None:
        """Lets the report of a crashed worker of pytest-xdist say of what it died, and where."""
        from .store.crashes import death_of_worker, exit_code_of
        from .store.telling import command_to_open

        gateway = getattr(report.node, "gateway", None)
        death = death_of_worker(self._store, gateway)
        if death is None:
            code = exit_code_of(gateway)
            if code is not None:
                report.longrepr = f"{report.longrepr}\nits process ended with exit code {code}"
            return
        report.keeptrace = death.path
        report.longrepr = f"{report.longrepr}\n{death.exc}\n{death.stack}".rstrip("\n")
        report.sections.append(("keeptrace", command_to_open(death.path)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Generator[None, Any, Any]:
        report: Any = yield
        self._dump(report, call)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: Any) -> Generator[None, Any, Any]:
        report: Any = yield
        self._dump(report, getattr(report, "call", None))
        return report

    def _dump(self, report: Any, call: Any) -> None:
        if not report.failed or call is None or call.excinfo is None:
            return
        from .hooks.examples import failed_example

        with failed_example(call.excinfo.value) as exc:
            path = self._keep(report, exc)
        if path is None:
            return
        self._keep_out_of_version_control()
        from .store.telling import command_to_open

        report.keeptrace = path
        sections = getattr(report.longrepr, "addsection", None) or (
            lambda *section: report.sections.append(section)
        )
        sections("keeptrace", command_to_open(path))

    def _keep(self, report: Any, exc: BaseException) -> str | None:
        from .debug import from_users

        whole = exc.__traceback__
        exc.__traceback__ = from_users(whole)
        try:
            path = self._store.write_as(exc, _name_of(report.nodeid))
            if self._config.getoption("keeptrace_pdb") == _LIVE:
                report.keeptrace_held = _held(exc)
        finally:
            exc.__traceback__ = whole
        return path

    def _keep_out_of_version_control(self) -> None:
        """Dumps hold variables; nobody means to commit them."""
        try:
            with open(os.path.join(self._store.directory, ".gitignore"), "x") as file:
                file.write("# written by keeptrace\n*\n")
        except OSError:  # the file exists, or the directory is a URL: a help, no guarantee
            return

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        from .core.texts import one_line
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
        dumps = "1 dump" if len(paths) == 1 else f"{len(paths)} dumps"
        terminalreporter.line(one_line(f"{dumps} in {self._store.directory}"))


def _held(exc: BaseException) -> int | None:
    """The number of the process that holds the failure; None if none does."""
    from .core.errors import KeepTraceError
    from .core.hold import Hold, Holding
    from .hold.keeping import keep
    from .store.telling import failed

    try:
        kept = keep(exc, Holding(Hold(count=_MOST_HELD, with_parent=True), ""))
    except (OSError, KeepTraceError) as problem:  # the dump is debugged instead
        failed(exc, problem)
        return None
    return int(kept.name.partition("-")[0]) if kept.is_held else None


def _name_of(nodeid: str) -> str:
    """The test's file, without its directory, and its name, whose parameters may hold any text."""
    path, separator, name = nodeid.partition("::")
    return f"{os.path.basename(path)}{separator}{name}"


class _Debugger:
    """Opens the debugger in the process that has the terminal.

    `quit` ends the test run, `continue` goes on with it; in a live process both go on.
    """

    def __init__(self, config: Any) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
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

    def _debug(self, report: Any, path: str) -> None:
        number = getattr(report, "keeptrace_held", None)
        if number is None or not self._attach(report, number):
            self._debug_dump(report, path)

    def _attach(self, report: Any, number: int) -> bool:
        """Debugs the failed process itself. False if that cannot be."""
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

    def _show(self, report: Any) -> None:
        """The failure, and where it was."""
        terminal = self._config.get_terminal_writer()
        terminal.line()
        worker = getattr(getattr(report, "node", None), "gateway", None)
        report.toterminal(terminal)
        place = f" in worker {worker.id}" if worker else ""
        terminal.sep(">", f"keeptrace: {report.nodeid}{place}")

    def _debug_dump(self, report: Any, path: str) -> None:
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
