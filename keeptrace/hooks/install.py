"""install(): dumps of uncaught exceptions, from the places where Python, its threads, event loops
and child processes report them.

    sys.excepthook ─────────────────────────┐
    threading.excepthook ───────────────────┤
    sys.unraisablehook ─────────────────────┼─▶ the previous hook ─▶ then Store.write(exc)
    asyncio: a loop's exception handler ────┘
    IPython, unittest, doctest: their reports ┘
    multiprocessing: a child's run() ─────────▶ Store.write(exc) ─▶ then the child prints and ends

- A hook always calls the previous hook first: the user sees the error before a dump fails or takes
  time. In a child process the dump comes first, in bounded time (store.py).
- uninstall() removes a hook only where ours is still in place. If somebody has chained to our hook,
  our hook stays in the chain and only calls the previous hook.
- install() imports neither asyncio nor multiprocessing nor the runners (runners.py): importing.py
  hooks each module when the program imports the module.
- A forked child inherits the hooks. A spawned child gets the hooks through the configuration that
  multiprocessing hands down to every descendant. We wrap a child's run(), because its caller
  (_bootstrap) swallows the exception.
- Ctrl-C, exit and cancellation end a program or a task on purpose: no failure, and no dump.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
import threading
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..core import DEFAULT_DIRECTORY
from ..core.hold import Hold, Holding, make_holding, remember_pipes
from ..core.options import Options
from ..core.processes import is_main_interpreter
from ..core.watching import start_watcher
from ..format.files import is_url
from ..store import Store
from ..store.telling import command_to_open, tell
from .failures import excluded_names, is_excluded, is_failure, store_of
from .importing import Action, Make, WhenImported, when_imported
from .places import EXCEPTHOOK, LOOP, THREADS, UNRAISABLE, Hook
from .runners import RUNNERS

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from typing import Unpack

    from ..core.options import SingleOptions
    from ..store.store import Kept
    from .deaths import DeathBox
    from .presence import Presence

_traceback_of: Final = BaseException.__dict__["__traceback__"].__get__
_set_traceback: Final = BaseException.__dict__["__traceback__"].__set__


# Our key in the configuration for multiprocessing's descendants.
_CONFIG: Final = "keeptrace"


class _Replaced(NamedTuple):
    owner: object
    name: str
    before: Callable[..., Any]
    ours: Callable[..., Any]


class Installed:
    """The installed hooks. uninstall(), or the end of its block, restores the previous hooks."""

    def __init__(
        self, store: Store, holding: Holding | None = None, excluded: frozenset[str] = frozenset()
    ) -> None:
        self.store = store
        self.holding = holding
        self.excluded = excluded
        self.active: bool = True
        self._put: list[_Replaced] = []
        self._finder: WhenImported | None = None
        self._presence: Presence | None = None
        self._box: DeathBox | None = None

    def __repr__(self) -> str:
        state = "no longer writing to"
        if self.active:
            state = "writing to"
        return f"<keeptrace hooks, {state} {self.store.directory}>"

    def apply(self, signal: int | None, deaths: bool, watch: bool) -> None:
        if signal is not None:
            from .presence import Presence

            self._presence = Presence(signal, self.store.options)
        if deaths and os.name == "posix" and not is_url(self.store.directory):
            self._leave_records(watch)
        self._hook(sys, EXCEPTHOOK)
        self._hook(threading, THREADS)
        self._hook(sys, UNRAISABLE)
        self._finder = when_imported(
            {
                "asyncio.base_events": lambda module: self._hook(module.BaseEventLoop, LOOP),
                "multiprocessing.process": self._watch_children,
                **self._watchers_of_kills(),
                **{
                    name: functools.partial(watch, self._replace, self._keep_from_users)
                    for name, watch in RUNNERS.items()
                },
            }
        )

    def _watchers_of_kills(self) -> dict[str, Action]:
        if self._box is None:
            return {}
        from .kills import watchers

        return watchers(self._replace, self.store.directory)

    @property
    def leaves_records(self) -> bool:
        """Whether this process leaves a record at its death."""
        return self._box is not None

    @property
    def signal(self) -> int | None:
        """The signal upon which this process answers a request for a snapshot."""
        if self._presence is not None:
            return self._presence.signal
        return None

    def _leave_records(self, watch: bool) -> None:
        """Makes dumps of earlier deaths, and lets this process leave a record at its own.

        watch: whether a watcher notes its memory.
        """
        if not is_main_interpreter():  # all interpreters share a box and faulthandler
            return
        from .deaths import DeathBox

        try:
            self.store.collect_deaths()
            self._box = DeathBox(self.store)
        except OSError as problem:
            tell(f"if this process is killed, no dump will tell: {problem}")
            return
        if watch:
            start_watcher(self.store.directory)

    def uninstall(self) -> None:
        """Restores the previous hooks, except where somebody else has replaced ours since.

        A second call does nothing.
        """
        self.active = False
        if self._presence is not None:
            self._presence.stop()
        if self._box is not None:
            self._box.stop()
        for put in reversed(self._put):
            if put.owner.__dict__.get(put.name) is put.ours:
                setattr(put.owner, put.name, put.before)
        self._put.clear()
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        self._leave_children_alone()

    def _leave_children_alone(self) -> None:
        """Takes our key out of the configuration for child processes."""
        process = sys.modules.get("multiprocessing.process")
        if process is None:
            return
        config = process.current_process()._config
        handed_down = config.get(_CONFIG)
        if isinstance(handed_down, _HandedDown) and handed_down.installed is self:
            del config[_CONFIG]

    def __enter__(self) -> Installed:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.uninstall()

    def keep(
        self, exc: object, traceback: types.TracebackType | None = None, is_last: bool = False
    ) -> None:
        """Writes a dump of an uncaught exception, then the command to open the dump on stderr.

        is_last: the exception ends this process.
        """
        line = self._keep(exc, traceback, is_last)
        if line is not None:
            tell(line)

    def _keep_from_users(self, exc: object) -> str | None:
        """Keeps an exception from the user's first frame on; returns the line for the user."""
        from ..debug import from_users

        if not isinstance(exc, BaseException):
            return None
        whole = _traceback_of(exc)
        _set_traceback(exc, from_users(whole))
        try:
            return self._keep(exc)
        finally:
            _set_traceback(exc, whole)

    def _keep(
        self, exc: object, traceback: types.TracebackType | None = None, is_last: bool = False
    ) -> str | None:
        if not self.active or not isinstance(exc, BaseException) or not is_failure(exc):
            return None
        if is_excluded(exc, self.excluded):
            return None
        # Some libraries give the hooks the traceback apart from the exception.
        bare = _traceback_of(exc) is None and traceback is not None
        if bare:
            _set_traceback(exc, traceback)
        try:
            kept = self.store.keep(exc, is_last)
            if self.holding is not None:
                from .holding import hold

                hold(exc, self.holding)
        finally:
            if bare:
                _set_traceback(exc, None)
        if kept is None:
            return None
        return _line_for_user(exc, kept)

    def _replace(self, owner: object, name: str, make: Make) -> None:
        """Replaces a function by `make(function)`, until uninstall()."""
        before = getattr(owner, name)
        ours = functools.wraps(before)(make(before))
        setattr(owner, name, ours)
        self._put.append(_Replaced(owner, name, before, ours))

    def _hook(self, owner: object, hook: Hook) -> None:
        def make(before: Callable[..., object]) -> Callable[..., object]:
            def ours(*args: object, **kwargs: object) -> object:
                try:
                    return before(*args, **kwargs)
                finally:
                    if self.active:
                        self.keep(*hook.read(*args, **kwargs), is_last=hook.ends_process)

            return ours

        self._replace(owner, hook.name, make)

    def _watch_children(self, processes: types.ModuleType) -> None:
        """Hooks _bootstrap: every child process runs this method, and it swallows exceptions."""
        processes.current_process()._config[_CONFIG] = _HandedDown(self)

        def make(before: Callable[..., object]) -> Callable[..., object]:
            def ours(process: BaseProcess, *args: object, **kwargs: object) -> object:
                if self.active:
                    if self.holding is not None:
                        remember_pipes()
                    self._watch(process)
                return before(process, *args, **kwargs)

            return ours

        self._replace(processes.BaseProcess, "_bootstrap", make)
        if self._box is not None:
            from .kills import watch_kills

            watch_kills(self._replace, self.store.directory, processes)

    def _watch(self, process: BaseProcess) -> None:
        run = process.run

        def watched() -> None:
            try:
                run()
            except BaseException as exc:
                traceback = _traceback_of(exc)
                if traceback is not None:
                    # The child then prints the usual traceback, without this function's frame.
                    _set_traceback(exc, traceback.tb_next)
                self.keep(exc, is_last=True)
                raise

        process.run = watched  # type: ignore[method-assign]


