"""Runs actions right after the program imports certain modules. Our hooks import none of them."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..core.loading import spec_around
from ..store.telling import tell

if TYPE_CHECKING:
    # At run time importlib's abstract classes would load half of importlib.resources.
    from importlib.machinery import ModuleSpec

Action: TypeAlias = Callable[[types.ModuleType], None]
# Makes the new function of the function before.
Make: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]
# Replaces the function of this name in a class or module.
Replace: TypeAlias = Callable[[object, str, Make], None]


def when_imported(actions: dict[str, Action]) -> WhenImported | None:
    """Runs each action with its module: now if the module is loaded, else after its import.

    Returns the waiting finder; None if all modules are loaded.
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
    """A finder: finds no module itself, and calls actions with modules right after their import."""

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
        return spec_around(self, name, path, target, after=partial(_act, action))


def _act(action: Action, module: types.ModuleType) -> None:
    try:
        action(module)
    except Exception as problem:  # a newer Python: the program's import must not fail
        tell(f"no dumps from {module.__name__}: {type(problem).__name__}: {problem}")
