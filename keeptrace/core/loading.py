"""Loads a module with an action before or after the module's code.

All finders of this package use this loader, and find no module themselves. core/shadows.py gives
the modules of this package the library's imports. hooks/importing.py and format/pickling.py act
after the program's import of a module. An import here could find the program's own file in place of
the library's module, so this module imports only `sys`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # `typing` itself may be shadowed
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


def spec_around(
    finder: object,
    name: str,
    path: Sequence[str] | None,
    target: ModuleType | None,
    *,
    before: Callable[[ModuleType], None] | None = None,
    after: Callable[[ModuleType], None] | None = None,
) -> ModuleSpec | None:
    """The other finders' spec for a name, with a loader that also calls `before` and `after` with
    the module.

    finder: the calling finder, which is not asked.
    """
    for other in sys.meta_path:
        if other is finder or not hasattr(other, "find_spec"):
            continue
        spec = other.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            loader: Any = _LoaderAround(spec.loader, before, after)
            spec.loader = loader
            return spec
    return None


class _LoaderAround:
    """Loads like the module's own loader. The module sees its own loader."""

    def __init__(
        self,
        loader: Loader,
        before: Callable[[ModuleType], None] | None,
        after: Callable[[ModuleType], None] | None,
    ) -> None:
        self._loader = loader
        self._before = before
        self._after = after

    def __getattr__(self, name: str) -> Any:
        """Other methods of the loader: `python -m` asks for the code of a package's __main__."""
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        if self._before is not None:
            self._before(module)
        self._loader.exec_module(module)
        if self._after is not None:
            self._after(module)
