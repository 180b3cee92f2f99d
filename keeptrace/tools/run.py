"""`keeptrace run`: runs a program unchanged, and dumps the exception that ends the program.

    keeptrace run script.py ──exec──▶ python script.py      the same process, arguments, streams
      PYTHONPATH=…/keeptrace/tools/startup  │ site imports sitecustomize ──▶ start(): the hooks;
      KEEPTRACE_RUN_…                       │   the workers of its pools keep their frames
                                            └ every Python below the program does the same

- Nothing of the program is wrapped: `__main__` and the exit code stay, and the tracebacks have no
  frame of ours.
- A program can see two differences: the environment variables, and a module `sitecustomize`.
- Pools are the program's own. When the program imports an engine, we replace one class of the
  engine, as in keeptrace.concurrent; a program without pools imports no engine.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from ..core.hold import make_holding, need_fork
from ..core.options import DEFAULT
from ..core.shadows import RUN_FROM
from ..core.watching import start_watcher

_FROM: Final = RUN_FROM  # the parent directory of the package
_DIRECTORY: Final = "KEEPTRACE_RUN_DIRECTORY"
_HOLD: Final = "KEEPTRACE_RUN_HOLD"  # set, if failed processes are held
_DEBUG: Final = "KEEPTRACE_RUN_DEBUG"  # the process whose end opens the debugger

# module of an engine → the engine's class for exceptions on the way to the parent
_ENGINES: Final = {
    "concurrent.futures.process": "_ExceptionWithTraceback",
    "multiprocessing.pool": "ExceptionWithTraceback",
}
_TORCH: Final = "torch.utils.data"
_TORCHDATA: Final = "torchdata.stateful_dataloader.stateful_dataloader"
# `python -m doctest` runs doctest as __main__; our hooks work on an imported doctest alone.
_DOCTEST: Final = ("-m", "doctest")
_IMPORTED_DOCTEST: Final = "import doctest, sys; sys.exit(doctest._test())"


# -- the side of the command


def plain_main(arguments: Sequence[str]) -> None:
    """`keeptrace run` without typer. Returns if the options ask for help or are wrong.

    The options are those of tools/cli/programs.py. Raises KeepTraceError, and OSError."""
    import getopt

    from .choosing import default_directory

    try:
        options, program = getopt.getopt([*arguments], "md:", ["debug", "hold", "dir="])
    except getopt.GetoptError:
        return
    if not program:
        return
    given = [name for name, _ in options]
    directories = [value for name, value in options if name in ("-d", "--dir")]
    directory = directories[-1] if directories else default_directory()
    if "-m" in given:
        program = ["-m", *program]
    run(program, directory, "--debug" in given, "--hold" in given)


def run(arguments: Sequence[str], directory: str, debug: bool, hold: bool = False) -> NoReturn:
    """Becomes `python *arguments`, and dumps the exception that ends it into `directory`.

    debug: opens the debugger at the end.
    hold: keeps failed processes alive. Raises KeepTraceError on Windows.
    """
    environment = _environment(os.environ, directory)
    if hold:
        need_fork()
        environment[_HOLD] = "1"
    if tuple(arguments[:2]) == _DOCTEST:
        arguments = ["-c", _IMPORTED_DOCTEST, *arguments[2:]]
    command = [sys.executable, *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        if debug:
            environment[_DEBUG] = str(os.getpid())
        start_watcher(environment[_DIRECTORY], os.getpid())
        os.execve(sys.executable, command, environment)
    import signal
    import subprocess

    if debug:
        environment[_DEBUG] = "first"
    # The program gets Ctrl-C, too, and decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(subprocess.call(command, env=environment))


def _environment(given: Mapping[str, str], directory: str) -> dict[str, str]:
    here = os.path.dirname(os.path.abspath(__file__))
    package = os.path.dirname(here)
    path = [os.path.join(here, "startup")]
    if given.get("PYTHONPATH"):
        path.append(given["PYTHONPATH"])
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
    from ..hooks.importing import when_imported

    install(directory=os.environ[_DIRECTORY], hold=_HOLD in os.environ)
    when_imported(
        {
            **dict.fromkeys(_ENGINES, _keep_frames),
            _TORCH: _keep_frames_of_torch,
            _TORCHDATA: _keep_frames_of_torchdata,
        }
    )
    # Removed from the environment: the program's children do not open the debugger.
    first = os.environ.pop(_DEBUG, "")
    if first in (str(os.getpid()), "first"):
        _debug_at_the_end()


def _keep_frames(engine: types.ModuleType) -> None:
    """Lets the exceptions of an engine's workers cross with their frames."""
    from ..concurrent.crossing import framed_exception

    holding = make_holding(_HOLD in os.environ, is_pool=False)
    framed = framed_exception(DEFAULT, engine, holding=holding)
    setattr(engine, _ENGINES[engine.__name__], framed)


def _keep_frames_of_torch(engine: types.ModuleType) -> None:
    """Lets the exceptions of DataLoaders' workers cross with their frames."""
    # From the module: while the program imports keeptrace.concurrent.torch, the package is loaded
    # only in part.
    from ..concurrent.torch.installing import install

    install(hold=_HOLD in os.environ)


def _keep_frames_of_torchdata(module: types.ModuleType) -> None:
    """The same for torchdata, which imports torch before its own iterator is there."""
    from ..concurrent.torch.installing import replace_iterator

    replace_iterator(module)


def _debug_at_the_end() -> None:
    before = sys.excepthook
    process = os.getpid()

    def excepthook(
        kind: type[BaseException], exc: BaseException, traceback: types.TracebackType | None
    ) -> None:
        before(kind, exc, traceback)
        if os.getpid() != process:  # a forked child
            return
        if isinstance(exc, Exception) and exc.__traceback__ is not None:
            from ..debug import post_mortem

            post_mortem(exc)

    sys.excepthook = excepthook
