"""%load_ext keeptrace: dumps and failed pool tasks in IPython and Jupyter.

- %kt_debug FILE opens a dump; %kt_debug NAME opens the exception, or the failed future, in a
  variable. Like %debug, it uses the shell's own debugger, but starts in the user's innermost frame
  rather than in a library's.
- The exception opened last is the shell's last exception, for %debug and %tb. Both also work after
  a cell that ended in a pool task's exception, because its frames are real.
- An exception with frames, as the result of a cell, is shown with its frames: as text, and in a
  notebook as the page of `keeptrace html` (extra "html"), in a sandboxed iframe.
"""

from __future__ import annotations

import html
import sys
import traceback
from typing import Any, Final

from .core.errors import KeepTraceError
from .debug import interact
from .format.api import load

# Enough to read a traceback and open a frame without the notebook jumping. (CSS pixels)
_HEIGHT: Final = 480
_USAGE: Final = (
    "use %kt_debug FILE (--live for a dump that you trust), "
    "or %kt_debug NAME of a variable that holds an exception or a failed future"
)


def load_ipython_extension(shell: Any) -> None:
    """Called by %load_ext. shell: the running IPython."""
    shell.register_magic_function(lambda line: kt_debug(shell, line), "line", "kt_debug")
    formatters = shell.display_formatter.formatters
    formatters["text/plain"].for_type(BaseException, _as_text)
    formatters["text/html"].for_type(BaseException, _as_page)


def unload_ipython_extension(shell: Any) -> None:
    """Called by %unload_ext: removes the magic and the formatters. shell: the running IPython."""
    shell.magics_manager.magics["line"].pop("kt_debug", None)
    formatters = shell.display_formatter.formatters
    for name, function in (("text/plain", _as_text), ("text/html", _as_page)):
        if formatters[name].type_printers.get(BaseException) is function:
            formatters[name].pop(BaseException)


def kt_debug(shell: Any, line: str) -> None:
    """Open the debugger on a dump, or on the exception in a variable.

    %kt_debug [--live] FILE|NAME
    """
    from IPython.core.error import UsageError

    words = line.split()
    live = "--live" in words
    given = " ".join(word for word in words if word != "--live").strip("'\"")
    if not given:
        raise UsageError(_USAGE)
    try:
        exc = _exception_of(shell, given, live)
    except (KeepTraceError, OSError) as problem:
        raise UsageError(str(problem)) from None
    if exc.__traceback__ is None:
        raise UsageError(f"this {type(exc).__name__} has no frames to stand in")
    sys.last_type = type(exc)
    sys.last_value = exc
    sys.last_traceback = exc.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = exc
    interact(shell.debugger_cls(), exc, exc.__traceback__)


def _exception_of(shell: Any, given: str, live: bool) -> BaseException:
    found = shell.user_ns.get(given)
    if found is None:
        return load(given, live)
    if isinstance(found, BaseException):
        return found
    if not _is_future(found):
        raise KeepTraceError(f"{given} is {type(found).__name__}, no exception, future or dump")
    if found.done() and not found.cancelled():
        exc = found.exception()
        if isinstance(exc, BaseException):
            return exc
    raise KeepTraceError(f"the future {given} has not failed")


def _is_future(found: object) -> bool:
    """Also of other libraries: joblib, Dask and asyncio have classes of their own."""
    names = ("exception", "done")
    return all(callable(getattr(found, name, None)) for name in names)


def _as_text(exc: BaseException, printer: Any, cycle: bool) -> None:
    # Inside a list or a dict, the repr is enough.
    if exc.__traceback__ is None or len(printer.stack) > 1:
        printer.text(repr(exc))
    else:
        printer.text("".join(traceback.format_exception(exc)).rstrip("\n"))


def _as_page(exc: BaseException) -> str | None:
    """The exception as a page in an iframe; None, and so the text, without frames or libraries."""
    if exc.__traceback__ is None:
        return None
    from .format.api import report_of

    try:
        from .render.html import to_html
        from .render.model import make_view

        page = to_html(make_view(report_of(exc)), {})
    except ImportError:
        return None
    return (
        f'<iframe sandbox="allow-scripts" '
        f'style="width:100%; height:{_HEIGHT}px; border:1px solid #8884" '
        f'srcdoc="{html.escape(page, quote=True)}"></iframe>'
    )