def _line_for_user(exc: BaseException, kept: Kept) -> str:
    kind, command = type(exc).__name__, command_to_open(kept.path)
    if kept.is_own:
        return f"a dump of this {kind} was written; see it with: {command}"
    return f"this {kind} was counted; see the first that is alike with: {command}"


class _HandedDown:
    """Pickled with every spawned child process; unpickling installs the hooks in the child."""

    def __init__(self, installed: Installed) -> None:
        self.installed = installed

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        try:
            installed = self.installed
            hold = installed.holding and installed.holding.hold
            settings = {
                "signal": installed.signal,
                "deaths": installed.leaves_records,
                "hold": hold,
                "exclude": tuple(installed.excluded),
            }
            data = pickle.dumps((installed.store, settings))
        # A `redact` or a `pickler` may be a lambda; the child must start nevertheless.
        except Exception as problem:
            tell(
                "no dumps of the child process that is started here: "
                f"the options cannot be sent to it ({problem})"
            )
            return dict, ()
        return _install_in_child, (data,)


def _install_in_child(data: bytes) -> _HandedDown | None:
    try:
        store, settings = pickle.loads(data)
        return _HandedDown(install(store, **settings))
    except Exception as problem:  # the child must start
        tell(f"no dumps of this child process: {type(problem).__name__}: {problem}")
        return None


