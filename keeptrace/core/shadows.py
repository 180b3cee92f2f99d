"""The standard library's modules for this package, where the program has files of the same names.

A program may have a `json.py` or an `mmap.py` of its own, and imports that under the name. So would
we, and fail, or run a file that nobody expects to run. Where there is such a file, the modules of
this package import by _import():

    import json ──▶ shadowed? ──▶ with the program's directories left out of sys.path, and its own json out of sys.modules:
                                  the library's. It is kept here, and the program's view is put
                                  back.

Where there is none, which is the rule, a look at the directories that come before the library's is
all that this costs."""

from __future__ import annotations

import builtins
import os
import sys
from _thread import RLock

TYPE_CHECKING = False  # `typing` itself may be shadowed
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

# The variable of the environment that every Python below `keeptrace run` has.
RUN_FROM = "KEEPTRACE_RUN_FROM"
_PACKAGE = __name__.partition(".")[0]
_LIBRARY = os.path.dirname(os.__file__)  # `os` is part of the interpreter: nothing can shadow it

_directories: set[str] = set()  # of the program, as they stand in sys.path
_shadows: set[str] = set()  # names of the library that these have files of
_ours: dict[str, ModuleType] = {}  # the library's modules of these names, for us alone
_lock = RLock()


def protect() -> None:
    """Looks for shadows, and protects the modules of this package, which are imported from then
    on.
    """
    for directory in (*_before_library(), *_programs_directories()):
        names = {name for name in _names_in(directory) if not _is_loaded(name)}
        if names:
            _directories.add(directory)
            _shadows.update(names)
    if _shadows and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _before_library() -> list[str]:
    if _LIBRARY not in sys.path:
        return []
    return sys.path[: sys.path.index(_LIBRARY)]


def _programs_directories() -> list[str]:
    """Below `keeptrace run` we are imported before Python knows the program's directory: those of
    the command line.
    """
    if RUN_FROM not in os.environ:
        return []
    files = [word for word in sys.orig_argv[1:] if os.path.isfile(word)]
    return [os.getcwd(), *(os.path.dirname(os.path.realpath(file)) for file in files)]


def _names_in(directory: str) -> Iterator[str]:
    """The names of the library's modules that a directory has modules of."""
    try:
        files = os.listdir(directory or os.curdir)
    except OSError:  # an archive, or not there
        return
    for file in files:
        name, dot, rest = file.partition(".")
        if name in sys.stdlib_module_names and _is_module(directory, file, dot + rest):
            yield name


def _is_module(directory: str, file: str, suffix: str) -> bool:
    if not suffix:  # without an __init__ the library's comes first
        return os.path.isfile(os.path.join(directory, file, "__init__.py"))
    from importlib.machinery import all_suffixes

    return suffix in all_suffixes()


def _is_loaded(name: str) -> bool:
    """Whether the library's module is what everybody gets by this name."""
    if name in sys.builtin_module_names:
        return True
    module = sys.modules.get(name)
    if module is None:
        return False
    file = getattr(module, "__file__", None)
    return file is None or str(file).startswith(_LIBRARY + os.sep)


class _Finder:
    """Lets the modules of this package import by _import(). Finds nothing itself."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(f"{_PACKAGE}."):
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # a loader by what it does
                return spec
        return None


class _Loader:
    """A module's own loader; its import statements are ours."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]  # a loader of any kind

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader  # the module is to know its own
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
        self._loader.exec_module(module)


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """What an import statement calls.

    The library's modules are imported without the program's directories.
    """
    top = name.partition(".")[0]
    loaded = name in sys.modules and top not in _shadows
    if level or loaded or top not in sys.stdlib_module_names:
        return builtins.__import__(name, globals, locals, fromlist or (), level)
    with LibraryAlone():
        found = builtins.__import__(name, globals, locals, fromlist or (), 0)
    if isinstance(
        fromlist, list
    ):  # the interpreter's own C code (of typing.TypeVar, say), which takes it from there
        sys.modules.setdefault(name, found)
    return found


class LibraryAlone:
    """A context in which imports find the library's modules: also for what it imports itself only
    when it is called.
    """

    _depth = 0  # of all of them: only the outermost changes anything

    def __enter__(self) -> None:
        self._lock = _lock if _shadows else None
        if self._lock is None:
            return
        self._lock.acquire()
        LibraryAlone._depth += 1
        self._outermost = LibraryAlone._depth == 1
        if self._outermost:
            self._path = sys.path
            self._theirs = _take_shadows()
            sys.modules.update(_ours)
            sys.path = [directory for directory in self._path if directory not in _directories]

    def __exit__(self, *exc_info: object) -> None:
        if self._lock is None:
            return
        if self._outermost:
            sys.path = self._path
            _ours.update(_take_shadows())
            sys.modules.update(self._theirs)
        LibraryAlone._depth -= 1
        self._lock.release()


def _take_shadows() -> dict[str, ModuleType]:
    """Takes the modules of shadowed names, and those within them, out of sys.modules."""
    names = [name for name in sys.modules if name.partition(".")[0] in _shadows]
    return {name: sys.modules.pop(name) for name in names}


def _unlock() -> None:
    """In a forked process: the thread that had the lock, if there was one, is not there."""
    global _lock
    _lock = RLock()
    LibraryAlone._depth = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)
