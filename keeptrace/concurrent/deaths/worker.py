"""Runs in every worker process: serves the black box (concurrent/deaths/black_box.py), then runs
the engine's own target.

- `faulthandler` writes the Python stack into the box while the process dies of SIGSEGV, SIGABRT,
  SIGBUS, SIGFPE or SIGILL. If the user enabled faulthandler, we change nothing, and the text goes
  to the user's file.
- stacks() asks living workers by signals, so an idle worker needs no thread of ours. To the first
  signal faulthandler answers in C, even while C code of the worker holds the GIL. To the second,
  Python answers with variables.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed leaves it out
import faulthandler
import functools
import os
import pickle
import signal
import sys
import threading
import types
from collections.abc import Callable
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from ...core import fault_file
from ...core.options import Options
from ...core.signals import signal_for_locals, signal_for_text
from ..crossing import to_bytes
from .black_box import ASK_LOCALS, ASK_TEXT, NOT_YET, TAKEN, BlackBox

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Served(NamedTuple("Served", [("box", BlackBox), ("options", Options), ("pid", int)])):
    """The box of the process."""

    __slots__ = ()


_served: Served | None = None


def run_worker(
    box: BlackBox, options: Options, target: Callable[..., object], args: tuple[Any, ...]
) -> None:
    """The target of a worker's process: target(box, options, *args)."""
    box.open()
    serve(box, options)
    if options.memory_mark is not None:
        from .memory import watch  # other workers need not import the module

        watch(box, options, _frames_to_bytes)
    try:
        target(box, options, *args)
    except BrokenPipeError:  # the parent is gone; the box has an initializer's own error
        if box.failure() is not None:
            raise
        sys.exit(1)


def make_worker(
    process: Callable[..., _R],
    options: Options,
    target: Callable[..., object],
    args: tuple[Any, ...],
) -> _R:
    """A process for the target, with a black box for box_of().

    process: the engine's class or function that makes processes.
    """
    box = BlackBox()
    made = process(target=run_worker, args=(box, options, target, args))
    made._keeptrace_box = box  # type: ignore[attr-defined]
    return made


def serve(box: BlackBox, options: Options) -> None:
    """Prepares the worker for writing its last words, and for answering stacks()."""
    global _served
    if box.fd < 0 or threading.current_thread() is not threading.main_thread():
        return
    fault_file.give_up()  # the parent reports the worker's death
    inherited = _served is not None  # in a fork of a worker, we may move the worker's handlers
    if inherited:
        _release_inherited()
    _served = Served(box, options, os.getpid())
    if inherited or not faulthandler.is_enabled():
        faulthandler.enable(box.fd)
    text, with_locals = signal_for_text(), signal_for_locals()
    if text is not None:
        # C code cannot read other threads' frames safely.
        faulthandler.register(text, box.fd, all_threads=False)
    if with_locals is not None:
        signal.signal(with_locals, _answer)
    _watch_program()
    box.words[ASK_TEXT] = text or TAKEN
    box.words[ASK_LOCALS] = with_locals or TAKEN


def _release_inherited() -> None:
    """Frees the signals of the worker that forked the process."""
    assert _served is not None
    words = _served.box.words
    text, with_locals = words[ASK_TEXT], words[ASK_LOCALS]
    if text not in (NOT_YET, TAKEN):
        faulthandler.unregister(text)
    if with_locals not in (NOT_YET, TAKEN) and signal.getsignal(with_locals) is _answer:
        signal.signal(with_locals, signal.SIG_DFL)


# Functions that set a signal's handler. signal.signal() and all its callers call _signal.signal().
_SETTERS: Final[tuple[tuple[Any, str], ...]] = (
    (_signal, "signal"),
    (faulthandler, "register"),
    (faulthandler, "unregister"),
)


def _watch_program() -> None:
    """Gives up a signal of ours before the program sets a handler: the question by a signal without
    a handler would end the worker.
    """
    for module, name in _SETTERS:
        setter = getattr(module, name)
        if not hasattr(setter, "__wrapped__"):
            setattr(module, name, _giving_up(setter))


def _giving_up(setter: Callable[_P, _R]) -> Callable[_P, _R]:
    @functools.wraps(setter)
    def watched(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        number = kwargs.get("signum")
        if args:
            number = args[0]
        _give_up(number)
        return setter(*args, **kwargs)

    return watched


def _give_up(number: object) -> None:
    if _served is None or _served.pid != os.getpid():  # a process forked by a task has no box
        return
    words = _served.box.words
    for word in (ASK_TEXT, ASK_LOCALS):
        if words[word] == number:
            words[word] = TAKEN


def _answer(signum: int, frame: types.FrameType | None) -> None:
    """Answers the parent. Runs in the worker's main thread, between two bytecodes of any code."""
    if _served is None or frame is None:
        return
    try:
        _served.box.answer(pickle.dumps(_stacks_of_threads(_served.options, frame)))
    except Exception:  # no memory, or a full disk: the task goes on without an answer
        return


def _stacks_of_threads(options: Options, frame: types.FrameType) -> list[tuple[str | None, bytes]]:
    """The frames of each Python thread, by thread name; under None the calling thread, from `frame`
    outwards.
    """
    # The task may be anywhere, so none of its code may run now.
    quiet = options.replace(run_reprs=False)
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    here = threading.get_ident()
    told: list[tuple[str | None, bytes]] = []
    for ident, top in sys._current_frames().items():
        if ident == here:
            told.append((None, _frames_to_bytes(frame, quiet)))
        else:
            told.append((names.get(ident, f"{ident:#x}"), _frames_to_bytes(top, quiet)))
    return told


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
