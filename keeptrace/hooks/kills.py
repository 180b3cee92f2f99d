"""Children that this process kills on purpose: their black boxes say so, and they leave no record.

Pools kill workers that do not end, and programs call Process.kill(). A child killed in any other
way, by os.kill() too, counts as dead.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from ..store.boxes import note_kill
from .importing import Action, Replace

_R = TypeVar("_R")

# Modules whose manager threads kill workers by a function of loky's own.
_LOKY: Final = ("loky.process_executor", "joblib.externals.loky.process_executor")
_KILL_OF_LOKY: Final = "kill_process_tree"


def watch_kills(replace: Replace, directory: str, processes: types.ModuleType) -> None:
    """Notes the kills of multiprocessing's processes, in boxes of this directory."""
    replace(processes.BaseProcess, "kill", partial(_noting, directory))


def watchers(replace: Replace, directory: str) -> dict[str, Action]:
    """The same for the modules of loky, by their names."""

    def watch(executor: types.ModuleType) -> None:
        if hasattr(executor, _KILL_OF_LOKY):  # else another version
            replace(executor, _KILL_OF_LOKY, partial(_noting, directory))

    return dict.fromkeys(_LOKY, watch)


def _noting(directory: str, before: Callable[..., _R]) -> Callable[..., _R]:
    def kill(process: object, *args: object, **kwargs: object) -> _R:
        pid = getattr(process, "pid", None)
        if pid is not None:
            note_kill(directory, pid)
        return before(process, *args, **kwargs)

    return kill
