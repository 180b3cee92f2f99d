"""A prepared process: what it answers to, from install() on until it ends, and in its forked
children too.
"""

from __future__ import annotations

import os

from ..core.options import Options
from ..core.processes import start_of
from . import endings
from .answering import Answering
from .meeting import Facts, announce, meeting_place, withdraw


class Presence:
    """What one install() makes this process answer to.

    Raises OptionError for a signal that cannot be used; KeepTraceError and OSError if there is no
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
        """Tells that this process answers."""
        self._pid = os.getpid()
        announce(self._directory, Facts(self._pid, start_of(self._pid), self.signal))

    def end(self) -> None:
        """Takes that back, as the process ends. A forked child leaves its parent's word alone."""
        if self._pid == os.getpid():
            withdraw(self._directory, self._pid)
