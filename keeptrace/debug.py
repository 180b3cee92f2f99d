"""Opening a debugger in the frames of an exception."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from .capture.facts import in_printed_order
from .core.errors import KeepTraceError, OptionError, missing_extra
from .core.texts import shorten

if TYPE_CHECKING:
    import pdb

_PATHS: Final = map(sysconfig.get_paths().get, ("stdlib", "platstdlib", "purelib", "platlib"))
_LIBRARIES: Final = tuple(os.path.join(path, "") for path in _PATHS if path)
# An exception in a list. (characters)
_MAX_REPR: Final = 100


def is_users(frame: types.FrameType) -> bool:
    """Whether the frame is the user's own code: not a library's, and not ours."""
    file = frame.f_code.co_filename
    if file.startswith(("<frozen", "<keeptrace", *_LIBRARIES)):
        return False
    return "site-packages" not in file


def from_users(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """The traceback from the user's first frame on; the whole traceback without such a frame.

    The frames above, of a test runner or a shell, are large, and the same in every failure.
    """
    entry = traceback
    while entry is not None and not is_users(entry.tb_frame):
        entry = entry.tb_next
    return entry or traceback


def levels_below_users(traceback: types.TracebackType) -> int:
    """How many frames are below the innermost frame of the user's own code.

    0 if no frame is the user's.
    """
    below = 0
    is_found = False
    entry: types.TracebackType | None = traceback
    while entry is not None:
        below += 1
        if is_users(entry.tb_frame):
            is_found = True
            below = 0
        entry = entry.tb_next
    if not is_found:
        return 0
    return below


class _Exceptions:
    """The command `exceptions` of a debugger of pdb's kind, for whole chains and groups.

    The command of pdb, new in Python 3.13, knows causes and contexts alone. As in pdb, numbers
    start at 0, in the order of Python's own tracebacks.
    """

    def __init__(self, debugger: pdb.Pdb, exc: BaseException, root: BaseException) -> None:
        self._debugger = debugger
        self._all = in_printed_order(root)
        self._current = exc

    def __call__(self, argument: str) -> None:
        if not argument:
            self._list()
            return
        try:
            exc = self._all[_index(argument)]
        except (ValueError, IndexError):
            self._debugger.error(f"There is no exception {argument}: exceptions lists them")
            return
        if exc.__traceback__ is None:
            self._debugger.error("This exception has no frames to stand in")
            return
        self._current = exc
        self._debugger.setup(None, exc.__traceback__)
        levels = levels_below_users(exc.__traceback__)
        if levels:
            self._debugger.do_up(str(levels))
        else:
            self._debugger.print_stack_entry(self._debugger.stack[self._debugger.curindex])

    def _list(self) -> None:
        for number, exc in enumerate(self._all):
            arrow, shown = " ", str(number)
            if exc is self._current:
                arrow = ">"
            if exc.__traceback__ is None:
                shown = "-"
            self._debugger.message(f"{arrow} {shown:>3} {shorten(repr(exc), _MAX_REPR)}")


def _index(argument: str) -> int:
    number = int(argument)
    if number < 0:
        raise IndexError(number)
    return number


def interact(
    debugger: Any,
    exc: BaseException,
    traceback: types.TracebackType,
    root: BaseException | None = None,
) -> None:
    """Opens a debugger of pdb's kind in the innermost frame of the user's own code.

    root: where the command `exceptions` begins: it lists the chain and the groups below; default:
        `exc`.
    """
    if root is None:
        root = exc
    debugger.reset()
    debugger.do_exceptions = _Exceptions(debugger, exc, root)
    levels = levels_below_users(traceback)
    if levels:
        debugger.cmdqueue.append(f"up {levels}")
    # Since Python 3.13, pdb takes the exception; older versions and IPython take the traceback.
    if hasattr(debugger, "_get_tb_and_exceptions"):
        debugger.interaction(None, exc)
    else:
        debugger.interaction(None, traceback)


def open_pdb(
    exc: BaseException, traceback: types.TracebackType, root: BaseException | None = None
) -> pdb.Pdb:
    """Opens pdb. Returns the debugger: its `quitting` tells whether the user has quit."""
    import pdb

    debugger = pdb.Pdb()
    interact(debugger, exc, traceback, root)
    return debugger


def _pdb(exc: BaseException, traceback: types.TracebackType, root: BaseException) -> None:
    open_pdb(exc, traceback, root)


def _ipdb(exc: BaseException, traceback: types.TracebackType, root: BaseException) -> None:
    try:
        from ipdb.__main__ import _init_pdb
    except ImportError:
        raise missing_extra("debugger='ipdb'", "ipdb", "debuggers") from None
    interact(_init_pdb(), exc, traceback, root)


def _ipython(exc: BaseException, traceback: types.TracebackType, root: BaseException) -> None:
    try:
        from IPython.core.debugger import Pdb
    except ImportError:
        raise missing_extra("debugger='ipython'", "IPython", "debuggers") from None
    interact(Pdb(), exc, traceback, root)


def _pudb(exc: BaseException, traceback: types.TracebackType, root: BaseException) -> None:
    try:
        import pudb
    except ImportError:
        raise missing_extra("debugger='pudb'", "pudb", "debuggers") from None
    pudb.post_mortem(tb=traceback, e_type=type(exc), e_value=exc)


Start = Callable[[BaseException, types.TracebackType, BaseException], None]
DEBUGGERS: Final[dict[str, Start]] = {
    "pdb": _pdb,
    "ipdb": _ipdb,
    "ipython": _ipython,
    "pudb": _pudb,
}


def post_mortem(exc: BaseException | None = None, *, debugger: str | None = None) -> None:
    """Opens a debugger in the innermost frame of the user's own code, where the exception was
    raised or passed through.

    exc: the exception; default: the exception being handled, else the last exception that ended an
        interactive command.
    debugger: "pdb", "ipdb", "ipython", "pudb", or None: the debugger named by PYTHONBREAKPOINT if
        known, else pdb. The debugger's `down` leads on into the library frames below; `exceptions`
        lists the whole chain and its groups, and `exceptions N` opens exception N (not in pudb).

    Raises KeepTraceError without an exception or without frames, OptionError for an unknown
    debugger, and MissingExtraError if the debugger is not installed.
    """
    if exc is None:
        exc = _current()
    open_debugger(exc, debugger=debugger)


def open_debugger(
    exc: BaseException, root: BaseException | None = None, debugger: str | None = None
) -> None:
    """post_mortem(), with `root` as the beginning of the command `exceptions`; default: `exc`."""
    if not isinstance(exc, BaseException):
        raise KeepTraceError(f"post_mortem takes an exception, not {type(exc).__name__}")
    exc = _with_frames(exc)
    traceback = exc.__traceback__
    if traceback is None:
        raise KeepTraceError(
            f"this {type(exc).__name__} has no frames to stand in: "
            "it was never raised, or only its text was kept"
        )
    if root is None:
        root = exc
    start = _chosen(debugger)
    start(exc, traceback, root)


def _with_frames(exc: BaseException) -> BaseException:
    """The exception. A group that was never raised, such as a snapshot: its first member."""
    while isinstance(exc, BaseExceptionGroup) and exc.__traceback__ is None:
        exc = exc.exceptions[0]
    return exc


def _current() -> BaseException:
    """The exception being handled, else the last to end an interactive command."""
    last = (getattr(sys, name, None) for name in ("last_exc", "last_value"))
    for exc in (sys.exception(), *last):
        if exc is not None:  # not `or`: an exception may be false
            return exc
    raise KeepTraceError(
        "there is no exception to debug: pass one, or call post_mortem() where one is being handled"
    )


def check_debugger(name: str | None) -> None:
    """Raises OptionError for the name of an unknown debugger."""
    _chosen(name)


def _chosen(name: str | None) -> Start:
    if name is not None:
        if name.lower() not in DEBUGGERS:
            raise OptionError(f"debugger must be one of {', '.join(DEBUGGERS)}, not {name!r}")
        return DEBUGGERS[name.lower()]
    named = os.environ.get("PYTHONBREAKPOINT", "").partition(".")[0]
    if named.lower() in DEBUGGERS and importlib.util.find_spec(named):
        return DEBUGGERS[named.lower()]
    return _pdb
