"""pytest --keeptrace[=DIR]: a dump for each failing test, fixture and collection, and the command
that opens it.

    worker or single process                                       controller (with pytest-xdist) or
    the same process
    makereport ─▶ dump ─▶ its path on the report ─ ─ ─ ─ ─ ─ ─ ─ ─▶ printed under the failure
                                                                    └ --keeptrace-pdb: the debugger opens on the dump

pytest loads this module at every start, so it imports nothing but pytest before it is asked to do
something."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from .store import Store

_DIRECTORY = "keeptrace-dumps"
# Test runs share the directory with those before; what a rerun of a large broken suite leaves is
# what is looked at. (dumps)
_MAX_FILES = 5_000


def pytest_addoption(parser: Any) -> None:
    group = parser.getgroup("keeptrace", "dumps of failures")
    group.addoption(
        "--keeptrace",
        nargs="?",
        const=_DIRECTORY,
        metavar="DIR",
        help=f"write a dump for each failing test and fixture to DIR (as --keeptrace=DIR; default: {_DIRECTORY})",
    )
    group.addoption(
        "--keeptrace-pdb",
        action="store_true",
        help="open the debugger on each failure, also on those of pytest-xdist's workers; implies --keeptrace",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: Any, parser: Any, args: list[str]) -> None:
    """Lets `--keeptrace tests` mean the default directory and the tests:

    only `--keeptrace=DIR` names one.
    """
    if "--keeptrace" not in args:
        return
    args[args.index("--keeptrace")] = f"--keeptrace={_DIRECTORY}"
    known = parser.parse_known_args(args)
    early_config.known_args_namespace.file_or_dir = known.file_or_dir
    early_config.known_args_namespace.keeptrace = known.keeptrace


def pytest_configure(config: Any) -> None:
    with_debugger = config.getoption("keeptrace_pdb")
    directory = config.getoption("keeptrace") or (_DIRECTORY if with_debugger else None)
    if directory is None:
        return
    # absolute, so that xdist's workers, which are handed the options, write to the same
    config.option.keeptrace = (
        directory
        if "://" in directory
        else os.path.join(str(config.invocation_params.dir), directory)
    )
    config.pluginmanager.register(_Dumps(config), "keeptrace-dumps")
    if with_debugger and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Debugger(config), "keeptrace-debugger")


class _Dumps:
    """Writes the dumps, where the tests run; tells of them, where the reports arrive."""

    def __init__(self, config: Any) -> None:
        from .store import Store

        self._config = config
        self._store: Store = Store(config.option.keeptrace, max_files=_MAX_FILES, deduplicate=False)

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
        exc: BaseException = call.excinfo.value
        whole = exc.__traceback__
        exc.__traceback__ = _from_users(whole)
        try:
            path = self._store.write_as(exc, _name_of(report.nodeid))
        finally:
            exc.__traceback__ = whole
        if path is None:
            return
        self._keep_out_of_version_control()
        from .store.telling import command_to_open

        report.keeptrace = path
        sections = getattr(report.longrepr, "addsection", None) or (
            lambda *section: report.sections.append(section)
        )
        sections("keeptrace", command_to_open(path))

    def _keep_out_of_version_control(self) -> None:
        """Dumps hold variables; nobody means to commit them."""
        try:
            with open(os.path.join(self._store.directory, ".gitignore"), "x") as file:
                file.write("# written by keeptrace\n*\n")
        except OSError:  # there is one already, or the directory is a URL: a help, no guarantee
            return

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        from .core.texts import one_line
        from .store.telling import command_to_open

        reports = [*terminalreporter.getreports("error"), *terminalreporter.getreports("failed")]
        paths = list(
            dict.fromkeys(
                path for report in reports if (path := getattr(report, "keeptrace", None))
            )
        )
        if not paths:
            return
        terminalreporter.section("keeptrace")
        if (
            self._config.getoption("tbstyle") == "no"
        ):  # then pytest has printed nothing under the failures
            for path in paths:
                terminalreporter.line(command_to_open(path))
        terminalreporter.line(
            one_line(f"{len(paths)} dump{'s' * (len(paths) != 1)} in {self._store.directory}")
        )


def _name_of(nodeid: str) -> str:
    """The test's file, without its directory, and its name, whose parameters may hold any text."""
    path, separator, name = nodeid.partition("::")
    return f"{os.path.basename(path)}{separator}{name}"


def _from_users(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the user's first frame on:

    what calls it (pytest, unittest) is the same in every test, and large.
    """
    from .debug import is_users

    entry = traceback
    while entry is not None and not is_users(entry.tb_frame):
        entry = entry.tb_next
    return entry or traceback


class _Debugger:
    """Opens the debugger in the process that has the terminal.

    `quit` ends the test run, `continue` goes on with it.
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
        import pdb

        from .core.errors import DumpError
        from .core.texts import one_line
        from .debug import levels_below_users
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
        worker = getattr(getattr(report, "node", None), "gateway", None)
        report.toterminal(terminal)
        terminal.sep(
            ">", f"keeptrace: {report.nodeid}{f' in worker {worker.id}' if worker else ''}"
        )
        debugger = pdb.Pdb()
        debugger.reset()
        levels = levels_below_users(exc.__traceback__)
        if levels:
            debugger.cmdqueue.append(f"up {levels}")
        # since 3.13 pdb takes the exception itself, and then walks its chain (command `exceptions`)
        debugger.interaction(None, exc if sys.version_info >= (3, 13) else exc.__traceback__)  # type: ignore[arg-type]  # the stubs lag behind
        if debugger.quitting:
            pytest.exit("quit from the debugger")
