"""Which frames are an engine's, and which processes are workers."""

from __future__ import annotations

import sys
import types
from typing import Final

from .engines import INTERPRETERS, RAY_WORKER, STARTERS

# Modules whose unpickling overwrites __cause__. Searched in this order, before PLUMBING.
OVERWRITES: Final = (
    "concurrent.futures.",
    "multiprocessing.pool",
    "multiprocess.pool",
    "billiard.pool",
    "loky.process_executor",
    "joblib.externals.loky.process_executor",
    "pebble.",
)
# Modules with frames between an engine and the pickler's call.
PLUMBING: Final = (
    "pickle",
    "multiprocessing.",
    "multiprocess.",
    "billiard.",
    "dill.",
    "cloudpickle.",
    "loky.",
    "joblib.",
    "concurrent.interpreters",
)
# Modules whose frames are between a worker's start and the task.
ENGINES: Final = (*OVERWRITES, *PLUMBING, "ray.", "asyncio.")


def in_worker() -> bool:
    """Whether an engine started the process, or the interpreter (Python 3.14), as a worker."""
    for name in STARTERS:
        module = sys.modules.get(name)
        if module is not None and _has_parent(module.current_process()):
            return True
    ray = sys.modules.get(RAY_WORKER)
    if ray is not None and ray.global_worker.mode == ray.WORKER_MODE:
        return True
    if INTERPRETERS in sys.modules:
        import _interpreters  # type: ignore[import-not-found]  # CPython 3.13 and newer

        return bool(_interpreters.get_current()[0] != _interpreters.get_main()[0])
    return False


def _has_parent(process: object) -> bool:
    """Whether an engine started the process; a version without the name counts as "no"."""
    return getattr(process, "_parent_pid", None) is not None


def without_modules(
    traceback: types.TracebackType | None, modules: tuple[str, ...]
) -> types.TracebackType | None:
    """The traceback without its outermost frames of an engine; unchanged if no other frame is left.

    modules: the starts of the names of the engine's modules.
    """
    inner = traceback
    while inner is not None and module_of(inner.tb_frame).startswith(modules):
        inner = inner.tb_next
    return inner or traceback


def module_of(frame: types.FrameType) -> str:
    name = frame.f_globals.get("__name__")
    if type(name) is str:
        return name
    return ""
