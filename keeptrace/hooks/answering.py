"""Answers a request for a snapshot, which comes by a signal or by sys.remote_exec.

    keeptrace snapshot 4711 ── ask-4711, SIGUSR1 ──▶ the main thread, between two bytecodes
                                                      reads the stacks: within max_seconds
                            ◀── answer-TOKEN ──────── a thread of ours hides secrets, and writes

The main thread must take no lock that it may hold already: we import all needed modules beforehand.
"""

from __future__ import annotations

import _thread
import importlib
import os
import signal
import threading
import types
from typing import TYPE_CHECKING, Final

from ..core.errors import OptionError
from ..core.options import Options
from ..core.raw import qualname_of
from ..format.api import for_file
from ..format.process import roomy_options, snapshot_report
from ..format.writing import encode
from .meeting import put_answer, put_failure, take_request

if TYPE_CHECKING:
    from ..core.options import SingleOptions

# Modules that the first snapshot imports.
_NEEDED: Final = (
    "..redact.redactor",
    "..redact.live",
    "..capture.source",
    "..capture.summary_table",
    "..capture.live_objects",
    "..format.shrinking",
    "..format.checking",
    "..format.traveller",
    "..format.ready",
)


class Answering:
    """Answers `keeptrace snapshot PID` by a handler of the signal, in the main thread.

    Raises OptionError for a signal without handlers, or in another thread.
    """

    def __init__(self, number: int, directory: str, options: Options) -> None:
        self.number = number
        self._directory = directory
        self._options = options
        for name in _NEEDED:
            importlib.import_module(name, __package__)
        if threading.current_thread() is not threading.main_thread():
            raise OptionError("signal=... is for the main thread: call install() there")
        try:
            self._before = signal.getsignal(number)
            signal.signal(number, self._handle)
        except (ValueError, OSError, TypeError) as problem:
            raise OptionError(f"signal={number!r}: {problem}") from None

    def stop(self) -> None:
        """Restores the previous handler, if ours is still set."""
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(self.number) == self._handle:
            signal.signal(self.number, self._before or signal.SIG_DFL)

    def _handle(self, number: int, frame: types.FrameType | None) -> None:
        request = take_request(self._directory, os.getpid())
        if request is not None:
            max_seconds = request.max_seconds
            answer(self._directory, request.token, frame, self._options, max_seconds)
        elif callable(self._before):  # the signal had another reason
            self._before(number, frame)


def answer(
    directory: str,
    token: str,
    frame: types.FrameType | None,
    trace: Options | None = None,
    max_seconds: float | None = None,
) -> None:
    """Reads the stacks of this process, and lets a thread write the snapshot. Never raises.

    frame: the interrupted frame of the main thread.
    """
    changes: SingleOptions = {}
    if max_seconds is not None:
        changes["max_seconds"] = max_seconds
    try:
        settings = roomy_options(trace, changes, run_reprs=False)
        report, made, _ = snapshot_report(frame, _thread.get_ident(), settings)

        def finish() -> None:
            try:
                put_answer(directory, token, encode(for_file(report, made, settings)))
            except Exception as problem:
                _fail(directory, token, problem)

        try:
            _thread.start_new_thread(finish, ())
        except RuntimeError:  # no more threads
            finish()
    except Exception as problem:  # the program goes on in any case
        _fail(directory, token, problem)


def _fail(directory: str, token: str, problem: Exception) -> None:
    try:
        why = f"the process could not take a snapshot: {qualname_of(type(problem))}: {problem}"
        put_failure(directory, token, why)
    except Exception:  # such as a full disk: the asking process has a time limit of its own
        return
