"""`keeptrace run`: a program as it would run without us, but that what ends it is dumped.

    keeptrace run script.py ──exec──▶ python script.py           the very process: its arguments, streams, signals, exit code
      PYTHONPATH=…/keeptrace/tools/startup  │ site imports sitecustomize ──▶ start(): hooks; its pools' workers keep their frames
      KEEPTRACE_RUN_…                     └ every Python that it starts does the same: pool workers, subprocesses

- Nothing of the program's is wrapped: `__main__` is its own, no frame of ours is in its tracebacks,
  and its exit code is its own.
- What differs, and can be seen: the environment variables, and a module `sitecustomize` where there
  was none.
- Pools are the program's own ones. In their workers one class of the engine is replaced, as in
  keeptrace.concurrent, when the engine is imported; a program that uses none imports none.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn

from ..core.options import DEFAULT
from ..core.shadows import RUN_FROM

_FROM: Final = RUN_FROM  # the directory that holds the package
_DIRECTORY: Final = "KEEPTRACE_RUN_DIRECTORY"
_DEBUG: Final = "KEEPTRACE_RUN_DEBUG"  # the process whose end opens the debugger

# module of an engine -> its class that makes an exception picklable
_ENGINES: Final = {
    "concurrent.futures.process": "_ExceptionWithTraceback",
    "multiprocessing.pool": "ExceptionWithTraceback",
}


# -- the side of the command


def run(arguments: Sequence[str], directory: str, debug: bool) -> NoReturn:
    """Becomes `python *arguments`, with dumps of what ends it in `directory`. debug:

    opens the debugger at its end.
    """
    environment = _environment(os.environ, directory)
    command = [sys.executable, *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        if debug:
            environment[_DEBUG] = str(os.getpid())
        os.execve(sys.executable, command, environment)
    import signal
    import subprocess

    if debug:
        environment[_DEBUG] = "first"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the program's: it gets it as well
    sys.exit(subprocess.call(command, env=environment))


def _environment(given: Mapping[str, str], directory: str) -> dict[str, str]:
    here = os.path.dirname(os.path.abspath(__file__))
    package = os.path.dirname(here)
    path = [
        os.path.join(here, "startup"),
        *([given["PYTHONPATH"]] if given.get("PYTHONPATH") else []),
    ]
    return {
        **given,
        "PYTHONPATH": os.pathsep.join(path),
        _FROM: os.path.dirname(package),
        _DIRECTORY: os.path.abspath(directory),
    }


# -- the side of the program


def start() -> None:
    """Called first in every Python below `keeptrace run`."""
    from ..hooks import install
    from ..hooks.install import _WhenImported

    install(directory=os.environ[_DIRECTORY])
    waiting: dict[str, Callable[[types.ModuleType], None]] = {}
    for engine in _ENGINES:
        if engine in sys.modules:
            _keep_frames(sys.modules[engine])
        else:
            waiting[engine] = _keep_frames
    sys.meta_path.insert(0, _WhenImported(waiting))
    first = os.environ.pop(
        _DEBUG, ""
    )  # popped: the program's children are not the one that opens it
    if first in (str(os.getpid()), "first"):
        _debug_at_the_end()


def _keep_frames(engine: types.ModuleType) -> None:
    """Lets the exceptions of an engine's workers cross with their frames."""
    from ..concurrent.crossing import framed_exception

    setattr(engine, _ENGINES[engine.__name__], framed_exception(DEFAULT, engine))


def _debug_at_the_end() -> None:
    before = sys.excepthook
    process = os.getpid()

    def excepthook(
        kind: type[BaseException], exc: BaseException, traceback: types.TracebackType | None
    ) -> None:
        before(kind, exc, traceback)
        if (
            isinstance(exc, Exception) and exc.__traceback__ is not None and os.getpid() == process
        ):  # not in a fork
            from ..debug import post_mortem

            post_mortem(exc)

    sys.excepthook = excepthook
