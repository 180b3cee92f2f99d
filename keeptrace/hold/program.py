"""The program of a held process: has the program ended?"""

from __future__ import annotations

import os


class Program:
    """The process with this pid.

    fd: a descriptor, readable from the end of the program on; None on a system without pidfd.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = False
        self.fd: int | None = None
        try:
            if hasattr(os, "pidfd_open"):
                self.fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._ended = True
        except OSError:  # an older kernel, or a sandbox without pidfd
            pass

    def has_ended(self) -> bool:
        if self._ended:
            return True
        if self.fd is not None:
            import select

            poll = select.poll()
            poll.register(self.fd, select.POLLIN)
            return bool(poll.poll(0))
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return True
        return False
