"""Dumps by themselves: where Python, its threads, loops and child processes report an exception
that nobody caught.

    sys.excepthook ─────────────────────────┐
    threading.excepthook ───────────────────┤
    sys.unraisablehook ─────────────────────┼─▶ what was installed before ─▶ then Store.write(exc)
    asyncio: a loop's exception handler ────┘
    multiprocessing: a child's run() ─────────▶ Store.write(exc) ─▶ then the child prints and ends, as ever

- What was there before is called first, and always: a dump that fails, or takes its time, comes
  after the user has seen the error. A child process leaves no such place; there the dump is bounded
  in time (see store.py) and comes before.
- uninstall() puts back only what is still ours. Where somebody has chained to a hook of ours
  meanwhile, it stays in the chain and does nothing but call the one before it.
- asyncio and multiprocessing are hooked when the program imports them, not sooner: install()
  imports neither.
- Children that fork inherit everything. Those that spawn get it through the configuration that
  multiprocessing hands down to every descendant, and so do theirs. What a child's run() raises is
  met within run(): its caller only prints it.
- What ends a program or a task on purpose (Ctrl-C, exit, cancellation) is no failure, and leaves no
  dump.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
import threading
import types
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ..core.errors import OptionError
from ..core.guard import with_enough_stack
from ..core.options import Options, make_options
from ..format.files import bounded
from ..store import DEFAULT_DIRECTORY, Store
from ..store.telling import command_to_open, failed, tell

if (
    TYPE_CHECKING
):  # at run time importlib's abstract classes would bring half of importlib.resources along
    from importlib.machinery import ModuleSpec
    from typing import Unpack

    from ..core.options import SingleOptions

_F = TypeVar("_F", bound=Callable[..., Any])

_ON_PURPOSE: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)
# asyncio's, trio's and gevent's, known by name so that none of them is imported for it.
_CANCELLED: Final = frozenset({"CancelledError", "Cancelled", "GreenletExit"})

_traceback_of: Final = BaseException.__dict__["__traceback__"].__get__
_set_traceback: Final = BaseException.__dict__["__traceback__"].__set__


def is_failure(exc: BaseException) -> bool:
    """Whether this is an error, rather than a way to end the program or a task on purpose."""
    return isinstance(exc, Exception) or not (
        isinstance(exc, _ON_PURPOSE) or type(exc).__name__ in _CANCELLED
    )


def keep_failure(store: Store, exc: BaseException) -> None:
    """Writes a dump of an exception that is on its way up, if it is a failure. Never raises."""
    try:
        with_enough_stack(lambda: is_failure(exc) and store.write(exc))
    except RecursionError:  # nothing can be called any more; the user's own error goes on
        return


def store_of(
    directory: str | os.PathLike[str] | Store, trace: Options | None, options: SingleOptions
) -> Store:
    """The store that was given, or one for the directory.

    Raises OptionError for options beside a store.
    """
    if not isinstance(directory, Store):
        return Store(directory, trace=make_options(trace, **options))
    if trace is not None or options:
        raise OptionError("give the options to the Store itself, not beside it")
    return directory


# -- the hooks


class _Hook(NamedTuple):
    """A place where Python reports what nobody caught:

    an attribute of `owner`, and how to read its arguments.
    """

    name: str
    read: Callable[..., tuple[BaseException | None, types.TracebackType | None]]


_EXCEPTHOOK: Final = _Hook("excepthook", lambda kind, value, traceback: (value, traceback))
_THREADS: Final = _Hook("excepthook", lambda args: (args.exc_value, args.exc_traceback))
_UNRAISABLE: Final = _Hook("unraisablehook", lambda args: (args.exc_value, args.exc_traceback))
# The way into every handler of a loop, its default one and the user's.
_LOOP: Final = _Hook(
    "call_exception_handler", lambda loop, context: (context.get("exception"), None)
)

_CONFIG: Final = "keeptrace"  # our key in the configuration that multiprocessing hands down


class Installed:
    """What install() did. As a context manager, or by uninstall(), it puts back what was there."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.active: bool = True
        self._put: list[tuple[Any, str, Any, Any]] = []
        self._finder: _WhenImported | None = None

    def __repr__(self) -> str:
        return f"<keeptrace hooks, {'writing to' if self.active else 'no longer writing to'} {self.store.directory}>"

    def apply(self) -> None:
        self._hook(sys, _EXCEPTHOOK)
        self._hook(threading, _THREADS)
        self._hook(sys, _UNRAISABLE)
        later: dict[str, Callable[[types.ModuleType], None]] = {
            "asyncio.base_events": lambda module: self._hook(module.BaseEventLoop, _LOOP),
            "multiprocessing.process": self._watch_children,
        }
        waiting = {}
        for name, action in later.items():
            module = sys.modules.get(name)
            if module is None:
                waiting[name] = action
            else:
                action(module)
        if waiting:
            self._finder = _WhenImported(waiting)
            sys.meta_path.insert(0, self._finder)

    def uninstall(self) -> None:
        """Puts back what was there before; what somebody else has put there since stays.

        A second call does nothing.
        """
        self.active = False
        for owner, name, before, ours in reversed(self._put):
            if owner.__dict__.get(name) is ours:
                setattr(owner, name, before)
        self._put.clear()
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        process = sys.modules.get("multiprocessing.process")
        if process is not None:
            config = process.current_process()._config
            if isinstance(config.get(_CONFIG), _HandedDown) and config[_CONFIG].installed is self:
                del config[_CONFIG]

    def __enter__(self) -> Installed:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.uninstall()

    def keep(self, exc: object, traceback: types.TracebackType | None = None) -> None:
        """A dump of what nobody caught, and a line that says where."""
        if not self.active or not isinstance(exc, BaseException) or not is_failure(exc):
            return
        bare = _traceback_of(exc) is None and traceback is not None
        if bare:  # as some libraries call the hooks
            _set_traceback(exc, traceback)
        try:
            path = self.store.write(exc)
        finally:
            if bare:
                _set_traceback(exc, None)
        if path is not None:
            tell(
                f"a dump of this {type(exc).__name__} was written; see it with: {command_to_open(path)}"
            )

    def _hook(self, owner: Any, hook: _Hook) -> None:
        before = getattr(owner, hook.name)

        @functools.wraps(before)
        def ours(*args: Any, **kwargs: Any) -> Any:
            try:
                return before(*args, **kwargs)
            finally:
                if self.active:
                    self.keep(*hook.read(*args, **kwargs))

        setattr(owner, hook.name, ours)
        self._put.append((owner, hook.name, before, ours))

    def _watch_children(self, processes: types.ModuleType) -> None:
        """Every child process runs its own _bootstrap;

        what its run() raises does not leave that.
        """
        processes.current_process()._config[_CONFIG] = _HandedDown(self)
        base = processes.BaseProcess
        before = base._bootstrap

        @functools.wraps(before)
        def ours(process: Any, *args: Any, **kwargs: Any) -> Any:
            if self.active:
                self._watch(process)
            return before(process, *args, **kwargs)

        base._bootstrap = ours
        self._put.append((base, "_bootstrap", before, ours))

    def _watch(self, process: Any) -> None:
        run = process.run

        def watched() -> None:
            try:
                run()
            except BaseException as exc:
                traceback = _traceback_of(exc)
                if (
                    traceback is not None
                ):  # without this function's frame: the child prints what it prints without us
                    _set_traceback(exc, traceback.tb_next)
                self.keep(exc)
                raise

        process.run = watched


