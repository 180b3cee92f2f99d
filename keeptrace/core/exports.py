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
                return importlib.import_module(f"{package}.{name}")
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
    the import gets the reserve.
    """
    try:
        return importlib.import_module(module, package)
    except MemoryError:
        release_reserve()
    return importlib.import_module(module, package)
