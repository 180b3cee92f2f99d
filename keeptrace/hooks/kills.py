"""Children that this process kills on purpose: their black boxes say so, and they leave no record.

Pools kill workers that do not end, and programs call Process.kill(). Whoever is killed in another
way, by os.kill() too, has died.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

from ..store.boxes import note_kill

# Replaces a function of a class or module: the owner, the name, and what makes the new function.
Replace: TypeAlias = Callable[[Any, str, Callable[[Callable[..., Any]], Callable[..., Any]]], None]

# Where loky's manager threads kill workers by a function of loky's own.
_LOKY: Final = ("loky.process_executor", "joblib.externals.loky.process_executor")
_KILL_OF_LOKY: Final = "kill_process_tree"


def watch_kills(replace: Replace, directory: str, processes: Any) -> None:
    """Notes the kills of multiprocessing's processes, in boxes of this directory."""
    replace(processes.BaseProcess, "kill", partial(_noting, directory))


def watchers(replace: Replace, directory: str) -> dict[str, Callable[[types.ModuleType], None]]:
    """The same for the modules of loky, by their names."""

    def watch(executor: types.ModuleType) -> None:
        if hasattr(executor, _KILL_OF_LOKY):  # else another version
            replace(executor, _KILL_OF_LOKY, partial(_noting, directory))

    return dict.fromkeys(_LOKY, watch)


def _noting(directory: str, before: Callable[..., Any]) -> Callable[..., Any]:
    def kill(process: Any, *args: object, **kwargs: object) -> Any:
        pid = getattr(process, "pid", None)
        if pid is not None:
            note_kill(directory, pid)
        return before(process, *args, **kwargs)

    return kill