class _HandedDown:
    """Pickled with every child process that is spawned;

    there it installs the hooks before anything else runs.
    """

    def __init__(self, installed: Installed) -> None:
        self.installed = installed

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        try:
            data = pickle.dumps(self.installed.store)
        # a `redact` or a `pickler` that is a lambda: the child must start nevertheless
        except Exception as problem:
            tell(
                f"no dumps of the child process that is started here: the options cannot be sent to it ({problem})"
            )
            return dict, ()
        return _install_in_child, (data,)


def _install_in_child(data: bytes) -> Any:
    try:
        return _HandedDown(install(pickle.loads(data)))
    except Exception as problem:  # whatever it is, the child must start
        tell(f"no dumps of this child process: {type(problem).__name__}: {problem}")
        return None


class _WhenImported:
    """Calls a function with each of some modules, right after it was imported.

    Finds nothing itself.
    """

    def __init__(self, actions: dict[str, Callable[[types.ModuleType], None]]) -> None:
        self.actions = actions

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        action = self.actions.pop(name, None)
        if not self.actions and self in sys.meta_path:
            sys.meta_path.remove(self)
        if action is None:
            return None
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(name, path, target)
                if spec is not None and spec.loader is not None:
                    spec.loader = _Loader(spec.loader, action)  # type: ignore[assignment]  # it is a loader by what it does
                    return spec
        return None


class _Loader:
    """A module's own loader, with something to do afterwards."""

    def __init__(self, loader: Any, action: Callable[[types.ModuleType], None]) -> None:
        self._loader = loader
        self._action = action

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]  # a loader of any kind

    def exec_module(self, module: types.ModuleType) -> None:
        module.__loader__ = self._loader  # the module is to know its own
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        try:
            self._action(module)
        except Exception as problem:  # a newer Python: the program's import must not fail of it
            tell(f"no dumps from {module.__name__}: {type(problem).__name__}: {problem}")


