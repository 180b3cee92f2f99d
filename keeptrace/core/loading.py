"""What the finders of this package share: a module that another finder finds, with something done
before or after its code runs.

Both finders find nothing themselves. core/shadows.py gives the modules of this package the library's
imports; hooks/importing.py runs an action after a module that the program imports. A module may be
loaded before the library's directories are known to be free of shadows, so nothing is imported here
but `sys`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # `typing` itself may be shadowed
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
    """The spec that the other finders have for a name, with a loader around the module's own.

    finder: the one that asks, and is left out.
    before, after: are called with the module, before and after its code runs.
    """
    for other in sys.meta_path:
        spec = None if other is finder else other.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            loader: Any = _LoaderAround(spec.loader, before, after)
            spec.loader = loader
            return spec
    return None


class _LoaderAround:
    """Loads as a module's own loader does. The module sees its own loader."""

    def __init__(
        self,
        loader: Any,
        before: Callable[[ModuleType], None] | None,
        after: Callable[[ModuleType], None] | None,
    ) -> None:
        self._loader = loader
        self._before = before
        self._after = after

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
