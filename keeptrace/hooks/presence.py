"""Announces a prepared process and its forked children, from install() until their end."""

from __future__ import annotations

import os

from ..core.options import Options
from ..core.processes import start_of
from . import endings
from .answering import Answering
from .meeting import Facts, announce, meeting_place, withdraw


class Presence:
    """The announcement, and the handler of the signal, for an install().

    Raises OptionError for a signal that cannot be used; KeepTraceError and OSError without a
    directory for the user alone.
    """

    def __init__(self, signal: int, options: Options) -> None:
        self.signal = signal
        self._directory = meeting_place()
        self._answering = Answering(signal, self._directory, options)
        self._pid = 0
        endings.begin(self)

    def stop(self) -> None:
        """Answers no more."""
        self._answering.stop()
        endings.end(self)

    def begin(self) -> None:
        """Announces this process."""
        self._pid = os.getpid()
        announce(self._directory, Facts(self._pid, start_of(self._pid), self.signal))

    def end(self) -> None:
        """Withdraws the announcement of this process. A forked child leaves its parent's alone."""
        if self._pid == os.getpid():
            withdraw(self._directory, self._pid)