_active: Installed | None = None


def install(
    directory: str | os.PathLike[str] | Store = DEFAULT_DIRECTORY,
    *,
    trace: Options | None = None,
    **options: Unpack[SingleOptions],
) -> Installed:
    """Lets every exception that nobody catches leave a dump: in the program, its threads, event
    loops and child processes.

    directory: where, default "keeptrace-dumps" in the current directory; or a Store, for bounds of
        one's own.
    options: those of keeptrace.Options, or a whole one as `trace`.

    What reports such exceptions without us does so first and unchanged; then one line on stderr
    says how to see the dump. Event loops that are not asyncio's own (uvloop) report through the
    hooks only what reaches Python's. Returns a context manager that uninstalls. A second call takes
    the place of the first. Raises OptionError.
    """
    global _active
    made = Installed(store_of(directory, trace, options))
    uninstall()
    _active = made
    made.apply()
    return made


def uninstall() -> None:
    """Undoes install(). Nothing happens if it is not installed."""
    global _active
    if _active is not None:
        _active.uninstall()
        _active = None


# -- around a piece of code


class on_error:  # used as a statement and as a decorator, like contextlib's
    """Writes a dump of what leaves a block or a function as an exception; the exception goes on
    unchanged.

        with keeptrace.on_error("dumps"): ...
        @keeptrace.on_error("crash.keeptrace")
        async def task(): ...

    directory_or_path: a name with an extension is one file, which the next failure overwrites; any
        other is a directory (see Store). A directory that exists is one, whatever its name; a Store
        is taken as it is.
    options: those of keeptrace.Options, or a whole one as `trace`.

    As a decorator it takes functions, coroutine functions, generators and asynchronous generators.
    `path` is the dump that was written last, None before. Raises OptionError.
    """

    def __init__(
        self,
        directory_or_path: str | os.PathLike[str] | Store,
        *,
        trace: Options | None = None,
        **options: Unpack[SingleOptions],
    ) -> None:
        self.path: str | None = None
        self._file: str | None = None
        self._store: Store | None = None
        if not isinstance(directory_or_path, Store):
            given = os.fspath(directory_or_path)
            if os.path.splitext(given)[1] and "://" not in given and not os.path.isdir(given):
                self._file = os.path.abspath(given)
                self._options = make_options(trace, **options)
                return
        self._store = store_of(directory_or_path, trace, options)

    def __enter__(self) -> on_error:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if exc is None:
            return
        try:
            with_enough_stack(lambda: self._leave(exc))
        except RecursionError:  # nothing can be called any more; the user's own error goes on
            return

    def _leave(self, exc: BaseException) -> None:
        if is_failure(exc):
            self.path = self._keep(exc)

    def _keep(self, exc: BaseException) -> str | None:
        if self._store is not None:
            return self._store.write(exc)
        from ..format.api import dump

        file = self._file or ""
        try:
            bounded(lambda: dump(exc, file, trace=self._options))
        except RecursionError:  # little stack is left: see __exit__
            raise
        except (
            Exception
        ) as problem:  # law 1: the user's own error goes on, whatever became of its dump
            failed(exc, problem)
            return None
        return file

    def __call__(self, function: _F) -> _F:
        import inspect

        kinds: tuple[tuple[Callable[[Any], bool], Callable[..., Any]], ...] = (
            (inspect.isasyncgenfunction, self._async_generator),
            (inspect.iscoroutinefunction, self._coroutine),
            (inspect.isgeneratorfunction, self._generator),
            (callable, self._function),
        )
        for is_kind, wrapper in kinds:
            if is_kind(function):
                return functools.wraps(function)(wrapper(function))  # type: ignore[return-value]  # the same signature
        raise OptionError(f"on_error decorates a function, not {function!r}")

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapper

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await function(*args, **kwargs)

        return wrapper

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with self:
                return (yield from function(*args, **kwargs))

        return wrapper

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self:
                inner = function(*args, **kwargs)
                step = inner.__anext__()
                while True:
                    try:
                        value = await step
                    except StopAsyncIteration:
                        return
                    try:
                        step = inner.asend((yield value))
                    except GeneratorExit:
                        await inner.aclose()
                        raise
                    except (
                        BaseException
                    ) as thrown:  # by the caller's athrow(): it is the inner generator's to handle
                        step = inner.athrow(thrown)

        return wrapper
