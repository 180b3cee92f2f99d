"""Opening a debugger in the frames of an exception."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
import types
from collections.abc import Callable
from typing import Any, Final

from .core.errors import KeepTraceError, OptionError, missing_extra

_PATHS: Final = map(sysconfig.get_paths().get, ("stdlib", "platstdlib", "purelib", "platlib"))
_LIBRARIES: Final = tuple(os.path.join(path, "") for path in _PATHS if path)


def is_users(frame: types.FrameType) -> bool:
    """Whether the frame is the user's own code:

    neither the standard library's, nor an installed package's, nor ours.
    """
    file = frame.f_code.co_filename
    return (
        not file.startswith(("<frozen", "<keeptrace", *_LIBRARIES)) and "site-packages" not in file
    )


def levels_below_users(traceback: types.TracebackType) -> int:
    """How many frames stand below the innermost frame of the user's own;

    0 if there is none of these.
    """
    below = found = 0
    entry: types.TracebackType | None = traceback
    while entry is not None:
        below = 0 if is_users(entry.tb_frame) else below + 1
        found = found or is_users(entry.tb_frame)
        entry = entry.tb_next
    return below if found else 0


def _pdb(exc: BaseException, traceback: types.TracebackType, levels: int) -> None:
    import pdb

    # since 3.13 pdb takes the exception itself, and then walks its chain (command `exceptions`)
    _interact(pdb.Pdb(), exc if sys.version_info >= (3, 13) else traceback, levels)


def _ipdb(exc: BaseException, traceback: types.TracebackType, levels: int) -> None:
    try:
        from ipdb.__main__ import _init_pdb
    except ImportError:
        raise missing_extra("debugger='ipdb'", "ipdb", "debuggers") from None
    _interact(_init_pdb(), traceback, levels)


def _ipython(exc: BaseException, traceback: types.TracebackType, levels: int) -> None:
    try:
        from IPython.core.debugger import Pdb
    except ImportError:
        raise missing_extra("debugger='ipython'", "IPython", "debuggers") from None
    _interact(Pdb(), traceback, levels)


def _interact(debugger: Any, target: Any, levels: int) -> None:
    debugger.reset()
    if levels:
        debugger.cmdqueue.append(f"up {levels}")
    debugger.interaction(None, target)


def _pudb(exc: BaseException, traceback: types.TracebackType, levels: int) -> None:
    try:
        import pudb
    except ImportError:
        raise missing_extra("debugger='pudb'", "pudb", "debuggers") from None
    pudb.post_mortem(tb=traceback, e_type=type(exc), e_value=exc)


DEBUGGERS: Final[dict[str, Callable[[BaseException, types.TracebackType, int], None]]] = {
    "pdb": _pdb,
    "ipdb": _ipdb,
    "ipython": _ipython,
    "pudb": _pudb,
}


def post_mortem(exc: BaseException | None = None, *, debugger: str | None = None) -> None:
    """Opens a debugger in the innermost frame of the user's own code, where the exception was
    raised or passed through.

    exc: the exception; default the one that is being handled, else the last one that ended an
        interactive command.
    debugger: "pdb", "ipdb", "ipython", "pudb", or None: the one that PYTHONBREAKPOINT names, if it
        is one of these, else pdb. The debugger's `down` leads on into the library frames below;
        with pdb of Python 3.13 and newer `exceptions` lists the chain.

    Raises KeepTraceError if there is no exception or it has no frames, OptionError for an unknown
    debugger, and MissingExtraError if that is not installed.
    """
    if exc is None:
        # one by one, because an exception may be false
        candidates = (
            sys.exception(),
            getattr(sys, "last_exc", None),
            getattr(sys, "last_value", None),
        )
        exc = next((found for found in candidates if found is not None), None)
        if exc is None:
            raise KeepTraceError(
                "there is no exception to debug: pass one, or call post_mortem() where one is being handled"
            )
    if not isinstance(exc, BaseException):
        raise KeepTraceError(f"post_mortem takes an exception, not {type(exc).__name__}")
    traceback = exc.__traceback__
    if traceback is None:
        raise KeepTraceError(
            f"this {type(exc).__name__} has no frames to stand in: it was never raised, or only its text was kept"
        )
    start = _chosen(debugger)
    start(exc, traceback, levels_below_users(traceback))


def _chosen(name: str | None) -> Callable[[BaseException, types.TracebackType, int], None]:
    if name is not None:
        if name.lower() not in DEBUGGERS:
            raise OptionError(f"debugger must be one of {', '.join(DEBUGGERS)}, not {name!r}")
        return DEBUGGERS[name.lower()]
    named = os.environ.get("PYTHONBREAKPOINT", "").partition(".")[0]
    if named.lower() in DEBUGGERS and importlib.util.find_spec(named):
        return DEBUGGERS[named.lower()]
    return _pdb
