"""The public names of a package, each imported from its module at first use.

Workers import the package, too, and pay only for the names in use.
"""

from __future__ import annotations

import importlib
import sys

from .reserve import release_reserve

TYPE_CHECKING = False  # `typing` itself may be shadowed
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType
    from typing import Any

_PACKAGE = __name__.partition(".")[0]
# Each failed import lets at least one other thread go on. (attempts)
_ATTEMPTS = 20


def lazy_names(
    package: str,
    homes: Mapping[str, str],
    modules: tuple[str, ...] = (),
    engines: tuple[str, ...] = (),
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a package.

    homes: the module of each public name, relative to the package.
    modules: the package's public modules, which need no import statement of their own.
    engines: public modules that need a library. dir() does not list them, because a program that
        reads every name of dir() would import all these libraries.
    """

    def find(name: str) -> object:
        if name in modules or name in engines:
            try:
                return _imported(f".{name}", package)
            except ImportError as problem:
                # hasattr() of a program must give False, not raise
                raise AttributeError(str(problem)) from problem
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(_imported(f".{homes[name]}", package), name)
        vars(sys.modules[package])[name] = found
        return found

    def names() -> list[str]:
        return sorted({*sys.modules[package].__all__, *modules})

    return find, names


def _imported(module: str, package: str) -> ModuleType:
    """The module. The first dump of a program imports most of the package: if the memory runs out,
    the import gets the reserve. If threads import at once, some may need to import again.
    """
    for _ in range(_ATTEMPTS):
        try:
            # Puts collections.abc into sys.modules. The import of a submodule does not wait for
            # another thread's import of the package, and would find no file of this name.
            import collections  # noqa: F401

            return importlib.import_module(module, package)
        except MemoryError:
            release_reserve()
        except (RuntimeError, ImportError) as problem:
            if not _is_of_another_thread(problem):
                raise
    return importlib.import_module(module, package)


def _is_of_another_thread(problem: Exception) -> bool:
    """Whether an import failed because another thread was importing the same modules.

    Python takes the lock of a submodule before the lock of the package. If the package imports the
    submodule meanwhile, one of the two threads gets an error, or a half-made module.
    """
    if type(problem) is ImportError:
        return str(problem.name).startswith(_PACKAGE)
    return type(problem).__name__ == "_DeadlockError"
