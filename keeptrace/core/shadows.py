"""The standard library's modules for this package, where the program has files of the same names.

A program may have a `json.py` or an `mmap.py` of its own, and `import json` then finds the
program's file. Without this module, keeptrace would import the program's file too, and fail. If a
program has such files, the modules of this package import with _import():

    import json ──▶ shadowed? ──▶ leave the program's directories out of sys.path, and the program's
                                  json out of sys.modules; import and keep the library's json; put
                                  the program's view back

A program without such files, as most programs are, pays for a look at each directory before the
library's.
"""

from __future__ import annotations

import builtins
import os
import sys
from _thread import RLock

TYPE_CHECKING = False  # `typing` itself may be shadowed
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# An environment variable of every Python below `keeptrace run`.
RUN_FROM = "KEEPTRACE_RUN_FROM"
_PACKAGE = __name__.partition(".")[0]
_LIBRARY = os.path.dirname(os.__file__)  # `os` is part of the interpreter: nothing can shadow it

_directories: set[str] = set()  # the program's entries in sys.path
_shadows: set[str] = set()  # names of the library's modules, shadowed by files in the directories
_ours: dict[str, ModuleType] = {}  # the library's modules of the shadowed names, for us alone
_lock = RLock()


def protect() -> None:
    """Looks for shadows. Protects all modules of this package from the next import on."""
    for directory in (*_before_library(), *_programs_directories()):
        names = {name for name in _names_in(directory) if not _is_loaded(name)}
        if names:
            _directories.add(directory)
            _shadows.update(names)
    if _shadows and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        from . import loading  # before the finder, which must not see this import

        sys.meta_path.insert(0, _Finder(loading.spec_around))
        _complete_typing()


def _complete_typing() -> None:
    """Makes Python 3.15's typing import annotationlib and ast now, not at the first NamedTuple."""
    with LibraryAlone():
        import typing

        typing.ForwardRef("None")


def _before_library() -> list[str]:
    if _LIBRARY not in sys.path:
        return []
    return sys.path[: sys.path.index(_LIBRARY)]


def _programs_directories() -> list[str]:
    """The directories of the files on the command line.

    Below `keeptrace run`, keeptrace is imported before Python knows the program's directory.
    """
    if RUN_FROM not in os.environ:
        return []
    files = [word for word in sys.orig_argv[1:] if os.path.isfile(word)]
    return [os.getcwd(), *(os.path.dirname(os.path.realpath(file)) for file in files)]


def _names_in(directory: str) -> Iterator[str]:
    """Names of the library's modules that a directory has, too."""
    try:
        files = os.listdir(directory or os.curdir)
    except OSError:  # an archive, or no directory
        return
    for file in files:
        name, dot, rest = file.partition(".")
        if name in sys.stdlib_module_names and _is_module(directory, file, dot + rest):
            yield name


def _is_module(directory: str, file: str, suffix: str) -> bool:
    if not suffix:  # a folder without an __init__ does not come before the library's module
        return os.path.isfile(os.path.join(directory, file, "__init__.py"))
    from importlib.machinery import all_suffixes

    return suffix in all_suffixes()


def _is_loaded(name: str) -> bool:
    """Whether sys.modules has the library's module under this name."""
    if name in sys.builtin_module_names:
        return True
    module = sys.modules.get(name)
    if module is None:
        return False
    file = getattr(module, "__file__", None)
    return file is None or str(file).startswith(_LIBRARY + os.sep)


class _Finder:
    """Makes the modules of this package import with _import(). Finds no module itself."""

    def __init__(self, spec_around: Callable[..., ModuleSpec | None]) -> None:
        self._spec_around = spec_around

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(f"{_PACKAGE}."):
            return None
        return self._spec_around(self, name, path, target, before=_give_imports)


def _give_imports(module: ModuleType) -> None:
    """Makes the import statements of a module call _import()."""
    vars(module)["__builtins__"] = {**vars(builtins), "__import__": _import}


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """Replaces `__import__`: imports the library's modules without the program's directories."""
    top = name.partition(".")[0]
    loaded = name in sys.modules and top not in _shadows
    if level or loaded or top not in sys.stdlib_module_names:
        return builtins.__import__(name, globals, locals, fromlist or (), level)
    with LibraryAlone():
        found = builtins.__import__(name, globals, locals, fromlist or (), 0)
    # C code of the interpreter (of typing.TypeVar, say) passes a list, and reads sys.modules next.
    if isinstance(fromlist, list):
        sys.modules.setdefault(name, found)
    return found


class LibraryAlone:
    """A context in which imports find the library's modules.

    Some functions of the library import during the call, and need this context too.
    """

    _depth = 0  # of nested contexts: only the outermost changes anything

    def __enter__(self) -> None:
        self._lock = None
        if not _shadows:
            return
        self._lock = _lock
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
    """Takes the modules of shadowed names, with their submodules, out of sys.modules."""
    # Other threads import meanwhile: the list is made in one step.
    names = [name for name in list(sys.modules) if name.partition(".")[0] in _shadows]
    return {name: sys.modules.pop(name) for name in names if name in sys.modules}


def _unlock() -> None:
    """Runs in a forked process: the thread that may hold the lock does not exist there."""
    global _lock
    _lock = RLock()
    LibraryAlone._depth = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)