_active: Installed | None = None


def install(
    directory: str | os.PathLike[str] | Store = DEFAULT_DIRECTORY,
    *,
    deduplicate: bool = True,
    signal: int | None = None,
    deaths: bool = True,
    watch: bool = False,
    hold: Hold | bool | None = None,
    exclude: Iterable[type[BaseException] | str] = (),
    trace: Options | None = None,
    **options: Unpack[SingleOptions],
) -> Installed:
    """Writes a dump of every uncaught exception in the program, its threads, event loops and child
    processes; also of failing cells of IPython and Jupyter, and of failing tests of unittest and
    doctest.

    directory: default "keeptrace-dumps" in the current directory; or a Store, for your own bounds.
    deduplicate: as for a Store: count failures that are alike, and keep only a few of their dumps.
        False keeps every dump.
    signal: the signal upon which the process answers `keeptrace snapshot PID`, such as
        signal.SIGUSR1. A Python older than 3.14 answers only with a signal.
    deaths: let killed processes leave dumps, too. Each process keeps a small file in the directory
        while alive; the next reader of the directory makes a dump of a dead process's file. Not on
        Windows, nor for a URL.
    watch: starts one small process for the directory, which notes the memory of these processes for
        the dumps of killed ones. Linux alone.
    hold: True or a keeptrace.Hold keeps the failed process alive as well, for keeptrace.attach().
    exclude: exceptions to leave out, as classes or qualified names ("shop.OutOfStock"). Their
        subclasses leave no dump either, nor do groups of excluded exceptions alone.
    options: the fields of keeptrace.Options, or a whole Options as `trace`.

    Python reports the exception first, as usual; then a line on stderr has the command to open the
    dump. In event loops other than asyncio's own (uvloop), only exceptions that reach Python's
    hooks leave dumps. Returns a context manager that uninstalls. A second call replaces the first.
    Raises OptionError.
    """
    global _active
    store = store_of(directory, trace, options, deduplicate)
    made = Installed(store, make_holding(hold, is_pool=False), excluded_names(exclude))
    uninstall()
    _active = made
    made.apply(signal, deaths, watch)
    return made


def uninstall() -> None:
    """Undoes install(). Without an install() before, nothing happens."""
    global _active
    if _active is not None:
        _active.uninstall()
        _active = None
