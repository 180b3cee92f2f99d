"""Actions for modules that the program imports later: hooks for them cost no import of ours."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..store.telling import tell

if TYPE_CHECKING:
    # At run time importlib's abstract classes would load half of importlib.resources.
    from importlib.machinery import ModuleSpec

Action = Callable[[types.ModuleType], None]


def when_imported(actions: dict[str, Action]) -> WhenImported | None:
    """Runs each action with its module: now if the module is loaded, else after its import.

    Returns the finder that waits; None if all modules are loaded.
    """
    waiting = {}
    for name, action in actions.items():
        module = sys.modules.get(name)
        if module is None:
            waiting[name] = action
        else:
            action(module)
    if not waiting:
        return None
    finder = WhenImported(waiting)
    sys.meta_path.insert(0, finder)
    return finder


class WhenImported:
    """A finder that calls actions with modules right after their import. Finds no module itself."""

    def __init__(self, actions: dict[str, Action]) -> None:
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
                    loader = _ActingLoader(spec.loader, action)
                    spec.loader = loader  # type: ignore[assignment]  # has a loader's methods
                    return spec
        return None


class _ActingLoader:
    """A module's own loader; runs an action after the module."""

    def __init__(self, loader: Any, action: Action) -> None:
        self._loader = loader
        self._action = action

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: types.ModuleType) -> None:
        module.__loader__ = self._loader  # the module sees its own loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        try:
            self._action(module)
        except Exception as problem:  # a newer Python: the program's import must not fail
            tell(f"no dumps from {module.__name__}: {type(problem).__name__}: {problem}")
