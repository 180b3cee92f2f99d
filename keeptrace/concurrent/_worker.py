"""What every worker process runs in: it serves its black box (_black_box.py), then runs the engine's own target.

- `faulthandler` writes the Python stack into the box while the process dies of SIGSEGV, SIGABRT, SIGBUS, SIGFPE or SIGILL.
  A faulthandler that the user enabled is left alone; its text goes where the user wanted it.
- stacks() asks the living by signal, so that an idle worker costs nothing: no thread of ours, no waiting. One signal is
  answered in C by faulthandler, also while the worker is in C code that holds the GIL; the other in Python, with variables.
"""

from __future__ import annotations

import faulthandler
import pickle
import signal
import sys
import threading
import types
from collections.abc import Callable
from typing import Any, Final

from .._options import Options
from ._black_box import SERVES, SERVES_LOCALS, SERVES_TEXT, BlackBox
from ._boundary import to_bytes

# The system ignores SIGURG where nobody handles it, so one that arrives too early or too late harms nobody; few programs use it.
ASK_TEXT: Final[int | None] = getattr(signal, "SIGURG", None)
# A real-time signal, which no library is known to use; macOS has none, but one that is ignored by default.
ASK_LOCALS: Final[int | None] = getattr(signal, "SIGRTMAX", None) or getattr(signal, "SIGINFO", None)

_served: tuple[BlackBox, Options] | None = None


def run_worker(box: BlackBox, options: Options, target: Callable[..., object], args: tuple[Any, ...]) -> None:
    """The target of a worker's process: target(box, options, *args)."""
    serve(box, options)
    try:
        target(box, options, *args)
    except BrokenPipeError:  # the parent is gone; an initializer's has been kept
        if box.failure() is not None:
            raise
        sys.exit(1)


def make_worker(process: Callable[..., Any], options: Options, target: Callable[..., object], args: tuple[Any, ...]) -> Any:
    """A process (of the class or function `process`) that will run the target with a box, which box_of() gives."""
    box = BlackBox()
    made = process(target=run_worker, args=(box, options, target, args))
    made._keeptrace_box = box
    return made


def serve(box: BlackBox, options: Options) -> None:
    """Makes the process that calls it, a worker, write its last words and answer to stacks()."""
    global _served
    if box.fd < 0 or threading.current_thread() is not threading.main_thread():
        return
    inherited = _served is not None  # forked from a worker: its handlers are ours to move
    _served = (box, options)
    if inherited or not faulthandler.is_enabled():
        faulthandler.enable(box.fd)
    if ASK_TEXT is not None and signal.getsignal(ASK_TEXT) == signal.SIG_DFL:
        faulthandler.register(ASK_TEXT, box.fd, all_threads=False)  # reading other threads' frames from C is not safe
        box.words[SERVES] |= SERVES_TEXT
    if ASK_LOCALS is not None and (inherited or signal.getsignal(ASK_LOCALS) == signal.SIG_DFL):
        signal.signal(ASK_LOCALS, _answer)
        box.words[SERVES] |= SERVES_LOCALS


def _answer(signum: int, frame: types.FrameType | None) -> None:
    """Runs in a worker's main thread, between two bytecodes of whatever it does, when the parent asks for its stacks."""
    if _served is None or frame is None:
        return
    box, options = _served
    quiet = options.replace(run_reprs=False)  # the task stands in the middle of anything; its code must not be run now
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    here = threading.get_ident()
    told = []
    for ident, top in sys._current_frames().items():
        name = None if ident == here else names.get(ident, f"{ident:#x}")
        told.append((name, _frames_to_bytes(frame if ident == here else top, quiet)))
    box.answer(pickle.dumps(told))


def _frames_to_bytes(frame: types.FrameType | None, options: Options) -> bytes:
    carrier = Exception()
    traceback: types.TracebackType | None = None
    while frame is not None and frame.f_code is not run_worker.__code__:
        traceback = types.TracebackType(traceback, frame, frame.f_lasti, frame.f_lineno or 1)
        frame = frame.f_back
    carrier.__traceback__ = traceback
    try:
        return to_bytes(carrier, options)
    finally:
        carrier.__traceback__ = None
